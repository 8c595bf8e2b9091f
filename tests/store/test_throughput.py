"""What happened in each minute is counted once: by several at once, through crashes, holes, removals and backlogs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from databases import OpenStore
from fake_clock import FakeClock, set_database_clock
from makers import ERROR, claim, create, job_in, new_job, rows_of

import engine.throughput
from engine.errors import Unavailable
from engine.records import Finish
from engine.states import Trigger
from engine.store.database import CommitUnknown, Transaction, to_text
from engine.store.listing import JobFilter
from engine.store.store import Store
from engine.store.throughput import KEPT, Stretch, Tally
from engine.throughput import ThroughputCounter
from models.enums import JobStatus, ThroughputPeriod

HOUR, DAY, WEEK = ThroughputPeriod.HOUR, ThroughputPeriod.DAY, ThroughputPeriod.WEEK
GRACE = 1.1
Counts = tuple[int, int, int, int]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(store: Store, clock: FakeClock) -> Store:
    """By a clock that is set by hand."""
    return set_database_clock(store, clock)


@pytest.fixture
def counter(store: Store, clock: FakeClock) -> ThroughputCounter:
    return ThroughputCounter(store, clock)


async def count_all(counter: ThroughputCounter, clock: FakeClock) -> None:
    """Turns until all is counted; holes at the log's start, where earlier tests were, are waited for."""
    for _ in range(2):
        while await counter.run_once() == 0.0:
            pass
        clock.pass_by(GRACE)


async def counted(store: Store, period: ThroughputPeriod = HOUR) -> dict[datetime, Counts]:
    """The steps in which something happened."""
    points = (await store.throughput.read(period)).points
    found = {each.at: (each.created, each.completed, each.failed, each.cancelled) for each in points}
    return {at: counts for at, counts in found.items() if any(counts)}


async def total(store: Store) -> Counts:
    found = [0, 0, 0, 0]
    for counts in (await counted(store)).values():
        found = [one + other for one, other in zip(found, counts, strict=True)]
    return (found[0], found[1], found[2], found[3])


async def insert_event(transaction: Transaction, job_id: int = 1, at: str | None = None) -> int:
    """A completion, as if a transaction had reported it."""
    columns = ("job_id", "from_status", "to_status", "attempt", "at")
    row = (job_id, "RUNNING", "COMPLETED", 1, at or transaction.now_text)
    [seq] = await transaction.insert("job_event", columns, [row])
    return seq


def at(hour: int, minute: int = 0, day: int = 5) -> datetime:
    return datetime(2026, 2, day, hour, minute, tzinfo=UTC)


async def test_nothing_yet(store: Store, counter: ThroughputCounter) -> None:
    assert await counter.run_once() is None
    for period, seconds, steps in ((HOUR, 60, 60), (DAY, 900, 96), (WEEK, 3600, 168)):
        found = await store.throughput.read(period)
        assert (found.step_seconds, len(found.points)) == (seconds, steps)
        assert {(each.created, each.completed, each.failed, each.cancelled) for each in found.points} == {(0, 0, 0, 0)}
        assert found.points[-1].at == at(15)
        assert found.points[0].at == at(15) - timedelta(seconds=seconds * (steps - 1))
    assert await rows_of(store, "throughput_cursor") == []


async def test_what_is_counted(store: Store, counter: ThroughputCounter, clock: FakeClock) -> None:
    """Creations and ends; not what is in between, such as an attempt that fails and is made again."""
    for status in (JobStatus.PENDING, JobStatus.COMPLETED, JobStatus.COMPLETED, JobStatus.CANCELLED):
        await job_in(store, status)
    clock.pass_by(60)
    retried = await job_in(store, JobStatus.SCHEDULED)
    clock.pass_by(120)
    await store.change_job(retried, Trigger.RUN)
    [claimed] = await claim(store)
    await store.finish(Finish.failed(claimed, ERROR))
    await store.change_job(retried, Trigger.RETRY)
    await count_all(counter, clock)
    expected = {at(15): (4, 2, 0, 1), at(15, 1): (1, 0, 0, 0), at(15, 3): (0, 0, 1, 0)}
    assert await counted(store) == expected
    await store.change_job(retried, Trigger.CANCEL)
    await count_all(counter, clock)
    expected[at(15, 3)] = (0, 0, 1, 1)
    assert await counted(store) == expected


