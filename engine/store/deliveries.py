"""The outbox's rows: claimed for one try at a time, with a lease, so that a crash repeats a try and loses none.

Each receiver is a lane: an endpoint, or the host of jobs' own URLs. Lanes share a claim evenly. Every transaction locks
deliveries before circuits.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.records import DueDelivery, TryResult
from engine.store.circuits import CircuitWrites, lane_of
from engine.store.database import Database, Row, from_text
from engine.store.unit import Unit, id_list
from models.enums import DeliveryStatus, WebhookEvent
from models.webhook import SETTINGS_ENDPOINT_ID

WINDOW = 100
"""How many due deliveries to jobs' own URLs are looked at from either end: the oldest, and the newest, so that a host's
first try does not wait behind another host's backlog."""
HELD_LIMIT = 100
COLUMNS = "id, message_id, event, endpoint_id, url, body, try_count, created_at"


@dataclass(frozen=True, slots=True)
class DueRequest:
    """Ask for up to ``limit`` deliveries that are due; each is ours for ``lease_seconds``.

    Attributes:
        lane_limit: no lane has more than these under way in this process.
        under_way: how many each lane has.
    """

    limit: int
    lease_seconds: float
    lane_limit: int
    under_way: Mapping[int, int] = field(default_factory=dict)

    def room(self, lane: int) -> int:
        """How many more tries ``lane`` may begin."""
        return self.lane_limit - self.under_way.get(lane, 0)


