"""A job and what belongs to it.

Fields without a resolver are attributes of the engine's records (engine/records.py), which are handed to the executor
as they are; those with one load what belongs to the job through the context.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.scalars import JSON

from schema.context import Info
from schema.enums import JobPriority, JobStatus

if TYPE_CHECKING:
    from schema.logs import JobLogConnection
    from schema.schedules import Schedule
    from schema.webhooks import WebhookDelivery

PREVIEW_CHARACTERS = 200

LazyLogs = Annotated["JobLogConnection", strawberry.lazy("schema.logs")]
LazySchedule = Annotated["Schedule", strawberry.lazy("schema.schedules")]
LazyDelivery = Annotated["WebhookDelivery", strawberry.lazy("schema.webhooks")]


@strawberry.type(description="Why an attempt failed.")
class JobError:
    code: str = strawberry.field(
        description="TASK_ERROR, TIMEOUT, WORKER_LOST, UNKNOWN_TASK, INVALID_PAYLOAD, or the code a task raised."
    )
    message: str
    traceback: str | None = strawberry.field(description="Only to admins.")


@strawberry.type(description="One try at running a job.")
class JobAttempt:
    number: int
    outcome: JobStatus | None = strawberry.field(description="Null while it runs.")
    error: JobError | None
    worker: str | None
    started_at: datetime
    finished_at: datetime | None


@strawberry.type(description="One status change.")
class JobEvent:
    cursor: str
    from_: JobStatus | None = strawberry.field(name="from", description="Null for the creation.")
    to: JobStatus
    attempt: int
    at: datetime


@strawberry.type(description="One request to run a task.")
class Job:
    id: strawberry.ID = strawberry.field(description="A decimal number; the webhook's jobId.")
    task_name: str
    payload: JSON | None
    payload_text: str | None = strawberry.field(
        description="The payload as stored, byte for byte: safe for integers that JavaScript would round."
    )
    payload_preview: str | None = strawberry.field(
        description=f"How payloadText begins, for lists: at most {PREVIEW_CHARACTERS} characters."
    )
    priority: JobPriority
    status: JobStatus
    tags: list[str]
    attempt: int = strawberry.field(description="The attempt under way or last made; 0 before the first.")
    max_attempts: int
    timeout_seconds: float
    progress: float | None = strawberry.field(description="0 to 1, as the task reports it.")
    result: JSON | None
    result_text: str | None
    error: JobError | None = strawberry.field(description="Of the last failed attempt.")
    idempotency_key: str | None
    created_at: datetime
    updated_at: datetime
    run_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None = strawberry.field(description="When it reached a terminal status.")
    copy_of_id: strawberry.Private[int | None]
    schedule_id: strawberry.Private[int | None]

    @strawberry.field(description="The schedule that made it; null once that is deleted.")
    async def schedule(self, info: Info) -> LazySchedule | None:
        return None if self.schedule_id is None else await info.context.loaders.schedule(self.schedule_id)

    @strawberry.field(description="One sentence: why it is not running. Null while RUNNING and once terminal.")
    async def waiting_for(self, info: Info) -> str | None:
        return await info.context.loaders.waiting_for(self)

    @strawberry.field(description="The job this one was copied from by copyJob.")
    async def copy_of(self, info: Info) -> Job | None:
        return None if self.copy_of_id is None else await info.context.loaders.job(self.copy_of_id)

    @strawberry.field(description="Oldest first.")
    async def attempts(self, info: Info) -> list[JobAttempt]:
        return list(await info.context.loaders.attempts(int(self.id)))

    @strawberry.field(description="Every status change, oldest first.")
    async def events(self, info: Info) -> list[JobEvent]:
        return list(await info.context.loaders.events(int(self.id)))

    @strawberry.field(
        description="What task code logged, oldest first. first: at most 100. To follow a running job, ask again with "
        "the last endCursor as after."
    )
    async def logs(self, info: Info, first: int | None = 100, after: str | None = None) -> LazyLogs:
        return await info.context.loaders.logs(int(self.id), first, after)

    @strawberry.field(description="The webhooks that tell of this job, oldest first.")
    async def deliveries(self, info: Info) -> list[LazyDelivery]:
        return list(await info.context.loaders.deliveries(self))


@strawberry.type(description="A status change, live or replayed.")
class JobStatusChange:
    cursor: str = strawberry.field(
        description="Give the last one seen as after, to go on where a broken connection stopped."
    )
    job: Job = strawberry.field(description="The job as it was right after this change.")
    from_: JobStatus | None = strawberry.field(name="from", description="Null for the creation.")
    to: JobStatus
    at: datetime


@strawberry.type
class JobStatusCount:
    status: JobStatus
    count: int


@strawberry.type(description="How many jobs there are, and how it goes.")
class JobStats:
    total: int
    by_status: list[JobStatusCount]
    completed_last_minute: int = strawberry.field(description="Jobs that reached COMPLETED in the last 60 seconds.")
    failed_last_minute: int = strawberry.field(description="Jobs that reached FAILED in the last 60 seconds.")
    oldest_queued_seconds: float | None = strawberry.field(
        description="How long the oldest QUEUED job has waited, in seconds."
    )
