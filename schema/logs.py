"""What a job's tasks logged."""

from __future__ import annotations

from datetime import datetime

import strawberry

from schema.pages import PageInfo


@strawberry.type(description="One line of a job's log.")
class JobLogLine:
    at: datetime
    attempt: int
    level: str = strawberry.field(description="debug, info, warning, error or critical.")
    message: str


@strawberry.type(description="A page of a job's log.")
class JobLogConnection:
    nodes: list[JobLogLine]
    page_info: PageInfo