async def test_the_edges_of_steps(store: Store, counter: ThroughputCounter, clock: FakeClock) -> None:
    moments = {
        HOUR: (at(14, 1), at(14, 2)),
        DAY: (at(15, 14, day=4), at(15, 15, day=4)),
        WEEK: (datetime(2026, 1, 29, 15, 59, tzinfo=UTC), datetime(2026, 1, 29, 16, tzinfo=UTC)),
    }
    clock.pass_by(60 + 59)
    microsecond = timedelta(microseconds=1)
    async with store.database.transaction() as transaction:
        for before, first in moments.values():
            for moment in (before, first - microsecond, first):
                await insert_event(transaction, at=to_text(moment))
        for moment in (at(15, 1) - microsecond, at(15, 1)):
            await insert_event(transaction, at=to_text(moment))
    await count_all(counter, clock)
    clock.pass_by(-2 * GRACE)

    def completed(*expected: int) -> list[Counts]:
        return [(0, each, 0, 0) for each in expected]

    minutes, quarters, hours = [await counted(store, period) for period in (HOUR, DAY, WEEK)]
    assert list(minutes) == [at(14, 2), at(15, 0), at(15, 1)]
    assert list(minutes.values()) == completed(1, 1, 1)
    assert list(quarters) == [at(15, 15, day=4), at(14, 0), at(15, 0)]
    assert list(quarters.values()) == completed(1, 3, 2)
    assert list(hours) == [datetime(2026, 1, 29, 16, tzinfo=UTC), at(15, day=4), at(14), at(15)]
    assert list(hours.values()) == completed(1, 3, 3, 2)


async def test_several_count_at_once(open_store: OpenStore) -> None:
    """Each event once, while jobs are made, run and deleted."""
    stores = [await open_store() for _ in range(3)]
    counters = [ThroughputCounter(store) for store in stores]
    jobs, deleted = 240, 0

    async def work(store: Store) -> None:
        nonlocal deleted
        for _ in range(4):
            created = await store.create_jobs([new_job(run=True) for _ in range(20)])
            for claimed in await claim(store, 20):
                await store.finish(Finish.completed(claimed, None))
            deleted += await store.delete_jobs(JobFilter(ids=tuple(each.job.id for each in created[::2])))

    working = asyncio.gather(*(work(store) for store in stores))
    while not working.done():
        await asyncio.gather(*(counter.run_once() for counter in counters))
    await working
    while rest := await claim(stores[0], 100):
        await asyncio.gather(*(stores[0].finish(Finish.completed(each, None)) for each in rest))
    ended = [each for each in await rows_of(stores[0], "jobs") if "COMPLETED" in each]
    await count_together(stores[0], counters)
    assert deleted > 0
    created, completed, *others = await total(stores[0])
    assert (created, others) == (jobs, [0, 0])
    assert completed >= len(ended) > 0
    # events that were counted while they were put aside stay there until the cursor is next moved
    await stores[0].create_jobs([new_job()])
    await count_together(stores[0], counters)
    assert await total(stores[0]) == (jobs + 1, completed, 0, 0)
    assert await rows_of(stores[0], "throughput_removed") == []


async def count_together(store: Store, counters: Sequence[ThroughputCounter]) -> None:
    async with asyncio.timeout(30):
        while await uncounted(store):
            await asyncio.gather(*(counter.run_once() for counter in counters))


async def uncounted(store: Store) -> bool:
    stretch = await store.throughput.stretch(10)
    return stretch.until > stretch.after


async def read_stretch(store: Store) -> tuple[Stretch, int, Tally]:
    """All that is not counted yet, to be recorded."""
    stretch = await store.throughput.stretch(100_000)
    return stretch, stretch.until, await store.throughput.tally(stretch.after, stretch.until)


