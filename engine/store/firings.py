"""Firing what is due: the firing's row, its job with its event, and the move to the next time, in one transaction.

Any number of servers may fire. Each takes rows that no other holds (SKIP LOCKED), and a row that has had its turn is no
longer due; the unique key (schedule_id, fire_at) stands behind that. All times are the database's.

Failure handling: a transaction that is lost leaves the schedules due, for the next turn or another server. A rule that
this server cannot read (its time zones are older) is passed over here from then on; others may know it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from engine.cron import CronRule, cron_rule
from engine.errors import InvalidInput
from engine.misfires import firings
from engine.records import JobRecord, NewJob, ScheduleRecord
from engine.registry import DEFAULT_MAX_ATTEMPTS, DEFAULT_TIMEOUT_SECONDS
from engine.store.database import Database, from_text, to_text
from engine.store.rows import STATUSES
from engine.store.schedule_rows import SCHEDULE_COLUMNS, schedule_from_row
from engine.store.unit import Unit, id_list
from engine.store.writes import OperatorWrites
from models.enums import OverlapPolicy

log = structlog.get_logger("signalbox.schedules")

LimitsOf = Callable[[str], tuple[int, float] | None]
"""The attempts and seconds that a task of this process asks for; None for a task of another's."""
MAX_JOBS = 1000
"""In one transaction, about; what is due beyond that has its turn in the next."""


@dataclass(frozen=True, slots=True)
class FireRequest:
    """Fire up to ``limit`` schedules that are due."""

    limit: int
    limits_of: LimitsOf


@dataclass(slots=True)
class Turn:
    """What becomes of one schedule that is due."""

    schedule: ScheduleRecord
    rule: CronRule
    fire_at: list[datetime]
    jobs: dict[datetime, JobRecord] = field(default_factory=dict)

    def with_job(self, is_last_job_finished: bool) -> list[datetime]:
        """The firings that make a job: of those under SKIP one at most, and none beside an unfinished one."""
        if self.schedule.overlap is OverlapPolicy.ALLOW:
            return self.fire_at
        return self.fire_at[:1] if is_last_job_finished else []


