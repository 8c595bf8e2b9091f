"""Schedules: the type, and what clients give to make and change one."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from schema.context import Info
from schema.enums import JobPriority, MisfirePolicy, OverlapPolicy
from schema.jobs import Job


@strawberry.type(description="One time at which a schedule fired.")
class ScheduleFiring:
    at: datetime
    job_id: strawberry.Private[int | None]

    @strawberry.field(description="Null when its overlap policy left it out, and once the job is deleted.")
    async def job(self, info: Info) -> Job | None:
        return None if self.job_id is None else await info.context.loaders.job(self.job_id)


@strawberry.type(description="A cron rule that creates jobs.")
class Schedule:
    id: strawberry.ID
    name: str
    task_name: str
    payload: JSON | None
    payload_text: str | None = strawberry.field(
        description="The payload as stored, byte for byte: safe for integers that JavaScript would round."
    )
    priority: JobPriority
    cron: str = strawberry.field(description="Five fields, or @hourly and the like.")
    timezone: str = strawberry.field(description="An IANA name.")
    overlap: OverlapPolicy
    misfire: MisfirePolicy
    paused: bool
    next_run_at: datetime | None = strawberry.field(description="Null while it is paused.")
    last_run_at: datetime | None = strawberry.field(description="The firing time of its last job.")
    created_at: datetime

    @strawberry.field(description="Its last firings, the latest first; at most 100. triggerSchedule makes none.")
    async def last_firings(self, info: Info, first: int | None = 30) -> list[ScheduleFiring]:
        return list(await info.context.loaders.last_firings(self, 30 if first is None else first))

    @strawberry.field(description="The next firings, as the cron rule and time zone give them; at most 100.")
    def next_runs(self, info: Info, first: int | None = 5) -> list[datetime]:
        return list(info.context.loaders.next_runs(self, 5 if first is None else first))


@strawberry.input
class CreateScheduleInput:
    name: str = strawberry.field(description="Unique.")
    task_name: str
    payload: JSON | None = None
    priority: JobPriority = JobPriority.MEDIUM
    cron: str
    timezone: str = "UTC"
    overlap: OverlapPolicy = OverlapPolicy.ALLOW
    misfire: MisfirePolicy = MisfirePolicy.RUN_ONCE


@strawberry.input(description="What is not given stays as it is.")
class UpdateScheduleInput:
    id: strawberry.ID
    payload: JSON | None = strawberry.field(default=strawberry.UNSET, description="Null takes it away.")
    priority: JobPriority | None = strawberry.UNSET
    cron: str | None = strawberry.UNSET
    timezone: str | None = strawberry.UNSET
    overlap: OverlapPolicy | None = strawberry.UNSET
    misfire: MisfirePolicy | None = strawberry.UNSET


@strawberry.type
class SchedulePayload:
    schedule: Schedule