async def test_a_counter_that_turns_for_long_remembers_no_more(
    store: Store, counter: ThroughputCounter, clock: FakeClock
) -> None:
    for _ in range(50):
        await create(store)
        await counter.run_once()
        clock.pass_by(counter.interval_seconds)
    assert len(counter._ends) <= 2


async def test_of_two_with_the_same_beginning_one_wins(
    store: Store, counter: ThroughputCounter, clock: FakeClock
) -> None:
    for _ in range(2):  # the first time there is no cursor
        await create(store)
        first = await read_stretch(store)
        await create(store)
        second = await read_stretch(store)
        assert await store.throughput.record(*first)
        assert not await store.throughput.record(*second)
        assert not await store.throughput.record(*first)
        await count_all(counter, clock)
    assert await total(store) == (4, 0, 0, 0)


async def test_who_finds_the_cursor_taken_does_not_wait(store: Store, open_store: OpenStore) -> None:
    if store.database.dialect == "sqlite":
        pytest.skip("SQLite's writers take turns")
    await create(store)
    assert await store.throughput.record(*await read_stretch(store))
    await create(store)
    found = await read_stretch(store)
    async with (await open_store()).database.transaction() as other:
        await other.fetch("SELECT seq FROM throughput_cursor WHERE id=1 FOR UPDATE")
        async with asyncio.timeout(2):
            assert not await store.throughput.record(*found)


async def test_a_crash_before_the_commit(store: Store, clock: FakeClock) -> None:
    is_crashing = True
    counter = ThroughputCounter(set_database_clock(store, clock, lambda: is_crashing), clock)
    is_crashing = False
    await job_in(store, JobStatus.COMPLETED)
    await counter.run_once()
    clock.pass_by(GRACE)
    await create(store)
    is_crashing = True
    with pytest.raises(Unavailable):
        await counter.run_once()
    before = await rows_of(store, "throughput_minute")
    with pytest.raises(Unavailable):
        await counter.run_once()
    assert await rows_of(store, "throughput_minute") == before
    is_crashing = False
    await count_all(counter, clock)
    assert await total(store) == (2, 1, 0, 0)


