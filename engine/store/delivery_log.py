"""The log of deliveries: lists by any filter, newest first, from an index in order; and sending again.

A cursor is the row's id, bound to the filters it was made with, so a page stays where it was while rows are added. Ids
that a list goes by: a job's deliveries, those of the rare statuses, an endpoint's, or else all by age.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from engine.errors import InvalidInput
from engine.records import DeliveryRecord, TryRecord
from engine.store.database import Database, Row, from_text, to_text
from engine.store.lane import Lane
from engine.store.unit import Unit, id_list
from models.enums import DeliveryStatus, WebhookEvent

CHUNK = 500
MAX_ID = 2**63 - 1
MAX_MESSAGE_ID = 40
DELIVERY_COLUMNS = ("id", "message_id", "event", "job_id", "endpoint_id", "url", "status", "next_try_at", "created_at")
TRY_COLUMNS = ("id", "at", "duration_ms", "response_status", "error", "response_body")


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Deliveries that match all that is given.

    ``endpoints``: only those of these endpoints, and of jobs' own URLs.
    """

    endpoint_id: int | None = None
    job_id: int | None = None
    status: tuple[DeliveryStatus, ...] | None = None
    event: tuple[WebhookEvent, ...] | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    endpoints: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class DeliveryQuery:
    """``size`` deliveries, newest first, after the cursor."""

    where: DeliveryFilter = field(default_factory=DeliveryFilter)
    size: int = 50
    cursor: str | None = None


@dataclass(slots=True)
class DeliveryPage:
    deliveries: list[DeliveryRecord]
    has_next: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True, slots=True)
class Redelivery:
    """Send these again, but for tries under way; ``urls``: where they go now, by endpoint."""

    ids: tuple[int, ...]
    urls: dict[int, str]


class RedeliveryWrites:
    """The handler of what is sent again."""

    def __init__(self, database: Database) -> None:
        self._by_id = f"webhook_delivery{database.by_index('PRIMARY')}"

    async def redeliver(self, unit: Unit, requests: Sequence[Redelivery]) -> list[int]:
        """Make each due now, with all its tries before it again; how many are there."""
        answers = []
        for request in requests:
            rows = await unit.transaction.fetch(
                f"SELECT id, endpoint_id, claim_token, next_try_at FROM {self._by_id} "
                f"WHERE id IN ({id_list(request.ids)}) ORDER BY id{unit.transaction.for_update}"
            )
            by_endpoint: dict[int | None, list[int]] = defaultdict(list)
            for id_, endpoint_id, claim_token, next_try_at in rows:
                is_under_way = claim_token is not None and (next_try_at or "") > unit.now_text
                if not is_under_way:
                    by_endpoint[endpoint_id].append(id_)
            for endpoint_id, ids in by_endpoint.items():
                url = None if endpoint_id is None else request.urls.get(endpoint_id)
                await unit.transaction.execute(
                    f"UPDATE {self._by_id} SET status='PENDING', try_count=0, claim_token=NULL, "
                    f"next_try_at='{unit.now_text}', updated_at='{unit.now_text}', url=COALESCE(%s, url) "
                    f"WHERE id IN ({id_list(ids)})",
                    (url,),
                )
            unit.made_due += sum(map(len, by_endpoint.values()))
            answers.append(len(rows))
        return answers


