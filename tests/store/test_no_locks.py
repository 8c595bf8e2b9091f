"""Servers that accept SKIP LOCKED and take no lock, as TiDB does: of two who found the same rows, one wins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from databases import OpenStore
from makers import assert_history_is_sound, claim, create, fetch_job, job_in

from engine.records import TaskRecord
from engine.store.mysql import MySQLTransaction
from engine.store.store import Store
from engine.store.throughput import Stretch, Tally
from models.enums import JobStatus, ThroughputPeriod

pytestmark = pytest.mark.parametrize("database_url", ["mariadb", "mysql"], indirect=True)


class Between:
    """Has something done between a transaction's SELECT and its UPDATE of ``table``, once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.act: Callable[[], Awaitable[Any]] | None = None
        self.table = "jobs"
        execute = MySQLTransaction.execute

        async def interrupted(transaction: MySQLTransaction, sql: str, parameters: Any = ()) -> int:
            if sql.startswith(f"UPDATE {self.table}") and self.act is not None:
                act, self.act = self.act, None
                await act()
            return await execute(transaction, sql, parameters)

        monkeypatch.setattr(MySQLTransaction, "execute", interrupted)
        monkeypatch.setattr(MySQLTransaction, "skip_locked", "")


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Between:
    return Between(monkeypatch)


@pytest.fixture
async def other(open_store: OpenStore) -> Store:
    return await open_store()


async def test_two_who_claim(store: Store, other: Store, between: Between) -> None:
    jobs = [(await create(store, run=True)).id for _ in range(3)]
    won: list[int] = []

    async def claim_two() -> None:
        won.extend(job.id for job in await claim(other, 2))

    between.act = claim_two
    rest = [job.id for job in await claim(store, 3)]
    assert (won, rest) == (jobs[:2], jobs[2:])
    assert [(await fetch_job(store, job_id)).attempt for job_id in jobs] == [1, 1, 1]
    await assert_history_is_sound(store, jobs)


async def test_two_who_park(store: Store, other: Store, between: Between) -> None:
    await store.declare_tasks([TaskRecord("slow", None, None, 3, 60.0)])
    slow = [(await create(store, "slow", run=True)).id for _ in range(3)]
    job = await create(store, run=True)
    await store.pause_task("slow", paused=True)
    won: list[int] = []

    async def claim_too() -> None:
        won.extend(each.id for each in await claim(other))

    between.act = claim_too
    assert await claim(store) == []
    assert won == [job.id]
    await store.pause_task("slow", paused=False)
    between.act = other.unpark
    assert await store.unpark() == 0
    assert [each.id for each in await claim(store, 5)] == slow
    await assert_history_is_sound(store, slow)


async def test_what_was_parked_meanwhile_is_not_claimed(store: Store, other: Store, between: Between) -> None:
    await store.declare_tasks([TaskRecord("slow", None, None, 3, 60.0)])
    slow = (await create(store, "slow", run=True)).id

    async def pause_and_park() -> None:
        await other.pause_task("slow", paused=True)
        assert await claim(other) == []

    between.act = pause_and_park
    assert await claim(store) == []
    assert (await fetch_job(store, slow)).status is JobStatus.QUEUED


async def test_two_who_promote(store: Store, other: Store, between: Between) -> None:
    job_id = await job_in(store, JobStatus.SCHEDULED)
    async with store.database.transaction() as transaction:
        await transaction.execute(f"UPDATE jobs SET run_at='{transaction.now_text}' WHERE id={job_id}")
    between.act = other.promote_due
    assert await store.promote_due() == 0
    await assert_history_is_sound(store, [job_id])


async def test_two_who_rescue(store: Store, other: Store, between: Between) -> None:
    job = await create(store, run=True)
    await claim(store, lease_seconds=-1.0)
    between.act = other.rescue
    assert await store.rescue() == []
    await assert_history_is_sound(store, [job.id])


async def test_a_job_that_was_rescued_and_claimed_anew_is_left_alone(
    store: Store, other: Store, between: Between
) -> None:
    job = await create(store, run=True)
    await claim(store, lease_seconds=-1.0)

    async def rescue_and_claim() -> None:
        await other.rescue()
        assert await claim(other)

    between.act = rescue_and_claim
    assert await store.rescue() == []
    assert (await fetch_job(store, job.id)).status is JobStatus.RUNNING
    await assert_history_is_sound(store, [job.id])


async def test_two_who_count(store: Store, other: Store, between: Between) -> None:
    async def read() -> tuple[Stretch, int, Tally]:
        stretch = await store.throughput.stretch(100_000)
        return stretch, stretch.until, await store.throughput.tally(stretch.after, stretch.until)

    await create(store)
    assert await store.throughput.record(*await read())
    await create(store)
    first = await read()
    await create(store)
    second = await read()

    async def record() -> None:
        assert await other.throughput.record(*first)

    between.table, between.act = "throughput_cursor", record
    assert not await store.throughput.record(*second)
    assert sum(each.created for each in (await store.throughput.read(ThroughputPeriod.HOUR)).points) == 2
