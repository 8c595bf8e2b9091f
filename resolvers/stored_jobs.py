"""How a job's columns, as they are stored, become what its fields are in JSON; for plans (``server/transport/plans``).

The fields themselves are said in ``schema/jobs.py``; a test holds each of these against them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from engine.store.rows import PRIORITIES, STATUSES
from resolvers.visibility import STORED_SINCE
from schema.scalars import serialize_stored_datetime
from schema.stored import StoredField, StoredType

Write = Callable[[Any], Any]


def _or_null(write: Write) -> Write:
    return lambda value: write(value) if value else None


def _text_or_null(value: str) -> str | None:
    return value or None


def _json(value: str) -> orjson.Fragment | None:
    return orjson.Fragment(value) if value else None


def _tags(value: str) -> orjson.Fragment | list[str]:
    return orjson.Fragment(value) if value else []


def _progress(value: Any) -> float | None:
    return None if value is None or value == "" else float(value)


_PRIORITY_NAMES = {stored: priority.name for stored, priority in PRIORITIES.items()}
_STATUS_NAMES = {stored: status.name for stored, status in STATUSES.items()}
_moment_or_null = _or_null(serialize_stored_datetime)

STORED_JOB: StoredType = {
    "id": StoredField("id", str),
    "taskName": StoredField("task_name", str),
    "payload": StoredField("payload", _json, STORED_SINCE),
    "payloadText": StoredField("payload", _text_or_null, STORED_SINCE),
    "priority": StoredField("priority", _PRIORITY_NAMES.__getitem__),
    "status": StoredField("status", _STATUS_NAMES.__getitem__),
    "tags": StoredField("tags", _tags),
    "attempt": StoredField("attempt", int),
    "maxAttempts": StoredField("max_attempts", int),
    "timeoutSeconds": StoredField("timeout_seconds", float),
    "progress": StoredField("progress", _progress),
    "result": StoredField("result", _json, STORED_SINCE),
    "resultText": StoredField("result", _text_or_null, STORED_SINCE),
    "idempotencyKey": StoredField("idempotency_key", _text_or_null),
    "createdAt": StoredField("created_at", serialize_stored_datetime),
    "updatedAt": StoredField("updated_at", serialize_stored_datetime),
    "runAt": StoredField("run_at", _moment_or_null),
    "startedAt": StoredField("started_at", _moment_or_null),
    "finishedAt": StoredField("finished_at", _moment_or_null),
}
