"""Webhook endpoints as they are kept: what is asked of them, on the lane it belongs to, and what is read of them.

The deliveries of an endpoint that is disabled or deleted end as FAILED: at once where they wait, a chunk at a time; one
that is left behind by a crash, or was written meanwhile, is ended by the delivery loop when it comes to it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from engine.errors import Conflict, NotFound, SignalboxError
from engine.records import CircuitRecord, EndedJob, EndpointRecord, NewEndpoint
from engine.store.circuits import FAILURES_TO_OPEN
from engine.store.database import Database, Row, Transaction, from_text, to_text
from engine.store.lane import Lane
from engine.store.rows import PRIORITIES
from engine.store.unit import Unit, id_list
from models.enums import WebhookEvent

MAX_ENDPOINTS = 100
MAX_REASON_LENGTH = 255
CHUNK = 500
MAX_ID = 2**63 - 1
ENDPOINT_COLUMNS = (
    "id",
    "url",
    "events",
    "task_names",
    "enabled",
    "disabled_reason",
    "created_at",
    "secret",
    "previous_secret",
    "previous_secret_until",
)


@dataclass(frozen=True, slots=True)
class EndpointChange:
    """Set these of one endpoint: url, events, task_names, enabled, disabled_reason."""

    endpoint_id: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rotation:
    """Give an endpoint another secret, encrypted; the one before it counts for ``overlap_seconds``."""

    endpoint_id: int
    secret: str
    overlap_seconds: float


@dataclass(frozen=True, slots=True)
class Reencryption:
    """Keep the same secrets under another key, unless they have changed meanwhile."""

    known: EndpointRecord
    secret: str
    previous_secret: str | None


class EndpointWrites:
    """The handlers of what is asked of endpoints. Asked twice, as after a lost COMMIT, they do nothing more."""

    def __init__(self, database: Database) -> None:
        self._by_id = f"webhook_endpoint{database.by_index('PRIMARY')}"
        self._pending = f"webhook_delivery{database.by_index('webhook_delivery_endpoint_due')}"

    async def create(self, unit: Unit, requests: Sequence[NewEndpoint]) -> list[EndpointRecord | SignalboxError]:
        transaction = unit.transaction
        rows = await transaction.fetch(f"SELECT {','.join(ENDPOINT_COLUMNS)} FROM {self._by_id} ORDER BY id")
        known = [endpoint_from_row(row) for row in rows]
        by_secret = {each.secret: each for each in known}
        answers: list[EndpointRecord | SignalboxError] = []
        for new in requests:
            if new.secret in by_secret:
                answers.append(by_secret[new.secret])
                continue
            if len(known) >= MAX_ENDPOINTS:
                answers.append(
                    Conflict(
                        f"There are {len(known)} webhook endpoints; at most {MAX_ENDPOINTS} fit: delete one first."
                    )
                )
                continue
            record = EndpointRecord(
                0, new.url, new.events, new.task_names, True, None, unit.now, new.secret, None, None
            )
            [record.id] = await transaction.insert(
                "webhook_endpoint",
                (*ENDPOINT_COLUMNS[1:], "updated_at"),
                [(*_changeable_row(record), unit.now_text, new.secret, None, None, unit.now_text)],
            )
            known.append(record)
            answers.append(record)
        return answers

    async def change(self, unit: Unit, requests: Sequence[EndpointChange]) -> list[EndpointRecord | SignalboxError]:
        """Set what is given, in the order of the requests. One that is enabled begins with a clean record."""
        records = await self._locked(unit, [each.endpoint_id for each in requests])
        answers: list[EndpointRecord | SignalboxError] = []
        for request in requests:
            record = records.get(request.endpoint_id)
            if record is None:
                answers.append(not_found(request.endpoint_id))
                continue
            changed = replace(record, **request.values)
            if changed != record:
                assignments = ", ".join(f"{column}=%s" for column in ENDPOINT_COLUMNS[1:6])
                await unit.transaction.execute(
                    f"UPDATE webhook_endpoint SET {assignments}, updated_at='{unit.now_text}' WHERE id={record.id}",
                    _changeable_row(changed),
                )
                if changed.enabled and (not record.enabled or changed.url != record.url):
                    await unit.transaction.execute(f"DELETE FROM webhook_circuit WHERE endpoint_id={record.id}")
            records[record.id] = changed
            answers.append(changed)
        return answers

    async def rotate(self, unit: Unit, requests: Sequence[Rotation]) -> list[EndpointRecord | SignalboxError]:
        records = await self._locked(unit, [each.endpoint_id for each in requests])
        answers: list[EndpointRecord | SignalboxError] = []
        for request in requests:
            record = records.get(request.endpoint_id)
            if record is None:
                answers.append(not_found(request.endpoint_id))
                continue
            if record.secret != request.secret:
                until = unit.later(request.overlap_seconds)
                record = replace(
                    record,
                    secret=request.secret,
                    previous_secret=record.secret,
                    previous_secret_until=from_text(until),
                )
                await self._write_secrets(unit, record)
            records[record.id] = record
            answers.append(record)
        return answers

    async def reencrypt(self, unit: Unit, requests: Sequence[Reencryption]) -> list[bool]:
        """Whether each was written: not when another secret has taken its place."""
        records = await self._locked(unit, [each.known.id for each in requests])
        answers = []
        for request in requests:
            is_same = records.get(request.known.id) == request.known
            if is_same:
                changed = replace(request.known, secret=request.secret, previous_secret=request.previous_secret)
                await self._write_secrets(unit, changed)
            answers.append(is_same)
        return answers

    async def _write_secrets(self, unit: Unit, record: EndpointRecord) -> None:
        until = record.previous_secret_until
        await unit.transaction.execute(
            "UPDATE webhook_endpoint SET secret=%s, previous_secret=%s, previous_secret_until=%s, "
            f"updated_at='{unit.now_text}' WHERE id={record.id}",
            (record.secret, record.previous_secret, None if until is None else to_text(until)),
        )

    async def delete(self, unit: Unit, requests: Sequence[int]) -> list[int | SignalboxError]:
        """Remove endpoints; their deliveries stay on record."""
        records = await self._locked(unit, requests)
        answers: list[int | SignalboxError] = []
        for endpoint_id in requests:
            if records.pop(endpoint_id, None) is None:
                answers.append(not_found(endpoint_id))
                continue
            await unit.transaction.execute(f"DELETE FROM webhook_circuit WHERE endpoint_id={endpoint_id}")
            await unit.transaction.execute(f"DELETE FROM webhook_endpoint WHERE id={endpoint_id}")
            answers.append(endpoint_id)
        return answers

    async def end_pending(self, unit: Unit, requests: Sequence[int]) -> list[int]:
        """FAILED is what waits for these endpoints, a chunk of it, but for tries under way; how many it was."""
        answers = []
        for endpoint_id in requests:
            rows = await unit.transaction.fetch(
                f"SELECT id FROM {self._pending} WHERE endpoint_id={endpoint_id} AND status='PENDING' "
                f"AND claim_token IS NULL ORDER BY next_try_at, id LIMIT {CHUNK}{unit.transaction.skip_locked}"
            )
            if rows:
                await unit.transaction.execute(
                    f"UPDATE webhook_delivery SET status='FAILED', next_try_at=NULL, updated_at='{unit.now_text}' "
                    f"WHERE id IN ({id_list(row[0] for row in rows)}) AND status='PENDING'"
                )
            answers.append(len(rows))
        return answers

    async def _locked(self, unit: Unit, ids: Collection[int]) -> dict[int, EndpointRecord]:
        possible = {each for each in ids if 0 < each <= MAX_ID}
        if not possible:
            return {}
        rows = await unit.transaction.fetch(
            f"SELECT {','.join(ENDPOINT_COLUMNS)} FROM {self._by_id} WHERE id IN ({id_list(possible)}) "
            f"ORDER BY id{unit.transaction.for_update}"
        )
        return {record.id: record for record in map(endpoint_from_row, rows)}


class EndpointStore:
    """The part of the store that keeps endpoints.

    Args:
        clients, workers: the store's lanes.
    """

    def __init__(self, database: Database, clients: Lane, workers: Lane) -> None:
        self._database = database
        self._writes = EndpointWrites(database)
        self._clients = clients
        self._workers = workers
        self._by_id = f"webhook_endpoint{database.by_index('PRIMARY')}"

    async def create(self, new: NewEndpoint) -> EndpointRecord:
        """Raises: Conflict (there are too many), Unavailable"""
        record: EndpointRecord = await self._clients.submit(self._writes.create, new)
        return record

    async def change(self, change: EndpointChange) -> EndpointRecord:
        """Update an endpoint.

        Raises:
            NotFound, Unavailable
        """
        record: EndpointRecord = await self._clients.submit(self._writes.change, change)
        if not record.enabled:
            await self._end_pending(self._clients, record.id)
        return record

    async def rotate(self, rotation: Rotation) -> EndpointRecord:
        """Raises: NotFound, Unavailable"""
        record: EndpointRecord = await self._clients.submit(self._writes.rotate, rotation)
        return record

    async def reencrypt(self, reencryption: Reencryption) -> bool:
        """Whether it was written; not when the endpoint has changed meanwhile."""
        is_written: bool = await self._clients.submit(self._writes.reencrypt, reencryption)
        return is_written

    async def delete(self, endpoint_id: int) -> int:
        """Remove an endpoint; what waits for it becomes FAILED.

        Raises:
            NotFound, Unavailable
        """
        deleted: int = await self._clients.submit(self._writes.delete, endpoint_id)
        await self._end_pending(self._clients, endpoint_id)
        return deleted

    async def disable(self, endpoint_id: int, reason: str) -> EndpointRecord:
        """Switch an endpoint off, as the server does it; what waits for it becomes FAILED.

        Raises:
            NotFound: it was deleted, or is not one of the API's.
            Unavailable
        """
        values = {"enabled": False, "disabled_reason": reason[:MAX_REASON_LENGTH]}
        record: EndpointRecord = await self._workers.submit(self._writes.change, EndpointChange(endpoint_id, values))
        await self._end_pending(self._workers, endpoint_id)
        return record

    async def _end_pending(self, lane: Lane, endpoint_id: int) -> None:
        while await lane.submit(self._writes.end_pending, endpoint_id, weight=CHUNK) == CHUNK:
            pass

    async def all(self) -> list[EndpointRecord]:
        """Every endpoint, oldest first."""
        rows = await self._database.fetch(f"SELECT {','.join(ENDPOINT_COLUMNS)} FROM {self._by_id} ORDER BY id")
        return [endpoint_from_row(row) for row in rows]

    async def by_id(self, ids: Collection[int]) -> dict[int, EndpointRecord]:
        """The endpoints that exist among ``ids``."""
        possible = {each for each in ids if 0 < each <= MAX_ID}
        if not possible:
            return {}
        rows = await self._database.fetch(
            f"SELECT {','.join(ENDPOINT_COLUMNS)} FROM {self._by_id} WHERE id IN ({id_list(possible)})"
        )
        return {record.id: record for record in map(endpoint_from_row, rows)}

    async def circuits(self, ids: Collection[int]) -> dict[int, CircuitRecord]:
        """Of those among ``ids`` that have been failing."""
        possible = {each for each in ids if 0 <= each <= MAX_ID}
        if not possible:
            return {}
        rows = await self._database.fetch(
            "SELECT endpoint_id, failures_in_a_row, failing_since, open_until FROM webhook_circuit"
            f"{self._database.by_index('PRIMARY')} WHERE endpoint_id IN ({id_list(possible)}) "
            "AND failures_in_a_row > 0"
        )
        return {
            # below ten failures, there is only the time at which it was last closed
            endpoint_id: CircuitRecord(count, from_text(since), from_text(until) if count >= FAILURES_TO_OPEN else None)
            for endpoint_id, count, since, until in rows
        }

    async def now(self) -> datetime:
        """The database's clock: by it, a secret's last day ends."""
        return await self._database.now()


LISTENING = "SELECT id, url, events, task_names FROM webhook_endpoint WHERE enabled=1"


def ask_who_listens(unit: Unit) -> None:
    """Ask for the enabled endpoints along with the unit's next statement, after which jobs will have ended."""
    unit.listening = unit.transaction.ahead(LISTENING)


