"""What clients give, and what mutations give back."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from schema.enums import JobOrderField, JobPriority, JobStatus, OrderDirection
from schema.jobs import Job


@strawberry.input
class JobOrder:
    field: JobOrderField
    direction: OrderDirection = OrderDirection.DESC


@strawberry.input
class CreateJobInput:
    task_name: str = strawberry.field(description="1 to 255 characters.")
    payload: JSON | None = None
    priority: JobPriority = JobPriority.MEDIUM
    tags: list[str] = strawberry.field(default_factory=list)
    run: bool = strawberry.field(
        default=False, description="Run as soon as a slot is free, instead of waiting for runJob."
    )
    run_at: datetime | None = strawberry.field(default=None, description="Run at this instant.")
    max_attempts: int | None = None
    timeout_seconds: float | None = None
    idempotency_key: str | None = strawberry.field(
        default=None,
        description="The same key with the same input returns the first job; with another input it is a CONFLICT.",
    )
    webhook_url: str | None = strawberry.field(default=None, description="Also POST this job's webhook here.")
    concurrency_key: str | None = strawberry.field(
        default=None, description="Jobs of one task with the same key share that task's per-key limit."
    )


@strawberry.input(description="Jobs that match all that is given.")
class JobFilter:
    ids: list[strawberry.ID] | None = None
    status: list[JobStatus] | None = None
    priority: list[JobPriority] | None = None
    task_name: str | None = None
    tag: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


@strawberry.type
class CreateJobPayload:
    job: Job
    created: bool = strawberry.field(description="False when idempotencyKey found an earlier job.")


@strawberry.type
class CreateJobsPayload:
    jobs: list[Job] = strawberry.field(description="In the order of the inputs.")


@strawberry.type
class JobPayload:
    job: Job


@strawberry.type
class BulkJobsPayload:
    count: int = strawberry.field(description="How many jobs were changed (with dryRun, would be).")


@strawberry.type
class DeletePayload:
    id: strawberry.ID
