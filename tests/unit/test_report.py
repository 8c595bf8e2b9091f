"""The report: every job of its period, hostile text made harmless, and a bound that it admits to."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.errors import InvalidInput
from engine.payload import encode_json
from engine.records import ErrorRecord
from engine.registry import PermanentError, TaskContext
from models.enums import JobPriority, JobStatus
from tasks.report import MAX_JOBS, report_task

NOW = datetime(2026, 2, 5, 15, 0, tzinfo=UTC)


@dataclass
class Reported:
    id: int
    task_name: str = "plain"
    status: JobStatus = JobStatus.COMPLETED
    priority: JobPriority = JobPriority.HIGH
    attempt: int = 1
    created_at: datetime = NOW
    started_at: datetime | None = NOW
    finished_at: datetime | None = None
    error: ErrorRecord | None = None


class History:
    def __init__(self, *jobs: Reported) -> None:
        self.jobs = jobs
        self.asked: list[tuple[datetime, datetime]] = []

    async def now(self) -> datetime:
        return NOW

    async def jobs_created(self, after: datetime, before: datetime, limit: int) -> Sequence[Reported]:
        self.asked.append((after, before))
        return self.jobs[:limit]

    async def report(self, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        task = report_task(self.now, self.jobs_created)
        context = TaskContext(7, task.name, 1, 3, Silent())
        result: dict[str, Any] = await task.function(context, **task.arguments(payload))
        encode_json(result)
        return result


class Silent:
    def log(self, *_: Any) -> None: ...

    def progress(self, *_: Any) -> None: ...


def cells(report: dict[str, Any]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(report["csv"])))


async def test_what_it_says() -> None:
    failed = Reported(2, status=JobStatus.FAILED, error=ErrorRecord("X", "no\nluck"), finished_at=NOW)
    report = await History(Reported(3), failed).report()
    assert (report["jobs"], report["truncated"]) == (2, False)
    assert report["by_status"] == {"COMPLETED": 1, "FAILED": 1}
    head, first, second = cells(report)
    assert head == ["id", "task", "status", "priority", "attempt", "created", "started", "finished", "error"]
    when = "2026-02-05 15:00:00+00:00"
    assert first == ["3", "plain", "COMPLETED", "HIGH", "1", when, when, "", ""]
    assert second[-2:] == [when, "no\nluck"]
    assert report["html"].count("<tr>") == 3
    assert "1 COMPLETED, 1 FAILED" in report["html"]


@pytest.mark.parametrize("name", ["=1+2", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
async def test_no_cell_is_a_formula(name: str) -> None:
    report = await History(Reported(1, task_name=name, error=ErrorRecord("X", name))).report()
    assert cells(report)[1][1] == f"'{name}"
    assert cells(report)[1][-1] == f"'{name}"


async def test_no_name_is_markup() -> None:
    hostile = "<script>alert('1')</script>\"&amp;"
    report = await History(Reported(1, task_name=hostile, error=ErrorRecord("X", hostile))).report()
    assert "<script" not in report["html"]
    assert report["html"].count("&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;&quot;&amp;amp;") == 2
    assert cells(report)[1][1] == hostile


@pytest.mark.parametrize(
    ("payload", "period"),
    [
        (None, (NOW - timedelta(hours=24), NOW)),
        ({"hours": 1.5}, (NOW - timedelta(hours=1.5), NOW)),
        ({"to": "2026-01-02T00:00:00Z"}, (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))),
        (
            {"from": "2026-01-01T02:00:00+02:00", "to": "2026-01-03T00:00:00Z"},
            (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)),
        ),
    ],
)
async def test_periods(payload: dict[str, Any] | None, period: tuple[datetime, datetime]) -> None:
    history = History()
    report = await history.report(payload)
    assert history.asked == [period]
    assert (report["jobs"], report["by_status"], len(cells(report))) == (0, {}, 1)


async def test_a_period_that_ends_before_it_begins() -> None:
    history = History()
    with pytest.raises(PermanentError, match="is not before"):
        await history.report({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"})
    assert history.asked == []


async def test_more_than_it_lists() -> None:
    report = await History(*map(Reported, range(MAX_JOBS + 1))).report()
    assert (report["jobs"], report["truncated"], len(cells(report))) == (MAX_JOBS, True, MAX_JOBS + 1)


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"from": "2026-01-01T00:00:00"}, "payload.from"),
        ({"hours": 0}, "payload.hours"),
        ({"hours": 1e9}, "payload.hours"),
        ({"start": "2026-01-01T00:00:00Z"}, "payload.start"),
    ],
)
async def test_periods_that_make_no_sense(payload: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await History().report(payload)
    assert refusal.value.field == field
