"""A worker and the loop that puts jobs back, on tasks that are paused and resumed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from bench import Bench, create, ended
from eventually import eventually

from engine.records import TaskRecord
from engine.store.store import Store
from engine.upkeep import Unparker
from engine.worker import Worker
from models.enums import JobStatus


@pytest.fixture
async def unparker(store: Store) -> AsyncIterator[Unparker]:
    """It looks once an hour, unless it is woken."""
    service = Unparker(store)
    service.interval_seconds = 3600.0
    service.start()
    yield service
    await service.stop()


@pytest.fixture
async def patient_worker(make_worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch) -> Worker:
    """It polls once an hour: whatever it does sooner, it was told to."""
    monkeypatch.setattr(Worker, "interval_seconds", 3600.0)
    worker = make_worker(slots=1)
    await eventually(lambda: worker.health.turns > 0)
    return worker


async def test_a_long_backlog_that_is_paused_holds_up_nobody(
    store: Store, bench: Bench, patient_worker: Worker, unparker: Unparker
) -> None:
    """The worker comes again at once, as long as it finds something to park."""
    await store.pause_task("waits", paused=True)
    for _ in range(3):
        await create(store, "waits", 1000)
    quick = await create(store, "quick", 3)
    await eventually(lambda: ended(store, quick))
    assert bench.started == quick


async def test_a_resumed_task_runs_at_once_and_in_order(
    store: Store, bench: Bench, patient_worker: Worker, unparker: Unparker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.parking.UNPARK_CHUNK", 7)
    await store.pause_task("quick", paused=True)
    ids = await create(store, "quick", 40)

    async def are_parked() -> bool:
        [(count,)] = await store.database.fetch("SELECT COUNT(*) FROM jobs WHERE status='PARKED'")
        return bool(count == len(ids))

    await eventually(are_parked)
    assert await ended(store, ids, JobStatus.QUEUED)
    await store.pause_task("quick", paused=False)
    await eventually(lambda: ended(store, ids))
    assert bench.started == ids


async def test_it_finds_what_others_have_resumed(
    store: Store, bench: Bench, make_worker: Callable[..., Worker]
) -> None:
    """As after a start: what a process that was killed has left is put back by the next turn of any."""
    worker = make_worker()
    await eventually(lambda: worker.health.turns > 0)
    await worker.stop()
    await store.pause_task("quick", paused=True)
    [job_id] = await create(store, "quick")
    async with store.database.transaction() as transaction:
        await transaction.execute("UPDATE jobs SET status='PARKED', parked_task=task_name")
    unparker = Unparker(store)
    assert await unparker.run_once() == unparker.interval_seconds
    async with store.database.transaction() as transaction:
        await transaction.execute("UPDATE task SET paused=0")
    assert await unparker.run_once() == 0.0
    assert await unparker.run_once() == unparker.interval_seconds
    make_worker()
    await eventually(lambda: ended(store, [job_id]))


async def test_what_has_limits_runs_to_its_end_without_a_poll(
    store: Store, bench: Bench, patient_worker: Worker, make_worker: Callable[..., Worker], unparker: Unparker
) -> None:
    """Whoever ends a job looks for the next one; jobs without limits that come between are held up by none."""
    make_worker(slots=4)
    await store.declare_tasks([TaskRecord("quick", None, None, 3, 60.0, 2, 1)])
    limited = [each for number in range(40) for each in await create(store, "quick", concurrency_key=f"k{number % 3}")]
    bench.gate.set()
    free = await create(store, "waits", 300)
    await eventually(lambda: ended(store, limited + free), timeout_seconds=30.0)
