"""The delivery loop: takes what is due from the outbox, POSTs it, notes what came of it.

Failure handling: a delivery is leased for one try; if this process dies, the lease ends and another try is made with
the same id and the same bytes. What does not answer 2xx is tried again over three days, then it is FAILED; every try is
on record. Each receiver is a lane with a limit of its own, so that one that hangs holds up nobody but itself. One that
does nothing but fail has its circuit opened (engine/store/circuits.py): tries that fall due meanwhile are noted and not
sent, but for a probe now and then; once one succeeds, all that waits is brought forward. After five days of failure, or
at 410, an endpoint is disabled.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime

import structlog

from engine.clock import Clock
from engine.errors import NotFound, Unavailable
from engine.http_client import HttpClient, HttpError, HttpResponse
from engine.metrics import DELIVERY_SECONDS, DELIVERY_TRIES
from engine.records import DueDelivery, TryResult
from engine.service import Service
from engine.store.store import Store
from engine.store.unit import Unit
from engine.tracing import span
from engine.webhooks import Receivers, Target, headers
from models.enums import DeliveryStatus

log = structlog.get_logger("signalbox.webhooks")

RETRY_SECONDS = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""The waits after the first and each further failed try."""
JITTER = 0.1
LONGEST_RETRY_AFTER_SECONDS = 86_400.0
TIMEOUT_SECONDS = 15.0
LEASE_SECONDS = TIMEOUT_SECONDS + 15.0
LANE_LIMIT = 64
"""Tries to one receiver that one process has under way at most; when half of them are free, more are claimed at once: a
claim for each that ends would cost more than the tries."""
CROWDED_LANE_LIMIT = 2
"""The same, once ``concurrency`` tries are under way: a receiver that is well always finds a place."""
MAX_UNDER_WAY = 768
"""Tries under way in one process, whatever comes: each has a socket, and systems allow 1,024 files."""
IDLE_SECONDS = 2.0
"""Between the looks while no webhook is pending. What this process commits wakes it at once."""
MAX_ERROR_LENGTH = 1024
KEPT_BODY_BYTES = 1024
DISABLED_AFTER_SECONDS = 5 * 86_400.0
GONE, TOO_MANY, SLOW_DOWN = 410, 429, frozenset({429, 502, 503, 504})


