"""The fields of Subscription."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import strawberry

from engine.feed import ChangeFilter
from engine.store.reads import parse_id
from resolvers.context import Info
from resolvers.inputs import some, text
from schema.enums import JobPriority, JobStatus
from schema.jobs import JobStatusChange


@strawberry.type
class Subscription:
    @strawberry.subscription(
        description="Every status change that matches all arguments given, in order. status names the new status."
    )
    async def job_status_changed(
        self,
        info: Info,
        id: strawberry.ID | None = None,  # noqa: A002 - the API's name
        status: list[JobStatus] | None = None,
        priority: list[JobPriority] | None = None,
        task_name: str | None = None,
        tag: str | None = None,
        after: str | None = None,
    ) -> AsyncGenerator[JobStatusChange, None]:
        where = ChangeFilter(
            None if id is None else parse_id(id),
            some(status),
            some(priority),
            text(task_name, "taskName"),
            text(tag, "tag"),
        )
        async with aclosing(info.context.engine.feed.subscribe(where, after)) as changes:
            async for change in changes:
                yield cast(JobStatusChange, change)
