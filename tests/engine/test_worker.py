"""A worker runs what is queued, within its slots, reports it once, and leaves nothing behind when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from bench import Bench, create, ended, read
from databases import age
from eventually import eventually

from engine.errors import Unavailable
from engine.heart import IDLE_TURNS
from engine.promoter import Promoter
from engine.records import Finish
from engine.store.lane import Answer
from engine.store.store import Store
from engine.worker import Worker
from models.enums import JobStatus


async def test_it_runs_everything_once(store: Store, bench: Bench, make_worker: Callable[..., Worker]) -> None:
    make_worker()
    ids = await create(store, "quick", 300)
    await eventually(lambda: ended(store, ids), timeout_seconds=15)
    assert sorted(bench.started) == ids
    assert {job.result_text for job in (await store.reads.jobs_by_id(ids)).values()} == {str(each) for each in ids}


async def test_two_workers_share_without_doubling(
    store: Store, bench: Bench, make_worker: Callable[..., Worker], open_store: Any
) -> None:
    make_worker()
    make_worker(await open_store())
    ids = await create(store, "quick", 300)
    await eventually(lambda: ended(store, ids), timeout_seconds=15)
    assert sorted(bench.started) == ids


async def test_never_more_at_once_than_slots(store: Store, bench: Bench, make_worker: Callable[..., Worker]) -> None:
    worker = make_worker()
    ids = await create(store, "waits", 10)
    await eventually(lambda: len(bench.started) == 4)
    await eventually(lambda: worker.is_free == 0)
    assert len([job for job in (await store.reads.jobs_by_id(ids)).values() if job.status is JobStatus.RUNNING]) == 4
    bench.gate.set()
    await eventually(lambda: ended(store, ids), timeout_seconds=15)
    assert bench.most_at_once == 4


async def test_progress_is_seen_while_it_runs(store: Store, bench: Bench, make_worker: Callable[..., Worker]) -> None:
    make_worker()
    [job_id] = await create(store, "waits")

    async def halfway() -> bool:
        return (await read(store, job_id)).progress == 0.5

    await eventually(halfway)
    bench.gate.set()
    await eventually(lambda: ended(store, [job_id]))
    assert (await read(store, job_id)).progress == 1.0


async def test_failures_wait_for_another_attempt_or_end(store: Store, make_worker: Callable[..., Worker]) -> None:
    make_worker()
    [again] = await create(store, "fails")
    [last] = await create(store, "fails", max_attempts=1)
    [permanent] = await create(store, "fails_for_good")
    await eventually(lambda: ended(store, [again], JobStatus.SCHEDULED))
    await eventually(lambda: ended(store, [last, permanent], JobStatus.FAILED))
    job = await read(store, again)
    assert job.error is not None
    assert (job.error.code, job.error.message, job.attempt) == ("TASK_ERROR", "ValueError: no luck", 1)
    assert "no luck" in (job.error.traceback or "")
    assert job.run_at is not None
    assert 13.4 < (job.run_at - job.updated_at).total_seconds() < 16.6
    failed = await read(store, permanent)
    assert failed.error is not None
    assert (failed.error.code, failed.attempt) == ("NEVER", 1)


async def test_stopping_puts_back_what_was_not_done(
    store: Store, bench: Bench, make_worker: Callable[..., Worker]
) -> None:
    worker = make_worker()
    ids = await create(store, "waits", 6)
    await eventually(lambda: len(bench.started) == 4)
    await worker.stop()
    jobs = await store.reads.jobs_by_id(ids)
    assert {job.status for job in jobs.values()} == {JobStatus.QUEUED}
    assert {job.attempt for job in jobs.values()} == {0}
    assert len(bench.interrupted) == 4
    assert await store.reads.workers() == []


async def test_the_grace_period_lets_work_end(store: Store, bench: Bench, make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(grace_seconds=10.0)
    ids = await create(store, "waits", 2)
    await eventually(lambda: len(bench.started) == 2)
    stopping = asyncio.create_task(worker.stop())
    await eventually(lambda: worker._draining)
    bench.gate.set()
    await stopping
    assert await ended(store, ids)


async def test_a_late_refusal_leaves_the_next_claim_of_the_same_job(
    store: Store, make_worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job was rescued while its report waited, and this worker has claimed it again: the heart must know it."""
    answers: list[Answer] = []

    def report(_finish: Finish, answer: Answer) -> None:
        answers.append(answer)

    monkeypatch.setattr(store, "report", report)
    worker = make_worker()
    [job_id] = await create(store, "quick")
    await eventually(lambda: len(answers) == 1)

    async def rescued() -> bool:
        async with store.database.transaction() as transaction:
            long_ago = "'2001-01-01 00:00:00.000000'"
            await transaction.execute(f"UPDATE jobs SET lease_until={long_ago}, updated_at={long_ago}")
        return bool(await store.rescue())

    await eventually(rescued)  # the heart may have renewed the lease in between
    await eventually(lambda: len(answers) == 2)
    answers[0].set_result(False)
    assert worker.held[job_id].attempt == 2
    answers[1].set_result(True)
    await eventually(lambda: not worker.held)


