"""The loop that counts the log of events for the charts: every event once, in whichever process comes first.

Failure handling: numbers can become visible out of order, so a turn counts no further than the first hole that may yet
be filled. Unlike the feed it begins where the last turn ended, however far behind the log that is: a transaction that
has held a number for a minute is still waited for. A hole has waited long enough when the log was seen to end behind it
a while ago; numbers that were taken by then are in a row, which is locked or readable, or were never used.
"""

from __future__ import annotations

from collections import deque

from engine.clock import Clock
from engine.feed import OLD_SECONDS
from engine.service import Service
from engine.store.reads import Hole
from engine.store.store import Store

LIMIT = 20_000
"""Numbers of events in a turn: what is read at once, and added in one transaction."""


class ThroughputCounter(Service):
    """Counts what jobs were created and ended. Safe to run in any number of processes."""

    name = "throughput"
    interval_seconds = 2.0
    is_vital = False

    def __init__(self, store: Store, clock: Clock | None = None) -> None:
        super().__init__(clock or store.clock)
        self._store = store
        self._counts = store.throughput
        self._grace_seconds = store.database.hole_grace_seconds
        self._ends: deque[tuple[float, int]] = deque()

    async def run_once(self) -> float | None:
        stretch = await self._counts.stretch(LIMIT)
        self._note_end(stretch.last)
        until = stretch.until
        if until == stretch.after:
            return None
        tally = await self._counts.tally(stretch.after, until)
        if self._grace_seconds and tally.events < until - stretch.after:
            until = await self._complete_until(stretch.after, until, tally.newest)
            tally = await self._counts.tally(stretch.after, until)
        if until == stretch.after or not await self._counts.record(stretch, until, tally):
            return None
        return 0.0 if until == stretch.until < stretch.last else None

    async def _complete_until(self, after: int, until: int, newest: int) -> int:
        """The last number in a stretch up to which no event may be missing."""
        holes = await self._store.reads.holes(after, until)
        now = await self._store.database.now()
        if newest < until:
            holes.append(Hole(max(newest, after) + 1, until, now))
        waited = self._seen_a_while_ago()
        for hole in holes:
            if (now - hole.passed_at).total_seconds() > OLD_SECONDS:
                continue
            if hole.last > waited or await self._store.reads.is_hole_open(hole.first, hole.last):
                return hole.first - 1
        return until

    def _note_end(self, last: int) -> None:
        """Remember where the log ends now, and forget what was seen before the newest end that is old enough."""
        self._ends.append((self.clock.monotonic(), last))
        while len(self._ends) > 1 and self._ends[1][0] <= self._then():
            self._ends.popleft()

    def _seen_a_while_ago(self) -> int:
        """Where the log was seen to end as long ago as a number may be taken before its row is locked."""
        seen_at, last = self._ends[0]
        return last if seen_at <= self._then() else 0

    def _then(self) -> float:
        return self.clock.monotonic() - self._grace_seconds
