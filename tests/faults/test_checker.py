"""The checker finds what it is for: each history here is broken in one way, and is blamed for that one alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from checker import INVARIANTS, Acknowledged, Report, check, overdue
from history import Trace, read_traces

NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)
HOOK = "http://receiver/"
TABLES = """
CREATE TABLE jobs (id INTEGER PRIMARY KEY, status TEXT, attempt INT, max_attempts INT, idempotency_key TEXT,
  result TEXT, lease_until TEXT, task_name TEXT, concurrency_key TEXT);
CREATE TABLE job_event (seq INTEGER PRIMARY KEY, job_id INT, from_status TEXT, to_status TEXT, attempt INT, at TEXT,
  error TEXT);
CREATE TABLE webhook_delivery (id INTEGER PRIMARY KEY, job_id INT, event TEXT, url TEXT);
CREATE TABLE throughput_cursor (id INTEGER PRIMARY KEY, seq INT);
CREATE TABLE throughput_minute (minute INTEGER PRIMARY KEY, created INT, completed INT, failed INT, cancelled INT);
"""


class History:
    """A run in which job 1 was rescued once and completed, to be broken by statements."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        connection.executescript(TABLES)
        self.execute(
            "INSERT INTO jobs VALUES (1, 'COMPLETED', 2, 3, 'key', '{\"execution\": \"b\"}', NULL, 'work', NULL)"
        )
        for event in (
            (None, "SCHEDULED", 0),
            ("SCHEDULED", "QUEUED", 0),
            ("QUEUED", "RUNNING", 1),
            ("RUNNING", "QUEUED", 1),
            ("QUEUED", "RUNNING", 2),
            ("RUNNING", "COMPLETED", 2),
        ):
            self.add_event(1, *event)
        self.execute(f"INSERT INTO webhook_delivery VALUES (1, 1, 'job.completed', '{HOOK}')")
        self.traces = [
            Trace("start", 1, 1, "a", 10, NOON),
            Trace("start", 1, 2, "b", 11, NOON),
            Trace("end", 1, 2, "b", 11, NOON),
        ]
        self.acknowledged = Acknowledged(1, key="key", run_at=NOON, endpoints=(HOOK,))

    def execute(self, sql: str) -> None:
        self.connection.execute(sql)

    def add_event(self, job_id: int, source: str | None, target: str, attempt: int) -> None:
        self.connection.execute(
            "INSERT INTO job_event (job_id, from_status, to_status, attempt, at) VALUES (?, ?, ?, ?, ?)",
            (job_id, source, target, attempt, "2026-02-05 12:00:00.000000"),
        )

    def count(self, until: int, created: int, completed: int) -> None:
        self.connection.execute("INSERT INTO throughput_cursor VALUES (1, ?)", (until,))
        minute = int(NOON.timestamp()) // 60
        self.connection.execute("INSERT INTO throughput_minute VALUES (?, ?, ?, 0, 0)", (minute, created, completed))

    def verdict(self) -> Report:
        return check(self.connection, self.traces, [self.acknowledged])


@pytest.fixture
def history() -> Iterator[History]:
    with closing(sqlite3.connect(":memory:")) as connection:
        yield History(connection)


def test_a_sound_history(history: History) -> None:
    report = history.verdict()
    assert report.counts == dict.fromkeys(INVARIANTS, 0), report.text
    assert (report.jobs, report.executions, report.duplicates) == (1, 2, 0)
    history.traces.append(Trace("end", 1, 1, "a", 10, NOON))
    assert history.verdict().duplicates == 1


@pytest.mark.parametrize(("until", "completed"), [(6, 1), (5, 0)])
def test_sound_counts(history: History, until: int, completed: int) -> None:
    history.count(until, created=1, completed=completed)
    report = history.verdict()
    assert report.counts == dict.fromkeys(INVARIANTS, 0), report.text


def _lose(history: History) -> None:
    for table, column in (("jobs", "id"), ("job_event", "job_id"), ("webhook_delivery", "job_id")):
        history.execute(f"DELETE FROM {table} WHERE {column}=1")
    history.traces.clear()
    history.acknowledged.endpoints = ()


def _leave_running(history: History) -> None:
    history.execute("UPDATE jobs SET status='RUNNING' WHERE id=1")
    history.execute("DELETE FROM job_event WHERE to_status='COMPLETED'")
    history.execute("DELETE FROM webhook_delivery")


def _ignore_a_cancel(history: History) -> None:
    history.acknowledged.was_cancelled = True


def _repeat_a_key(history: History) -> None:
    history.execute("INSERT INTO jobs VALUES (2, 'PENDING', 0, 3, 'key', NULL, NULL, 'work', NULL)")
    history.add_event(2, None, "PENDING", 0)


def _acknowledge_another_id(history: History) -> None:
    history.execute("UPDATE jobs SET idempotency_key=NULL")
    history.execute("INSERT INTO jobs VALUES (2, 'PENDING', 0, 3, 'key', NULL, NULL, 'work', NULL)")
    history.add_event(2, None, "PENDING", 0)


def _finish_by_a_lost_claim(history: History) -> None:
    history.execute("UPDATE job_event SET attempt=1 WHERE to_status='COMPLETED'")


def _keep_the_result_of_a_lost_claim(history: History) -> None:
    history.execute('UPDATE jobs SET result=\'{"execution": "a"}\'')


def _complete_what_never_ended(history: History) -> None:
    history.traces.pop()


