"""A page of deliveries as a connection: of the whole log, or of an endpoint."""

from __future__ import annotations

from typing import Any, cast

from engine.errors import InvalidInput
from engine.store.delivery_log import DeliveryFilter, DeliveryQuery
from engine.webhook_log import WebhookLog
from resolvers.inputs import forward_size
from schema.pages import PageInfo
from schema.webhooks import WebhookDeliveryConnection


async def delivery_connection(
    log: WebhookLog, where: DeliveryFilter, first: int | None, after: str | None
) -> WebhookDeliveryConnection:
    """Raises: InvalidInput (``first``, ``after``), Unavailable"""
    query = DeliveryQuery(where, forward_size(first), after)
    page = await log.page(query)

    async def count(at_most: int | None) -> int:
        if at_most is not None and at_most < 0:
            raise InvalidInput(f"atMost: {at_most} is below 0.", field="atMost")
        return await log.count(where, at_most)

    return WebhookDeliveryConnection(
        deliveries=cast(list[Any], page.deliveries),
        page_info=PageInfo(
            has_next_page=page.has_next,
            has_previous_page=after is not None,
            start_cursor=page.start_cursor,
            end_cursor=page.end_cursor,
        ),
        count=count,
    )
