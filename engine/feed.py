"""The live feed: the event log, read in order once for all subscribers of this process.

There is one source, the log itself. A commit in this process brings its own events along, which are taken where they
follow at once on what was given. What other processes write is read from the database, where a notifier brings a hint
or by polling. So every subscriber sees every event exactly once and in the order of ``seq``, whoever wrote it, and a
cursor always means the same place.

Failure handling: auto-increment numbers can become visible out of order. A reader that meets a hole asks whether a
transaction under way may yet fill it, waits for that, and passes only numbers that were never used. What was settled
once stays so, and is remembered. A subscriber that does not keep up is ended with the cursor of the last event it was
given; none is ever skipped. When all come back at once, after a restart say, few replay at a time and in small steps:
a worker's heartbeat must not wait for them.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from engine.clock import Clock
from engine.errors import CursorExpired, InvalidInput, SlowConsumer
from engine.notifier.contract import Notifier
from engine.notifier.poll import PollNotifier
from engine.records import EventRecord, StatusChange
from engine.service import Service
from engine.store.store import Store
from engine.store.unit import Unit
from models.enums import JobPriority, JobStatus

PAGE = 500
QUEUE_SIZE = 10_000
POLL_SECONDS = 0.2
LOOK_BACK = 20_000
"""So many numbers may be given away while a transaction that has one is under way."""
OLD_SECONDS = 600.0
"""A hole is not looked at any more when the event after it is as old as this: no transaction lasts for so long, for its
statements have limits of 30 s, and the server ends one that is silent."""
REPLAYS = 3
"""So many pages are read at once; the others of the pool's connections are for those who change something."""
UNITS = 20
"""So many commits of this process are remembered until the feed comes by; what is forgotten is read."""
STEP = 20
"""After so many replayed events everyone else gets a turn: each is work for its reader."""

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Changes that match all that is given; ``status`` is the new status."""

    job_id: int | None = None
    status: tuple[JobStatus, ...] | None = None
    priority: tuple[JobPriority, ...] | None = None
    task_name: str | None = None
    tag: str | None = None

    def may_match(self, event: EventRecord) -> bool:
        """Whether a change can match, as far as its event tells."""
        return (self.job_id is None or event.job_id == self.job_id) and (self.status is None or event.to in self.status)

    def matches(self, change: StatusChange) -> bool:
        job = change.job
        return (
            (self.job_id is None or job.id == self.job_id)
            and (self.status is None or change.to in self.status)
            and (self.priority is None or job.priority in self.priority)
            and (self.task_name is None or job.task_name == self.task_name)
            and (self.tag is None or self.tag in job.tags)
        )


@dataclass(slots=True, eq=False)
class Subscriber:
    where: ChangeFilter
    queue: asyncio.Queue[StatusChange | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_SIZE + 1))
    has_overflowed: bool = False

    def offer(self, change: StatusChange) -> None:
        if self.has_overflowed or not self.where.matches(change):
            return
        if self.queue.qsize() >= QUEUE_SIZE:
            self.has_overflowed = True
            self.queue.put_nowait(None)
            return
        self.queue.put_nowait(change)


class Feed(Service):
    """Reads the log on behalf of all subscribers.

    Args:
        notifier: tells of what other processes commit; without one it polls.
    """

    name = "feed"
    interval_seconds = POLL_SECONDS

    def __init__(self, store: Store, notifier: Notifier | None = None, clock: Clock | None = None) -> None:
        super().__init__(clock or store.clock)
        self._store = store
        self._notifier = notifier or PollNotifier()
        self._reads = store.reads
        self._subscribers: set[Subscriber] = set()
        self._filters: Counter[ChangeFilter] = Counter()
        self._brought: deque[Unit] = deque(maxlen=UNITS)
        self._position: int | None = None
        self._hinted = 0
        self._begun = 0
        self._settled = 0
        self._positioning = asyncio.Lock()
        self._holes: dict[int, float] = {}
        self._replays = asyncio.Semaphore(REPLAYS)
        self._reading: set[asyncio.Future[Any]] = set()
        store.listen(self._committed)

    @property
    def subscriber_count(self) -> int:
        return len(self._subscribers)

    @property
    def position(self) -> int | None:
        """The last event that the subscribers were given; None when there are none."""
        return self._position

    def _committed(self, unit: Unit) -> None:
        if self._subscribers and unit.last_seq is not None:
            self._brought.append(unit)
            self.wake()

    def look(self, seq: int) -> None:
        """Read on at once: somebody has told that there are events up to ``seq``."""
        self._hinted = max(self._hinted, seq)
        if self._subscribers and (self._position is None or seq > self._position):
            self.wake()

    async def subscribe(self, where: ChangeFilter, after: str | None = None) -> AsyncGenerator[StatusChange, None]:
        """Every change that matches, in order: first what came after the cursor ``after``, then live.

        Raises:
            InvalidInput: ``after`` is no cursor of this log.
            CursorExpired: the log no longer reaches back to ``after``.
            SlowConsumer: the caller did not keep up.
        """
        cursor = None if after is None else _parse_cursor(after)
        subscriber = Subscriber(where)
        self._subscribers.add(subscriber)  # before the log is read, so that nothing falls between
        self._filters[where] += 1
        last = after
        try:
            floor = await self._start_position()
            seen = self._begun if cursor is None else max(cursor, floor)
            if cursor is not None:
                async for change in self._replay(where, cursor, floor):
                    last = change.cursor
                    yield change
            while True:
                live = await subscriber.queue.get()
                if live is None:
                    raise SlowConsumer(cursor=last)
                if live.seq <= seen:
                    continue
                last = live.cursor
                yield live
        finally:
            self._subscribers.discard(subscriber)
            self._filters[where] -= 1
            if not self._filters[where]:
                del self._filters[where]

    async def cursor(self) -> str:
        """Where the log is. What is read after this was called shows every change up to here, and ``subscribe`` yields
        every change that comes after, whoever writes at the same time. What was read may have some of those already."""
        settled, _begun = await self._undisturbed(self._find_end)
        return str(settled)

    async def _replay(self, where: ChangeFilter, cursor: int, floor: int) -> AsyncGenerator[StatusChange, None]:
        first, last = await self._undisturbed(self._reads.log_bounds)
        # beyond the end it may be the cursor of a job that was deleted since
        if cursor > max(last, self._settled) and cursor > await self._undisturbed(self._reads.last_event_given):
            raise InvalidInput(f"after: {cursor} is not a cursor of this log, which ends at {last}.", field="after")
        if first > cursor + 1 and first > 1 and cursor < max(floor, self._begun):
            raise CursorExpired
        while cursor < floor:
            cursor, changes = await self._undisturbed(partial(self._page, cursor, floor))
            for number, change in enumerate(changes, 1):
                if where.matches(change):
                    yield change
                if number % STEP == 0:
                    await asyncio.sleep(0)

    async def _page(self, cursor: int, floor: int) -> tuple[int, list[StatusChange]]:
        """What follows ``cursor`` up to ``floor``, a page of it, and the cursor after that."""
        events = [event for event in await self._reads.events_after(cursor, PAGE) if event.seq <= floor]
        return (events[-1].seq, await self._reads.changes(events)) if events else (floor, [])

    async def _undisturbed(self, read: Callable[[], Awaitable[Read]]) -> Read:
        """Read on behalf of a subscriber. One that leaves meanwhile does not cost a connection to the database, which
        would have to be closed with half an answer in it."""
        await self._replays.acquire()
        reading = asyncio.ensure_future(read())
        self._reading.add(reading)
        reading.add_done_callback(self._has_read)
        return await asyncio.shield(reading)

    def _has_read(self, reading: asyncio.Future[Any]) -> None:
        self._reading.discard(reading)
        self._replays.release()
        if not reading.cancelled():
            reading.exception()  # known to the subscriber, or of interest to nobody

    async def stop(self) -> None:
        await super().stop()
        if self._reading:
            await asyncio.wait(self._reading)

    async def _start_position(self) -> int:
        """Where the feed is; found anew when nobody has been listening."""
        async with self._positioning:
            if self._position is None:
                self._position, self._begun = await self._find_end()
                self.wake()
            return self._position

    async def _find_end(self) -> tuple[int, int]:
        """The last event before which no other may appear; and where a subscriber begins who has seen nothing yet,
        which is later if before it there are numbers of which it is not sure yet that they were never used."""
        first, last = await self._reads.log_bounds()
        settled = last
        if self._store.database.hole_grace_seconds:
            holes = await self._reads.holes(min(last, max(self._settled, last - LOOK_BACK)), last)
            now = await self._store.database.now() if holes else None
            for hole in holes:
                if now is not None and (now - hole.passed_at).total_seconds() > OLD_SECONDS:
                    continue
                if await self._is_open(hole.first, hole.last):
                    last = hole.first - 1
                    settled = min(settled, last)
                    break
                # Before the first event of all there are numbers of events that were deleted: nothing to wait for.
                if hole.last + 1 != first and not self._has_waited(hole.first):
                    settled = min(settled, hole.first - 1)
        self._settle(settled)
        return settled, last

    def _settle(self, seq: int) -> None:
        """Remember that no event can appear any more up to this one."""
        self._settled = max(self._settled, seq)
        for first in [each for each in self._holes if each <= self._settled]:
            del self._holes[first]

    async def run_once(self) -> float | None:
        if not self._subscribers:
            self._position = None
            self._brought.clear()
            return None
        position = await self._start_position()
        events: Sequence[EventRecord] = self._own(position)
        ready = events
        if not events:
            self._hinted = 0  # whatever there is, is read now
            events = await self._reads.events_after(position, PAGE)
            ready = await self._contiguous(position, events)
        if ready:
            wanted = [event for event in ready if any(where.may_match(event) for where in self._filters)]
            for change in await self._reads.changes(wanted) if wanted else ():
                for subscriber in self._subscribers:
                    subscriber.offer(change)
            self._position = ready[-1].seq
            self._pass_over(self._position)
            self._settle(self._position)
        if len(ready) < len(events):
            return 0.01
        is_behind = len(events) >= PAGE or bool(self._brought) or self._hinted > (self._position or 0)
        return 0.0 if is_behind else self._notifier.pause(POLL_SECONDS)

    def _own(self, position: int) -> list[EventRecord]:
        """What this process has committed right behind ``position``, if nobody else has a number in between."""
        found: list[EventRecord] = []
        self._pass_over(position)
        while self._brought and self._brought[0].first_seq == position + 1 and len(found) < PAGE:
            events = self._brought[0].events()
            if events[-1].seq != position + len(events):
                break  # numbers between them are another server's
            found += events
            position = events[-1].seq
            self._brought.popleft()
        return found

    def _pass_over(self, position: int) -> None:
        """Forget commits that the feed has read past."""
        while self._brought and (self._brought[0].first_seq or 0) <= position:
            self._brought.popleft()

    async def _contiguous(self, position: int, events: Sequence[EventRecord]) -> Sequence[EventRecord]:
        """The events up to the first hole that may yet be filled."""
        expected = position + 1
        for index, event in enumerate(events):
            if event.seq > expected and not await self._may_pass(expected, event.seq - 1):
                return events[:index]
            expected = event.seq + 1
        return events

    async def _may_pass(self, first: int, last: int) -> bool:
        return not await self._is_open(first, last) and self._has_waited(first)

    async def _is_open(self, first: int, last: int) -> bool:
        is_open = await self._reads.is_hole_open(first, last)
        if is_open:
            self._holes.pop(first, None)
        return is_open

    def _has_waited(self, first: int) -> bool:
        """Whether a hole has been seen for long enough. A number may be taken and its row not inserted yet: nothing is
        locked then, for some milliseconds."""
        seen = self._holes.setdefault(first, self.clock.monotonic())
        return self.clock.monotonic() - seen >= self._store.database.hole_grace_seconds


def _parse_cursor(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 19:
        raise InvalidInput(f"after: {text[:80]!r} is not a cursor of jobStatusChanged.", field="after")
    return int(text)