def _execute_unclaimed(history: History) -> None:
    history.traces.append(Trace("start", 1, 2, "c", 12, NOON))


def _repeat_an_execution(history: History) -> None:
    history.traces[0] = replace(history.traces[0], execution="b")


def _end_what_never_started(history: History) -> None:
    history.traces.append(Trace("end", 1, 2, "c", 12, NOON))


def _retry_unasked(history: History) -> None:
    history.add_event(1, "COMPLETED", "QUEUED", 0)
    history.add_event(1, "QUEUED", "CANCELLED", 0)
    history.execute("UPDATE jobs SET status='CANCELLED'")


def _start_early(history: History) -> None:
    history.traces[0] = replace(history.traces[0], at=NOON - timedelta(milliseconds=1))


def _queue_early(history: History) -> None:
    history.execute("UPDATE job_event SET at='2026-02-05 11:59:59.999999' WHERE from_status='SCHEDULED'")


def _try_too_often(history: History) -> None:
    history.execute("UPDATE jobs SET max_attempts=1")


def _forget_the_webhook(history: History) -> None:
    history.execute("DELETE FROM webhook_delivery")


def _tell_twice(history: History) -> None:
    history.execute(f"INSERT INTO webhook_delivery VALUES (2, 1, 'job.completed', '{HOOK}')")


def _break_the_chain(history: History) -> None:
    history.execute("DELETE FROM job_event WHERE from_status='SCHEDULED'")


def _change_without_an_event(history: History) -> None:
    history.execute("UPDATE jobs SET status='CANCELLED'")


def _count_twice(history: History) -> None:
    history.count(6, created=2, completed=1)


def _count_too_little(history: History) -> None:
    history.count(6, created=1, completed=0)


def _count_in_another_minute(history: History) -> None:
    history.count(6, created=1, completed=1)
    history.execute("UPDATE throughput_minute SET minute=minute+1")


def _run_together(history: History, count: int, key: str | None = None) -> None:
    """So many jobs of a task with limits at once, each with the key, or with a key of its own."""
    ids = range(2, 2 + count)
    for job_id in ids:
        own = key or f"key {job_id}"
        history.execute(
            f"INSERT INTO jobs VALUES ({job_id}, 'FAILED', 1, 3, NULL, NULL, NULL, 'work in a thread', '{own}')"
        )
    for source, target in ((None, "QUEUED"), ("QUEUED", "RUNNING"), ("RUNNING", "FAILED")):
        for job_id in ids:
            history.add_event(job_id, source, target, 1)


def _run_too_many_of_a_key(history: History) -> None:
    _run_together(history, 3, "one key")


def _run_too_many_of_a_task(history: History) -> None:
    _run_together(history, 7)


@pytest.mark.parametrize(("count", "key"), [(6, None), (2, "one key")])
def test_sound_limits(history: History, count: int, key: str | None) -> None:
    _run_together(history, count, key)
    report = history.verdict()
    assert report.counts == dict.fromkeys(INVARIANTS, 0), report.text


@pytest.mark.parametrize(
    ("breaking", "blamed"),
    [
        (_lose, {"I1"}),
        (_leave_running, {"I1"}),
        (_ignore_a_cancel, {"I1"}),
        (_repeat_a_key, {"I2"}),
        (_acknowledge_another_id, {"I2"}),
        (_finish_by_a_lost_claim, {"I3"}),
        (_keep_the_result_of_a_lost_claim, {"I3"}),
        (_complete_what_never_ended, {"I3"}),
        (_execute_unclaimed, {"I4"}),
        (_repeat_an_execution, {"I4"}),
        (_end_what_never_started, {"I4"}),
        (_retry_unasked, {"I4"}),
        (_start_early, {"I6"}),
        (_queue_early, {"I6"}),
        (_try_too_often, {"I7"}),
        (_forget_the_webhook, {"I8"}),
        (_tell_twice, {"I8"}),
        (_break_the_chain, {"I9"}),
        (_change_without_an_event, {"I8", "I9"}),
        (_count_twice, {"I11"}),
        (_count_too_little, {"I11"}),
        (_count_in_another_minute, {"I11"}),
        (_run_too_many_of_a_key, {"I12"}),
        (_run_too_many_of_a_task, {"I12"}),
    ],
    ids=lambda each: each.__name__.strip("_") if callable(each) else "",
)
def test_a_broken_history(history: History, breaking: Callable[[History], None], blamed: set[str]) -> None:
    breaking(history)
    report = history.verdict()
    assert {name for name, count in report.counts.items() if count} == blamed, report.text


def test_what_runs_beyond_its_lease(history: History) -> None:
    history.execute("UPDATE jobs SET status='RUNNING', lease_until='2026-02-05 12:00:00.000000'")
    in_time, late = NOON + timedelta(seconds=5), NOON + timedelta(seconds=5.1)
    assert overdue(history.connection, in_time) == {}
    [violation] = overdue(history.connection, late).values()
    assert violation.startswith("job 1 ")
    assert overdue(history.connection, late, excused_until=NOON + timedelta(seconds=1)) == {}
    history.execute("UPDATE jobs SET lease_until=NULL")
    assert len(overdue(history.connection, NOON)) == 1


def test_traces_are_read_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "traces"
    assert read_traces(path) == []
    path.write_text("start 7 1 abc 99 1770292800000000000\nend 7 1 ab")
    assert read_traces(path) == [Trace("start", 7, 1, "abc", 99, NOON)]
