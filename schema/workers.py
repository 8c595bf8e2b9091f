"""What runs jobs: tasks and workers."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry.scalars import JSON


@strawberry.type(description="A task that this server's workers can run.")
class Task:
    name: str
    description: str | None
    payload_schema: JSON | None = strawberry.field(description="JSON Schema of the payload; null when anything goes.")
    max_attempts: int
    timeout_seconds: float
    max_concurrency: int | None = strawberry.field(
        description="At most so many run at once, over all workers; null means no limit."
    )
    max_concurrency_per_key: int | None = strawberry.field(
        description="At most so many of those with one concurrencyKey run at once; null means no limit."
    )
    rate_limit: str | None = strawberry.field(
        description="At most so many start in a period, as 60/min; null means no limit."
    )
    paused: bool = strawberry.field(description="Paused tasks are not claimed; their jobs stay QUEUED.")


@strawberry.type
class TaskPayload:
    task: Task


@strawberry.type(description="A process's execution engine.")
class Worker:
    id: strawberry.ID
    host: str
    pid: int
    slots: int
    running: int
    started_at: datetime
    heartbeat_at: datetime
