"""The delivery loop: takes what is due from the outbox, POSTs it, notes what came of it.

Failure handling: a delivery is leased for one try; if this process dies, the lease ends and another try is made with
the same id and the same bytes. What does not answer 2xx is tried again over three days, then it is FAILED; every try is
on record.
"""

from __future__ import annotations

import asyncio
import contextvars
import random

import structlog

from engine.clock import Clock
from engine.errors import Unavailable
from engine.http_client import HttpClient, HttpError, HttpResponse
from engine.metrics import DELIVERY_SECONDS, DELIVERY_TRIES
from engine.records import DueDelivery, TryResult
from engine.service import Service
from engine.store.store import Store
from engine.store.unit import Unit
from engine.tracing import span
from engine.webhooks import Receivers, headers
from models.enums import DeliveryStatus

log = structlog.get_logger("signalbox.webhooks")

RETRY_SECONDS = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""The waits after the first and each further failed try."""
JITTER = 0.1
LONGEST_RETRY_AFTER_SECONDS = 86_400.0
TIMEOUT_SECONDS = 15.0
LEASE_SECONDS = TIMEOUT_SECONDS + 15.0
MAX_ERROR_LENGTH = 1024
GONE, SLOW_DOWN = 410, frozenset({429, 502, 503, 504})


class Deliveries(Service):
    """POSTs webhooks.

    Args:
        concurrency: how many tries may be under way at once.
        version: for the user-agent header.
    """

    name = "deliveries"
    interval_seconds = 1.0

    def __init__(
        self,
        store: Store,
        receivers: Receivers,
        client: HttpClient,
        *,
        version: str,
        concurrency: int = 64,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(clock or store.clock)
        self._store = store
        self._receivers = receivers
        self._client = client
        self._version = version
        self._concurrency = concurrency
        self._under_way: set[asyncio.Task[None]] = set()
        self._may_be_more = True
        store.listen(self._committed)

    def _committed(self, unit: Unit) -> None:
        if unit.deliveries:
            self._may_be_more = True
            if len(self._under_way) < self._concurrency:
                self.wake()

    async def run_once(self) -> float | None:
        free = self._concurrency - len(self._under_way)
        if free <= 0:
            return None
        self._may_be_more = False
        due = await self._store.claim_deliveries(free, LEASE_SECONDS)
        self._may_be_more = self._may_be_more or len(due) == free
        for delivery in due:
            task = asyncio.get_running_loop().create_task(self._try(delivery), context=contextvars.Context())
            self._under_way.add(task)
            task.add_done_callback(self._tried)
        return None

    async def stop(self) -> None:
        """Take no more, and wait for the tries under way."""
        await super().stop()
        if self._under_way:
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def settle(self) -> None:
        """Wait for the tries under way now."""
        while self._under_way:
            await asyncio.gather(*self._under_way, return_exceptions=True)

    def _tried(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("webhook.try_failed", exc_info=error)
        if self._may_be_more:
            self.wake()

    async def _try(self, delivery: DueDelivery) -> None:
        timestamp = int(self.clock.now().timestamp())
        fields = headers(delivery, self._receivers.keys_for(delivery), timestamp, self._version)
        started = self.clock.monotonic()
        response: HttpResponse | None = None
        error: str | None = None
        try:
            with span("webhook.try", {"signalbox.webhook.id": delivery.message_id}):
                response = await self._client.request(
                    "POST", delivery.url, headers=fields, body=delivery.body, timeout_seconds=TIMEOUT_SECONDS
                )
        except HttpError as failure:
            error = f"{failure.code}: {failure}"[:MAX_ERROR_LENGTH]
        duration_ms = round((self.clock.monotonic() - started) * 1000)
        result = judge(delivery, response, error, duration_ms)
        DELIVERY_SECONDS.observe(duration_ms / 1000)
        DELIVERY_TRIES.labels(result.status.value).inc()
        if result.status is not DeliveryStatus.DELIVERED:
            log.info(
                "webhook.not_delivered",
                webhook_id=delivery.message_id,
                status=result.response_status,
                error=error,
                retry_after_seconds=result.retry_after_seconds,
            )
        try:
            await self._store.record_try(result)
        except Unavailable:
            log.warning("webhook.try_unrecorded", webhook_id=delivery.message_id)


def judge(delivery: DueDelivery, response: HttpResponse | None, error: str | None, duration_ms: int) -> TryResult:
    """What follows from a try: 2xx alone is success; the rest is tried again while tries are left."""
    status = None if response is None else response.status
    if status is not None and 200 <= status < 300:
        return TryResult(delivery, DeliveryStatus.DELIVERED, duration_ms, status, None, None)
    if status is not None and error is None:
        error = f"the receiver answered {status}"
    if status == GONE or delivery.try_count >= len(RETRY_SECONDS):
        return TryResult(delivery, DeliveryStatus.FAILED, duration_ms, status, error, None)
    wait = RETRY_SECONDS[delivery.try_count] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
    if response is not None and status in SLOW_DOWN:
        wait = max(wait, _retry_after_seconds(response))
    return TryResult(delivery, DeliveryStatus.PENDING, duration_ms, status, error, wait)


def _retry_after_seconds(response: HttpResponse) -> float:
    """``Retry-After`` in seconds (RFC 9110, 10.2.3), within a day; dates are left to our own schedule."""
    text = response.headers.get("retry-after", "").strip()
    return min(float(text), LONGEST_RETRY_AFTER_SECONDS) if text.isascii() and text.isdigit() else 0.0
