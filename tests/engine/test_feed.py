"""Subscribers see every matching change once, in order, whoever wrote it, and can go on from any cursor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from eventually import eventually

import engine.feed
from engine.errors import CursorExpired, InvalidInput, SlowConsumer
from engine.feed import ChangeFilter, Feed
from engine.records import Finish, NewJob, StatusChange
from engine.states import Trigger
from engine.store.claims import ClaimRequest
from engine.store.store import Store
from models.enums import JobPriority, JobStatus


def job(**fields: Any) -> NewJob:
    return NewJob(**({"task_name": "t", "max_attempts": 3, "timeout_seconds": 60.0} | fields))


@pytest.fixture
async def feed(store: Store) -> AsyncIterator[Feed]:
    feed = Feed(store)
    feed.start()
    yield feed
    await feed.stop()


class Listener:
    """A subscriber that writes down what it gets."""

    def __init__(self, feed: Feed, where: ChangeFilter | None = None, after: str | None = None) -> None:
        self.got: list[StatusChange] = []
        self._task = asyncio.create_task(self._listen(feed, where or ChangeFilter(), after))

    async def _listen(self, feed: Feed, where: ChangeFilter, after: str | None) -> None:
        async with aclosing(feed.subscribe(where, after)) as changes:
            async for change in changes:
                self.got.append(change)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def seqs(self) -> list[int]:
        return [change.seq for change in self.got]


async def run_to_the_end(store: Store, count: int) -> None:
    done = 0
    while done < count:
        claimed = await store.claim(ClaimRequest(1, "w", 50, 30.0))
        await asyncio.gather(*[store.finish(Finish.completed(each, "1")) for each in claimed])
        done += len(claimed)


async def test_a_subscriber_sees_all_of_it_in_order(store: Store, feed: Feed) -> None:
    listener = Listener(feed)
    await eventually(lambda: feed._position is not None)
    [created] = await store.create_jobs([job(priority=JobPriority.HIGH, payload_text='{"a":1}')])
    await store.change_job(created.job.id, Trigger.RUN)
    await run_to_the_end(store, 1)
    await eventually(lambda: len(listener.got) == 4)
    assert [(each.from_, each.to) for each in listener.got] == [
        (None, "PENDING"),
        ("PENDING", "QUEUED"),
        ("QUEUED", "RUNNING"),
        ("RUNNING", "COMPLETED"),
    ]
    pending, queued, running, completed = [each.job for each in listener.got]
    assert (pending.run_at, pending.attempt, pending.result_text) == (None, 0, None)
    assert queued.run_at == listener.got[1].at
    assert (running.attempt, running.started_at, running.result_text) == (1, listener.got[2].at, None)
    assert (completed.result_text, completed.finished_at) == ("1", listener.got[3].at)
    assert {each.job.payload_text for each in listener.got} == {'{"a":1}'}
    await listener.stop()
    assert feed.subscriber_count == 0


async def test_changes_of_another_process_are_seen_in_order(store: Store, feed: Feed, open_store: Any) -> None:
    other = await open_store()
    listener = Listener(feed)
    await eventually(lambda: feed._position is not None)
    for _turn in range(10):
        await asyncio.gather(
            store.create_jobs([job(run=True) for _ in range(10)]), other.create_jobs([job(run=True) for _ in range(10)])
        )
    await asyncio.gather(run_to_the_end(store, 100), run_to_the_end(other, 100))
    await eventually(lambda: len(listener.got) == 600, timeout_seconds=10)
    assert listener.seqs == sorted(set(listener.seqs))
    await listener.stop()


async def test_reconnecting_anywhere_loses_and_repeats_nothing(store: Store, feed: Feed) -> None:
    whole = Listener(feed)
    await eventually(lambda: feed._position is not None)

    async def work() -> None:
        for _turn in range(10):
            await store.create_jobs([job(run=True) for _ in range(10)])
            await run_to_the_end(store, 10)

    working = asyncio.create_task(work())
    pieces: list[int] = []
    await eventually(lambda: whole.got)
    after = str(whole.seqs[0] - 1)
    while len(pieces) < 300:
        piece = Listener(feed, after=after)
        await eventually(lambda piece=piece: piece.got)
        await piece.stop()
        pieces += piece.seqs
        after = piece.got[-1].cursor
    await working
    await eventually(lambda: len(whole.got) == 300)
    assert pieces == whole.seqs
    await whole.stop()


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (
            ChangeFilter(status=(JobStatus.QUEUED, JobStatus.CANCELLED)),
            [(1, "QUEUED"), (2, "QUEUED"), (2, "CANCELLED")],
        ),
        (ChangeFilter(priority=(JobPriority.LOW,)), [(2, "QUEUED"), (2, "CANCELLED")]),
        (ChangeFilter(task_name="a"), [(1, "QUEUED")]),
        (ChangeFilter(tag="x"), [(1, "QUEUED")]),
        (ChangeFilter(job_id=3), [(3, "PENDING")]),
        (ChangeFilter(job_id=3, tag="x"), []),
    ],
)
async def test_filters(store: Store, feed: Feed, where: ChangeFilter, expected: list[tuple[int, str]]) -> None:
    ids = []
    for fields in (
        {"task_name": "a", "run": True, "tags": ["x", "y"]},
        {"task_name": "b", "run": True, "priority": JobPriority.LOW},
        {"task_name": "c"},
    ):
        ids += [each.job.id for each in await store.create_jobs([job(**fields)])]
    await store.change_job(ids[1], Trigger.CANCEL)
    start = str((await store.reads.log_bounds())[0])
    if where.job_id is not None:
        where = replace(where, job_id=ids[where.job_id - 1])
    expected = [(ids[index - 1], to) for index, to in expected]
    listener = Listener(feed, where, after=str(int(start) - 1))
    await store.create_jobs([job(task_name="end", tags=["end"])])
    sentinel = Listener(feed, ChangeFilter(task_name="end"), after=start)

    def heard() -> list[tuple[int, str]]:
        return [(each.job.id, each.to) for each in listener.got if each.job.id in ids]

    # the two replay side by side: either may be the first to be done
    await eventually(lambda: sentinel.got and len(heard()) >= len(expected))
    assert heard() == expected
    await listener.stop()
    await sentinel.stop()


async def first(feed: Feed, after: str | None) -> StatusChange:
    async with aclosing(feed.subscribe(ChangeFilter(), after)) as changes:
        return await anext(changes)


@pytest.mark.parametrize("cursor", ["abc", "-1", "1.5", "", "9" * 30, "٣"])
async def test_what_is_no_cursor_is_refused(feed: Feed, cursor: str) -> None:
    with pytest.raises(InvalidInput, match="after"):
        await first(feed, cursor)


async def test_a_cursor_from_the_future_is_refused(store: Store, feed: Feed) -> None:
    await store.create_jobs([job()])
    _first, last = await store.reads.log_bounds()
    with pytest.raises(InvalidInput, match=f"ends at {last}"):
        await first(feed, str(last + 1))


async def test_a_cursor_whose_job_was_deleted_since(store: Store, feed: Feed) -> None:
    """It was the last of the log, which now ends before it; the feed has passed it, and knows."""
    await store.create_jobs([job()])
    [created] = await store.create_jobs([job()])
    cursor = await feed.cursor()
    async with store.database.transaction() as transaction:
        await transaction.execute(f"DELETE FROM job_event WHERE job_id={created.job.id}")
    assert int(await feed.cursor()) < int(cursor)
    resumed = Listener(feed, after=cursor)
    await eventually(lambda: feed._position is not None)
    [another] = await store.create_jobs([job()])
    await eventually(lambda: [each.job.id for each in resumed.got] == [another.job.id])
    await resumed.stop()


async def test_a_cursor_whose_job_was_deleted_before_this_process_began(store: Store) -> None:
    """Nothing but the database knows that there was such an event."""
    await store.create_jobs([job()])
    [deleted] = await store.create_jobs([job()])
    _first, cursor = await store.reads.log_bounds()
    async with store.database.transaction() as transaction:
        await transaction.execute(f"DELETE FROM job_event WHERE job_id={deleted.job.id}")
    feed = Feed(store)
    feed.start()
    resumed = Listener(feed, after=str(cursor))
    await eventually(lambda: feed._position is not None)
    [another] = await store.create_jobs([job()])
    await eventually(lambda: [each.job.id for each in resumed.got] == [another.job.id])
    await resumed.stop()
    with pytest.raises(InvalidInput):
        await first(feed, str(cursor + 1000))
    await feed.stop()


async def test_a_cursor_before_the_log_has_expired(store: Store, feed: Feed) -> None:
    for _ in range(3):
        await store.create_jobs([job()])
    _first, last = await store.reads.log_bounds()
    async with store.database.transaction() as transaction:
        await transaction.execute(f"DELETE FROM job_event WHERE seq < {last}")
    with pytest.raises(CursorExpired):
        await first(feed, str(last - 2))
    assert (await first(feed, str(last - 1))).seq == last


async def test_a_subscriber_that_does_not_keep_up_is_told_where_it_was(
    store: Store, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.feed, "QUEUE_SIZE", 5)
    await store.create_jobs([job()])
    start, _last = await store.reads.log_bounds()
    async with aclosing(feed.subscribe(ChangeFilter(), str(start - 1))) as changes:
        assert (await anext(changes)).seq == start
        quick = Listener(feed)
        await eventually(lambda: feed.subscriber_count == 2)
        for number in range(
            1, 9
        ):  # one by one: more than fit into a queue at once would be too many for the quick one too
            await store.create_jobs([job()])
            await eventually(lambda count=number: len(quick.got) == count)
        got = [(await anext(changes)).seq for _ in range(5)]
        assert got == list(range(start + 1, start + 6))
        with pytest.raises(SlowConsumer) as told:
            await anext(changes)
        assert told.value.extensions == {"code": "SLOW_CONSUMER", "cursor": str(start + 5)}
    assert (await first(feed, str(start + 5))).seq == start + 6
    await quick.stop()


async def test_an_event_that_becomes_visible_late_is_waited_for(store: Store, feed: Feed, open_store: Any) -> None:
    """Two transactions take numbers in one order and commit in the other, as InnoDB lets them."""
    if store.database.dialect == "sqlite":
        pytest.skip("SQLite's writers take turns")
    other = await open_store()
    listener = Listener(feed)
    await eventually(lambda: feed._position is not None)
    [early] = await store.create_jobs([job()])
    columns = ("job_id", "to_status", "attempt", "at")
    async with other.database.transaction() as slow:
        [late_seq] = await slow.insert("job_event", columns, [(early.job.id, "QUEUED", 0, slow.now_text)])
        await store.create_jobs([job()])
        await eventually(lambda: listener.seqs)
        turns = feed.health.turns
        await eventually(lambda: feed.health.turns > turns + 5)
        assert listener.seqs == [late_seq - 1]
    await eventually(lambda: listener.seqs == [late_seq - 1, late_seq, late_seq + 1])
    await listener.stop()


async def test_a_number_that_was_never_used_is_passed(store: Store, feed: Feed) -> None:
    if store.database.dialect == "sqlite":
        pytest.skip("SQLite gives a number back when its transaction is rolled back")
    listener = Listener(feed)
    await eventually(lambda: feed._position is not None)
    columns = ("job_id", "to_status", "attempt", "at")
    doomed = store.database.transaction()
    transaction = await doomed.__aenter__()
    [unused] = await transaction.insert("job_event", columns, [(1, "QUEUED", 0, transaction.now_text)])
    await doomed.__aexit__(ZeroDivisionError, ZeroDivisionError(), None)
    await store.create_jobs([job()])
    await eventually(lambda: listener.seqs == [unused + 1])
    await listener.stop()


async def insert_events(transaction: Any, job_id: int, count: int, at: str | None = None) -> list[int]:
    columns = ("job_id", "to_status", "attempt", "at")
    rows = [(job_id, "QUEUED", 0, at or transaction.now_text) for _ in range(count)]
    found: list[int] = await transaction.insert("job_event", columns, rows)
    return found


async def test_the_cursor_of_an_empty_log(store: Store, feed: Feed) -> None:
    async with store.database.transaction() as transaction:
        await transaction.execute("DELETE FROM job_event")
    cursor = await feed.cursor()
    assert cursor == "0"
    listener = Listener(feed, after=cursor)
    await eventually(lambda: feed._position is not None)
    [created] = await store.create_jobs([job()])
    await eventually(lambda: [each.job.id for each in listener.got] == [created.job.id])
    await listener.stop()


@pytest.mark.parametrize("is_watched", [False, True])
async def test_the_cursor_is_at_the_end(store: Store, feed: Feed, is_watched: bool) -> None:
    listener = Listener(feed) if is_watched else None
    for _ in range(3):
        [created] = await store.create_jobs([job()])
        [event] = (await store.reads.events_of([created.job.id]))[created.job.id]
        assert await feed.cursor() == event.cursor
    if listener is not None:
        await listener.stop()


async def test_the_cursor_is_not_beyond_what_is_yet_to_appear(store: Store, feed: Feed, open_store: Any) -> None:
    """However much was written since, also by those who know nothing of it."""
    if store.database.dialect == "sqlite":
        pytest.skip("SQLite's writers take turns")
    other = await open_store()
    newcomer = Feed(other)
    newcomer.start()
    [early] = await store.create_jobs([job()])
    async with other.database.transaction() as slow:
        [late_seq] = await insert_events(slow, early.job.id, 1)
        async with store.database.transaction() as quick:
            await insert_events(quick, 10**12, 3000)  # of a job that is gone: nobody is told of them
            [last_seq] = await insert_events(quick, early.job.id, 1)
        assert int(await feed.cursor()) < late_seq
        cursor = await newcomer.cursor()
        assert int(cursor) < late_seq
        resumed = Listener(newcomer, after=cursor)
        await eventually(lambda: newcomer._position is not None)
    await eventually(lambda: resumed.seqs == [late_seq, last_seq])
    assert await newcomer.cursor() == str(last_seq)
    await resumed.stop()
    await newcomer.stop()


async def test_the_cursor_passes_numbers_that_were_never_used_when_that_is_certain(store: Store, feed: Feed) -> None:
    """A number may be taken and its row not be there yet, and not locked either; but not for a second."""
    if store.database.dialect == "sqlite":
        pytest.skip("SQLite gives a number back when its transaction is rolled back")
    [created] = await store.create_jobs([job()])
    doomed = store.database.transaction()
    transaction = await doomed.__aenter__()
    [unused] = await insert_events(transaction, created.job.id, 1)
    await doomed.__aexit__(ZeroDivisionError, ZeroDivisionError(), None)
    await store.create_jobs([job()])
    assert await feed.cursor() == str(unused - 1)
    live = Listener(feed)
    await eventually(lambda: feed._position is not None)
    await store.create_jobs([job()])

    async def is_beyond() -> bool:
        return await feed.cursor() == str(unused + 2)

    await eventually(is_beyond)
    await eventually(lambda: live.seqs)
    assert live.seqs == [unused + 2], "who listens from now on is not told of what was before"
    await live.stop()
    newcomer = Feed(store)
    assert await newcomer.cursor() == str(unused - 1), "it cannot know"
    async with store.database.transaction() as transaction:
        await transaction.execute(f"UPDATE job_event SET at='2026-01-01 00:00:00.000000' WHERE seq={unused + 1}")
    assert await newcomer.cursor() == str(unused + 2), "so long ago that nothing can be under way"


async def test_those_who_replay_leave_connections_to_others(
    store: Store, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few pages are read at once, and a subscriber that leaves while one is read does not cut the reading off."""
    await store.create_jobs([job() for _ in range(11)])
    first, _last = await store.reads.log_bounds()  # others may have used the log before
    listening = Listener(feed)
    await eventually(lambda: feed._position is not None)
    may_go_on = asyncio.Event()
    reading: list[str] = []
    read_page = feed._page

    async def held(cursor: int, floor: int) -> tuple[int, list[StatusChange]]:
        reading.append("began")
        await may_go_on.wait()
        reading.append("ended")
        return await read_page(cursor, floor)

    monkeypatch.setattr(feed, "_page", held)
    listeners = [Listener(feed, after=str(first)) for _ in range(5)]
    await eventually(lambda: len(reading) == engine.feed.REPLAYS)
    leaving, *staying = listeners
    await leaving.stop()
    assert reading == ["began"] * engine.feed.REPLAYS
    may_go_on.set()
    await eventually(lambda: all(len(each.got) == 10 for each in staying))
    assert reading.count("ended") == 5
    assert feed._replays._value == engine.feed.REPLAYS
    for each in (listening, *staying):
        await each.stop()


