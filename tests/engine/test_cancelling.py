"""Cancelling what runs: its holder learns of it and interrupts the task; the job is CANCELLED once it has stopped."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bench import Bench, create, ended, read
from eventually import eventually

from engine.errors import InvalidState
from engine.runs import Run
from engine.states import Trigger
from engine.store.listing import JobFilter
from engine.store.store import Store
from engine.worker import Worker
from models.enums import JobStatus

MakeWorker = Callable[..., Worker]


async def run_long(store: Store, bench: Bench, task: str, **fields: object) -> int:
    """The id of a job whose task has begun."""
    [job_id] = await create(store, task, **fields)
    await eventually(lambda: job_id in bench.started)
    return job_id


async def test_in_the_same_process(store: Store, bench: Bench, make_worker: MakeWorker) -> None:
    """At once: the commit tells the worker."""
    worker = make_worker()
    job_id = await run_long(store, bench, "waits")
    assert (await store.change_job(job_id, Trigger.CANCEL)).status is JobStatus.RUNNING
    await eventually(lambda: ended(store, [job_id], JobStatus.CANCELLED), timeout_seconds=0.9)
    assert bench.interrupted == [job_id]
    job = await read(store, job_id)
    assert (job.attempt, job.error, job.result_text) == (1, None, None)
    assert job.finished_at == job.updated_at
    await eventually(lambda: not worker.held)
    with pytest.raises(InvalidState):
        await store.change_job(job_id, Trigger.CANCEL)


async def test_in_another_process(store: Store, bench: Bench, make_worker: MakeWorker, open_store) -> None:
    make_worker()
    job_id = await run_long(store, bench, "waits")
    other = await open_store()
    assert await other.change_jobs(JobFilter(ids=(job_id,)), Trigger.CANCEL) == 1
    await eventually(lambda: ended(store, [job_id], JobStatus.CANCELLED))
    assert bench.interrupted == [job_id]


async def test_by_the_heartbeat(store: Store, bench: Bench, make_worker: MakeWorker, open_store) -> None:
    worker = make_worker()
    job_id = await run_long(store, bench, "waits")
    await (await open_store()).change_job(job_id, Trigger.CANCEL)
    assert worker.id is not None
    await worker.heart.beat(worker.id)
    await eventually(lambda: ended(store, [job_id], JobStatus.CANCELLED))


async def test_one_that_is_claimed_and_has_not_begun(
    store: Store, bench: Bench, make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = make_worker(slots=1)
    first = await run_long(store, bench, "waits")
    monkeypatch.setattr(worker, "_wanted", lambda: 5)
    monkeypatch.setattr(worker, "_wanted_now", lambda: 5)
    [waiting] = await create(store, "waits")
    await eventually(lambda: waiting in worker.held)
    await store.change_job(waiting, Trigger.CANCEL)
    await eventually(lambda: ended(store, [waiting], JobStatus.CANCELLED))
    bench.gate.set()
    await eventually(lambda: ended(store, [first]))
    assert bench.started == [first]


async def test_a_task_that_fails_while_being_cancelled(store: Store, bench: Bench, make_worker: MakeWorker) -> None:
    make_worker()
    job_id = await run_long(store, bench, "tidies")
    await store.change_job(job_id, Trigger.CANCEL)
    await eventually(lambda: ended(store, [job_id], JobStatus.CANCELLED))
    job = await read(store, job_id)
    assert job.error is not None
    assert job.error.message == "ValueError: no way to tidy up"


async def test_a_thread_that_heeds_it(store: Store, bench: Bench, make_worker: MakeWorker) -> None:
    make_worker()
    job_id = await run_long(store, bench, "heeds")
    await store.change_job(job_id, Trigger.CANCEL)
    await eventually(lambda: ended(store, [job_id], JobStatus.CANCELLED))
    assert bench.interrupted == [job_id]


async def test_a_task_that_heeds_nothing_is_cut_off(
    store: Store, bench: Bench, make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its slot is free for others, and what it returns later is nobody's."""
    worker = make_worker(slots=1)
    job_id = await run_long(store, bench, "stubborn")
    await store.change_job(job_id, Trigger.CANCEL)
    await eventually(lambda: bench.interrupted == [job_id])
    assert (await read(store, job_id)).status is JobStatus.RUNNING
    monkeypatch.setattr(Run, "is_overdue", lambda _run, _now: True)
    await eventually(lambda: ended(store, [job_id], JobStatus.CANCELLED))
    monkeypatch.undo()
    [other] = await create(store, "quick")
    await eventually(lambda: ended(store, [other]))
    bench.gate.set()
    await eventually(lambda: not worker._cut_off)
    assert (await read(store, job_id)).status is JobStatus.CANCELLED
    assert [event.to for event in (await store.reads.events_of([job_id]))[job_id]] == ["QUEUED", "RUNNING", "CANCELLED"]


async def test_a_timeout_that_is_not_heeded(
    store: Store, bench: Bench, make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = make_worker()
    job_id = await run_long(store, bench, "stubborn", timeout_seconds=0.05, max_attempts=1)
    await eventually(lambda: bench.interrupted == [job_id])
    monkeypatch.setattr(Run, "is_overdue", lambda _run, _now: True)
    await eventually(lambda: ended(store, [job_id], JobStatus.FAILED))
    job = await read(store, job_id)
    assert job.error is not None
    assert job.error.code == "TIMEOUT"
    bench.gate.set()
    await eventually(lambda: not worker._cut_off)


async def test_stopping_does_not_wait_for_what_heeds_nothing(
    store: Store, bench: Bench, make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.worker.STOP_SECONDS", 0.05)
    worker = make_worker()
    job_id = await run_long(store, bench, "stubborn")
    await worker.stop()
    job = await read(store, job_id)
    assert (job.status, job.attempt) == (JobStatus.QUEUED, 0)
    bench.gate.set()
    await eventually(lambda: not worker._cut_off)


async def test_a_worker_that_was_forgotten_comes_back(store: Store, bench: Bench, make_worker: MakeWorker) -> None:
    worker = make_worker()
    await run_long(store, bench, "waits")
    forgotten = worker.id
    assert forgotten is not None
    await store.unregister_worker(forgotten)
    await worker.heart.beat(forgotten)
    [seen] = await store.reads.workers()
    assert seen.id == worker.id != forgotten
    bench.gate.set()


async def test_a_job_that_was_lost_and_claimed_again_here(store: Store, bench: Bench, make_worker: MakeWorker) -> None:
    """The attempt before is interrupted; the new one alone counts."""
    worker = make_worker()
    job_id = await run_long(store, bench, "waits")
    async with store.database.transaction() as transaction:
        await transaction.execute(f"UPDATE jobs SET lease_until='2020-01-01 00:00:00.000000' WHERE id={job_id}")
    assert [each.job_id for each in await store.rescue()] == [job_id]
    await eventually(lambda: bench.started == [job_id, job_id])
    await eventually(lambda: bench.interrupted == [job_id])
    bench.gate.set()
    await eventually(lambda: ended(store, [job_id]))
    assert (await read(store, job_id)).attempt == 2
    await eventually(lambda: not worker.held)
    assert not worker._cut_off