async def test_a_lost_claim_is_interrupted_and_reports_nothing(
    store: Store, bench: Bench, make_worker: Callable[..., Worker]
) -> None:
    worker = make_worker()
    [job_id] = await create(store, "waits")
    await eventually(lambda: bench.started == [job_id])
    async with store.database.transaction() as rescuer:
        await rescuer.execute(f"UPDATE jobs SET claim_token=42 WHERE id={job_id}")
    assert worker.id is not None
    await worker.heart.beat(worker.id)
    await eventually(lambda: bench.interrupted == [job_id])
    await eventually(lambda: not worker.held)
    assert (await read(store, job_id)).status is JobStatus.RUNNING
    assert len((await store.reads.events_of([job_id]))[job_id]) == 2


async def test_the_heartbeat_moves_the_lease(store: Store, bench: Bench, make_worker: Callable[..., Worker]) -> None:
    worker = make_worker()
    [job_id] = await create(store, "waits")
    await eventually(lambda: bench.started == [job_id])
    [(before,)] = await store.database.fetch(f"SELECT lease_until FROM jobs WHERE id={job_id}")
    assert worker.id is not None
    await worker.heart.beat(worker.id)
    [(after,)] = await store.database.fetch(f"SELECT lease_until FROM jobs WHERE id={job_id}")
    assert after > before
    [seen] = await store.reads.workers()
    assert (seen.id, seen.slots, seen.running) == (worker.id, 4, 1)
    bench.gate.set()


async def test_an_idle_worker_shows_that_it_is_alive(
    store: Store, make_worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one statement, at every third of its turns; one that was taken off the list puts itself back on it."""
    worker = make_worker()
    await eventually(lambda: worker.health.turns > 0)
    await worker.heart.stop()
    begun = 0
    whole = store.database.transaction

    def counted() -> Any:
        nonlocal begun
        begun += 1
        return whole()

    monkeypatch.setattr(store.database, "transaction", counted)
    passed = 0.0
    now = store.clock.monotonic()
    monkeypatch.setattr(store.clock, "monotonic", lambda: now + passed)
    beats = []
    monkeypatch.setattr(worker.heart, "_last_beat", now)
    worker.heart.progress[1] = 0.5  # of a job that has ended
    for _ in range(6):
        passed += IDLE_TURNS * worker.heart.interval_seconds
        await age(store, "worker", "heartbeat_at", f"id={worker.id}", 40.0)
        before = begun
        assert await worker.heart.run_once() == IDLE_TURNS * worker.heart.interval_seconds
        beats.append(await store.reads.is_any_worker_alive(30.0))
        assert begun - before <= (store.database.dialect == "sqlite")
    assert beats == [False, False, True, False, False, True]
    assert not worker.heart.progress
    first = worker.id
    await store.unregister_worker(first)  # type: ignore[arg-type]
    await worker.heart.beat(first)  # type: ignore[arg-type]
    assert worker.id != first
    assert [each.id for each in await store.reads.workers()] == [worker.id]


async def test_threads(store: Store, bench: Bench, make_worker: Callable[..., Worker]) -> None:
    make_worker()
    [job_id] = await create(store, "in_a_thread")
    await eventually(lambda: bench.started == [job_id])
    bench.thread_gate.set()
    await eventually(lambda: ended(store, [job_id]))
    assert (await read(store, job_id)).result_text.startswith('"task')  # type: ignore[union-attr]


async def test_results_survive_an_outage(
    store: Store, bench: Bench, make_worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_worker()
    ids = await create(store, "waits", 3)
    await eventually(lambda: len(bench.started) == 3)
    whole = store.database.transaction
    refused = 0

    def down() -> Any:
        nonlocal refused
        refused += 1
        raise Unavailable

    monkeypatch.setattr(store.database, "transaction", down)
    bench.gate.set()
    await eventually(lambda: refused > 2)
    monkeypatch.setattr(store.database, "transaction", whole)
    await eventually(lambda: ended(store, ids), timeout_seconds=10)
    assert sorted(bench.started) == ids


async def test_due_jobs_are_promoted(store: Store, bench: Bench, make_worker: Callable[..., Worker]) -> None:
    make_worker()
    now = await store.database.now()
    [job_id] = await create(store, "quick", run=False, run_at=now.replace(year=now.year + 1))
    promoter = Promoter(store)
    assert await promoter.run_once() == 1.0
    assert (await read(store, job_id)).status is JobStatus.SCHEDULED
    async with store.database.transaction() as transaction:
        await transaction.execute(f"UPDATE jobs SET run_at='{transaction.now_text}' WHERE id={job_id}")
    assert await promoter.run_once() == 0.0
    await eventually(lambda: ended(store, [job_id]))
    assert await promoter.run_once() == Promoter.idle_seconds
