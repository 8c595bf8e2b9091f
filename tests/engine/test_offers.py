"""An idle worker claims in the transaction that makes a job QUEUED; nothing is lost when that fails or ends late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from bench import Bench, create, ended, read
from eventually import eventually

from engine.errors import Unavailable
from engine.states import Trigger
from engine.store.store import Store
from engine.store.unit import Unit
from engine.worker import Worker
from models.enums import JobStatus


async def events(store: Store, job_id: int) -> dict[JobStatus, Any]:
    return {event.to: event.at for event in (await store.reads.events_of([job_id]))[job_id]}


async def idle(worker: Worker) -> None:
    """Registered, and between two turns of its loop."""
    await eventually(lambda: worker.id is not None and worker.health.turns > 0 and worker.health.turn_began is None)


@pytest.mark.parametrize("trigger", [None, Trigger.RUN])
async def test_queued_and_running_in_one_commit(
    store: Store, make_worker: Callable[..., Worker], trigger: Trigger | None
) -> None:
    units: list[Unit] = []
    store.listen(units.append)
    await idle(make_worker())
    [job_id] = await create(store, "quick", run=trigger is None)
    if trigger is not None:
        await store.change_job(job_id, trigger)
    await eventually(lambda: ended(store, [job_id]))
    at = await events(store, job_id)
    assert at[JobStatus.QUEUED] == at[JobStatus.RUNNING]
    together = [unit for unit in units if (JobStatus.QUEUED, JobStatus.RUNNING, 1) in unit.count_changes()]
    assert [unit.became_queued for unit in together] == [0]


async def test_a_busy_worker_makes_no_offer(store: Store, bench: Bench, make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(slots=1)
    await idle(worker)
    [first] = await create(store, "waits")
    await eventually(lambda: worker.is_free == 0)
    assert worker.offer() is None
    [second] = await create(store, "quick")
    assert (await read(store, second)).status is JobStatus.QUEUED
    bench.gate.set()
    await eventually(lambda: ended(store, [first, second]))


async def test_more_jobs_than_slots(store: Store, bench: Bench, make_worker: Callable[..., Worker]) -> None:
    """The offer takes what fits; the loop goes on with the rest at once, not at its next poll."""
    worker = make_worker(slots=2)
    worker.interval_seconds = 3600.0
    await idle(worker)
    ids = [each for made in await asyncio.gather(*(create(store, "quick", 5) for _ in range(4))) for each in made]
    await eventually(lambda: ended(store, ids))
    assert sorted(bench.started) == sorted(ids)


async def test_an_offer_that_fails(
    store: Store, make_worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its jobs are made all the same, and the worker's own loop claims them."""
    await idle(make_worker())
    claim = store._workers.claim
    calls = 0

    async def fails_first(unit: Unit, requests: Sequence[Any]) -> Any:
        nonlocal calls
        calls += 1
        if calls <= 2:  # in the batch, and by itself
            raise RuntimeError("no claim today")
        return await claim(unit, requests)

    monkeypatch.setattr(store._workers, "claim", fails_first)
    [job_id] = await create(store, "quick")
    await eventually(lambda: ended(store, [job_id]))
    assert calls >= 3


async def test_an_offer_without_a_database(store: Store, make_worker: Callable[..., Worker]) -> None:
    worker = make_worker()
    await idle(worker)
    offered = worker.offer()
    assert offered is not None
    _request, answer = offered
    assert worker.offer() is None
    answer.set_exception(Unavailable())
    again = worker.offer()
    assert again is not None
    again[1].set_result([])


async def test_a_worker_that_stops_waits_for_its_offer(
    store: Store, bench: Bench, make_worker: Callable[..., Worker]
) -> None:
    """What it brings goes back into the queue."""
    worker = make_worker()
    await idle(worker)
    creating = asyncio.create_task(create(store, "waits"))
    await asyncio.sleep(0)
    assert worker._offer is not None
    await worker.stop()
    [job_id] = await creating
    job = await read(store, job_id)
    assert (job.status, job.attempt) == (JobStatus.QUEUED, 0)