@dataclass(frozen=True, slots=True)
class Listening:
    """What the end of a job needs to know of an endpoint."""

    id: int
    url: str
    events: frozenset[WebhookEvent]
    task_names: frozenset[str] | None


async def listening(unit: Unit) -> list[Listening]:
    """The enabled endpoints: one whose creation was acknowledged before the unit began is among them."""
    rows = unit.listening if unit.listening is not None else await unit.transaction.fetch(LISTENING)
    return [
        Listening(
            id_,
            url,
            frozenset(map(WebhookEvent, orjson.loads(events))),
            None if task_names is None else frozenset(orjson.loads(task_names)),
        )
        for id_, url, events, task_names in rows
    ]


async def ended_jobs(transaction: Transaction, ids: Collection[int]) -> dict[int, EndedJob]:
    """What webhooks tell of these jobs."""
    if not ids:
        return {}
    rows = await transaction.fetch(
        f"SELECT id, task_name, payload, priority FROM jobs WHERE id IN ({id_list(set(ids))})"
    )
    return {
        id_: EndedJob(id_, task_name, payload, PRIORITIES[str(priority)]) for id_, task_name, payload, priority in rows
    }


def endpoint_from_row(row: Row) -> EndpointRecord:
    """The endpoint in a row of ``ENDPOINT_COLUMNS``."""
    id_, url, events, task_names, enabled, disabled_reason, created_at, secret, previous_secret, until = row
    return EndpointRecord(
        id_,
        url,
        [WebhookEvent(each) for each in orjson.loads(events)],
        None if task_names is None else orjson.loads(task_names),
        bool(enabled),
        disabled_reason,
        from_text(created_at),
        secret,
        previous_secret,
        from_text(until) if until else None,
    )


def _changeable_row(record: EndpointRecord) -> tuple[object, ...]:
    """The values of ``ENDPOINT_COLUMNS[1:6]``."""
    return (
        record.url,
        orjson.dumps([each.value for each in record.events]).decode(),
        None if record.task_names is None else orjson.dumps(record.task_names).decode(),
        int(record.enabled),
        record.disabled_reason,
    )


def not_found(endpoint_id: int) -> NotFound:
    return NotFound(f"There is no webhook endpoint {endpoint_id}.")