class DeliveryLog:
    """The part of the store that shows deliveries and sends them again."""

    def __init__(self, database: Database, clients: Lane) -> None:
        self._database = database
        self._clients = clients
        self._writes = RedeliveryWrites(database)

    async def by_message_id(self, message_id: str) -> DeliveryRecord | None:
        """The delivery with this ``webhook-id``."""
        found = await self._by_message_id(message_id)
        return None if found is None else found[1]

    async def _by_message_id(self, message_id: str) -> tuple[int, DeliveryRecord] | None:
        if not (message_id.isascii() and len(message_id) <= MAX_MESSAGE_ID):
            return None
        found = await _records(self._database, "", "delivery.message_id=%s", [message_id])
        return next(iter(found.items()), None)

    async def page(self, query: DeliveryQuery) -> DeliveryPage:
        """One page of a list, newest first.

        Raises:
            InvalidInput: the cursor is not one of this list's.
        """
        before = None if query.cursor is None else _decode_cursor(query, query.cursor)
        limits = [] if before is None else [f"id < {before}"]
        sql, parameters = self._statement(query.where, limits, "DESC", query.size + 1)
        ids = [row[0] for row in await self._database.fetch(sql, parameters)]
        records: dict[int, DeliveryRecord] = {}
        if ids:
            is_on_page = f"delivery.id IN ({id_list(ids[: query.size])})"
            records = await _records(self._database, self._database.by_index("PRIMARY"), is_on_page)
        shown = sorted(records, reverse=True)
        cursors = [_encode_cursor(query, id_) for id_ in shown[:1] + shown[-1:]]
        return DeliveryPage(
            [records[id_] for id_ in shown],
            len(ids) > query.size,
            cursors[0] if cursors else None,
            cursors[-1] if cursors else None,
        )

    async def bodies(self, message_ids: Sequence[str]) -> dict[str, str]:
        """What the tries of these deliveries send."""
        if not message_ids:
            return {}
        rows = await self._database.fetch(
            "SELECT message_id, body FROM webhook_delivery "
            f"WHERE message_id IN ({','.join(['%s'] * len(message_ids))})",
            list(message_ids),
        )
        return {message_id: bytes(body).decode() for message_id, body in rows}

    async def matching_ids(self, where: DeliveryFilter, after_id: int, limit: int) -> list[int]:
        """The next ids that match, in ascending order."""
        sql, parameters = self._statement(where, [f"id > {after_id}"], "ASC", limit)
        return [row[0] for row in await self._database.fetch(sql, parameters)]

    async def count(self, where: DeliveryFilter, at_most: int | None = None) -> int:
        """How many match; counting stops at ``at_most``."""
        found, parameters = _conditions(where)
        condition = f" WHERE {' AND '.join(found)}" if found else ""
        sql = f"SELECT COUNT(*) FROM webhook_delivery{condition}"
        if at_most is not None:
            sql = f"SELECT COUNT(*) FROM (SELECT 1 AS one FROM webhook_delivery{condition} LIMIT {at_most}) c"
        [(count,)] = await self._database.fetch(sql, parameters)
        return int(count)

    async def redeliver(self, message_id: str, urls: dict[int, str]) -> DeliveryRecord | None:
        """Send one again; as it is then, or None when there is none."""
        found = await self._by_message_id(message_id)
        if found is None:
            return None
        await self._clients.submit(self._writes.redeliver, Redelivery((found[0],), urls))
        return await self.by_message_id(message_id)

    async def redeliver_all(self, where: DeliveryFilter, urls: dict[int, str]) -> int:
        """Send every one that matches again, in chunks; how many."""
        count = last = 0
        newest = await self._database.fetch("SELECT MAX(id) FROM webhook_delivery")
        end = newest[0][0] or 0  # what is added meanwhile was not asked for
        while ids := [each for each in await self.matching_ids(where, last, CHUNK) if each <= end]:
            last = ids[-1]
            count += await self._clients.submit(self._writes.redeliver, Redelivery(tuple(ids), urls), weight=len(ids))
        return count

    def _statement(self, where: DeliveryFilter, limits: list[str], direction: str, limit: int) -> tuple[str, list[Any]]:
        """The ids of a page, in order. Each branch reads one index in order and stops."""
        found, parameters = _conditions(where, is_status_fixed=True)
        tail = f"ORDER BY id {direction} LIMIT {limit}"
        is_rare = where.status is not None and DeliveryStatus.DELIVERED not in where.status
        if where.job_id is None and is_rare:
            source = f"webhook_delivery{self._database.by_index('webhook_delivery_status')}"
            others = "".join(f" AND {each}" for each in (*found, *limits))
            branches = [
                f"SELECT id FROM {source} WHERE status='{status.value}'{others} {tail}" for status in where.status or ()
            ]
            if len(branches) == 1:
                return branches[0], parameters
            union = " UNION ALL ".join(f"SELECT * FROM ({sql}) b{index}" for index, sql in enumerate(branches))
            return f"SELECT id FROM ({union}) u {tail}", parameters * len(branches)
        index = "PRIMARY"
        if where.job_id is not None:
            index = "webhook_delivery_job"
        elif where.endpoint_id is not None:
            index = "webhook_delivery_endpoint"
        if where.status is not None:
            statuses = ",".join(f"'{each.value}'" for each in where.status)
            found = [*found, f"status IN ({statuses})"]
        conditions = [*found, *limits]
        condition = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"SELECT id FROM webhook_delivery{self._database.by_index(index)}{condition} {tail}", parameters