class FiringWrites:
    """The handler of the scheduler's loop, and the making of schedules' jobs."""

    def __init__(self, operators: OperatorWrites, database: Database) -> None:
        self._operators = operators
        self._due = f"{','.join(SCHEDULE_COLUMNS)} FROM schedule{database.by_index('schedule_due')}"
        self._unreadable: set[tuple[str, str]] = set()

    async def fire(self, unit: Unit, requests: Sequence[FireRequest]) -> list[int]:
        """How many schedules had their turn."""
        return [await self._fire(unit, request) for request in requests]

    async def _fire(self, unit: Unit, request: FireRequest) -> int:
        passed_over = "AND NOT (cron=%s AND timezone=%s) " * len(self._unreadable)
        rows = await unit.transaction.fetch(
            f"SELECT {self._due} WHERE paused=0 AND next_run_at <= '{unit.now_text}' {passed_over}"
            f"ORDER BY next_run_at, id LIMIT {request.limit}{unit.transaction.skip_locked}",
            [text for pair in self._unreadable for text in pair],
        )
        turns: list[Turn] = []
        job_count = 0
        for schedule in map(schedule_from_row, rows):
            turn = self._turn(schedule, unit.now)
            if turn is None:
                continue
            turns.append(turn)
            job_count += len(turn.fire_at)
            if job_count >= MAX_JOBS:
                break
        if turns:
            await self._leave_out_made(unit, turns)
            await self._make_jobs(unit, turns, request.limits_of)
            await self._record(unit, turns)
        return len(turns)

    def _turn(self, schedule: ScheduleRecord, now: datetime) -> Turn | None:
        assert schedule.next_run_at is not None  # noqa: S101 - NULL is never due
        try:
            rule = cron_rule(schedule.cron, schedule.timezone)
        except InvalidInput as error:
            self._unreadable.add((schedule.cron, schedule.timezone))
            log.error("schedule.unreadable", schedule=schedule.id, name=schedule.name, error=str(error))
            return None
        return Turn(schedule, rule, firings(rule, schedule.next_run_at, now, schedule.misfire))

    async def _leave_out_made(self, unit: Unit, turns: Sequence[Turn]) -> None:
        """A clock that was set back makes due again what has been fired."""
        moments = [moment for turn in turns for moment in turn.fire_at]
        if not moments:
            return
        rows = await unit.transaction.fetch(
            f"SELECT schedule_id, fire_at FROM schedule_firing WHERE schedule_id IN "
            f"({id_list(turn.schedule.id for turn in turns)}) AND fire_at >= '{to_text(min(moments))}'"
        )
        made = {(schedule_id, from_text(fire_at)) for schedule_id, fire_at in rows}
        for turn in turns:
            turn.fire_at = [moment for moment in turn.fire_at if (turn.schedule.id, moment) not in made]

    async def _make_jobs(self, unit: Unit, turns: Sequence[Turn], limits_of: LimitsOf) -> None:
        unfinished = await self._unfinished(unit, turns)
        places = [
            (turn, moment) for turn in turns for moment in turn.with_job(turn.schedule.last_job_id not in unfinished)
        ]
        jobs = await self.make_jobs(unit, [(turn.schedule, moment) for turn, moment in places], limits_of)
        for (turn, moment), job in zip(places, jobs, strict=True):
            turn.jobs[moment] = job

    async def _unfinished(self, unit: Unit, turns: Sequence[Turn]) -> set[int]:
        """The last jobs, of schedules that ask for it, which have not ended."""
        ids = [
            turn.schedule.last_job_id
            for turn in turns
            if turn.schedule.overlap is OverlapPolicy.SKIP and turn.schedule.last_job_id is not None
        ]
        if not ids:
            return set()
        rows = await unit.transaction.fetch(f"SELECT id, status FROM jobs WHERE id IN ({id_list(ids)})")
        return {job_id for job_id, status in rows if not STATUSES[status].is_terminal}

    async def make_jobs(
        self, unit: Unit, places: Sequence[tuple[ScheduleRecord, datetime]], limits_of: LimitsOf
    ) -> list[JobRecord]:
        """A QUEUED job for each (schedule, firing time)."""
        limits = await _limits(unit, {schedule.task_name for schedule, _ in places}, limits_of)
        new = []
        for schedule, moment in places:
            max_attempts, timeout_seconds = limits[schedule.task_name]
            new.append(
                NewJob(
                    task_name=schedule.task_name,
                    payload_text=schedule.payload_text,
                    priority=schedule.priority,
                    run=True,
                    max_attempts=max_attempts,
                    timeout_seconds=timeout_seconds,
                    schedule_id=schedule.id,
                    scheduled_for=moment,
                )
            )
        return await self._operators.insert(unit, new)

    async def _record(self, unit: Unit, turns: Sequence[Turn]) -> None:
        rows = [
            (turn.schedule.id, to_text(moment), turn.jobs[moment].id if moment in turn.jobs else None)
            for turn in turns
            for moment in turn.fire_at
        ]
        if rows:
            await unit.transaction.insert("schedule_firing", ("schedule_id", "fire_at", "job_id"), rows)
        for turn in turns:
            await self._move(unit, turn)

    async def _move(self, unit: Unit, turn: Turn) -> None:
        next_run_at = turn.rule.after(unit.now)
        changes = ["next_run_at=%s", f"updated_at='{unit.now_text}'"]
        parameters: list[str | None] = [None if next_run_at is None else to_text(next_run_at)]
        if turn.jobs:
            latest = max(turn.jobs)
            changes.append(f"last_run_at='{to_text(latest)}', last_job_id={turn.jobs[latest].id}")
        await unit.transaction.execute(
            f"UPDATE schedule SET {', '.join(changes)} WHERE id={turn.schedule.id}", parameters
        )


async def _limits(unit: Unit, names: set[str], limits_of: LimitsOf) -> dict[str, tuple[int, float]]:
    """Of each task: what this process, another's workers, or else the defaults say."""
    found = {name: limits for name in names if (limits := limits_of(name)) is not None}
    others = sorted(names - set(found))
    if others:
        rows = await unit.transaction.fetch(
            f"SELECT name, max_attempts, timeout_seconds FROM task WHERE name IN ({','.join(['%s'] * len(others))})",
            others,
        )
        found |= {name: (max_attempts, timeout_seconds) for name, max_attempts, timeout_seconds in rows}
    return {name: found.get(name, (DEFAULT_MAX_ATTEMPTS, DEFAULT_TIMEOUT_SECONDS)) for name in names}
