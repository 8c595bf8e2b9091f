"""How many jobs were created and ended, minute by minute: counted from the log of events.

Any number of processes may count. What a stretch of the log holds is read outside any transaction; then, in a short
one, its counts are added and the cursor is moved, but only from where it was when the stretch was read. So every event
is counted once, whoever dies when, and no job's own transaction touches the cursor. Events of jobs that are removed
before they were counted wait in ``throughput_removed``, where they are as good as in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.records import ThroughputPoint, ThroughputRecord
from engine.store.database import Collision, Database, Transaction, from_text, to_text
from engine.store.unit import Unit
from models.enums import ThroughputPeriod

STEPS = {ThroughputPeriod.HOUR: (1, 60), ThroughputPeriod.DAY: (15, 96), ThroughputPeriod.WEEK: (60, 168)}
"""The minutes of a step, and how many steps a period has."""
KEPT = timedelta(days=8)
"""Older minutes are in no period; a day more than a week, so that nothing is lost at its beginning."""
COUNTS = ("created", "completed", "failed", "cancelled")
Counts = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the log that is not counted yet: what follows ``counted`` up to ``until``.

    Attributes:
        counted: where the cursor is; None before anything has been counted.
        last: the last event of the whole log.
    """

    counted: int | None
    until: int
    last: int

    @property
    def after(self) -> int:
        return self.counted or 0


@dataclass(frozen=True, slots=True)
class Tally:
    """What a part of the log holds.

    Attributes:
        minutes: what is to be counted, in the order of ``COUNTS``, by the minute's number since 1970.
        events: how many events there are of any kind.
        newest: the last of them that is still in the log; 0 when none is.
    """

    minutes: Mapping[int, Counts]
    events: int
    newest: int


class ThroughputStore:
    """Reads and writes the counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stretch(self, limit: int) -> Stretch:
        """The next ``limit`` numbers that are not counted, from the first that an event has."""
        rows = await self._database.fetch("SELECT seq FROM throughput_cursor WHERE id=1")
        counted = rows[0][0] if rows else None
        after = counted or 0
        [bounds] = await self._database.fetch(
            f"SELECT (SELECT MIN(seq) FROM job_event WHERE seq > {after}), (SELECT MAX(seq) FROM job_event), "
            f"(SELECT MIN(seq) FROM throughput_removed WHERE seq > {after}), (SELECT MAX(seq) FROM throughput_removed)"
        )
        last = max((each for each in bounds[1::2] if each is not None), default=0)
        first = min((each for each in bounds[::2] if each is not None), default=None)
        return Stretch(counted, after if first is None else min(last, first - 1 + limit), last)

    async def tally(self, after: int, until: int) -> Tally:
        """What follows ``after`` up to ``until``, as it was at one moment."""
        counts = (
            "SUBSTR(at,1,16), SUM(from_status IS NULL), SUM(to_status='COMPLETED'), SUM(to_status='FAILED'), "
            "SUM(to_status='CANCELLED'), COUNT(*)"
        )
        where = f"WHERE seq > {after} AND seq <= {until} GROUP BY SUBSTR(at,1,16)"
        rows = await self._database.fetch(
            f"SELECT {counts}, MAX(seq) FROM job_event {where} "
            f"UNION ALL SELECT {counts}, 0 FROM throughput_removed {where}"
        )
        minutes: dict[int, Counts] = {}
        for at, *counted, _events, _newest in rows:
            _add(minutes, _minute(from_text(at)), [int(each) for each in counted])
        return Tally(
            {minute: counted for minute, counted in minutes.items() if any(counted)},
            sum(int(row[-2]) for row in rows),
            max((int(row[-1]) for row in rows), default=0),
        )

    async def record(self, stretch: Stretch, until: int, tally: Tally) -> bool:
        """Add the counts of ``stretch`` up to ``until``; False, and nothing is changed, when another was first.

        Raises:
            Unavailable: the database cannot be reached. After a COMMIT without an answer the cursor tells what holds.
        """
        try:
            async with self._database.transaction() as transaction:
                if not await self._move(transaction, stretch.counted, until):
                    return False
                oldest = _minute(transaction.now - KEPT)
                await self._write(transaction, {each: tally.minutes[each] for each in tally.minutes if each >= oldest})
                await transaction.execute(f"DELETE FROM throughput_minute WHERE minute < {oldest}")
                await transaction.execute(f"DELETE FROM throughput_removed WHERE seq <= {until}")
        except Collision:
            return False
        return True

    async def _move(self, transaction: Transaction, counted: int | None, until: int) -> bool:
        rows = await transaction.fetch(f"SELECT seq FROM throughput_cursor WHERE id=1{transaction.skip_locked}")
        if [row[0] for row in rows] != ([] if counted is None else [counted]):
            return False
        if counted is None:
            await transaction.insert("throughput_cursor", ("id", "seq"), [(1, until)])
            return True
        changed = await transaction.execute(f"UPDATE throughput_cursor SET seq={until} WHERE id=1 AND seq={counted}")
        return changed == 1

    async def _write(self, transaction: Transaction, added: Mapping[int, Counts]) -> None:
        """Write the minutes that are there already anew, with the new ones: nobody else does, as the cursor is ours."""
        if not added:
            return
        there = f"throughput_minute WHERE minute >= {min(added)} AND minute <= {max(added)}"
        minutes = dict(added)
        for minute, *counts in await transaction.fetch(f"SELECT minute, {','.join(COUNTS)} FROM {there}"):
            _add(minutes, minute, counts)
        await transaction.execute(f"DELETE FROM {there}")
        rows = [(minute, *counts) for minute, counts in sorted(minutes.items())]
        await transaction.insert("throughput_minute", ("minute", *COUNTS), rows)

    async def read(self, period: ThroughputPeriod) -> ThroughputRecord:
        """The steps of a period by the database's clock, oldest first; the last is under way."""
        minutes, count = STEPS[period]
        now = _minute(await self._database.now())
        last = now - now % minutes
        steps = range(last - minutes * (count - 1), last + 1, minutes)
        sums = ", ".join(f"SUM({each})" for each in COUNTS)
        rows = await self._database.fetch(
            f"SELECT minute - minute % {minutes}, {sums} FROM throughput_minute WHERE minute >= {steps[0]} GROUP BY 1"
        )
        found = {int(step): [int(each) for each in counts] for step, *counts in rows}
        nothing = [0] * len(COUNTS)
        points = [ThroughputPoint(datetime.fromtimestamp(step * 60, UTC), *found.get(step, nothing)) for step in steps]
        return ThroughputRecord(minutes * 60, points)


async def keep_uncounted(unit: Unit, job_ids: str) -> None:
    """Keep the events of jobs that are about to be removed, for as long as they are not counted.

    Args:
        job_ids: for an IN (...).
    """
    # The cursor may have moved on meanwhile: what is kept for nothing is removed when it is next moved.
    await unit.transaction.execute(
        "INSERT INTO throughput_removed (seq, from_status, to_status, at) "
        f"SELECT seq, from_status, to_status, at FROM job_event WHERE job_id IN ({job_ids}) "
        f"AND seq > COALESCE((SELECT seq FROM throughput_cursor WHERE id=1), 0) AND at > '{to_text(unit.now - KEPT)}'"
    )


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


def _add(minutes: dict[int, Counts], minute: int, counts: list[Any]) -> None:
    earlier = minutes.get(minute)
    minutes[minute] = tuple(counts) if earlier is None else tuple(map(sum, zip(earlier, counts, strict=True)))
