"""How many jobs were created and ended, step by step."""

from __future__ import annotations

from datetime import datetime

import strawberry


@strawberry.type(description="What happened in one step.")
class ThroughputPoint:
    at: datetime = strawberry.field(
        description="When the step began; steps begin at full minutes, quarters or hours of UTC."
    )
    created: int = strawberry.field(description="Jobs that were created.")
    completed: int = strawberry.field(description="Times that a job reached COMPLETED.")
    failed: int = strawberry.field(
        description="Times that a job reached FAILED: after its last attempt, not after each that failed."
    )
    cancelled: int = strawberry.field(description="Times that a job reached CANCELLED.")


@strawberry.type(description="A period, step by step, over all servers. It is a few seconds behind.")
class Throughput:
    step_seconds: int = strawberry.field(description="How long a step is.")
    points: list[ThroughputPoint] = strawberry.field(
        description="Oldest first, without gaps: a step in which nothing happened has zeros. The last is under way."
    )
