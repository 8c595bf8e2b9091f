"""What clients may ask of deliveries: to see them, and to have them sent again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.endpoints import Endpoints, job_of_stand_in
from engine.errors import InvalidState, NotFound
from engine.records import DeliveryRecord, EndpointRecord
from engine.store.delivery_log import DeliveryFilter, DeliveryPage, DeliveryQuery
from engine.store.store import Store


def deliveries_to(endpoint: EndpointRecord) -> DeliveryFilter:
    """What was to go to an endpoint; to one that stands in for a job's own URL, what was to go there."""
    if isinstance(endpoint.id, int):
        return DeliveryFilter(endpoint_id=endpoint.id)
    return DeliveryFilter(job_id=job_of_stand_in(endpoint), endpoints=())


class WebhookLog:
    """Finds deliveries and sends them again: with the same id and bytes, to where their endpoint is now."""

    def __init__(self, store: Store, endpoints: Endpoints) -> None:
        self._log = store.delivery_log
        self._endpoints = endpoints

    async def get(self, message_id: str) -> DeliveryRecord | None:
        return await self._log.by_message_id(message_id)

    async def page(self, query: DeliveryQuery) -> DeliveryPage:
        """Raises: InvalidInput (the cursor), Unavailable"""
        return await self._log.page(query)

    async def bodies(self, message_ids: Sequence[str]) -> dict[str, str]:
        """What the tries of these deliveries send."""
        return await self._log.bodies(message_ids)

    async def count(self, where: DeliveryFilter, at_most: int | None = None) -> int:
        return await self._log.count(where, at_most)

    async def redeliver(self, message_id: str) -> DeliveryRecord:
        """Send one again, now, whatever its status; a try that is under way is left to end.

        Raises:
            NotFound, Unavailable
            InvalidState: its endpoint is disabled or deleted.
        """
        urls = await self._urls()
        known = await self._log.by_message_id(message_id)
        if known is not None and known.endpoint_id is not None and known.endpoint_id not in urls:
            raise InvalidState(
                f"Delivery {known.id} cannot be sent: its endpoint {known.endpoint_id} is disabled or deleted. Enable "
                "it, or create another for what comes.",
                status=known.status,
            )
        sent = None if known is None else await self._log.redeliver(known.id, urls)
        if sent is None:
            raise NotFound(f"There is no delivery {message_id[:80]!r}.")
        return sent

    async def redeliver_all(self, where: DeliveryFilter, *, dry_run: bool = False) -> int:
        """Send every delivery that matches again, but for those of endpoints that are disabled or deleted; how many."""
        urls = await self._urls()
        narrowed = replace(where, endpoints=tuple(sorted(urls)))
        return await self._log.count(narrowed) if dry_run else await self._log.redeliver_all(narrowed, urls)

    async def _urls(self) -> dict[int, str]:
        """Where the endpoints are that can be sent to, by their ids."""
        return {each.id: each.url for each in await self._endpoints.all() if each.enabled}
