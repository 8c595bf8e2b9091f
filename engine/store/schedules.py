"""Schedules as they are kept: what is asked of them, on the lane it belongs to, and what is read of them."""

from __future__ import annotations

from collections.abc import Sequence

from engine.records import FiringRecord, JobRecord, NewSchedule, ScheduleRecord
from engine.store.database import Database, from_text
from engine.store.firings import FireRequest, FiringWrites, LimitsOf
from engine.store.lane import Lane
from engine.store.schedule_rows import SCHEDULE_COLUMNS, schedule_from_row
from engine.store.schedule_writes import ScheduleChange, ScheduleWrites
from engine.store.unit import id_list
from engine.store.writes import OperatorWrites

FIRE_LIMIT = 500
SCHEDULES_AT_ONCE = 100
"""Of so many, one statement reads the last firings: SQLite joins no more than 500 selects."""
MAX_ID = 2**63 - 1


class ScheduleStore:
    """The part of the store that keeps schedules.

    Args:
        clients, workers: the store's lanes; firing goes with what workers ask.
    """

    def __init__(self, database: Database, operators: OperatorWrites, clients: Lane, workers: Lane) -> None:
        self._database = database
        self._firings = FiringWrites(operators, database)
        self._writes = ScheduleWrites(self._firings)
        self._clients = clients
        self._workers = workers

    async def create(self, new: NewSchedule) -> ScheduleRecord:
        """Raises: Conflict, Unavailable"""
        record: ScheduleRecord = await self._clients.submit(self._writes.create, new)
        return record

    async def change(self, change: ScheduleChange) -> ScheduleRecord:
        """Update, pause or resume a schedule.

        Raises:
            NotFound, Unavailable
        """
        record: ScheduleRecord = await self._clients.submit(self._writes.change, change)
        return record

    async def trigger(self, schedule_id: int, limits_of: LimitsOf) -> JobRecord:
        """Create the schedule's job now.

        Raises:
            NotFound, Unavailable
        """
        job: JobRecord = await self._clients.submit(self._writes.trigger, (schedule_id, limits_of))
        return job

    async def delete(self, schedule_id: int) -> int:
        """Remove a schedule and the record of its firings; its jobs stay.

        Raises:
            NotFound, Unavailable
        """
        deleted: int = await self._clients.submit(self._writes.delete, schedule_id)
        return deleted

    async def fire_due(self, limits_of: LimitsOf) -> int:
        """Fire what is due by the database's clock: how many schedules had their turn."""
        request = FireRequest(FIRE_LIMIT, limits_of)
        fired: int = await self._workers.submit(self._firings.fire, request, weight=FIRE_LIMIT, patience_seconds=0.0)
        return fired

    async def seconds_to_next(self) -> float | None:
        """How long until the next firing, by the database's clock; None when there is none."""
        rows = await self._database.fetch(
            f"SELECT next_run_at FROM schedule{self._database.by_index('schedule_due')} WHERE paused=0 "
            "AND next_run_at IS NOT NULL ORDER BY next_run_at, id LIMIT 1"
        )
        if not rows:
            return None
        return max(0.0, (from_text(rows[0][0]) - await self._database.now()).total_seconds())

    async def all(self) -> list[ScheduleRecord]:
        """Every schedule, by name."""
        rows = await self._database.fetch(f"SELECT {','.join(SCHEDULE_COLUMNS)} FROM schedule ORDER BY name")
        return [schedule_from_row(row) for row in rows]

    async def by_id(self, ids: Sequence[int]) -> dict[int, ScheduleRecord]:
        """The schedules that exist among ``ids``."""
        possible = {each for each in ids if 0 < each <= MAX_ID}
        if not possible:
            return {}
        rows = await self._database.fetch(
            f"SELECT {','.join(SCHEDULE_COLUMNS)} FROM schedule WHERE id IN ({id_list(possible)})"
        )
        return {record.id: record for record in map(schedule_from_row, rows)}

    async def last_firings(self, wanted: Sequence[tuple[int, int]]) -> list[list[FiringRecord]]:
        """For each (schedule, number): its last so many firings, the latest first. The unique key is read in order."""
        found: list[list[FiringRecord]] = [[] for _ in wanted]
        for start in range(0, len(wanted), SCHEDULES_AT_ONCE):
            branches = [
                f"SELECT * FROM (SELECT {place} AS place, fire_at, job_id FROM schedule_firing "
                f"WHERE schedule_id={schedule_id} ORDER BY fire_at DESC LIMIT {first}) b{place}"
                for place, (schedule_id, first) in enumerate(wanted[start : start + SCHEDULES_AT_ONCE], start)
            ]
            for place, fire_at, job_id in await self._database.fetch(" UNION ALL ".join(branches)):
                found[place].append(FiringRecord(from_text(fire_at), job_id))
        for each in found:
            each.sort(key=lambda firing: firing.at, reverse=True)  # a union promises no order
        return found

    async def get(self, schedule_id: int) -> ScheduleRecord | None:
        return (await self.by_id([schedule_id])).get(schedule_id)