async def test_what_this_process_commits_needs_no_look_at_the_log(
    store: Store, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.create_jobs([job()])  # so that numbers follow on one that the log has
    listener = Listener(feed)
    await eventually(lambda: feed._position is not None)

    async def nothing(_after: int, _limit: int) -> list[Any]:
        return []

    monkeypatch.setattr(store.reads, "events_after", nothing)
    [created] = await store.create_jobs([job(run=True)])
    await run_to_the_end(store, 1)
    await eventually(lambda: len(listener.got) == 3)
    monkeypatch.undo()
    kept = {event.seq: event for event in (await store.reads.events_of([created.job.id]))[created.job.id]}
    assert [(each.seq, each.from_, each.to, each.at) for each in listener.got] == [
        (seq, event.from_, event.to, event.at) for seq, event in sorted(kept.items())
    ]
    await listener.stop()


async def test_own_commits_and_those_of_others_take_turns(store: Store, feed: Feed, open_store: Any) -> None:
    """Numbers of two processes alternate, and of two lanes of each: none is skipped, none comes twice."""
    other = await open_store()
    listener = Listener(feed)
    few = Listener(feed, ChangeFilter(status=(JobStatus.COMPLETED,)))
    await eventually(lambda: feed._position is not None)

    async def live(own: Store) -> None:
        for number in range(20):
            await own.create_jobs([job(run=True)] * (1 + number % 3))
            claimed = await own.claim(ClaimRequest(1, "w", 5, 30.0))
            await asyncio.gather(*[own.finish(Finish.completed(each, "1")) for each in claimed])

    await asyncio.gather(live(store), live(other), live(store))
    _first, last = await store.reads.log_bounds()
    await eventually(lambda: bool(listener.seqs) and listener.seqs[-1] == last, timeout_seconds=15)
    events = await store.reads.events_after(0, 10_000)
    assert listener.seqs == [event.seq for event in events]
    assert few.seqs == [event.seq for event in events if event.to is JobStatus.COMPLETED]
    await listener.stop()
    await few.stop()
