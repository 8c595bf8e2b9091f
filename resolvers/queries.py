"""The fields of Query."""

from __future__ import annotations

from datetime import datetime
from typing import cast

import strawberry

from engine.store.reads import parse_id
from models.enums import JobStatus as Status
from resolvers.context import Info, columns_of, shape_of
from resolvers.inputs import job_query
from resolvers.job_pages import job_connection
from schema.enums import JobPriority, JobStatus
from schema.inputs import JobOrder
from schema.jobs import Job, JobStats, JobStatusCount
from schema.pages import JobConnection
from schema.workers import Task, Worker


@strawberry.type
class Query:
    @strawberry.field(description="Null when there is no such job.")
    async def job(self, info: Info, id: strawberry.ID) -> Job | None:  # noqa: A002 - the API's name
        reads, columns = info.context.engine.reads, columns_of(info, "Job")
        if columns is not None:
            return cast("Job | None", await reads.stored_job(parse_id(id), columns))
        return cast("Job | None", await reads.job(parse_id(id)))

    @strawberry.field(
        description="Newest first unless orderBy says otherwise. first and last: at most 100; "
        "neither given means first: 50."
    )
    async def jobs(
        self,
        info: Info,
        status: list[JobStatus] | None = None,
        priority: list[JobPriority] | None = None,
        task_name: str | None = None,
        tag: str | None = None,
        search: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        order_by: JobOrder | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> JobConnection:
        query = job_query(
            status=status,
            priority=priority,
            task_name=task_name,
            tag=tag,
            search=search,
            created_after=created_after,
            created_before=created_before,
            order_by=order_by,
            first=first,
            after=after,
            last=last,
            before=before,
        )
        columns, shape = columns_of(info, "Job"), shape_of(info, "Job")
        return cast(JobConnection, await job_connection(info.context.engine.reads, query, columns, shape))

    @strawberry.field
    async def job_stats(self, info: Info) -> JobStats:
        stats = await info.context.engine.reads.stats()
        return JobStats(
            total=sum(stats.counts.values()),
            by_status=[JobStatusCount(status=status, count=stats.counts[status]) for status in Status],
            completed_last_minute=stats.completed_last_minute,
            failed_last_minute=stats.failed_last_minute,
            oldest_queued_seconds=stats.oldest_queued_seconds,
        )

    @strawberry.field
    async def tasks(self, info: Info) -> list[Task]:
        return cast(list[Task], await info.context.engine.reads.tasks())

    @strawberry.field
    async def workers(self, info: Info) -> list[Worker]:
        return cast(list[Worker], await info.context.engine.reads.workers())

    @strawberry.field(
        description="Where the log of events is. Whatever else the same request, or a later one, reads shows every "
        "change up to here; jobStatusChanged(after: eventCursor) tells of all that follow, so that none is missed. "
        "Some of them may be in what was read already."
    )
    def event_cursor(self, info: Info) -> str:
        return info.context.event_cursor

    @strawberry.field
    def version(self, info: Info) -> str:
        return info.context.engine.version
