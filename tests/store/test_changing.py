"""Run, cancel, retry and delete: every status with every trigger, and nothing changed by a refusal."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from makers import (
    ERROR,
    assert_history_is_sound,
    claim,
    create,
    everything,
    fetch_job,
    job_in,
    new_job,
    one_delivery,
    rows_of,
)

from engine.errors import InvalidState, NotFound
from engine.records import Finish
from engine.states import Trigger, is_legal, target
from engine.store.listing import JobFilter
from engine.store.reads import MAX_ID
from engine.store.store import Store
from models.enums import JobPriority, JobStatus

ASKED_BY_CLIENTS = (Trigger.RUN, Trigger.CANCEL, Trigger.RETRY)


@pytest.mark.parametrize(("status", "trigger"), list(product(JobStatus, ASKED_BY_CLIENTS)))
async def test_every_status_with_every_trigger(store: Store, status: JobStatus, trigger: Trigger) -> None:
    job_id = await job_in(store, status, tags=["a"])
    before = await everything(store)
    was = await fetch_job(store, job_id)
    assert was.status is status
    if status is JobStatus.RUNNING and trigger is Trigger.CANCEL:
        assert await store.change_job(job_id, trigger) == was
        assert await store.reads.to_cancel([job_id]) == {job_id}
        assert (await everything(store))["job_event"] == before["job_event"]
        return
    if not is_legal(status, trigger):
        with pytest.raises(InvalidState) as refusal:
            await store.change_job(job_id, trigger)
        assert refusal.value.status == status
        assert await everything(store) == before
        return
    changed = await store.change_job(job_id, trigger)
    assert changed.status is target(status, trigger, job_id)
    assert await fetch_job(store, job_id) == changed
    await assert_history_is_sound(store, [job_id])
    assert len(await rows_of(store, "job_event")) == len(before["job_event"]) + 1
    if trigger is Trigger.CANCEL:
        assert changed == replace(
            was, status=changed.status, updated_at=changed.updated_at, finished_at=changed.updated_at
        )
    else:
        assert changed.run_at == changed.updated_at
    if trigger is Trigger.RETRY:
        kept = (changed.attempt, changed.started_at, changed.finished_at, changed.result_text, changed.progress)
        assert kept == (0, None, None, None, None)
        assert changed.error == was.error
    [tag] = await store.database.fetch(
        "SELECT job_tag.run_at, jobs.run_at, job_tag.updated_at, jobs.updated_at "
        "FROM job_tag JOIN jobs ON jobs.id=job_tag.job_id"
    )
    assert (tag[0], tag[2]) == (tag[1], tag[3])


@pytest.mark.parametrize("trigger", ASKED_BY_CLIENTS)
@pytest.mark.parametrize("job_id", [0, 999_999_999, MAX_ID, MAX_ID + 1, 10**30])
async def test_there_is_no_such_job(store: Store, trigger: Trigger, job_id: int) -> None:
    await create(store)
    before = await everything(store)
    with pytest.raises(NotFound, match=str(job_id)):
        await store.change_job(job_id, trigger)
    with pytest.raises(NotFound):
        await store.delete_job(job_id)
    assert await everything(store) == before


async def test_many_changes_of_one_job_at_once_are_taken_in_turn(store: Store) -> None:
    job = await create(store, tags=["a"])
    triggers = [Trigger.RUN, Trigger.CANCEL, Trigger.CANCEL, Trigger.RETRY, Trigger.RUN, Trigger.CANCEL]
    answers = await asyncio.gather(*(store.change_job(job.id, each) for each in triggers), return_exceptions=True)
    assert [isinstance(each, InvalidState) for each in answers] == [False, False, True, False, True, False]
    assert answers[-1] == await fetch_job(store, job.id)
    await assert_history_is_sound(store, [job.id])


async def test_what_a_retry_resets_stays_so_when_it_is_cancelled_at_once(store: Store) -> None:
    job_id = await job_in(store, JobStatus.COMPLETED)
    _retried, cancelled = await asyncio.gather(
        store.change_job(job_id, Trigger.RETRY), store.change_job(job_id, Trigger.CANCEL)
    )
    assert (cancelled.attempt, cancelled.result_text, cancelled.started_at) == (0, None, None)
    assert await fetch_job(store, job_id) == cancelled


async def test_a_refusal_in_a_batch_fails_its_caller_alone(store: Store) -> None:
    jobs = [each.job for each in await store.create_jobs([new_job() for _ in range(10)])]
    await store.change_job(jobs[3].id, Trigger.CANCEL)
    answers = await asyncio.gather(
        *(store.change_job(job.id, Trigger.RUN) for job in jobs),
        store.change_job(10**12, Trigger.RUN),
        return_exceptions=True,
    )
    assert isinstance(answers[3], InvalidState)
    assert isinstance(answers[10], NotFound)
    assert [each.status for index, each in enumerate(answers) if index not in (3, 10)] == [JobStatus.QUEUED] * 9


def filters(ids: list[int], created_at: list) -> dict[str, tuple[JobFilter, set[int]]]:
    """Filters over the six jobs of ``various_jobs``, and the places of those that a RUN of each changes."""
    return {
        "everything": (JobFilter(), {0, 1, 2, 4}),
        "ids": (JobFilter(ids=(ids[0], ids[3], ids[4], 10**15)), {0, 4}),
        "no ids": (JobFilter(ids=()), set()),
        "status": (JobFilter(status=(JobStatus.SCHEDULED, JobStatus.CANCELLED)), {4}),
        "a status that cannot be run": (JobFilter(status=(JobStatus.COMPLETED,)), set()),
        "priority": (JobFilter(priority=(JobPriority.HIGH, JobPriority.LOW)), {0, 2}),
        "task name": (JobFilter(task_name="Report"), {1}),
        "tag": (JobFilter(tag="b"), {1, 2}),
        "search": (JobFilter(search="REP"), {0, 1, 2}),
        "created": (JobFilter(created_after=created_at[0], created_before=created_at[4]), {1, 2}),
        "together": (JobFilter(tag="b", priority=(JobPriority.LOW,), status=(JobStatus.PENDING,)), {2}),
    }


FILTER_NAMES = list(filters([0] * 6, [None] * 6))


async def various_jobs(store: Store) -> tuple[list[int], list]:
    later = await store.database.now() + timedelta(hours=1)
    jobs = [
        await create(store, "report", priority=JobPriority.HIGH, tags=["a"]),
        await create(store, "Report", tags=["b"]),
        await create(store, "report ", priority=JobPriority.LOW, tags=["a", "b"]),
        await create(store, "report", run=True),
        await create(store, "email", run_at=later),
        await create(store, "email", tags=["b"]),
    ]
    await store.change_job(jobs[5].id, Trigger.CANCEL)
    return [job.id for job in jobs], [job.created_at for job in jobs]


@pytest.mark.parametrize("name", FILTER_NAMES)
async def test_change_all_that_match_a_filter(store: Store, name: str) -> None:
    ids, created_at = await various_jobs(store)
    before = await everything(store)
    where, places = filters(ids, created_at)[name]
    expected = {ids[place] for place in places}
    assert await store.count_changeable(where, Trigger.RUN) == len(expected)
    assert await everything(store) == before
    assert await store.change_jobs(where, Trigger.RUN) == len(expected)
    rows = await store.database.fetch("SELECT job_id FROM job_event WHERE to_status='QUEUED' ORDER BY seq")
    assert {row[0] for row in rows} == expected | {ids[3]}
    await assert_history_is_sound(store, ids)
    assert await store.count_changeable(where, Trigger.RUN) == 0
    assert await store.change_jobs(where, Trigger.RUN) == 0


async def test_more_jobs_than_one_chunk(store: Store) -> None:
    await asyncio.gather(*(store.create_jobs([new_job() for _ in range(400)]) for _ in range(3)))
    assert await store.change_jobs(JobFilter(), Trigger.RUN) == 1200
    assert await store.change_jobs(JobFilter(), Trigger.CANCEL) == 1200
    counts = (await store.reads.stats()).counts
    assert counts[JobStatus.CANCELLED] == sum(counts.values()) == 1200
    assert len(await rows_of(store, "job_event")) == 3600


async def test_cancelling_all_asks_those_who_run_the_rest(store: Store) -> None:
    running = await job_in(store, JobStatus.RUNNING)
    pending = await create(store)
    done = await job_in(store, JobStatus.CANCELLED)
    assert await store.count_changeable(JobFilter(), Trigger.CANCEL) == 2
    assert await store.change_jobs(JobFilter(), Trigger.CANCEL) == 2
    assert (await fetch_job(store, running)).status is JobStatus.RUNNING
    assert await store.reads.to_cancel([running, pending.id, done]) == {running}
    assert (await fetch_job(store, pending.id)).status is JobStatus.CANCELLED


async def test_retrying_all_that_ended(store: Store) -> None:
    ended = [await job_in(store, each) for each in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)]
    pending = await create(store)
    assert await store.count_changeable(JobFilter(), Trigger.RETRY) == 3
    assert await store.change_jobs(JobFilter(), Trigger.RETRY) == 3
    jobs = await store.reads.jobs_by_id([*ended, pending.id])
    assert [jobs[each].status for each in (*ended, pending.id)] == [JobStatus.QUEUED] * 3 + [JobStatus.PENDING]


async def test_deleting_all_leaves_what_runs(store: Store) -> None:
    running = await job_in(store, JobStatus.RUNNING, tags=["a"])
    gone = [(await create(store, tags=["a"])).id for _ in range(3)]
    kept = await create(store, tags=["b"])
    where = JobFilter(tag="a")
    assert await store.count_deletable(where) == 3
    assert await store.delete_jobs(where) == 3
    assert set(await store.reads.jobs_by_id([running, kept.id, *gone])) == {running, kept.id}
    assert {row[1] for row in await rows_of(store, "job_event")} == {running, kept.id}
    assert await store.delete_jobs(JobFilter(status=(JobStatus.RUNNING,))) == 0


async def test_delete_removes_all_that_belongs_to_a_job(open_store) -> None:
    store = await open_store(outbox=one_delivery)
    kept = await create(store, tags=["a"])
    job_id = await job_in(store, JobStatus.COMPLETED, tags=["a", "b"])
    [delivery] = await store.claim_deliveries(10, 30.0)
    before = await everything(store)
    assert all(before[table] for table in ("jobs", "job_tag", "job_event", "webhook_delivery"))
    assert delivery.body == f'{{"jobId":{job_id}}}'.encode()
    assert await store.delete_job(job_id) == job_id
    after = await everything(store)
    assert [row[0] for row in after["jobs"]] == [kept.id]
    assert {row[1] for row in after["job_tag"]} == {row[1] for row in after["job_event"]} == {kept.id}
    assert after["webhook_delivery"] == after["webhook_try"] == []
    with pytest.raises(NotFound):
        await store.delete_job(job_id)


async def test_a_running_job_is_not_deleted(store: Store) -> None:
    job_id = await job_in(store, JobStatus.RUNNING)
    before = await everything(store)
    with pytest.raises(InvalidState, match=f"Job {job_id} is RUNNING"):
        await store.delete_job(job_id)
    assert await everything(store) == before


async def test_two_who_delete_one_job(store: Store) -> None:
    job = await create(store)
    answers = await asyncio.gather(store.delete_job(job.id), store.delete_job(job.id), return_exceptions=True)
    assert answers[0] == job.id
    assert isinstance(answers[1], NotFound)


async def test_an_error_stays_until_an_attempt_writes_another(store: Store) -> None:
    job_id = await job_in(store, JobStatus.FAILED)
    await store.change_job(job_id, Trigger.RETRY)
    [claimed] = await claim(store)
    await store.finish(Finish.completed(claimed, None))
    assert (await fetch_job(store, job_id)).error == ERROR
