"""One attempt: whatever a task does, it ends its own attempt and nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from eventually import eventually

from engine.executor import MAX_MESSAGE_LENGTH, Attempts
from engine.records import ClaimedJob, Finish
from engine.registry import PermanentError, Task, TaskContext, TaskRegistry
from models.enums import JobPriority, JobStatus

A_MOMENT = 0.05
LONG = 60.0


class Notes:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []

    def log(self, *line: Any) -> None:
        self.lines.append(line)

    def progress(self, *line: Any) -> None:
        self.lines.append(line)


class Bench:
    """Runs single functions as tasks named ``t``."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self.threads = threads
        self.notes = Notes()
        self.attempts = self.attempts_for()

    def attempts_for(self, *functions: Callable[..., Any]) -> Attempts:
        tasks = [Task.declare("t", each, max_attempts=3, timeout_seconds=LONG) for each in functions]
        return Attempts(TaskRegistry(tasks), self.notes, self.threads, grace_seconds=A_MOMENT)

    async def run(self, function: Callable[..., Any], **job: Any) -> Finish:
        self.attempts = self.attempts_for(function)
        return await self.attempts.run(claimed(**job))


@pytest.fixture
def bench() -> Iterator[Bench]:
    with ThreadPoolExecutor(2) as threads:
        yield Bench(threads)


def claimed(
    *, payload: Any = None, attempt: int = 1, max_attempts: int = 3, timeout_seconds: float = LONG, name: str = "t"
) -> ClaimedJob:
    text = None if payload is None else orjson.dumps(payload).decode()
    return ClaimedJob(7, name, text, JobPriority.HIGH, attempt, max_attempts, timeout_seconds, None, False, 99)


def code_and_message(finish: Finish) -> tuple[str, str]:
    assert finish.error is not None
    return finish.error.code, finish.error.message


async def test_success(bench: Bench) -> None:
    async def greet(ctx: TaskContext, name: str) -> dict[str, Any]:
        await ctx.log("hello")
        await ctx.progress(0.5)
        return {"name": name, "job": ctx.job_id, "attempt": ctx.attempt, "of": ctx.max_attempts, "task": ctx.task_name}

    finish = await bench.run(greet, payload={"name": "Ada"}, attempt=2)
    assert (finish.to, finish.error, finish.job.claim_token) == (JobStatus.COMPLETED, None, 99)
    assert orjson.loads(finish.result_text or "") == {"name": "Ada", "job": 7, "attempt": 2, "of": 3, "task": "t"}
    assert bench.notes.lines == [(7, 2, "info", "hello"), (7, 0.5)]


async def test_a_task_knows_its_firing_time(bench: Bench) -> None:
    async def when(ctx: TaskContext) -> str:
        return str(ctx.scheduled_for)

    fire_at = datetime(2026, 2, 5, 15, 0, tzinfo=UTC)
    found = await bench.attempts_for(when).run(replace(claimed(), scheduled_for=fire_at))
    assert found.result_text == f'"{fire_at}"'
    assert (await bench.run(when)).result_text == '"None"'


async def test_no_result(bench: Bench) -> None:
    async def nothing() -> None: ...

    finish = await bench.run(nothing)
    assert (finish.to, finish.result_text) == (JobStatus.COMPLETED, None)


async def test_a_plain_function_runs_in_a_thread(bench: Bench) -> None:
    def where(ctx: TaskContext) -> bool:
        ctx.log("from a thread")
        return threading.current_thread() is threading.main_thread()

    finish = await bench.run(where)
    assert (finish.to, finish.result_text) == (JobStatus.COMPLETED, "false")
    assert bench.notes.lines == [(7, 1, "info", "from a thread")]


async def test_a_timeout(bench: Bench) -> None:
    ended: list[str] = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    finish = await bench.run(hang, timeout_seconds=A_MOMENT)
    assert finish.to is JobStatus.SCHEDULED
    assert code_and_message(finish) == ("TIMEOUT", "It took longer than 0.05 s.")
    assert ended == ["cancelled"]


async def test_a_timeout_in_a_thread(bench: Bench) -> None:
    release, seen = threading.Event(), threading.Event()

    def hang(ctx: TaskContext) -> None:
        ctx.watch_cancellation().wait(10)
        if ctx.cancelled:
            seen.set()
        release.wait(10)
        raise ValueError("too late for anybody")

    finish = await bench.run(hang, timeout_seconds=A_MOMENT, attempt=3)
    assert finish.to is JobStatus.FAILED
    assert code_and_message(finish)[0] == "TIMEOUT"
    await eventually(seen.is_set)
    assert bench.attempts.abandoned_threads == 1
    release.set()
    await eventually(lambda: bench.attempts.abandoned_threads == 0)


async def test_a_thread_that_heeds_the_wish_to_stop(bench: Bench) -> None:
    def heeds(ctx: TaskContext) -> str:
        ctx.watch_cancellation().wait(10)
        return "put things in order"

    finish = await bench.run(heeds, timeout_seconds=A_MOMENT, attempt=3)
    assert code_and_message(finish)[0] == "TIMEOUT"
    assert bench.attempts.abandoned_threads == 0


async def test_a_timeout_before_a_thread_is_free(bench: Bench) -> None:
    release = threading.Event()
    for _ in range(2):
        bench.threads.submit(release.wait, 10)
    ran: list[int] = []

    def late() -> None:
        ran.append(1)

    finish = await bench.run(late, timeout_seconds=A_MOMENT)
    assert code_and_message(finish)[0] == "TIMEOUT"
    assert bench.attempts.abandoned_threads == 0
    release.set()
    bench.threads.shutdown(wait=True)
    assert ran == []


