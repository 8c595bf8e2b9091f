"""The rescuer and the pruner as loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bench import Bench, create, ended, read
from databases import age
from eventually import eventually

from engine.errors import Unavailable
from engine.service import moments
from engine.store.claims import ClaimRequest
from engine.store.store import Store
from engine.upkeep import (
    FORGET_WORKERS_SECONDS,
    GRACE_AFTER_OUTAGE_SECONDS,
    PRESENT_SECONDS,
    Pruner,
    Rescuer,
)
from engine.worker import LEASE_SECONDS, Worker
from models.enums import JobStatus


async def test_what_a_dead_worker_held_is_run(
    store: Store, bench: Bench, make_worker: Callable[..., Worker], open_store: Any
) -> None:
    ids = await create(store, "quick", 3)
    await (await open_store()).claim(ClaimRequest(1, "dead", 3, -1.0))
    make_worker()
    rescuer = Rescuer(store, lease_seconds=LEASE_SECONDS)
    assert await rescuer.run_once() == 0.0
    await eventually(lambda: ended(store, ids))
    assert await rescuer.run_once() == rescuer.interval_seconds
    assert {(await read(store, each)).attempt for each in ids} == {2}


async def test_after_an_outage_the_living_go_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases ran out while nobody could renew them: two heartbeats pass before they count."""
    [job_id] = await create(store, "quick")
    await store.claim(ClaimRequest(1, "cut off", 1, -1.0))
    rescuer = Rescuer(store, lease_seconds=LEASE_SECONDS)
    passed = 0.0
    now = store.clock.monotonic()
    monkeypatch.setattr(store.clock, "monotonic", lambda: now + passed)
    with monkeypatch.context() as outage:
        outage.setattr(store.database, "transaction", _raise_unavailable)
        with pytest.raises(Unavailable):
            await rescuer.run_once()
    assert await rescuer.run_once() is None  # it asks whether the database is there
    assert (await read(store, job_id)).status is JobStatus.RUNNING
    passed = GRACE_AFTER_OUTAGE_SECONDS + 0.1
    assert await rescuer.run_once() == 0.0
    assert (await read(store, job_id)).status is JobStatus.QUEUED


async def test_the_rescuer_counts_the_workers(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who were heard from lately, and its own place among them; those who were silent for long are forgotten."""
    alive = [await store.register_worker("host", pid, 10) for pid in range(3)]
    dead = [await store.register_worker("host", pid, 10) for pid in range(3, 5)]
    await age(store, "worker", "heartbeat_at", f"id={dead[0]}", PRESENT_SECONDS + 1)
    await age(store, "worker", "heartbeat_at", f"id={dead[1]}", FORGET_WORKERS_SECONDS + 1)
    monkeypatch.setattr(moments, "place", None)
    rescuer = Rescuer(store, lease_seconds=LEASE_SECONDS)
    store.fleet.worker_id = alive[1]
    rest = await rescuer.run_once()
    assert (store.fleet.workers, moments.place) == (3, 1 / 3)
    assert rest == 3 * rescuer.interval_seconds  # nothing runs, so a third of them is enough
    assert await Rescuer(store, lease_seconds=3.0).run_once() == rescuer.interval_seconds
    assert [worker.id for worker in await store.reads.workers()] == [*alive, dead[0]]


async def test_rescuers_do_not_look_in_step_while_jobs_run(store: Store) -> None:
    """A network that loses what one of them says loses what others say then."""
    await create(store, "quick")
    await store.claim(ClaimRequest(1, "alive", 1, 30.0))
    rests = {await Rescuer(store, lease_seconds=LEASE_SECONDS).run_once() for _ in range(20)}
    assert len(rests) == 20
    assert all(type(each) is float and 0 < each <= Rescuer.interval_seconds for each in rests)


def _raise_unavailable() -> Any:
    raise Unavailable


async def test_the_pruner_keeps_what_it_is_told_to(store: Store, bench: Bench, make_worker: Any) -> None:
    make_worker()
    ids = await create(store, "quick", 3)
    await eventually(lambda: ended(store, ids))
    async with store.database.transaction() as transaction:
        long_ago = "'2020-01-01 00:00:00.000000'"
        await transaction.execute(f"UPDATE jobs SET updated_at={long_ago}, listed_at={long_ago}")
    assert await Pruner(store, retention_days=0).run_once() is None
    assert len(await store.reads.jobs_by_id(ids)) == 3
    assert await Pruner(store, retention_days=1).run_once() == 0.05
    assert await Pruner(store, retention_days=1).run_once() is None
    assert await store.reads.jobs_by_id(ids) == {}
