"""What is counted of the whole database, and what that may cost."""

from __future__ import annotations

import asyncio

import pytest
from fake_clock import FakeClock
from makers import create, job_in

from engine.census import FRESH_SECONDS, Census
from engine.errors import Unavailable
from engine.store.store import Store
from models.enums import JobStatus


async def test_it_counts_what_is_unfinished(store: Store) -> None:
    for status in (JobStatus.RUNNING, JobStatus.COMPLETED, JobStatus.SCHEDULED, JobStatus.PENDING, JobStatus.PENDING):
        await job_in(store, status)
    for task in ("a", "a", "b"):
        await create(store, task, run=True)
    numbers = await Census(store).numbers()
    assert numbers is not None
    assert numbers.jobs == {
        JobStatus.PENDING: 2,
        JobStatus.SCHEDULED: 1,
        JobStatus.QUEUED: 3,
        JobStatus.RUNNING: 1,
    }
    assert numbers.jobs_by_task == {
        (JobStatus.QUEUED, "a"): 2,
        (JobStatus.QUEUED, "b"): 1,
        (JobStatus.RUNNING, "report"): 1,
    }
    assert 0 <= numbers.oldest_queued_seconds < 30
    assert numbers.newest_event == (await store.reads.log_bounds())[1]
    assert numbers.pending_deliveries == 0


async def test_counting_stops(store: Store) -> None:
    for _ in range(5):
        await create(store, "a", run=True)
    assert await store.reads.count_up_to(JobStatus.QUEUED, 3) == 3
    assert await store.reads.count_tasks(JobStatus.QUEUED, 4) == {"a": 4}
    assert await store.reads.count_up_to(JobStatus.FAILED, 3) == 0


@pytest.fixture
def statements(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []
    fetch = store.database.fetch

    async def noted(sql: str, *rest: object) -> object:
        asked.append(sql)
        return await fetch(sql, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(store.database, "fetch", noted)
    return asked


async def test_asking_often_costs_nothing(store: Store, statements: list[str]) -> None:
    clock = FakeClock()
    census = Census(store, clock)
    first = await asyncio.gather(*(census.numbers() for _ in range(20)))
    count = len(statements)
    assert all(each is first[0] for each in first)
    clock.pass_by(FRESH_SECONDS - 1)
    assert await census.numbers() is first[0]
    assert len(statements) == count
    clock.pass_by(1)
    assert await census.numbers() is not first[0]
    assert len(statements) == 2 * count


async def test_old_numbers_are_not_shown_as_new(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    census = Census(store, clock)
    assert await census.numbers() is not None
    clock.pass_by(FRESH_SECONDS)

    async def away(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(store.database, "fetch", away)
    assert await census.numbers() is None


@pytest.mark.sqlite
async def test_the_counts_read_indexes_alone(store: Store, statements: list[str]) -> None:
    if store.database.dialect != "sqlite":
        pytest.skip("SQLite's plan says COVERING INDEX; the others are told by FORCE INDEX")
    await store.reads.count_up_to(JobStatus.QUEUED, 3)
    await store.reads.count_pending_deliveries(3)
    for sql in list(statements):
        plan = await store.database.fetch(f"EXPLAIN QUERY PLAN {sql}")
        assert any("COVERING INDEX" in str(row[3]) for row in plan), plan
