"""What a run has left behind, read with plain SQL: jobs with their events and webhooks, and what the tasks wrote."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

KINDS = ("CREATED", "COMPLETED", "FAILED", "CANCELLED")
STATUS = "CASE status WHEN 'PARKED' THEN 'QUEUED' ELSE status END"
"""What clients are told: jobs of a paused task wait under another name in the table."""


class Connection(Protocol):
    """Of any driver that follows PEP 249: pymysql's or sqlite3's."""

    def cursor(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Trace:
    """One line that a task wrote: that an execution started, or that it reached its end."""

    phase: str
    job_id: int
    attempt: int
    execution: str
    pid: int
    at: datetime


@dataclass(slots=True)
class Event:
    seq: int
    source: str | None
    target: str
    attempt: int
    at: datetime
    error: str | None


@dataclass(slots=True)
class Job:
    id: int
    status: str
    attempt: int
    max_attempts: int
    key: str | None
    result: str | None
    lease_until: datetime | None
    task_name: str = ""
    concurrency_key: str | None = None
    events: list[Event] = field(default_factory=list)
    deliveries: Counter[str] = field(default_factory=Counter)
    traces: list[Trace] = field(default_factory=list)

    @property
    def starts(self) -> list[Trace]:
        return [each for each in self.traces if each.phase == "start"]

    def moves(self, source: str | None, *targets: str) -> int:
        """How many times it went from ``source`` to one of ``targets``."""
        return sum(each.source == source and each.target in targets for each in self.events)


@dataclass(frozen=True, slots=True)
class Counted:
    """How many events of each kind are counted in each minute since 1970, of those up to ``until``."""

    until: int
    minutes: Counter[tuple[int, str]]


def read_traces(path: Path) -> list[Trace]:
    """The lines of the log; a last one that was cut off by a crash is left out."""
    traces = []
    for line in path.read_text().splitlines() if path.exists() else ():
        parts = line.split(" ")
        if len(parts) == 6:
            phase, job_id, attempt, execution, pid, nanoseconds = parts
            at = datetime.fromtimestamp(int(nanoseconds) / 1e9, UTC)
            traces.append(Trace(phase, int(job_id), int(attempt), execution, int(pid), at))
    return traces


def fetch(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    cursor = connection.cursor()
    cursor.execute(sql)
    return list(cursor.fetchall())


def moment_of(value: Any) -> datetime | None:
    """sqlite3 gives text, pymysql a naive datetime; both are UTC."""
    if value is None:
        return None
    parsed = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return parsed.replace(tzinfo=UTC)


def read_jobs(connection: Connection, traces: Iterable[Trace]) -> dict[int, Job]:
    """All jobs with their events, deliveries and traces."""
    columns = f"id, {STATUS}, attempt, max_attempts, idempotency_key, result, lease_until, task_name, concurrency_key"
    rows = fetch(connection, f"SELECT {columns} FROM jobs")
    jobs = {row[0]: Job(*row[:6], moment_of(row[6]), *row[7:]) for row in rows}
    strays: dict[int, Job] = defaultdict(lambda: Job(0, "MISSING", 0, 0, None, None, None))
    sql = "SELECT job_id, seq, from_status, to_status, attempt, at, error FROM job_event ORDER BY seq"
    for job_id, seq, source, target, attempt, at, error in fetch(connection, sql):
        moment = moment_of(at)
        assert moment is not None
        (jobs.get(job_id) or strays[job_id]).events.append(Event(seq, source, target, attempt, moment, error))
    for job_id, url in fetch(connection, "SELECT job_id, url FROM webhook_delivery WHERE event='job.completed'"):
        (jobs.get(job_id) or strays[job_id]).deliveries[url] += 1
    for trace in traces:
        (jobs.get(trace.job_id) or strays[trace.job_id]).traces.append(trace)
    for job_id, stray in strays.items():
        stray.id = job_id
    return jobs | strays


def read_counted(connection: Connection) -> Counted:
    """The throughput, as it is at one moment."""
    sql = (
        "SELECT c.seq, m.minute, m.created, m.completed, m.failed, m.cancelled "
        "FROM throughput_cursor c LEFT JOIN throughput_minute m ON 1=1"
    )
    until = 0
    minutes: Counter[tuple[int, str]] = Counter()
    for seq, minute, *counts in fetch(connection, sql):
        until = seq
        if minute is not None:
            minutes.update({(minute, kind): count for kind, count in zip(KINDS, counts, strict=True) if count})
    return Counted(until, minutes)
