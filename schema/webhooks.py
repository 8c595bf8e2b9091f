"""Deliveries of webhooks and their tries."""

from __future__ import annotations

from datetime import datetime

import strawberry

from schema.context import Info
from schema.enums import DeliveryStatus, WebhookEvent
from schema.jobs import Job


@strawberry.type(description="One POST and what came of it.")
class DeliveryTry:
    at: datetime
    duration_ms: int
    response_status: int | None = strawberry.field(description="Null when no response came.")
    error: str | None


@strawberry.type(description="One event to be POSTed to one receiver, however many tries that takes.")
class WebhookDelivery:
    id: strawberry.ID = strawberry.field(description="The webhook-id header: the same on every try.")
    event: WebhookEvent
    status: DeliveryStatus
    url: str = strawberry.field(description="Where it goes.")
    tries: list[DeliveryTry]
    next_try_at: datetime | None
    created_at: datetime
    job_id: strawberry.Private[int]

    @strawberry.field
    async def job(self, info: Info) -> Job:
        found = await info.context.loaders.job(self.job_id)
        if found is None:
            raise RuntimeError(f"delivery {self.id} tells of a job that is gone: {self.job_id}")
        return found
