"""Rescue of lost claims, and what else is kept in order: on every kind of database, by any number of processes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from databases import OpenStore, age
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

from engine.records import Finish
from engine.states import Trigger
from engine.store.database import to_text
from engine.store.listing import JobFilter
from engine.store.store import Store
from engine.store.unit import Unit
from engine.store.upkeep import Rescued
from models.enums import JobPriority, JobStatus

OVER = -1.0
"""A lease that has ended before it began."""


async def lost(store: Store, **fields: Any) -> int:
    """A job whose worker is gone."""
    job = await create(store, run=True, **fields)
    [claimed] = await claim(store, lease_seconds=OVER)
    assert claimed.id == job.id
    return job.id


async def test_a_lost_claim_is_tried_again(store: Store) -> None:
    job_id = await lost(store, tags=["a"])
    assert await store.rescue() == [Rescued(job_id, 1, JobStatus.QUEUED)]
    job = await fetch_job(store, job_id)
    assert (job.status, job.attempt, job.finished_at) == (JobStatus.QUEUED, 1, None)
    assert job.error is not None
    assert job.error.code == "WORKER_LOST"
    await assert_history_is_sound(store, [job_id])
    [attempt] = (await store.reads.attempts_of([job_id]))[job_id]
    assert (attempt.number, attempt.outcome) == (1, JobStatus.QUEUED)
    assert attempt.error == job.error
    assert await store.rescue() == []
    [again] = await claim(store)
    assert (again.id, again.attempt) == (job_id, 2)


async def test_the_last_attempt_that_is_lost_fails(store: Store) -> None:
    """A job that kills its workers ends after its attempts."""
    job_id = await lost(store, max_attempts=2)
    await store.rescue()
    [again] = await claim(store, lease_seconds=OVER)
    assert again.attempt == 2
    assert await store.rescue() == [Rescued(job_id, 2, JobStatus.FAILED)]
    job = await fetch_job(store, job_id)
    assert (job.status, job.attempt, job.finished_at) == (JobStatus.FAILED, 2, job.updated_at)
    assert job.error is not None
    assert job.error.code == "WORKER_LOST"
    assert await claim(store) == []


async def test_a_lost_claim_that_was_to_be_cancelled(store: Store) -> None:
    job_id = await lost(store)
    await store.change_job(job_id, Trigger.CANCEL)
    assert await store.rescue() == [Rescued(job_id, 1, JobStatus.CANCELLED)]
    assert (await fetch_job(store, job_id)).error is None


async def test_what_is_held_stays(store: Store) -> None:
    held = await job_in(store, JobStatus.RUNNING)
    gone = await lost(store)
    before = await fetch_job(store, held)
    assert await store.rescue() == [Rescued(gone, 1, JobStatus.QUEUED)]
    assert await fetch_job(store, held) == before


@pytest.mark.parametrize("lane", ["workers", "upkeep"])
async def test_a_rescue_waits_behind_nothing_else(store: Store, lane: str) -> None:
    """A transaction of a worker's batch, or of the pruner, may take seconds; the rescue has one of its own."""
    if store.database.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    gone = await lost(store)
    began, may_end = asyncio.Event(), asyncio.Event()

    async def slowly(_unit: Unit, requests: Sequence[None]) -> Sequence[None]:
        began.set()
        await may_end.wait()
        return requests

    slow = getattr(store, f"_{lane}_lane").submit(slowly, None)
    await began.wait()
    try:
        async with asyncio.timeout(10):
            assert await store.rescue() == [Rescued(gone, 1, JobStatus.QUEUED)]
    finally:
        may_end.set()
        await slow


async def test_a_late_finish_is_refused(store: Store) -> None:
    await create(store, run=True)
    [late] = await claim(store, lease_seconds=OVER)
    await store.rescue()
    before = await everything(store)
    for finish in (Finish.completed(late, "1"), Finish.released(late), Finish.cancelled(late)):
        assert not await store.finish(finish)
    assert await everything(store) == before


async def test_a_finish_in_time_for_the_rescuer(store: Store) -> None:
    """Until somebody has rescued it, the claim is its worker's, however late."""
    await create(store, run=True)
    [late] = await claim(store, lease_seconds=OVER)
    assert await store.finish(Finish.completed(late, "1"))
    assert await store.rescue() == []


async def test_many_rescuers_at_once(open_store: OpenStore) -> None:
    stores = [await open_store() for _ in range(3)]
    created = await stores[0].create_jobs(
        [new_job(run=True, priority=JobPriority(n % 3 + 1), tags=["a"]) for n in range(60)]
    )
    await claim(stores[0], 60, lease_seconds=OVER)
    rescued = [each for found in await asyncio.gather(*(store.rescue() for store in stores * 2)) for each in found]
    rescued += [each for store in stores for each in await store.rescue()]
    assert sorted(each.job_id for each in rescued) == [each.job.id for each in created]
    ids = [each.job.id for each in created]
    await assert_history_is_sound(stores[0], ids)
    assert len(await rows_of(stores[0], "job_event")) == 180