async def test_a_commit_whose_answer_is_lost(
    store: Store, counter: ThroughputCounter, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(store)
    await count_all(counter, clock)
    await job_in(store, JobStatus.FAILED)
    begin = store.database.transaction

    @asynccontextmanager
    async def unanswered() -> AsyncIterator[Transaction]:
        async with begin() as transaction:
            yield transaction
        raise CommitUnknown

    with monkeypatch.context() as patched:
        patched.setattr(store.database, "transaction", unanswered)
        with pytest.raises(CommitUnknown):
            await counter.run_once()
    await count_all(counter, clock)
    assert await total(store) == (2, 0, 1, 0)


async def test_an_event_that_becomes_visible_late_is_waited_for(
    store: Store, counter: ThroughputCounter, clock: FakeClock, open_store: OpenStore
) -> None:
    if store.database.dialect == "sqlite":
        pytest.skip("SQLite's writers take turns")
    await create(store)
    await count_all(counter, clock)
    other = set_database_clock(await open_store(), clock)
    async with other.database.transaction() as slow:
        await create(store)
        late = await insert_event(slow)
        await create(store)
        for _ in range(3):
            clock.pass_by(GRACE)
            assert await counter.run_once() is None
            assert (await store.throughput.stretch(1)).counted == late - 1
        assert await total(store) == (2, 0, 0, 0)
    await count_all(counter, clock)
    assert await total(store) == (3, 1, 0, 0)


async def test_a_number_that_was_never_used_is_passed(
    store: Store, counter: ThroughputCounter, clock: FakeClock
) -> None:
    """But not before it is certain: a number may be taken and its row not be there yet."""
    if store.database.dialect == "sqlite":
        pytest.skip("SQLite gives a number back when its transaction is rolled back")
    await create(store)
    await count_all(counter, clock)
    doomed = store.database.transaction()
    await insert_event(await doomed.__aenter__())
    await doomed.__aexit__(ZeroDivisionError, ZeroDivisionError(), None)
    await create(store)
    await counter.run_once()
    clock.pass_by(0.9)
    await counter.run_once()
    assert await total(store) == (1, 0, 0, 0)
    clock.pass_by(0.2)
    await counter.run_once()
    assert await total(store) == (2, 0, 0, 0)


async def test_a_backlog_is_counted_in_bounded_turns(
    store: Store, counter: ThroughputCounter, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database from before there were counts, whose log retention has thinned out: its history appears."""
    monkeypatch.setattr(engine.throughput, "LIMIT", 10)
    kept = [(await job_in(store, JobStatus.COMPLETED)) for _ in range(20)]
    first, last = await store.reads.log_bounds()
    gone = [seq for seq in range(first, last) if seq % 3 == 0 or first + 12 <= seq < first + 40]
    async with store.database.transaction() as transaction:
        await transaction.execute(f"DELETE FROM job_event WHERE seq IN ({','.join(map(str, gone))})")
    events = [event for events in (await store.reads.events_of(kept)).values() for event in events]
    clock.pass_by(3000.0)
    await counter.run_once()
    clock.pass_by(GRACE)
    turns = 0
    while await counter.run_once() == 0.0:
        turns += 1
    assert turns >= 2
    created = sum(each.from_ is None for each in events)
    completed = sum(each.to is JobStatus.COMPLETED for each in events)
    assert await total(store) == (created, completed, 0, 0)
    assert (await store.throughput.stretch(10)).counted == last


async def test_a_log_that_is_pruned_ahead_of_the_cursor(
    store: Store, counter: ThroughputCounter, clock: FakeClock
) -> None:
    await create(store)
    await count_all(counter, clock)
    for _ in range(3):
        await create(store)
    async with store.database.transaction() as transaction:
        await transaction.execute("DELETE FROM job_event")
    await count_all(counter, clock)
    await create(store)
    await count_all(counter, clock)
    assert await total(store) == (2, 0, 0, 0)
    assert not await uncounted(store)


Removal = Callable[[Store, int], Awaitable[Any]]


async def prune(store: Store, _job_id: int) -> None:
    assert await store.prune(-1.0, 10) > 0


@pytest.mark.parametrize(
    "remove",
    [
        lambda store, job_id: store.delete_job(job_id),
        lambda store, job_id: store.delete_jobs(JobFilter(ids=(job_id,))),
        prune,
    ],
    ids=["delete", "delete many", "prune"],
)
async def test_what_was_removed_before_it_was_counted(
    store: Store, counter: ThroughputCounter, clock: FakeClock, remove: Removal
) -> None:
    """Whether its events were never seen, were read already, or had been counted."""
    for number in range(3):
        await remove(store, await job_in(store, JobStatus.COMPLETED))
        await count_all(counter, clock)
        assert await total(store) == (2 * number + 1, 2 * number + 1, 0, 0)
        job_id = await job_in(store, JobStatus.COMPLETED)
        found = await read_stretch(store)
        await remove(store, job_id)
        assert await store.throughput.record(*found)
        await count_all(counter, clock)
        assert await total(store) == (2 * number + 2, 2 * number + 2, 0, 0)
    counted_job = await job_in(store, JobStatus.COMPLETED)
    await count_all(counter, clock)
    await remove(store, counted_job)
    await count_all(counter, clock)
    assert await total(store) == (7, 7, 0, 0)
    assert await rows_of(store, "throughput_removed") == []


async def test_old_minutes_are_removed(store: Store, counter: ThroughputCounter, clock: FakeClock) -> None:
    await create(store)
    await count_all(counter, clock)
    [(minute, *_counts)] = await rows_of(store, "throughput_minute")
    clock.pass_by(KEPT.total_seconds() - 2 * GRACE)
    await create(store)
    await count_all(counter, clock)
    assert [row[0] for row in await rows_of(store, "throughput_minute")] == [minute, minute + 8 * 24 * 60]
    clock.pass_by(60.0)
    old = to_text(at(15))
    async with store.database.transaction() as transaction:
        await insert_event(transaction, at=old)
    await count_all(counter, clock)
    assert [row[0] for row in await rows_of(store, "throughput_minute")] == [minute + 8 * 24 * 60]
    assert not await uncounted(store)
