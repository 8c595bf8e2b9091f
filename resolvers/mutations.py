"""The fields of Mutation."""

from __future__ import annotations

from typing import cast

import strawberry
from strawberry.scalars import JSON

from engine.store.reads import parse_id
from resolvers.context import Info
from resolvers.inputs import job_filter, new_job
from schema.inputs import (
    BulkJobsPayload,
    CreateJobInput,
    CreateJobPayload,
    CreateJobsPayload,
    DeletePayload,
    JobFilter,
    JobPayload,
)
from schema.jobs import Job


def _payload(record: object) -> JobPayload:
    return JobPayload(job=cast(Job, record))


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def create_job(self, info: Info, input: CreateJobInput) -> CreateJobPayload:  # noqa: A002 - the API's name
        [created] = await info.context.engine.jobs.create([new_job(input)])
        return CreateJobPayload(job=cast(Job, created.job), created=created.created)

    @strawberry.mutation(description="All or none; at most 1000.")
    async def create_jobs(self, info: Info, inputs: list[CreateJobInput]) -> CreateJobsPayload:
        created = await info.context.engine.jobs.create([new_job(each) for each in inputs])
        return CreateJobsPayload(jobs=[cast(Job, each.job) for each in created])

    @strawberry.mutation(description="PENDING or SCHEDULED becomes QUEUED now; any other status is INVALID_STATE.")
    async def run_job(self, info: Info, id: strawberry.ID) -> JobPayload:  # noqa: A002 - the API's name
        return _payload(await info.context.engine.jobs.run(parse_id(id)))

    @strawberry.mutation(
        description="PENDING, SCHEDULED, QUEUED: at once. RUNNING: the task is interrupted, the job becomes CANCELLED "
        "when it has stopped."
    )
    async def cancel_job(self, info: Info, id: strawberry.ID) -> JobPayload:  # noqa: A002 - the API's name
        return _payload(await info.context.engine.jobs.cancel(parse_id(id)))

    @strawberry.mutation(
        description="FAILED, CANCELLED or COMPLETED becomes QUEUED again, with its attempts counted afresh."
    )
    async def retry_job(self, info: Info, id: strawberry.ID) -> JobPayload:  # noqa: A002 - the API's name
        return _payload(await info.context.engine.jobs.retry(parse_id(id)))

    @strawberry.mutation(
        description="A new job like this one, with the stored payload unless another is given; copyOf links them."
    )
    async def copy_job(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002 - the API's name
        payload: JSON | None = strawberry.UNSET,
        run: bool = True,
    ) -> JobPayload:
        record = await info.context.engine.jobs.copy(
            parse_id(id), payload=payload, has_payload=payload is not strawberry.UNSET, run=run
        )
        return _payload(record)

    @strawberry.mutation(description="Not while RUNNING.")
    async def delete_job(self, info: Info, id: strawberry.ID) -> DeletePayload:  # noqa: A002 - the API's name
        return DeletePayload(id=strawberry.ID(str(await info.context.engine.jobs.delete(parse_id(id)))))

    @strawberry.mutation(description="Every job that matches becomes QUEUED, where it is PENDING or SCHEDULED.")
    async def run_jobs(self, info: Info, filter: JobFilter, dry_run: bool = False) -> BulkJobsPayload:  # noqa: A002
        return BulkJobsPayload(count=await info.context.engine.jobs.run_all(job_filter(filter), dry_run=dry_run))

    @strawberry.mutation(description="Every job that matches and has not ended is cancelled.")
    async def cancel_jobs(self, info: Info, filter: JobFilter, dry_run: bool = False) -> BulkJobsPayload:  # noqa: A002
        return BulkJobsPayload(count=await info.context.engine.jobs.cancel_all(job_filter(filter), dry_run=dry_run))

    @strawberry.mutation(description="Every job that matches becomes QUEUED again, where it has ended.")
    async def retry_jobs(self, info: Info, filter: JobFilter, dry_run: bool = False) -> BulkJobsPayload:  # noqa: A002
        return BulkJobsPayload(count=await info.context.engine.jobs.retry_all(job_filter(filter), dry_run=dry_run))

    @strawberry.mutation(description="Every job that matches is deleted, unless it is RUNNING.")
    async def delete_jobs(self, info: Info, filter: JobFilter, dry_run: bool = False) -> BulkJobsPayload:  # noqa: A002
        return BulkJobsPayload(count=await info.context.engine.jobs.delete_all(job_filter(filter), dry_run=dry_run))
