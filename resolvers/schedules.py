"""The fields of Query and Mutation about schedules."""

from __future__ import annotations

from datetime import datetime
from typing import cast

import strawberry

from engine.store.reads import parse_id
from resolvers.context import Info
from resolvers.inputs import new_schedule, schedule_changes
from schema.inputs import DeletePayload, JobPayload
from schema.jobs import Job
from schema.schedules import CreateScheduleInput, Schedule, SchedulePayload, UpdateScheduleInput


def _payload(record: object) -> SchedulePayload:
    return SchedulePayload(schedule=cast(Schedule, record))


@strawberry.type
class ScheduleQueries:
    @strawberry.field(description="Null when there is no such schedule.")
    async def schedule(self, info: Info, id: strawberry.ID) -> Schedule | None:  # noqa: A002 - the API's name
        return cast("Schedule | None", await info.context.engine.schedules.get(parse_id(id)))

    @strawberry.field(description="All of them, by name.")
    async def schedules(self, info: Info) -> list[Schedule]:
        return cast(list[Schedule], await info.context.engine.schedules.all())

    @strawberry.field(description="When a cron rule would fire next in a time zone; first: at most 100.")
    def next_runs(self, info: Info, cron: str, timezone: str = "UTC", first: int | None = 5) -> list[datetime]:
        return info.context.engine.schedules.preview(cron, timezone, 5 if first is None else first)


@strawberry.type
class ScheduleMutations:
    @strawberry.mutation
    async def create_schedule(self, info: Info, input: CreateScheduleInput) -> SchedulePayload:  # noqa: A002
        return _payload(await info.context.engine.schedules.create(new_schedule(input)))

    @strawberry.mutation(description="Another cron rule or time zone counts from now.")
    async def update_schedule(self, info: Info, input: UpdateScheduleInput) -> SchedulePayload:  # noqa: A002
        changes = schedule_changes(input)
        return _payload(await info.context.engine.schedules.update(parse_id(input.id), changes))

    @strawberry.mutation(description="No firings until resumeSchedule.")
    async def pause_schedule(self, info: Info, id: strawberry.ID) -> SchedulePayload:  # noqa: A002
        return _payload(await info.context.engine.schedules.pause(parse_id(id)))

    @strawberry.mutation(description="Goes on with the next firing from now: a pause misses nothing.")
    async def resume_schedule(self, info: Info, id: strawberry.ID) -> SchedulePayload:  # noqa: A002
        return _payload(await info.context.engine.schedules.resume(parse_id(id)))

    @strawberry.mutation(description="Creates its job now, whatever the cron rule says.")
    async def trigger_schedule(self, info: Info, id: strawberry.ID) -> JobPayload:  # noqa: A002
        return JobPayload(job=cast(Job, await info.context.engine.schedules.trigger(parse_id(id))))

    @strawberry.mutation(description="Its jobs stay.")
    async def delete_schedule(self, info: Info, id: strawberry.ID) -> DeletePayload:  # noqa: A002
        deleted = await info.context.engine.schedules.delete(parse_id(id))
        return DeletePayload(id=strawberry.ID(str(deleted)))