class DeliveryWrites:
    """The handlers of the delivery loop."""

    def __init__(self, database: Database) -> None:
        # a young table's statistics are old: without this, a server may sort, and so lock, all that is pending
        self._by_id = f"webhook_delivery{database.by_index('PRIMARY')}"
        self._due = f"webhook_delivery{database.by_index('webhook_delivery_due')}"
        self._due_of_endpoint = f"webhook_delivery{database.by_index('webhook_delivery_endpoint_due')}"
        self._endpoints = f"webhook_endpoint{database.by_index('PRIMARY')}"
        self._circuits = CircuitWrites(database)

    async def claim_due(self, unit: Unit, requests: Sequence[DueRequest]) -> list[list[DueDelivery]]:
        """What is due, a fair share for each lane. The lease is ``next_try_at``: it moves past the try under way."""
        return [await self._claim_due(unit, request) for request in requests]

    async def _claim_due(self, unit: Unit, request: DueRequest) -> list[DueDelivery]:
        endpoints = await self._endpoints_with_due(unit)
        others = await self._due_elsewhere(unit, endpoints)
        lanes = [*endpoints, *others]
        if not lanes:
            return []
        circuits = await self._circuits.of(unit, lanes)
        open_ = {lane for lane, circuit in circuits.items() if circuit.is_open(unit.now)}
        probed = {lane for lane, circuit in circuits.items() if circuit.open_until is not None} - open_
        share = max(1, request.limit // len(lanes))
        left = request.limit
        claimed: list[DueDelivery] = []
        taken: dict[int, int] = {}
        for is_last_round in (False, True):  # what some lanes leave of their share, the others may have
            for lane in lanes if not is_last_round else [each for each in lanes if taken.get(each) == share]:
                if lane in open_ or lane in probed:
                    limit = 0 if is_last_round else (HELD_LIMIT if lane in open_ else 1)
                else:
                    wanted = left if is_last_round else share
                    limit = min(wanted, left, request.room(lane) - taken.get(lane, 0))
                if limit <= 0:
                    continue
                rows = await self._lock(unit, lane, others.get(lane), limit)
                if rows and lane in probed and not await self._circuits.begin_probe(unit, lane, request.lease_seconds):
                    continue
                since = circuits[lane].failing_seconds(unit.now) if lane in circuits else 0.0
                found = await self._take(unit, lane, rows, request.lease_seconds, lane in open_, since)
                claimed += found
                if lane not in open_:
                    left -= len(found)
                    taken[lane] = len(found)
        return claimed

    async def _endpoints_with_due(self, unit: Unit) -> list[int]:
        """The endpoints that something is due for, the longest due first."""
        first = (
            f"SELECT next_try_at FROM {self._due_of_endpoint} WHERE endpoint_id={{}} AND status='PENDING' "
            "ORDER BY endpoint_id, next_try_at LIMIT 1"  # or MySQL sorts all that waits for an endpoint
        )
        rows = await unit.transaction.fetch(
            f"SELECT id, ({first.format('webhook_endpoint.id')}) FROM {self._endpoints} WHERE id > 0 "
            f"UNION ALL SELECT {SETTINGS_ENDPOINT_ID}, ({first.format(SETTINGS_ENDPOINT_ID)})"
        )
        due = [(at, id_) for id_, at in rows if at is not None and at <= unit.now_text]
        return [id_ for _at, id_ in sorted(due)]

    async def _due_elsewhere(self, unit: Unit, endpoints: Collection[int]) -> dict[int, list[int]]:
        """Ids by lane, oldest first: jobs' own URLs, and what is left of endpoints that were deleted."""
        where = f"status='PENDING' AND next_try_at <= '{unit.now_text}'"
        own = f"SELECT id, endpoint_id, url FROM {self._due_of_endpoint} WHERE endpoint_id IS NULL AND {where}"
        oldest = await unit.transaction.fetch(f"{own} ORDER BY next_try_at, id LIMIT {WINDOW}")
        rows = list(oldest)
        if len(oldest) == WINDOW:
            newest = await unit.transaction.fetch(f"{own} ORDER BY next_try_at DESC, id DESC LIMIT {WINDOW}")
            known = {row[0] for row in rows}
            rows += [row for row in newest if row[0] not in known]
        left = await unit.transaction.fetch(
            f"SELECT id, endpoint_id, url FROM {self._due} WHERE {where} ORDER BY next_try_at, id LIMIT {WINDOW}"
        )
        rows += [row for row in left if row[1] is not None and row[1] not in endpoints]
        found: dict[int, list[int]] = {}
        for id_, endpoint_id, url in rows:
            found.setdefault(lane_of(endpoint_id, url), []).append(id_)
        return found

    async def _lock(self, unit: Unit, lane: int, ids: list[int] | None, limit: int) -> list[Row]:
        due = f"status='PENDING' AND next_try_at <= '{unit.now_text}'"
        if ids is None:
            source = f"{self._due_of_endpoint} WHERE endpoint_id={lane} AND {due} ORDER BY next_try_at, id"
        else:
            source = f"{self._by_id} WHERE id IN ({id_list(ids[:limit])}) AND {due} ORDER BY id"
            del ids[:limit]
        return await unit.transaction.fetch(
            f"SELECT {COLUMNS} FROM {source} LIMIT {limit}{unit.transaction.skip_locked}"
        )

    async def _take(
        self, unit: Unit, lane: int, rows: Sequence[Row], lease_seconds: float, is_held: bool, failing_seconds: float
    ) -> list[DueDelivery]:
        if not rows:
            return []
        token = secrets.randbits(63)
        await unit.transaction.execute(
            f"UPDATE {self._by_id} SET claim_token={token}, next_try_at='{unit.later(lease_seconds)}', "
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
                lane,
                is_held,
                failing_seconds,
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
                ("delivery_id", "at", "duration_ms", "response_status", "error", "response_body"),
                [
                    (
                        each.delivery.id,
                        unit.now_text,
                        each.duration_ms,
                        each.response_status,
                        each.error,
                        each.response_body,
                    )
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
        await self._note_circuits(unit, [each for each in known if not each.delivery.is_held])
        return answers

    async def _note_circuits(self, unit: Unit, results: Iterable[TryResult]) -> None:
        succeeded: set[int] = set()
        failures: dict[int, int] = {}
        for each in results:
            lane = each.delivery.lane
            if each.status is DeliveryStatus.DELIVERED:
                succeeded.add(lane)
            elif each.counts_against_receiver:
                failures[lane] = failures.get(lane, 0) + 1
        await self._circuits.note(unit, succeeded, failures)
