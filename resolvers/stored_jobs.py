"""How a job's columns, as they are stored, become what its fields are in JSON; for plans (``server/transport/plans``).

The fields themselves are said in ``schema/jobs.py``; a test holds each of these against them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import orjson

from engine.store.rows import PRIORITIES, STATUSES
from models.shapes import Form
from resolvers.visibility import STORED_SINCE
from schema.scalars import serialize_stored_datetime
from schema.stored import StoredField, StoredType

Write = Callable[[Any], str]
NULL = "null"


def _or_null(write: Write) -> Write:
    return lambda value: write(value) if value else NULL


def _text(value: str) -> str:
    return orjson.dumps(value).decode()


def _number(value: Any) -> str:
    return orjson.dumps(float(value)).decode()


def _number_or_null(value: Any) -> str:
    return NULL if value is None or value == "" else _number(value)


def _id(value: Any) -> str:
    return f'"{value}"'


def _json(value: str) -> str:
    return value or NULL


def _tags(value: str) -> str:
    return value or "[]"


def _moment(value: str) -> str:
    return f'"{serialize_stored_datetime(value)}"'


_priority = {stored: f'"{priority.name}"' for stored, priority in PRIORITIES.items()}.__getitem__
_status = {stored: f'"{status.name}"' for stored, status in STATUSES.items()}.__getitem__

STORED_JOB: StoredType = {
    "id": StoredField("id", _id, form=Form.ID),
    "taskName": StoredField("task_name", lru_cache(1000)(_text), form=Form.TEXT),
    "payload": StoredField("payload", _json, STORED_SINCE, form=Form.JSON),
    "payloadText": StoredField("payload", _or_null(_text), STORED_SINCE),
    "priority": StoredField("priority", _priority, form=Form.PRIORITY),
    "status": StoredField("status", _status, form=Form.STATUS),
    "tags": StoredField("tags", _tags, form=Form.LIST),
    "attempt": StoredField("attempt", str, form=Form.INTEGER),
    "maxAttempts": StoredField("max_attempts", str, form=Form.INTEGER),
    "timeoutSeconds": StoredField("timeout_seconds", _number),
    "progress": StoredField("progress", _number_or_null),
    "result": StoredField("result", _json, STORED_SINCE, form=Form.JSON),
    "resultText": StoredField("result", _or_null(_text), STORED_SINCE),
    "idempotencyKey": StoredField("idempotency_key", _or_null(_text)),
    "createdAt": StoredField("created_at", _moment, form=Form.MOMENT),
    "updatedAt": StoredField("updated_at", _moment, form=Form.MOMENT),
    "runAt": StoredField("run_at", _or_null(_moment), form=Form.MOMENT),
    "startedAt": StoredField("started_at", _or_null(_moment), form=Form.MOMENT),
    "finishedAt": StoredField("finished_at", _or_null(_moment), form=Form.MOMENT),
}
