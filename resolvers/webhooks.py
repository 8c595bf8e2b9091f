"""The fields of Query and Mutation about webhooks."""

from __future__ import annotations

from typing import cast

import strawberry

from engine.endpoints import WithSecret
from engine.store.reads import parse_id
from resolvers.context import Info
from resolvers.deliveries import delivery_connection
from resolvers.inputs import delivery_filter, endpoint_changes, new_endpoint
from schema.inputs import DeletePayload
from schema.webhooks import (
    BulkDeliveriesPayload,
    CreateWebhookEndpointInput,
    CreateWebhookEndpointPayload,
    DeliveryTry,
    TestWebhookEndpointPayload,
    UpdateWebhookEndpointInput,
    WebhookDelivery,
    WebhookDeliveryConnection,
    WebhookDeliveryFilter,
    WebhookDeliveryPayload,
    WebhookEndpoint,
    WebhookEndpointPayload,
)


def _with_secret(made: WithSecret) -> CreateWebhookEndpointPayload:
    return CreateWebhookEndpointPayload(endpoint=cast(WebhookEndpoint, made.endpoint), secret=made.secret)


@strawberry.type
class WebhookQueries:
    @strawberry.field(description="WEBHOOK_URL of the settings first, if it is set; then the others, oldest first.")
    async def webhook_endpoints(self, info: Info) -> list[WebhookEndpoint]:
        return cast(list[WebhookEndpoint], await info.context.engine.endpoints.all())

    @strawberry.field(description="Null when there is no such delivery.")
    async def webhook_delivery(self, info: Info, id: strawberry.ID) -> WebhookDelivery | None:  # noqa: A002
        return cast("WebhookDelivery | None", await info.context.engine.webhook_log.get(id))

    @strawberry.field(description="Newest first. first: at most 100; not given means 50.")
    async def webhook_deliveries(
        self,
        info: Info,
        filter: WebhookDeliveryFilter | None = None,  # noqa: A002 - the API's name
        first: int | None = None,
        after: str | None = None,
    ) -> WebhookDeliveryConnection:
        return await delivery_connection(info.context.engine.webhook_log, delivery_filter(filter), first, after)


@strawberry.type
class WebhookMutations:
    @strawberry.mutation(description="It is told of every job that ends from then on.")
    async def create_webhook_endpoint(
        self,
        info: Info,
        input: CreateWebhookEndpointInput,  # noqa: A002 - the API's name
    ) -> CreateWebhookEndpointPayload:
        return _with_secret(await info.context.engine.endpoints.create(new_endpoint(input)))

    @strawberry.mutation
    async def update_webhook_endpoint(
        self,
        info: Info,
        input: UpdateWebhookEndpointInput,  # noqa: A002 - the API's name
    ) -> WebhookEndpointPayload:
        changed = await info.context.engine.endpoints.update(parse_id(input.id), endpoint_changes(input))
        return WebhookEndpointPayload(endpoint=cast(WebhookEndpoint, changed))

    @strawberry.mutation(description="The old secret keeps signing beside the new one for 24 hours.")
    async def rotate_webhook_secret(self, info: Info, id: strawberry.ID) -> CreateWebhookEndpointPayload:  # noqa: A002
        return _with_secret(await info.context.engine.endpoints.rotate(parse_id(id)))

    @strawberry.mutation(
        description="POSTs a signed webhook that tells of no job (jobId 0) to it, once and now, and says what came of "
        "it. Nothing of that is kept."
    )
    async def test_webhook_endpoint(self, info: Info, id: strawberry.ID) -> TestWebhookEndpointPayload:  # noqa: A002
        trial = await info.context.engine.webhook_trials.send(parse_id(id))
        return TestWebhookEndpointPayload(body=trial.body, outcome=cast(DeliveryTry, trial.outcome))

    @strawberry.mutation(description="Its deliveries stay on record; what was waiting becomes FAILED.")
    async def delete_webhook_endpoint(self, info: Info, id: strawberry.ID) -> DeletePayload:  # noqa: A002
        return DeletePayload(id=strawberry.ID(str(await info.context.engine.endpoints.delete(parse_id(id)))))

    @strawberry.mutation(
        description="Sends it again, with the same id and the same bytes. INVALID_STATE when its endpoint is disabled "
        "or deleted."
    )
    async def redeliver_webhook(self, info: Info, id: strawberry.ID) -> WebhookDeliveryPayload:  # noqa: A002
        sent = await info.context.engine.webhook_log.redeliver(id)
        return WebhookDeliveryPayload(delivery=cast(WebhookDelivery, sent))

    @strawberry.mutation(
        description="Every delivery that matches is sent again, but for those of endpoints that are disabled "
        "or deleted."
    )
    async def redeliver_webhooks(
        self,
        info: Info,
        filter: WebhookDeliveryFilter,  # noqa: A002 - the API's name
        dry_run: bool = False,
    ) -> BulkDeliveriesPayload:
        count = await info.context.engine.webhook_log.redeliver_all(delivery_filter(filter), dry_run=dry_run)
        return BulkDeliveriesPayload(count=count)
