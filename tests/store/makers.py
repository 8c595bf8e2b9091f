"""Short ways to make jobs and take them through their lives, and to see all that the store holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from engine.records import ClaimedJob, ErrorRecord, Finish, JobRecord, NewDelivery, NewJob
from engine.states import Trigger
from engine.store.claims import ClaimRequest
from engine.store.routing import Takes
from engine.store.store import Store
from engine.store.unit import Ending, Unit
from models.enums import JobStatus, WebhookEvent

_workers: WeakKeyDictionary[Store, int] = WeakKeyDictionary()
ERROR = ErrorRecord("TASK_ERROR", "it broke", "Traceback ...")


def new_job(task_name: str = "report", **fields: Any) -> NewJob:
    fields.setdefault("max_attempts", 3)
    fields.setdefault("timeout_seconds", 60.0)
    return NewJob(task_name=task_name, **fields)


async def create(store: Store, task_name: str = "report", **fields: Any) -> JobRecord:
    [created] = await store.create_jobs([new_job(task_name, **fields)])
    return created.job


async def claim(
    store: Store, limit: int = 1, *, worker: str = "host-1", lease_seconds: float = 30.0, takes: Takes | None = None
) -> list[ClaimedJob]:
    return await store.claim(ClaimRequest(await worker_of(store), worker, limit, lease_seconds, takes=takes))


async def worker_of(store: Store) -> int:
    """The worker that claims for this store; it is on the list, as all are that claim what has limits."""
    if store not in _workers:
        _workers[store] = await store.register_worker("host", 1, 10)
    return _workers[store]


async def job_in(store: Store, status: JobStatus, **fields: Any) -> int:
    """The id of a new job, taken to ``status``. There must be no other QUEUED job."""
    if status is JobStatus.SCHEDULED:
        job = await create(store, run=True, **fields)
        [claimed] = await claim(store)
        assert await store.finish(Finish.retried(claimed, ERROR, 3600.0))
        return job.id
    job = await create(store, run=status is not JobStatus.PENDING, **fields)
    if status is JobStatus.CANCELLED:
        await store.change_job(job.id, Trigger.CANCEL)
    if status in (JobStatus.RUNNING, JobStatus.COMPLETED, JobStatus.FAILED):
        [claimed] = await claim(store)
        assert claimed.id == job.id
        if status is JobStatus.COMPLETED:
            assert await store.finish(Finish.completed(claimed, '{"ok":true}'))
        elif status is JobStatus.FAILED:
            assert await store.finish(Finish.failed(claimed, ERROR))
    return job.id


async def fetch_job(store: Store, job_id: int) -> JobRecord:
    job = await store.reads.job(job_id)
    assert job is not None
    return job


async def rows_of(store: Store, table: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await store.database.fetch(f"SELECT * FROM {table} ORDER BY 1")]


async def everything(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """All rows that a refusal must leave as they are."""
    tables = ("jobs", "job_tag", "job_event", "job_log", "webhook_delivery", "webhook_try")
    return {table: await rows_of(store, table) for table in tables}


async def assert_history_is_sound(store: Store, job_ids: Sequence[int]) -> None:
    """Each job's events form a chain that begins with its creation and ends in its status, by which it is listed."""
    astray = await store.database.fetch(
        "SELECT id, status, listed_status, updated_at, listed_at FROM jobs WHERE listed_status<>"
        "CASE WHEN status IN ('RUNNING', 'PARKED') THEN 'QUEUED' ELSE status END OR listed_at>updated_at "
        "OR status<>'RUNNING' AND listed_at<>updated_at OR listed_status IS NULL OR listed_at IS NULL"
    )
    assert not astray
    events = await store.reads.events_of(job_ids)
    jobs = await store.reads.jobs_by_id(job_ids)
    for job_id in job_ids:
        history = events[job_id]
        assert [event.from_ for event in history] == [None, *[event.to for event in history[:-1]]]
        assert history[-1].to is jobs[job_id].status
        assert [event.seq for event in history] == sorted(event.seq for event in history)


async def one_delivery(_unit: Unit, endings: Sequence[Ending]) -> list[NewDelivery]:
    """An outbox that tells one receiver of every completion."""
    return [
        NewDelivery(
            f"msg_{each.job_id}_{each.job.claim_token}",
            each.job_id,
            WebhookEvent.JOB_COMPLETED,
            0,
            "http://receiver/",
            f'{{"jobId":{each.job_id}}}'.encode(),
        )
        for each in endings
        if each.job is not None and each.to is JobStatus.COMPLETED
    ]
