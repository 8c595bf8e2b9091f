"""What tasks log is there when their job has ended, whatever they log and from wherever; it fails and slows nobody."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import prometheus_client
import pytest
from eventually import eventually

from engine import joblogs
from engine.errors import Unavailable
from engine.joblogs import MAX_CHARACTERS, JobLogs, storable
from engine.records import LogRecord, NewJob
from engine.registry import Task, TaskContext, TaskRegistry
from engine.store.joblogs import LogQuery
from engine.store.store import Store
from engine.worker import Worker
from models.enums import JobStatus

library = logging.getLogger("some.library")
own = logging.getLogger("signalbox.something")


class Bench:
    """Tasks that log."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.thread_gate = threading.Event()
        self.lines = 1

    async def says(self, ctx: TaskContext) -> None:
        for number in range(self.lines):
            await ctx.log(f"line {number}")

    async def silent(self) -> None: ...

    async def waits(self, ctx: TaskContext) -> None:
        await ctx.log("waiting", level="debug")
        await self.gate.wait()

    async def retries(self, ctx: TaskContext) -> None:
        await ctx.log(f"attempt {ctx.attempt}")
        raise ValueError("no luck")

    async def uses_logging(self) -> None:
        library.info("an %s", "info")
        library.warning("a warning")
        library.debug("not taken")
        own.error("not taken either")
        await asyncio.create_task(self._in_a_subtask())
        await asyncio.to_thread(library.critical, "from a thread")
        try:
            raise KeyError("x")
        except KeyError:
            library.exception("it broke")

    async def _in_a_subtask(self) -> None:
        library.error("from a subtask")

    def in_a_thread(self, ctx: TaskContext) -> None:
        ctx.log("by the context")
        library.info("by logging")

    def too_slow(self, ctx: TaskContext) -> None:
        ctx.log("in time")
        self.thread_gate.wait(10)
        ctx.log("too late")
        library.warning("too late")

    def registry(self) -> TaskRegistry:
        names = ("says", "silent", "waits", "retries", "uses_logging", "in_a_thread", "too_slow")
        return TaskRegistry(
            Task.declare(name, getattr(self, name), max_attempts=3, timeout_seconds=30.0) for name in names
        )


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
async def worker(store: Store, bench: Bench) -> AsyncIterator[Worker]:
    made = Worker(store, bench.registry(), slots=4, grace_seconds=0.0)
    made.start()
    yield made
    bench.thread_gate.set()
    bench.gate.set()
    await made.stop()


async def create(store: Store, task: str, **fields: Any) -> int:
    given = {"max_attempts": 3, "timeout_seconds": 30.0, "run": True} | fields
    [created] = await store.create_jobs([NewJob(task_name=task, **given)])
    return created.job.id


async def log_of(store: Store, job_id: int) -> list[LogRecord]:
    [page] = await store.reads.log_pages([LogQuery(job_id, 0, 20_000)])
    return page.lines


async def texts(store: Store, job_id: int) -> list[tuple[str, str]]:
    return [(line.level, line.message) for line in await log_of(store, job_id)]


async def ends(store: Store, job_id: int, status: JobStatus = JobStatus.COMPLETED) -> None:
    async def has_ended() -> bool:
        job = await store.reads.job(job_id)
        return job is not None and job.status is status

    await eventually(has_ended, timeout_seconds=15)


def dropped(reason: str) -> float:
    name = "signalbox_job_log_lines_dropped_total"
    return prometheus_client.REGISTRY.get_sample_value(name, {"reason": reason}) or 0.0


@pytest.mark.usefixtures("worker")
async def test_whoever_sees_it_completed_finds_the_lines(store: Store, bench: Bench) -> None:
    bench.lines = 3
    seen: list[tuple[int, int]] = []
    ids = [await create(store, "says") for _ in range(20)]

    async def all_ended() -> bool:
        jobs = (await store.reads.jobs_by_id(ids)).values()
        completed = [job.id for job in jobs if job.status is JobStatus.COMPLETED]
        seen.extend([(job_id, len(await log_of(store, job_id))) for job_id in completed])
        return len({job_id for job_id, _ in seen}) == len(ids)

    await eventually(all_ended, timeout_seconds=15)
    assert {count for _, count in seen} == {3}
    assert await texts(store, ids[0]) == [("info", "line 0"), ("info", "line 1"), ("info", "line 2")]


@pytest.mark.usefixtures("worker")
async def test_lines_are_there_while_it_runs(store: Store) -> None:
    job_id = await create(store, "waits")
    await eventually(lambda: log_of(store, job_id), timeout_seconds=3)
    assert await texts(store, job_id) == [("debug", "waiting")]


async def test_attempts_are_told_apart(store: Store, worker: Worker) -> None:
    job_id = await create(store, "retries", max_attempts=2)
    await ends(store, job_id, JobStatus.SCHEDULED)
    async with store.database.transaction() as transaction:
        await transaction.execute(f"UPDATE jobs SET run_at='{transaction.now_text}' WHERE id={job_id}")
    await store.promote_due()
    await ends(store, job_id, JobStatus.FAILED)
    assert [(line.attempt, line.message) for line in await log_of(store, job_id)] == [
        (1, "attempt 1"),
        (2, "attempt 2"),
    ]
    await eventually(lambda: not worker.logs._tails)


@pytest.mark.usefixtures("worker")
async def test_logging(store: Store) -> None:
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    try:
        job_id = await create(store, "uses_logging")
        await ends(store, job_id)
    finally:
        root.setLevel(level)
    found = await texts(store, job_id)
    assert found[:4] == [
        ("info", "an info"),
        ("warning", "a warning"),
        ("error", "from a subtask"),
        ("critical", "from a thread"),
    ]
    [(last_level, trace)] = found[4:]
    assert last_level == "error"
    assert trace.startswith("it broke\nTraceback")
    assert trace.endswith("KeyError: 'x'")


