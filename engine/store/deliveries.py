"""The outbox's rows: claimed for one try at a time, with a lease, so that a crash repeats a try and loses none.

Each receiver is a lane: an endpoint, or the host of jobs' own URLs. Lanes share a claim evenly. Every transaction locks
deliveries before circuits, and waits for no delivery after that.

When a circuit closes, what waited for its receiver is brought forward, a little more with each try that succeeds: at
first two, soon hundreds, and nothing more while all fail. A delivery that is brought forward gets its last try back: it
loses nothing if the receiver is not as well as it seemed.
"""

from __future__ import annotations

import secrets
from collections import Counter
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
GROWTH = 2
"""How many are brought forward for each try that succeeds."""
BROUGHT_FORWARD_LIMIT = 500
HOST_WINDOW = 1000
"""How many waiting deliveries to jobs' own URLs are looked at for those of a host that is well again."""
BROUGHT_FORWARD_DAYS = 5
"""Older deliveries keep to their own times, so that each comes to its end however often its receiver comes and goes."""
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
        pending = await self._endpoints_with_pending(unit)
        endpoints = [id_ for at, id_ in pending if at <= unit.now_text]
        others = await self._due_elsewhere(unit, endpoints)
        circuits = await self._circuits.of(unit, [lane for lane in others if lane < 0])
        open_ = {lane for lane, circuit in circuits.items() if circuit.is_open(unit.now)}
        probed = {lane for lane, circuit in circuits.items() if circuit.is_failing} - open_
        for at, lane in pending:  # nothing is due, but the time has come to see whether it is well again
            if at > unit.now_text and lane in probed and await self._bring_forward(unit, lane, unit.now_text, 1):
                endpoints.append(lane)
        lanes = [*endpoints, *others]
        if not lanes:
            return []
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

    async def _endpoints_with_pending(self, unit: Unit) -> list[tuple[str, int]]:
        """When the first delivery of each endpoint is due, and whose it is; the longest due first."""
        first = (
            f"SELECT next_try_at FROM {self._due_of_endpoint} WHERE endpoint_id={{}} AND status='PENDING' "
            "ORDER BY endpoint_id, next_try_at LIMIT 1"  # or MySQL sorts all that waits for an endpoint
        )
        rows = await unit.transaction.fetch(
            f"SELECT id, ({first.format('webhook_endpoint.id')}) FROM {self._endpoints} WHERE id > 0 "
            f"UNION ALL SELECT {SETTINGS_ENDPOINT_ID}, ({first.format(SETTINGS_ENDPOINT_ID)})"
        )
        return sorted((at, id_) for id_, at in rows if at is not None)

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
        outcomes: dict[tuple[str, str | None, str | None], list[int]] = {}
        for each in owned:
            wait = each.retry_after_seconds
            next_try_at = None if wait is None else unit.later(wait)
            not_before = unit.later(each.asked_seconds) if each.asked_seconds else None
            outcomes.setdefault((each.status.value, next_try_at, not_before), []).append(each.delivery.id)
        for outcome, ids in outcomes.items():
            await transaction.execute(
                f"UPDATE {self._by_id} SET status=%s, next_try_at=%s, not_before=%s, try_count=try_count+1, "
                f"claim_token=NULL, updated_at='{unit.now_text}' WHERE id IN ({id_list(ids)})",
                outcome,
            )
        await self._note_circuits(unit, [each for each in known if not each.delivery.is_held])
        return answers

    async def _note_circuits(self, unit: Unit, results: Iterable[TryResult]) -> None:
        succeeded: Counter[int] = Counter()
        failures: Counter[int] = Counter()
        for each in results:
            if each.status is DeliveryStatus.DELIVERED:
                succeeded[each.delivery.lane] += 1
            elif each.counts_against_receiver:
                failures[each.delivery.lane] += 1
        recovering = await self._circuits.note(unit, succeeded, failures)
        recovered = []
        for lane, closed_at in recovering.items():
            limit = min(GROWTH * succeeded[lane], BROUGHT_FORWARD_LIMIT)
            if await self._bring_forward(unit, lane, closed_at, limit) < limit:
                recovered.append(lane)
        await self._circuits.forget(unit, recovered)

    async def _bring_forward(self, unit: Unit, lane: int, closed_at: str, limit: int) -> int:
        """Make up to ``limit`` of what has waited for a receiver since before ``closed_at`` due now; how many it was.

        Not what is under way, nor what the receiver has asked to be sent later.
        """
        waiting = (
            f"status='PENDING' AND next_try_at > '{unit.now_text}' AND claim_token IS NULL AND try_count > 0 "
            f"AND updated_at <= '{closed_at}' AND created_at >= '{unit.later(-BROUGHT_FORWARD_DAYS * 86_400)}' "
            f"AND (not_before IS NULL OR not_before <= '{unit.now_text}')"
        )
        if lane < 0:
            found = await unit.transaction.fetch(
                f"SELECT id, url FROM {self._due_of_endpoint} WHERE endpoint_id IS NULL AND {waiting} "
                f"ORDER BY next_try_at, id LIMIT {HOST_WINDOW}"
            )
            ids = [id_ for id_, url in found if lane_of(None, url) == lane][:limit]
            source = f"{self._by_id} WHERE id IN ({id_list(ids)}) AND {waiting} ORDER BY id" if ids else ""
        else:
            source = f"{self._due_of_endpoint} WHERE endpoint_id={lane} AND {waiting} ORDER BY next_try_at, id"
        if not source:
            return 0
        rows = await unit.transaction.fetch(f"SELECT id FROM {source} LIMIT {limit}{unit.transaction.skip_locked}")
        if rows:
            await unit.transaction.execute(
                f"UPDATE {self._by_id} SET next_try_at='{unit.now_text}', try_count=try_count-1, "
                f"updated_at='{unit.now_text}' WHERE id IN ({id_list(row[0] for row in rows)}) AND status='PENDING' "
                "AND claim_token IS NULL"
            )
            unit.made_due += len(rows)
        return len(rows)
