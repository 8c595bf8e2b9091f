"""What clients may ask of schedules: the input is checked here, then the store is asked.

A schedule's task name and payload are checked as a job's are, so that no firing makes a job that nobody could create.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from engine.cron import cron_rule
from engine.errors import InvalidInput, NotFound
from engine.jobs import JobInput, Jobs
from engine.records import FiringRecord, JobRecord, NewSchedule, ScheduleRecord
from engine.registry import UNPRINTABLE
from engine.store.schedule_writes import ScheduleChange
from engine.store.store import Store
from models.enums import JobPriority, MisfirePolicy, OverlapPolicy

MAX_NAME_LENGTH = 255
MAX_FIRINGS = 100
"""Of the last ones and of the next, so many are told at once."""


@dataclass(slots=True, kw_only=True)
class ScheduleInput:
    """What a client gives to create a schedule; nothing of it is checked yet."""

    name: str
    task_name: str
    payload: Any = None
    priority: JobPriority = JobPriority.MEDIUM
    cron: str
    timezone: str = "UTC"
    overlap: OverlapPolicy = OverlapPolicy.ALLOW
    misfire: MisfirePolicy = MisfirePolicy.RUN_ONCE


class Schedules:
    """Create, update, pause, resume, trigger and delete schedules.

    Args:
        jobs: checks what a schedule's jobs are made of.
    """

    def __init__(self, store: Store, jobs: Jobs) -> None:
        self._store = store
        self._jobs = jobs

    async def get(self, schedule_id: int) -> ScheduleRecord | None:
        return await self._store.schedules.get(schedule_id)

    async def by_id(self, ids: Sequence[int]) -> dict[int, ScheduleRecord]:
        """Those that exist among ``ids``."""
        return await self._store.schedules.by_id(ids)

    async def all(self) -> list[ScheduleRecord]:
        """All of them, by name."""
        return await self._store.schedules.all()

    async def create(self, given: ScheduleInput) -> ScheduleRecord:
        """Create a schedule; its first firing is the next that the rule gives.

        Raises:
            InvalidInput, Conflict, Unavailable
        """
        _check_name(given.name)
        cron_rule(given.cron, given.timezone)
        job = await self._jobs.check(JobInput(task_name=given.task_name, payload=given.payload))
        return await self._store.schedules.create(
            NewSchedule(
                name=given.name,
                task_name=given.task_name,
                payload_text=job.payload_text,
                priority=given.priority,
                cron=given.cron,
                timezone=given.timezone,
                overlap=given.overlap,
                misfire=given.misfire,
            )
        )

    async def update(self, schedule_id: int, given: dict[str, Any]) -> ScheduleRecord:
        """Change what is ``given``: some of payload, priority, cron, timezone, overlap and misfire.

        Another rule or zone counts from now: what the old one left undone is not made up for.

        Raises:
            NotFound, InvalidInput, Unavailable
        """
        known = await self._store.schedules.get(schedule_id)
        if known is None:
            raise NotFound(f"There is no schedule {schedule_id}.")
        values = dict(given)
        cron_rule(values.get("cron", known.cron), values.get("timezone", known.timezone))
        if "payload" in values:
            job = await self._jobs.check(JobInput(task_name=known.task_name, payload=values.pop("payload")))
            values["payload_text"] = job.payload_text
        return await self._store.schedules.change(ScheduleChange(schedule_id, values))

    async def pause(self, schedule_id: int) -> ScheduleRecord:
        """No firings until ``resume``."""
        return await self._store.schedules.change(ScheduleChange(schedule_id, {"paused": True}))

    async def resume(self, schedule_id: int) -> ScheduleRecord:
        """Go on with the next firing from now: a pause misses nothing."""
        return await self._store.schedules.change(ScheduleChange(schedule_id, {"paused": False}))

    async def trigger(self, schedule_id: int) -> JobRecord:
        """Create the schedule's job now."""
        return await self._store.schedules.trigger(schedule_id, self._jobs.own_limits)

    async def delete(self, schedule_id: int) -> int:
        """Remove a schedule; its jobs stay."""
        return await self._store.schedules.delete(schedule_id)

    def next_runs(self, schedule: ScheduleRecord, first: int) -> list[datetime]:
        """The next ``first`` firings, as the rule and the time zone give them, paused or not.

        Raises:
            InvalidInput: ``first`` is not from 1 to 100.
        """
        moment = self._store.clock.now()
        if schedule.next_run_at is not None and schedule.next_run_at > moment:
            moment = schedule.next_run_at - timedelta(microseconds=1)  # this machine's clock may be behind
        return _firings_after(moment, schedule.cron, schedule.timezone, first)

    def preview(self, cron: str, timezone: str, first: int) -> list[datetime]:
        """The next ``first`` firings that a schedule of this rule would have, from now.

        Raises:
            InvalidInput: the rule or the zone cannot be read, or ``first`` is not from 1 to 100.
        """
        return _firings_after(self._store.clock.now(), cron, timezone, first)

    async def last_firings(self, wanted: Sequence[tuple[int, int]]) -> list[list[FiringRecord]]:
        """For each (schedule, number): its last so many firings, the latest first.

        Raises:
            InvalidInput: a number is not from 1 to 100.
        """
        for _schedule_id, first in wanted:
            _check_first(first)
        return await self._store.schedules.last_firings(wanted)


def _check_first(first: int) -> None:
    if not 1 <= first <= MAX_FIRINGS:
        raise InvalidInput(f"first: {first} is not from 1 to {MAX_FIRINGS}.", field="first")


def _firings_after(moment: datetime, cron: str, timezone: str, first: int) -> list[datetime]:
    _check_first(first)
    rule = cron_rule(cron, timezone)
    found: list[datetime] = []
    while len(found) < first and (following := rule.after(moment)) is not None:
        found.append(following)
        moment = following
    return found


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME_LENGTH:
        raise InvalidInput(
            f"name: it must be 1 to {MAX_NAME_LENGTH} characters; this one has {len(name)}.", field="name"
        )
    if UNPRINTABLE(name):
        raise InvalidInput("name: leave out control characters and halves of surrogate pairs.", field="name")