async def deliveries_of(database: Database, job_ids: Collection[int]) -> dict[int, list[DeliveryRecord]]:
    """Every delivery of each job with its tries, oldest first."""
    if not job_ids:
        return {}
    is_of_job = f"delivery.job_id IN ({id_list(set(job_ids))})"
    records = await _records(database, database.by_index("webhook_delivery_job"), is_of_job)
    found: dict[int, list[DeliveryRecord]] = defaultdict(list)
    for _id, record in sorted(records.items()):
        found[record.job_id].append(record)
    return found


async def _records(
    database: Database, index: str, condition: str, parameters: Sequence[Any] = ()
) -> dict[int, DeliveryRecord]:
    """Deliveries with their tries, by id. One statement reads both: a try between two would be shown with the status
    of before it."""
    columns = [f"delivery.{each}" for each in DELIVERY_COLUMNS] + [f"attempt.{each}" for each in TRY_COLUMNS]
    rows = await database.fetch(
        f"SELECT {','.join(columns)} FROM webhook_delivery delivery{index} "
        f"LEFT JOIN webhook_try attempt{database.by_index('webhook_try_delivery')} ON attempt.delivery_id=delivery.id "
        f"WHERE {condition}",
        parameters,
    )
    found: dict[int, DeliveryRecord] = {}
    tries: dict[int, dict[int, TryRecord]] = defaultdict(dict)
    for row in rows:
        delivery, (try_id, at, *rest) = row[: len(DELIVERY_COLUMNS)], row[len(DELIVERY_COLUMNS) :]
        if delivery[0] not in found:
            found[delivery[0]] = _record(delivery)
        if try_id is not None:
            tries[delivery[0]][try_id] = TryRecord(from_text(at), *rest)
    for id_, record in found.items():
        record.tries.extend(each for _id, each in sorted(tries[id_].items()))
    return found


def _record(row: Row) -> DeliveryRecord:
    _id, message_id, event, job_id, endpoint_id, url, status, next_try_at, created_at = row
    return DeliveryRecord(
        message_id,
        WebhookEvent(event),
        job_id,
        endpoint_id,
        url,
        DeliveryStatus(status),
        from_text(next_try_at) if next_try_at else None,
        from_text(created_at),
    )


def _conditions(where: DeliveryFilter, *, is_status_fixed: bool = False) -> tuple[list[str], list[Any]]:
    found: list[str] = []
    parameters: list[Any] = []
    if where.job_id is not None:
        found.append(f"job_id={where.job_id}")
    if where.endpoint_id is not None:
        found.append(f"endpoint_id={where.endpoint_id}")
    if where.status is not None and not is_status_fixed:
        statuses = ",".join(f"'{each.value}'" for each in where.status)
        found.append(f"status IN ({statuses})")
    if where.event is not None:
        events = ",".join(f"'{each.value}'" for each in where.event)
        found.append(f"event IN ({events})")
    if where.endpoints is not None:
        found.append(f"(endpoint_id IS NULL OR endpoint_id IN ({id_list(where.endpoints) or 'NULL'}))")
    if where.created_after is not None:
        found.append("created_at > %s")
        parameters.append(to_text(where.created_after))
    if where.created_before is not None:
        found.append("created_at < %s")
        parameters.append(to_text(where.created_before))
    return found, parameters


def _fingerprint(query: DeliveryQuery) -> str:
    return hashlib.sha256(repr(query.where).encode()).hexdigest()[:8]


def _encode_cursor(query: DeliveryQuery, delivery_id: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([_fingerprint(query), delivery_id])).decode().rstrip("=")


def _decode_cursor(query: DeliveryQuery, cursor: str) -> int:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        mark, delivery_id = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, UnicodeError, ValueError, TypeError):
        raise InvalidInput(f"after: {cursor[:80]!r} is not a cursor of deliveries.", field="after") from None
    if mark != _fingerprint(query) or type(delivery_id) is not int or not 0 <= delivery_id <= MAX_ID:
        raise InvalidInput(
            "after: this cursor belongs to a list with other filters; use it only with those it came from.",
            field="after",
        )
    return delivery_id
