"""``signalbox.report``: the jobs created in a period, as HTML and as CSV.

Names and messages were written by whoever may create jobs. HTML escapes them; in CSV, what a spreadsheet would run as
a formula stands behind an apostrophe.
"""

from __future__ import annotations

import asyncio
import csv
import html
import io
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from engine.registry import DEFAULT_MAX_ATTEMPTS, PermanentError, Task, TaskContext

MAX_JOBS = 5000
MAX_MESSAGE_LENGTH = 200
TIMEOUT_SECONDS = 300.0
COLUMNS = ("id", "task", "status", "priority", "attempt", "created", "started", "finished", "error")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What OWASP's page on CSV injection names."""
STYLE = (
    "body{font:14px system-ui;margin:2em}table{border-collapse:collapse}"
    "td,th{border:1px solid #ccc;padding:.2em .6em;text-align:left}"
)


class ReportError(Protocol):
    @property
    def message(self) -> str: ...


class ReportJob(Protocol):
    """What a report reads of a job."""

    @property
    def id(self) -> int: ...
    @property
    def task_name(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def priority(self) -> IntEnum: ...
    @property
    def attempt(self) -> int: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def finished_at(self) -> datetime | None: ...
    @property
    def error(self) -> ReportError | None: ...


Now = Callable[[], Awaitable[datetime]]
JobsCreated = Callable[[datetime, datetime, int], Awaitable[Sequence[ReportJob]]]
"""The jobs created after one instant and before another, newest first, at most so many."""


class ReportPayload(BaseModel):
    """The period: `from` and `to`, or the last `hours`."""

    model_config = ConfigDict(extra="forbid")

    start: AwareDatetime | None = Field(None, alias="from")
    end: AwareDatetime | None = Field(None, alias="to")
    hours: float = Field(24.0, gt=0, le=24 * 366, allow_inf_nan=False)


def report_task(now: Now, jobs_created: JobsCreated) -> Task:
    """The task ``signalbox.report``."""

    async def report(ctx: TaskContext, period: ReportPayload) -> dict[str, Any]:
        """Render the jobs created in a period as HTML and CSV, which are the result.

        The newest 5000 are listed; `truncated` tells whether there were more.
        """
        end = period.end or await now()
        start = period.start or end - timedelta(hours=period.hours)
        if start >= end:
            raise PermanentError(f"from ({start.isoformat()}) is not before to ({end.isoformat()}).")
        jobs = await jobs_created(start, end, MAX_JOBS + 1)
        listed = jobs[:MAX_JOBS]
        counts = Counter(str(job.status) for job in listed)
        title = f"Jobs created from {_instant(start)} to {_instant(end)}"
        rows = [_cells(job) for job in listed]
        return {
            "from": start.isoformat(),
            "to": end.isoformat(),
            "jobs": len(listed),
            "truncated": len(jobs) > MAX_JOBS,
            "by_status": dict(sorted(counts.items())),
            "html": await asyncio.to_thread(_html, title, counts, rows),
            "csv": await asyncio.to_thread(_csv, rows),
        }

    return Task.declare("signalbox.report", report, max_attempts=DEFAULT_MAX_ATTEMPTS, timeout_seconds=TIMEOUT_SECONDS)


def _cells(job: ReportJob) -> tuple[str, ...]:
    return (
        str(job.id),
        job.task_name,
        str(job.status),
        job.priority.name,
        str(job.attempt),
        _instant(job.created_at),
        _instant(job.started_at),
        _instant(job.finished_at),
        "" if job.error is None else job.error.message[:MAX_MESSAGE_LENGTH],
    )


def _instant(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(sep=" ", timespec="seconds")


def _csv(rows: Sequence[Sequence[str]]) -> str:
    """RFC 4180."""
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, *([_harmless(cell) for cell in row] for row in rows)])
    return text.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


def _html(title: str, counts: Counter[str], rows: Sequence[Sequence[str]]) -> str:
    summary = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "none"
    return "\n".join(
        (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>',
            f"<style>{STYLE}</style><h1>{html.escape(title)}</h1><p>{html.escape(summary)}</p>",
            "<table>",
            *_table_rows("th", [COLUMNS]),
            *_table_rows("td", rows),
            "</table></html>",
        )
    )


def _table_rows(tag: str, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in rows:
        yield "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row) + "</tr>"
