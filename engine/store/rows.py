"""Between a row and a record. Both dialects give the same columns in the same order; NULL may come as ''.

A job's status has one more form in the table than outside: a QUEUED job of a paused task, or one that waits for a
limit, may be stored as PARKED (engine/store/parking.py, limits.py). What it means, and what a filter must look for, is
said here alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from engine.records import ErrorRecord, EventRecord, JobRecord
from engine.store.database import from_text
from models.enums import JobPriority, JobStatus
from models.shapes import Shape

JOB_COLUMNS = (
    "id",
    "task_name",
    "payload",
    "priority",
    "status",
    "tags",
    "attempt",
    "max_attempts",
    "timeout_seconds",
    "progress",
    "result",
    "error",
    "idempotency_key",
    "concurrency_key",
    "webhook_url",
    "schedule_id",
    "copy_of_id",
    "created_at",
    "updated_at",
    "run_at",
    "started_at",
    "finished_at",
)
CLAIM_COLUMNS = (
    "id",
    "task_name",
    "payload",
    "priority",
    "attempt",
    "max_attempts",
    "timeout_seconds",
    "webhook_url",
    "tags",
    "scheduled_for",
    "traceparent",
    "concurrency_key",
)
EVENT_COLUMNS = ("seq", "job_id", "from_status", "to_status", "attempt", "at", "run_at", "worker", "error")

STATUSES = {**{status.value: status for status in JobStatus}, "PARKED": JobStatus.QUEUED}
"""By how it is stored."""
PRIORITIES = {text: priority for priority in JobPriority for text in (priority.value, str(priority.value))}


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A job's columns as the database gave them; NULL is None or an empty text. With a ``shape`` the last value is the
    JSON object of it, which is none of ``columns``."""

    columns: tuple[str, ...]
    values: Sequence[Any]
    shape: Shape | None = None


@dataclass(frozen=True, slots=True)
class StoredRows:
    """The same of several jobs."""

    columns: tuple[str, ...]
    rows: list[Sequence[Any]]
    shape: Shape | None = None


def stored_as(statuses: Iterable[JobStatus]) -> list[str]:
    """The forms in which jobs of these statuses are stored."""
    wanted = set(statuses)
    return [stored for stored, status in STATUSES.items() if status in wanted]


def stored_list(statuses: Iterable[JobStatus]) -> str:
    """The same, for an IN (...)."""
    return ",".join(f"'{stored}'" for stored in stored_as(statuses)) or "NULL"


def at_rest(status: JobStatus, now_text: str) -> str:
    """The assignments of a change to ``status``, with those to the columns that lists are sorted by, and to what the
    job was parked or counted for. Whatever changes a status makes them, but for a claim, which leaves the job where it
    stands in lists (docs/adr/0007)."""
    return (
        f"status='{status.value}', updated_at='{now_text}', listed_status='{status.value}', listed_at='{now_text}', "
        "parked_task=NULL"
    )


def encode_error(error: ErrorRecord | None) -> str | None:
    if error is None:
        return None
    return orjson.dumps({"code": error.code, "message": error.message, "traceback": error.traceback}).decode()


def decode_error(text: str | None) -> ErrorRecord | None:
    if not text:
        return None
    return ErrorRecord(**orjson.loads(text))


def job_from_row(row: Sequence[Any]) -> JobRecord:
    """The job in a row of ``JOB_COLUMNS``."""
    (
        id_,
        task_name,
        payload,
        priority,
        status,
        tags,
        attempt,
        max_attempts,
        timeout_seconds,
        progress,
        result,
        error,
        idempotency_key,
        concurrency_key,
        webhook_url,
        schedule_id,
        copy_of_id,
        created_at,
        updated_at,
        run_at,
        started_at,
        finished_at,
    ) = row
    return JobRecord(
        int(id_),
        task_name,
        payload or None,
        PRIORITIES[priority],
        STATUSES[status],
        orjson.loads(tags) if tags else [],
        int(attempt),
        int(max_attempts),
        float(timeout_seconds),
        _number(progress),
        result or None,
        decode_error(error),
        idempotency_key or None,
        concurrency_key or None,
        webhook_url or None,
        int(schedule_id) if schedule_id else None,
        int(copy_of_id) if copy_of_id else None,
        from_text(created_at),
        from_text(updated_at),
        from_text(run_at) if run_at else None,
        from_text(started_at) if started_at else None,
        from_text(finished_at) if finished_at else None,
    )


def event_from_row(row: Sequence[Any]) -> EventRecord:
    """The event in a row of ``EVENT_COLUMNS``."""
    seq, job_id, from_status, to_status, attempt, at, run_at, worker, error = row
    return EventRecord(
        int(seq),
        int(job_id),
        STATUSES[from_status] if from_status else None,
        STATUSES[to_status],
        int(attempt),
        from_text(at),
        from_text(run_at) if run_at else None,
        worker or None,
        decode_error(error),
    )


def _number(value: Any) -> float | None:
    return None if value is None or value == "" else float(value)
