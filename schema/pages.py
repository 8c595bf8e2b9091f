"""Pages of lists: cursor connections with ``nodes`` beside ``edges``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import strawberry

from schema.jobs import Job


@strawberry.type
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type
class JobEdge:
    cursor: str
    node: Job


@strawberry.type
class JobConnection:
    nodes: list[Job]
    edges: list[JobEdge]
    page_info: PageInfo
    count: strawberry.Private[Callable[[int | None], Awaitable[int]]]

    @strawberry.field(description="Counted only when asked for; counting stops at atMost.")
    async def total_count(self, at_most: int | None = None) -> int:
        return await self.count(at_most)