class Deliveries(Service):
    """POSTs webhooks.

    Args:
        retries: the seconds to wait after the first and each further failed try.
        concurrency: how many tries may be under way before receivers are held to a few each.
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
        retries: Sequence[float] = RETRY_SECONDS,
        concurrency: int = 256,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(clock or store.clock)
        self._store = store
        self._receivers = receivers
        self._client = client
        self._version = version
        self._retries = tuple(retries)
        self._concurrency = concurrency
        self._under_way: dict[asyncio.Task[None], int] = {}
        self._lanes: Counter[int] = Counter()
        self._may_be_more = True
        store.listen(self._committed)

    def _committed(self, unit: Unit) -> None:
        if unit.deliveries or unit.made_due:
            self._may_be_more = True
            self.wake()

    async def run_once(self) -> float | None:
        free = MAX_UNDER_WAY - len(self._under_way)
        if free <= 0:
            return None
        is_crowded = len(self._under_way) >= self._concurrency
        was_told, self._may_be_more = self._may_be_more, False
        if not was_told and not await self._store.reads.is_any_delivery_pending():
            self._lanes = +self._lanes
            return self._store.fleet.rest(IDLE_SECONDS)
        due = await self._store.claim_deliveries(
            min(free, self._concurrency),
            LEASE_SECONDS,
            lane_limit=CROWDED_LANE_LIMIT if is_crowded else LANE_LIMIT,
            under_way=dict(+self._lanes),
        )
        if not due:
            self._lanes = +self._lanes  # forget those that are at rest
            return None
        self._may_be_more = True
        targets = await self._receivers.targets(self._store.endpoints, due, self.clock.now())
        for delivery in due:
            attempt = self._try(delivery, targets[delivery.id])
            task = asyncio.get_running_loop().create_task(attempt, context=contextvars.Context())
            self._under_way[task] = delivery.lane
            self._lanes[delivery.lane] += 1
            task.add_done_callback(self._tried)
        return None

    async def stop(self) -> None:
        """Take no more, and wait for the tries under way."""
        await super().stop()
        await self.settle()

    async def settle(self) -> None:
        """Wait for the tries under way now."""
        while self._under_way:
            await asyncio.gather(*self._under_way, return_exceptions=True)

    def _tried(self, task: asyncio.Task[None]) -> None:
        lane = self._under_way.pop(task)
        self._lanes[lane] -= 1
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("webhook.try_failed", exc_info=error)
        if self._may_be_more and self._lanes[lane] <= LANE_LIMIT // 2:
            self.wake()

    async def _try(self, delivery: DueDelivery, target: Target) -> None:
        started = self.clock.monotonic()
        response: HttpResponse | None = None
        error = target.refusal
        if error is None and delivery.is_held:
            error = "not sent: the receiver has failed again and again; it is probed until it answers 2xx"
        elif error is None:
            response, error = await post(self._client, delivery, target, self._version, self.clock.now())
        duration_ms = round((self.clock.monotonic() - started) * 1000)
        result = judge(delivery, response, error, duration_ms, self._retries, self.clock.now())
        if target.is_final:
            result.status, result.retry_after_seconds = DeliveryStatus.FAILED, None
        if target.refusal is not None:
            result.counts_against_receiver = False
        if not delivery.is_held:
            DELIVERY_SECONDS.observe(duration_ms / 1000)
            DELIVERY_TRIES.labels(result.status.value).inc()
        if result.status is not DeliveryStatus.DELIVERED and not delivery.is_held:
            log.info(
                "webhook.not_delivered",
                webhook_id=delivery.message_id,
                status=result.response_status,
                error=result.error,
                retry_after_seconds=result.retry_after_seconds,
            )
        try:
            await self._store.record_try(result)
            await self._disable_if_hopeless(delivery, result)
        except Unavailable:
            log.warning("webhook.try_unrecorded", webhook_id=delivery.message_id)

    async def _disable_if_hopeless(self, delivery: DueDelivery, result: TryResult) -> None:
        if not delivery.endpoint_id or result.status is DeliveryStatus.DELIVERED or not result.counts_against_receiver:
            return
        if result.response_status == GONE:
            reason = "It answered 410 Gone."
        elif delivery.failing_seconds >= DISABLED_AFTER_SECONDS and not delivery.is_held:
            reason = f"Every try has failed for 5 days, the last with: {result.error}"
        else:
            return
        try:
            await self._store.endpoints.disable(delivery.endpoint_id, reason)
        except NotFound:
            return
        log.warning("webhook.endpoint_disabled", endpoint=delivery.endpoint_id, reason=reason)


async def post(
    client: HttpClient, delivery: DueDelivery, target: Target, version: str, now: datetime
) -> tuple[HttpResponse | None, str | None]:
    """Send a webhook once: the response, or why there is none."""
    try:
        with span("webhook.try", {"signalbox.webhook.id": delivery.message_id}):
            response = await client.request(
                "POST",
                target.url,
                headers=headers(delivery, target.keys, int(now.timestamp()), version),
                body=delivery.body,
                timeout_seconds=TIMEOUT_SECONDS,
                is_repeatable=True,
            )
    except HttpError as failure:
        return None, f"{failure.code}: {failure}"[:MAX_ERROR_LENGTH]
    return response, None


def judge(
    delivery: DueDelivery,
    response: HttpResponse | None,
    error: str | None,
    duration_ms: int,
    retries: Sequence[float],
    now: datetime,
) -> TryResult:
    """What follows from a try: 2xx alone is success; the rest is tried again while tries are left."""
    status = body = None
    if response is not None:
        status = response.status
        body = response.body[:KEPT_BODY_BYTES].decode(errors="replace") or None
        if 200 <= status < 300:
            return TryResult(delivery, DeliveryStatus.DELIVERED, duration_ms, status, None, None, body)
        error = f"the receiver answered {status}"
        if 300 <= status < 400:
            error += "; redirects are not followed: set the URL that they lead to"
    wait: float | None = None
    asked = 0.0
    if status != GONE and delivery.try_count < len(retries):
        wait = retries[delivery.try_count] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
        if response is not None and status in SLOW_DOWN:
            asked = retry_after_seconds(response.headers.get("retry-after", ""), now)
            wait = max(wait, asked)
    next_status = DeliveryStatus.FAILED if wait is None else DeliveryStatus.PENDING
    # one that asks for patience is well
    return TryResult(delivery, next_status, duration_ms, status, error, wait, body, status != TOO_MANY, asked)


def retry_after_seconds(text: str, now: datetime) -> float:
    """``Retry-After``, seconds or a date (RFC 9110, 10.2.3), within a day; 0 when it is neither."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        wait = float(text[:9])
    else:
        try:
            wait = (parsedate_to_datetime(text) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):  # TypeError: a date without a zone
            return 0.0
    return min(max(wait, 0.0), LONGEST_RETRY_AFTER_SECONDS)
