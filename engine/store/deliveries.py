"""The outbox's rows: claimed for one try at a time, with a lease, so that a crash repeats a try and loses none."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from engine.records import DueDelivery, TryResult
from engine.store.database import Database, from_text
from engine.store.unit import Unit, id_list
from models.enums import WebhookEvent


@dataclass(frozen=True, slots=True)
class DueRequest:
    """Ask for up to ``limit`` deliveries that are due; each is ours for ``lease_seconds``."""

    limit: int
    lease_seconds: float


class DeliveryWrites:
    """The handlers of the delivery loop."""

    def __init__(self, database: Database) -> None:
        # a young table's statistics are old: without this, a server may sort, and so lock, all that is pending
        self._by_id = f"webhook_delivery{database.by_index('PRIMARY')}"
        self._due = f"webhook_delivery{database.by_index('webhook_delivery_due')}"

    async def claim_due(self, unit: Unit, requests: Sequence[DueRequest]) -> list[list[DueDelivery]]:
        """What is due, oldest first. The lease is ``next_try_at`` itself: it moves past the try under way."""
        return [await self._claim_due(unit, request) for request in requests]

    async def _claim_due(self, unit: Unit, request: DueRequest) -> list[DueDelivery]:
        transaction = unit.transaction
        rows = await transaction.fetch(
            "SELECT id, message_id, event, endpoint_id, url, body, try_count, created_at "
            f"FROM {self._due} WHERE status='PENDING' AND next_try_at <= '{unit.now_text}' ORDER BY next_try_at, id "
            f"LIMIT {request.limit}{transaction.skip_locked}"
        )
        if not rows:
            return []
        token = secrets.randbits(63)
        await transaction.execute(
            f"UPDATE {self._by_id} SET claim_token={token}, next_try_at='{unit.later(request.lease_seconds)}', "
            f"updated_at='{unit.now_text}' WHERE id IN ({id_list(row[0] for row in rows)}) AND status='PENDING'"
        )
        return [
            DueDelivery(
                id_,
                message_id,
                WebhookEvent(event),
                endpoint_id,
                url,
                bytes(body),
                try_count,
                from_text(created_at),
                token,
            )
            for id_, message_id, event, endpoint_id, url, body, try_count, created_at in rows
        ]

    async def record_tries(self, unit: Unit, requests: Sequence[TryResult]) -> list[bool]:
        """Note tries and what follows from each: False when another process has taken the delivery meanwhile."""
        transaction = unit.transaction
        rows = await transaction.fetch(
            f"SELECT id, claim_token FROM {self._by_id} "
            f"WHERE id IN ({id_list(each.delivery.id for each in requests)}){transaction.for_update}"
        )
        holders: dict[int, int] = {row[0]: row[1] for row in rows}
        answers = [holders.get(each.delivery.id) == each.delivery.claim_token for each in requests]
        owned = [each for each, is_owner in zip(requests, answers, strict=True) if is_owner]
        known = [each for each in requests if each.delivery.id in holders]
        if known:
            await transaction.insert(
                "webhook_try",
                ("delivery_id", "at", "duration_ms", "response_status", "error"),
                [
                    (each.delivery.id, unit.now_text, each.duration_ms, each.response_status, each.error)
                    for each in known
                ],
            )
        outcomes: dict[tuple[str, str | None], list[int]] = {}
        for each in owned:
            wait = each.retry_after_seconds
            next_try_at = None if wait is None else unit.later(wait)
            outcomes.setdefault((each.status.value, next_try_at), []).append(each.delivery.id)
        for (status, next_try_at), ids in outcomes.items():
            await transaction.execute(
                f"UPDATE {self._by_id} SET status=%s, next_try_at=%s, try_count=try_count+1, claim_token=NULL, "
                f"updated_at='{unit.now_text}' WHERE id IN ({id_list(ids)})",
                (status, next_try_at),
            )
        return answers
