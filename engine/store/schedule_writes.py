"""What operators ask of schedules, in batches: create, update, pause, resume, trigger, delete.

The next firing is always told from the database's clock, under the schedule's row lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.cron import cron_rule
from engine.errors import Conflict, NotFound, SignalboxError
from engine.records import JobRecord, NewSchedule, ScheduleRecord
from engine.store.database import to_text
from engine.store.firings import FiringWrites, LimitsOf
from engine.store.schedule_rows import SCHEDULE_COLUMNS, schedule_from_row
from engine.store.unit import Unit, id_list


@dataclass(frozen=True, slots=True)
class ScheduleChange:
    """Set these of one schedule: payload_text, priority, cron, timezone, overlap, misfire, paused."""

    schedule_id: int
    values: dict[str, Any]


class ScheduleWrites:
    """The handlers of what clients ask of schedules."""

    def __init__(self, firings: FiringWrites) -> None:
        self._firings = firings

    async def create(self, unit: Unit, requests: Sequence[NewSchedule]) -> list[ScheduleRecord | SignalboxError]:
        marks = ",".join(["%s"] * len(requests))
        rows = await unit.transaction.fetch(
            f"SELECT name, id FROM schedule WHERE name IN ({marks})", [each.name for each in requests]
        )
        taken: dict[str, int] = dict(rows)
        answers: list[ScheduleRecord | SignalboxError] = []
        for new in requests:
            if new.name in taken:
                answers.append(
                    Conflict(f"name: schedule {taken[new.name]} is named {new.name!r} already; choose another name.")
                )
                continue
            record = await self._insert(unit, new)
            unit.schedules_changed = True
            taken[new.name] = record.id
            answers.append(record)
        return answers

    async def _insert(self, unit: Unit, new: NewSchedule) -> ScheduleRecord:
        record = ScheduleRecord(
            id=0,
            name=new.name,
            task_name=new.task_name,
            payload_text=new.payload_text,
            priority=new.priority,
            cron=new.cron,
            timezone=new.timezone,
            overlap=new.overlap,
            misfire=new.misfire,
            paused=False,
            next_run_at=cron_rule(new.cron, new.timezone).after(unit.now),
            last_run_at=None,
            last_job_id=None,
            created_at=unit.now,
        )
        columns = (*SCHEDULE_COLUMNS[1:], "updated_at")
        [record.id] = await unit.transaction.insert(
            "schedule",
            columns,
            [
                (
                    record.name,
                    record.task_name,
                    *_changeable_row(record),
                    None,
                    None,
                    unit.now_text,
                    unit.now_text,
                )
            ],
        )
        return record

    async def change(self, unit: Unit, requests: Sequence[ScheduleChange]) -> list[ScheduleRecord | SignalboxError]:
        """Update, pause and resume, in the order of the requests. Nobody is told of a change that changes nothing."""
        records = await self._locked(unit, [each.schedule_id for each in requests])
        answers: list[ScheduleRecord | SignalboxError] = []
        for request in requests:
            record = records.get(request.schedule_id)
            if record is None:
                answers.append(_not_found(request.schedule_id))
                continue
            changed = replace(record, **request.values)
            if _timing(changed) != _timing(record):
                # what a pause or another rule left out was not missed
                changed.next_run_at = (
                    None if changed.paused else cron_rule(changed.cron, changed.timezone).after(unit.now)
                )
                unit.schedules_changed = True
            if changed != record:
                await self._write(unit, changed)
            records[record.id] = changed
            answers.append(changed)
        return answers

    async def _write(self, unit: Unit, record: ScheduleRecord) -> None:
        assignments = ", ".join(f"{column}=%s" for column in SCHEDULE_COLUMNS[3:11])
        await unit.transaction.execute(
            f"UPDATE schedule SET {assignments}, updated_at='{unit.now_text}' WHERE id={record.id}",
            _changeable_row(record),
        )

    async def trigger(self, unit: Unit, requests: Sequence[tuple[int, LimitsOf]]) -> list[JobRecord | SignalboxError]:
        """A job for each, at once, whatever the rule, a pause or the overlap policy say."""
        records = await self._locked(unit, [schedule_id for schedule_id, _ in requests])
        answers: list[JobRecord | SignalboxError] = []
        for schedule_id, limits_of in requests:
            if schedule_id not in records:
                answers.append(_not_found(schedule_id))
                continue
            [job] = await self._firings.make_jobs(unit, [(records[schedule_id], unit.now)], limits_of)
            await unit.transaction.execute(
                f"UPDATE schedule SET last_run_at='{unit.now_text}', last_job_id={job.id}, "
                f"updated_at='{unit.now_text}' WHERE id={schedule_id}"
            )
            answers.append(job)
        return answers

    async def delete(self, unit: Unit, requests: Sequence[int]) -> list[int | SignalboxError]:
        """Remove schedules and what is known of their firings. Their jobs keep a number that names nothing any more."""
        records = await self._locked(unit, requests)
        answers: list[int | SignalboxError] = []
        for schedule_id in requests:
            found = records.pop(schedule_id, None)
            if found is None:
                answers.append(_not_found(schedule_id))
                continue
            await unit.transaction.execute(f"DELETE FROM schedule_firing WHERE schedule_id={schedule_id}")
            await unit.transaction.execute(f"DELETE FROM schedule WHERE id={schedule_id}")
            answers.append(schedule_id)
        return answers

    async def _locked(self, unit: Unit, ids: Sequence[int]) -> dict[int, ScheduleRecord]:
        rows = await unit.transaction.fetch(
            f"SELECT {','.join(SCHEDULE_COLUMNS)} FROM schedule WHERE id IN ({id_list(set(ids))}) "
            f"ORDER BY id{unit.transaction.for_update}"
        )
        return {record.id: record for record in map(schedule_from_row, rows)}


def _changeable_row(record: ScheduleRecord) -> tuple[object, ...]:
    """The values of ``SCHEDULE_COLUMNS[3:11]``."""
    return (
        record.payload_text,
        int(record.priority),
        record.cron,
        record.timezone,
        record.overlap.value,
        record.misfire.value,
        int(record.paused),
        None if record.next_run_at is None else to_text(record.next_run_at),
    )


def _timing(record: ScheduleRecord) -> tuple[str, str, bool]:
    """What the next firing follows from."""
    return record.cron, record.timezone, record.paused


def _not_found(schedule_id: int) -> NotFound:
    return NotFound(f"There is no schedule {schedule_id}.")
