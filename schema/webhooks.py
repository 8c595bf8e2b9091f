"""Webhook endpoints, deliveries and their tries; and what clients give to make, change and find them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import strawberry
from strawberry.types.nodes import SelectedField, Selection

from schema.context import Info
from schema.enums import DeliveryStatus, WebhookEvent
from schema.jobs import Job
from schema.pages import PageInfo


@strawberry.type(description="How a receiver has been failing. Ten failures in a row open its circuit.")
class WebhookCircuit:
    failures_in_a_row: int
    failing_since: datetime
    open_until: datetime | None = strawberry.field(
        description="Until then nothing is sent to it, then one delivery as a probe. Null below ten failures."
    )


@strawberry.type(description="A URL that receives webhooks.")
class WebhookEndpoint:
    id: strawberry.ID = strawberry.field(
        description="0 is WEBHOOK_URL of the settings. A delivery to a job's own webhookUrl has one named after the "
        "job, which is in no list."
    )
    url: str
    events: list[WebhookEvent]
    task_names: list[str] | None = strawberry.field(description="Null means every task.")
    enabled: bool
    disabled_reason: str | None = strawberry.field(description="Why it was switched off, when the server did it.")
    created_at: datetime

    @strawberry.field(description="Newest first. first: at most 100; not given means 50.")
    async def deliveries(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> WebhookDeliveryConnection:
        return await info.context.loaders.deliveries_to(self, first, after)

    @strawberry.field(description="How its last tries have failed; null once one succeeds.")
    async def circuit(self, info: Info) -> WebhookCircuit | None:
        return await info.context.loaders.circuit(self)


@strawberry.type(description="One POST and what came of it.")
class DeliveryTry:
    at: datetime
    duration_ms: int
    response_status: int | None = strawberry.field(description="Null when no response came.")
    error: str | None
    response_body: str | None = strawberry.field(description="The beginning of what was answered, at most 1 KiB.")


@strawberry.type(description="One event to be POSTed to one receiver, however many tries that takes.")
class WebhookDelivery:
    id: strawberry.ID = strawberry.field(description="The webhook-id header: the same on every try.")
    event: WebhookEvent
    status: DeliveryStatus
    url: str = strawberry.field(
        description="Where it was to go when its job ended, or was sent again; a try goes to the endpoint's URL of "
        "that moment."
    )
    tries: list[DeliveryTry]
    next_try_at: datetime | None
    created_at: datetime
    job_id: strawberry.Private[int]
    endpoint_id: strawberry.Private[int | None]

    @strawberry.field(description="One that was deleted is shown as disabled.")
    async def endpoint(self, info: Info) -> WebhookEndpoint:
        return await info.context.loaders.endpoint_of(self)

    @strawberry.field(description="What every try sends, byte for byte; secrets in it are hidden from viewers.")
    async def body(self, info: Info) -> str:
        return await info.context.loaders.delivery_body(self)

    @strawberry.field
    async def job(self, info: Info) -> Job:
        return await info.context.loaders.job_of(self)


@strawberry.type
class WebhookDeliveryConnection:
    page_info: PageInfo
    deliveries: strawberry.Private[Sequence[WebhookDelivery]]
    count: strawberry.Private[Callable[[int | None], Awaitable[int]]]

    @strawberry.field
    async def nodes(self, info: Info) -> list[WebhookDelivery]:
        if not any(_are_asked_for("job", each.selections) for each in info.selected_fields):
            return list(self.deliveries)
        # A job may be deleted between the two reads, and its deliveries with it: one is no reason to have none.
        return list(await info.context.loaders.with_jobs(self.deliveries))

    @strawberry.field(description="Counted only when asked for; counting stops at atMost.")
    async def total_count(self, at_most: int | None = None) -> int:
        return await self.count(at_most)


def _are_asked_for(name: str, selections: Sequence[Selection]) -> bool:
    return any(
        each.name == name if isinstance(each, SelectedField) else _are_asked_for(name, each.selections)
        for each in selections
    )


@strawberry.input(description="Deliveries that match all that is given.")
class WebhookDeliveryFilter:
    endpoint_id: strawberry.ID | None = None
    job_id: strawberry.ID | None = None
    status: list[DeliveryStatus] | None = None
    event: list[WebhookEvent] | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


def _completed() -> list[Any]:
    return [WebhookEvent.JOB_COMPLETED]


@strawberry.input
class CreateWebhookEndpointInput:
    url: str
    events: list[WebhookEvent] = strawberry.field(default_factory=_completed)
    task_names: list[str] | None = strawberry.field(default=None, description="Null means every task.")


@strawberry.type
class CreateWebhookEndpointPayload:
    endpoint: WebhookEndpoint
    secret: str = strawberry.field(description="whsec_...; shown this once.")


@strawberry.input(description="What is not given stays as it is.")
class UpdateWebhookEndpointInput:
    id: strawberry.ID
    url: str | None = strawberry.UNSET
    events: list[WebhookEvent] | None = strawberry.UNSET
    task_names: list[str] | None = strawberry.field(default=strawberry.UNSET, description="Null means every task.")
    enabled: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="What waits for an endpoint that is disabled becomes FAILED; redeliverWebhooks sends it again.",
    )


@strawberry.type
class WebhookEndpointPayload:
    endpoint: WebhookEndpoint


@strawberry.type
class TestWebhookEndpointPayload:
    body: str = strawberry.field(description="What was sent, byte for byte.")
    outcome: DeliveryTry


@strawberry.type
class WebhookDeliveryPayload:
    delivery: WebhookDelivery


@strawberry.type
class BulkDeliveriesPayload:
    count: int = strawberry.field(description="How many will be sent again (with dryRun, would be).")