@pytest.mark.usefixtures("worker")
async def test_a_plain_function(store: Store) -> None:
    level = library.level
    library.setLevel(logging.INFO)
    try:
        job_id = await create(store, "in_a_thread")
        await ends(store, job_id)
    finally:
        library.setLevel(level)
    assert await texts(store, job_id) == [("info", "by the context"), ("info", "by logging")]


async def test_nothing_is_logged_after_the_end(store: Store, bench: Bench, worker: Worker) -> None:
    worker._attempts.grace_seconds = 0.0
    job_id = await create(store, "too_slow", timeout_seconds=0.2, max_attempts=1)
    await ends(store, job_id, JobStatus.FAILED)
    bench.thread_gate.set()
    await eventually(lambda: worker._attempts.abandoned_threads == 0)
    await worker.logs.run_once()
    assert await texts(store, job_id) == [("info", "in time")]
    assert worker.logs._tails == {}


@pytest.mark.usefixtures("worker")
async def test_a_silent_job_costs_no_statement(store: Store, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError("a silent job touched the logs")

    monkeypatch.setattr(store, "append_log", refuse)
    monkeypatch.setattr(worker.logs, "_settle", refuse)
    job_id = await create(store, "silent")
    await ends(store, job_id)
    assert await log_of(store, job_id) == []


@pytest.mark.usefixtures("worker")
async def test_a_job_that_never_stops_talking(store: Store, bench: Bench) -> None:
    bench.lines = 12_000
    job_id = await create(store, "says")
    await ends(store, job_id)
    found = await texts(store, job_id)
    assert len(found) == 10_001
    assert found[9_999] == ("info", "line 9999")
    assert found[-1][0] == "warning"
    assert "dropped" in found[-1][1]


async def test_a_full_buffer_drops_and_counts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joblogs, "MAX_WAITING_LINES", 3)
    job_id = await create(store, "says", run=False)
    logs, before = JobLogs(store, {job_id}), dropped("buffer")
    for number in range(5):
        logs.log(job_id, 1, "info", f"line {number}")
    await logs.run_once()
    assert [text for _, text in await texts(store, job_id)] == ["line 0", "line 1", "line 2"]
    assert dropped("buffer") - before == 2
    logs.log(job_id, 1, "info", "there is room again")
    await logs.stop()
    assert len(await log_of(store, job_id)) == 4
    assert logs._waiting_lines == logs._waiting_bytes == 0


async def test_too_much_text_in_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joblogs, "MAX_WAITING_BYTES", 10)
    logs, before = JobLogs(store, {1}), dropped("buffer")
    logs.log(1, 1, "info", "é" * 5)
    logs.log(1, 1, "info", "x")
    await logs.stop()
    assert dropped("buffer") - before == 1


async def test_a_database_that_is_away_fails_no_task(
    store: Store, bench: Bench, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joblogs, "PATIENCE_SECONDS", 0.05)
    before = dropped("database")
    job_id = await create(store, "waits")
    await eventually(lambda: log_of(store, job_id))
    whole = store.database.transaction

    def down() -> Any:
        raise Unavailable

    monkeypatch.setattr(store.database, "transaction", down)
    worker.logs.log(job_id, 1, "info", "lost")
    bench.gate.set()
    await eventually(lambda: worker.logs._waiting_lines == 0)
    monkeypatch.setattr(store.database, "transaction", whole)
    await ends(store, job_id)
    await worker.logs.run_once()
    assert await texts(store, job_id) == [("debug", "waiting")]
    assert dropped("database") - before == 1


async def test_a_line_that_cannot_be_written_harms_no_other(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = [await create(store, "says", run=False) for _ in range(2)]
    whole: Callable[..., Any] = store.append_log

    async def breaks_for_one(append: Any, patience_seconds: float) -> Any:
        if append.job_id == bad:
            raise RuntimeError("a defect")
        return await whole(append, patience_seconds)

    monkeypatch.setattr(store, "append_log", breaks_for_one)
    logs = JobLogs(store, {bad, good})
    logs.log(bad, 1, "info", "lost")
    logs.log(good, 1, "info", "kept")
    await logs.run_once()
    assert await texts(store, good) == [("info", "kept")]
    assert await texts(store, bad) == []


async def test_hostile_text(store: Store) -> None:
    job_id = await create(store, "says", run=False)
    hostile = "\ud800 \x00 \x1b[31mred\x7f \x9b 'quoted' \\ %s \u202e🚂"
    logs = JobLogs(store, {job_id})
    logs.log(job_id, 1, "info", hostile)
    await logs.stop()
    assert ("info", "? ␀ ␛[31mred␡ \ufffd 'quoted' \\ %s \u202e🚂") in await texts(store, job_id)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("plain", "plain"),
        ("a\r\nb\tc\nd\re", "a\nb\tc\nd␍e"),
        ("x" * MAX_CHARACTERS, "x" * MAX_CHARACTERS),
        ("x" * (MAX_CHARACTERS + 1), "x" * (MAX_CHARACTERS - 1) + "…"),
        ("\udfff" * 2, "??"),
    ],
)
def test_storable(given: str, stored: str) -> None:
    assert storable(given) == stored


@pytest.mark.parametrize("level", ["INFO", "trace", "", "warn"])
def test_other_levels_are_refused(level: str) -> None:
    class Nowhere:
        def log(self, *_: Any) -> None:
            raise AssertionError("a refused line was taken")

        def progress(self, *_: Any) -> None: ...

    context = TaskContext(1, "t", 1, 1, Nowhere())
    with pytest.raises(ValueError, match=r"level is debug, info, warning, error or critical, not "):
        context.log("x", level=level)