async def test_a_timeout_of_the_tasks_own_is_an_error_like_any(bench: Bench) -> None:
    async def impatient() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    assert code_and_message(await bench.run(impatient)) == ("TASK_ERROR", "TimeoutError: ")


async def test_a_permanent_error(bench: Bench) -> None:
    async def refuse() -> None:
        raise PermanentError("There is no such order.", code="GONE")

    finish = await bench.run(refuse)
    assert finish.to is JobStatus.FAILED
    assert code_and_message(finish) == ("GONE", "There is no such order.")
    assert finish.error is not None
    assert "in refuse" in (finish.error.traceback or "")


async def test_a_permanent_error_from_a_thread(bench: Bench) -> None:
    def refuse() -> None:
        raise PermanentError("no", code="C" * 300)

    finish = await bench.run(refuse)
    assert (finish.to, code_and_message(finish)) == (JobStatus.FAILED, ("C" * 100, "no"))


@pytest.mark.parametrize(
    ("attempt", "to"),
    [(1, JobStatus.SCHEDULED), (2, JobStatus.SCHEDULED), (3, JobStatus.FAILED), (4, JobStatus.FAILED)],
)
async def test_other_errors_are_retried_until_the_last_attempt(bench: Bench, attempt: int, to: JobStatus) -> None:
    async def fail() -> None:
        raise ValueError("broken")

    finish = await bench.run(fail, attempt=attempt)
    assert finish.to is to
    assert code_and_message(finish) == ("TASK_ERROR", "ValueError: broken")
    if to is JobStatus.SCHEDULED:
        assert finish.delay_seconds == pytest.approx(15 * 2 ** (attempt - 1), rel=0.1)
    else:
        assert finish.delay_seconds == 0


async def test_an_unknown_task_may_be_known_elsewhere(bench: Bench) -> None:
    finish = await bench.attempts.run(claimed(name="other"))
    assert finish.to is JobStatus.SCHEDULED
    assert code_and_message(finish) == ("UNKNOWN_TASK", "This worker knows no task 'other'.")
    assert (await bench.attempts.run(claimed(name="other", attempt=3))).to is JobStatus.FAILED


@pytest.mark.parametrize("payload", [{}, {"number": "x"}, [1], {"number": 1, "k" * 10_000: 1}])
async def test_an_invalid_payload_is_not_retried(bench: Bench, payload: Any) -> None:
    ran: list[int] = []

    async def count(number: int) -> None:
        ran.append(number)

    finish = await bench.run(count, payload=payload)
    assert finish.to is JobStatus.FAILED
    code, message = code_and_message(finish)
    assert code == "INVALID_PAYLOAD"
    assert len(message) <= MAX_MESSAGE_LENGTH
    assert ran == []


@pytest.mark.parametrize(
    "result", [object(), {1: 2}, {1, 2}, float("nan"), 2**64, "\ud800", b"x", (float("inf"),), {"k" * 10_000: 2**70}]
)
async def test_a_result_that_cannot_be_stored(bench: Bench, result: Any) -> None:
    async def give() -> Any:
        return result

    finish = await bench.run(give)
    assert (finish.to, finish.result_text) == (JobStatus.FAILED, None)
    code, message = code_and_message(finish)
    assert code == "TASK_ERROR"
    assert len(message) <= MAX_MESSAGE_LENGTH
    if len(message) < MAX_MESSAGE_LENGTH:
        assert message.startswith("The task returned what cannot be stored: result")


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_a_task_that_raises_cancelled_error_itself(bench: Bench, kind: str) -> None:
    async def in_the_loop() -> None:
        raise asyncio.CancelledError("a task of mine was cancelled")

    def in_a_thread() -> None:
        raise asyncio.CancelledError("a task of mine was cancelled")

    finish = await bench.run(in_the_loop if kind == "async" else in_a_thread)
    assert finish.to is JobStatus.SCHEDULED
    assert code_and_message(finish) == ("TASK_ERROR", "CancelledError: a task of mine was cancelled")
    assert bench.attempts.abandoned_threads == 0


async def test_cancellation_from_outside_passes_through(bench: Bench) -> None:
    started = asyncio.Event()

    async def hang() -> None:
        started.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(bench.run(hang))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert running.cancelled()


async def test_cancellation_from_outside_reaches_a_thread(bench: Bench) -> None:
    started, seen = threading.Event(), threading.Event()

    def hang(ctx: TaskContext) -> None:
        started.set()
        if ctx.watch_cancellation().wait(10):
            seen.set()

    running = asyncio.create_task(bench.run(hang))
    await eventually(started.is_set)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await eventually(seen.is_set)
    await eventually(lambda: bench.attempts.abandoned_threads == 0)


class Unreadable(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize("kind", ["async", "thread"])
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (StopIteration("x"), "RuntimeError: "),
        (Unreadable(), "Unreadable: (its text cannot be read)"),
        (ValueError("\ud800"), "ValueError: ?"),
        (ValueError("x" * 10_000), "x" * MAX_MESSAGE_LENGTH),
        (ExceptionGroup("several", [ValueError("one")]), "ExceptionGroup: several (1 sub-exception)"),
    ],
)
async def test_errors_of_every_kind(bench: Bench, kind: str, error: BaseException, message: str) -> None:
    async def in_the_loop() -> None:
        raise error

    def in_a_thread() -> None:
        raise error

    finish = await bench.run(in_the_loop if kind == "async" else in_a_thread)
    assert finish.to is JobStatus.SCHEDULED
    code, found = code_and_message(finish)
    assert code == "TASK_ERROR"
    assert found.startswith(message)
    assert finish.error is not None
    (finish.error.message + (finish.error.traceback or "")).encode()