async def test_the_wish_to_cancel_outlives_a_failed_attempt(store: Store) -> None:
    """What would be tried again, or put back, is CANCELLED; what has completed has won."""
    await store.create_jobs([new_job(run=True) for _ in range(4)])
    jobs = await claim(store, 4)
    for job in jobs:
        await store.change_job(job.id, Trigger.CANCEL)
    ends = [
        Finish.retried(jobs[0], ERROR, 5.0),
        Finish.released(jobs[1]),
        Finish.cancelled(jobs[2]),
        Finish.completed(jobs[3], "1"),
    ]
    assert all(await asyncio.gather(*(store.finish(each) for each in ends)))
    found = [await fetch_job(store, job.id) for job in jobs]
    assert [job.status for job in found] == [JobStatus.CANCELLED] * 3 + [JobStatus.COMPLETED]
    assert found[0].error == ERROR
    assert all(job.finished_at == job.updated_at for job in found)
    assert [job.attempt for job in found] == [1] * 4
    await assert_history_is_sound(store, [job.id for job in jobs])
    again = await store.change_job(jobs[0].id, Trigger.RETRY)
    assert again.status is JobStatus.QUEUED
    [claimed] = await claim(store)
    assert await store.reads.to_cancel([claimed.id]) == set()


async def test_silent_workers_are_forgotten(store: Store) -> None:
    silent = await store.register_worker("a", 1, 10)
    alive = await store.register_worker("b", 2, 10)
    await age(store, "worker", "heartbeat_at", f"id={silent}", 61)
    assert await store.forget_workers(60.0) == 1
    assert [worker.id for worker in await store.reads.workers()] == [alive]


async def test_old_jobs_are_pruned(open_store: OpenStore) -> None:
    store = await open_store(outbox=one_delivery)
    ended = [await job_in(store, each, tags=["a"]) for each in (JobStatus.COMPLETED, JobStatus.FAILED)]
    ended.append(await job_in(store, JobStatus.CANCELLED, tags=["a"]))
    recent = await job_in(store, JobStatus.COMPLETED, tags=["a"])
    waiting = await job_in(store, JobStatus.PENDING, tags=["a"])
    for column in ("updated_at", "listed_at"):
        await age(store, "jobs", column, f"id<>{recent}", 86_401)
    assert await store.prune(86_400.0, 2) == 2
    assert await store.prune(86_400.0, 2) == 1
    assert await store.prune(86_400.0, 2) == 0
    assert set(await store.reads.jobs_by_id([*ended, recent, waiting])) == {recent, waiting}
    for table, column in (("job_event", 1), ("job_tag", 1), ("webhook_delivery", 2)):
        assert {row[column] for row in await rows_of(store, table)} <= {recent, waiting}, table


async def test_a_job_that_was_retried_is_not_pruned(store: Store) -> None:
    job_id = await job_in(store, JobStatus.FAILED)
    for column in ("updated_at", "listed_at"):
        await age(store, "jobs", column, f"id={job_id}", 86_401)
    await store.change_job(job_id, Trigger.RETRY)
    assert await store.prune(86_400.0, 10) == 0


@pytest.mark.parametrize("limit", [1, 7])
async def test_pruners_side_by_side(open_store: OpenStore, limit: int) -> None:
    stores = [await open_store(), await open_store()]
    await stores[0].create_jobs([new_job(run=True) for _ in range(20)])
    jobs = await claim(stores[0], 20)
    await asyncio.gather(*(stores[0].finish(Finish.completed(job, None)) for job in jobs))
    for column in ("updated_at", "listed_at"):
        await age(stores[0], "jobs", column, "id>0", 100)
    pruned = 0
    while found := sum(await asyncio.gather(*(store.prune(10.0, limit) for store in stores))):
        pruned += found
    assert pruned == 20
    assert not any((await everything(stores[0])).values())


async def test_long_logs_are_removed_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction deletes more than a chunk of lines, whether the pruner or a client removes their jobs."""
    monkeypatch.setattr("engine.store.writes.LOG_CHUNK", 4)
    columns = ("job_id", "attempt", "at", "level", "message")
    for remove in ("prune", "delete"):
        job_id = await job_in(store, JobStatus.COMPLETED)
        async with store.database.transaction() as transaction:
            await transaction.insert(
                "job_log", columns, [(job_id, 1, transaction.now_text, "info", str(n)) for n in range(10)]
            )
        if remove == "prune":
            for column in ("updated_at", "listed_at"):
                await age(store, "jobs", column, f"id={job_id}", 100)
            assert [await store.prune(10.0, 5) for _ in range(4)] == [4, 4, 1, 0]
        else:
            assert await store.delete_jobs(JobFilter(ids=(job_id,))) == 1
        assert await rows_of(store, "job_log") == []
        assert await store.reads.job(job_id) is None


async def test_old_firings_are_pruned(store: Store) -> None:
    async with store.database.transaction() as transaction:
        times = [to_text(transaction.now - timedelta(seconds=ago)) for ago in (300, 200, 50)]
        await transaction.insert(
            "schedule_firing", ("schedule_id", "fire_at", "job_id"), [(1, each, None) for each in times]
        )
    assert [await store.prune_firings(100.0, 1) for _ in range(3)] == [1, 1, 0]
    [left] = await rows_of(store, "schedule_firing")
    assert left[2] == times[2]
