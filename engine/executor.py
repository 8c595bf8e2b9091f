"""One attempt, from a claim to how it ended. It reads as a pipeline: find the task, read the payload, run, judge.

A task that raises, hangs or returns nonsense ends its own attempt and nothing else. Cancellation from outside (the
worker stops, the claim is lost) passes through: the worker decides what it means.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import traceback
from concurrent.futures import Executor, Future
from typing import Any

import orjson

from engine.backoff import retry_delay_seconds
from engine.errors import InvalidInput
from engine.payload import encode_json
from engine.records import ClaimedJob, ErrorRecord, Finish
from engine.registry import PermanentError, Reporter, Task, TaskContext, TaskRegistry
from engine.task_logging import running
from engine.time_limits import TimeLimits

INTERRUPT_GRACE_SECONDS = 10.0
"""How long an attempt that was told to stop may take to do so."""
MAX_CODE_LENGTH = 100
MAX_MESSAGE_LENGTH = 4000
MAX_TRACEBACK_LENGTH = 16_000


class Attempts:
    """Runs attempts.

    Args:
        threads: where plain functions run. A thread cannot be killed: one that is out of time, and does not look at
            ``ctx.cancelled`` within ``grace_seconds``, is left behind, and its late result is dropped.
    """

    def __init__(
        self,
        registry: TaskRegistry,
        reporter: Reporter,
        threads: Executor,
        *,
        grace_seconds: float = INTERRUPT_GRACE_SECONDS,
    ) -> None:
        self.grace_seconds = grace_seconds
        self._registry = registry
        self._reporter = reporter
        self._threads = threads
        self._limits = TimeLimits()
        self.abandoned_threads = 0

    async def run(self, job: ClaimedJob) -> Finish:
        """Make one attempt at ``job``; how it ended."""
        task = self._registry.get(job.task_name)
        if task is None:
            # not permanent: during a rolling deploy another worker may know it
            return _failed(job, "UNKNOWN_TASK", f"This worker knows no task {job.task_name!r}.")
        try:
            arguments = task.arguments(orjson.loads(job.payload_text) if job.payload_text else None)
        except InvalidInput as error:
            return Finish.failed(job, ErrorRecord("INVALID_PAYLOAD", _clean(str(error), MAX_MESSAGE_LENGTH)))
        context = TaskContext(job.id, job.task_name, job.attempt, job.max_attempts, self._reporter)
        running.set(context)
        context.scheduled_for = job.scheduled_for
        try:
            with self._limits.of(job.timeout_seconds) as limit:
                result = await self._call(task, context, arguments)
        except PermanentError as error:
            return Finish.failed(job, _record(error, error.code))
        except TimeoutError as error:
            if limit.is_expired:
                return timed_out(job)
            return _retried_or_failed(job, _record(error))
        except asyncio.CancelledError as error:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            return _retried_or_failed(job, _record(error))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - users' code may raise anything, and call sys.exit
            return _retried_or_failed(job, _record(error))
        finally:
            running.set(None)
        return _completed(job, result)

    async def _call(self, task: Task, context: TaskContext, arguments: dict[str, Any]) -> Any:
        positional = (context,) if task.takes_context else ()
        if task.is_async:
            return await task.function(*positional, **arguments)
        stop = context.watch_cancellation()
        work = self._threads.submit(contextvars.copy_context().run, _call_in_thread, task, positional, arguments)
        answer = asyncio.wrap_future(work)
        answer.add_done_callback(_look_at)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            stop.set()
            if not work.cancel() and not work.done() and self.grace_seconds > 0:
                await asyncio.wait({answer}, timeout=self.grace_seconds)
            if not work.done():
                self.abandoned_threads += 1
                work.add_done_callback(functools.partial(self._returned_late, asyncio.get_running_loop()))
            raise

    def _returned_late(self, loop: asyncio.AbstractEventLoop, _work: Future[Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed, and nobody counts any more
            loop.call_soon_threadsafe(self._count_returned)

    def _count_returned(self) -> None:
        self.abandoned_threads -= 1


def _look_at(answer: asyncio.Future[Any]) -> None:
    """Nobody may be left to hear of the error of a thread that returns late."""
    if not answer.cancelled():
        answer.exception()


def _call_in_thread(task: Task, positional: tuple[TaskContext, ...], arguments: dict[str, Any]) -> Any:
    try:
        return task.function(*positional, **arguments)
    except StopIteration as error:
        # asyncio's futures take no StopIteration: the job would hang until its timeout
        raise RuntimeError("the task raised StopIteration") from error


def _completed(job: ClaimedJob, result: Any) -> Finish:
    if result is None:
        return Finish.completed(job, None)
    try:
        return Finish.completed(job, encode_json(result, "result"))
    except InvalidInput as error:
        message = _clean(f"The task returned what cannot be stored: {error}", MAX_MESSAGE_LENGTH)
        return Finish.failed(job, ErrorRecord("TASK_ERROR", message))


def timed_out(job: ClaimedJob) -> Finish:
    """How an attempt ends that took too long."""
    return _failed(job, "TIMEOUT", f"It took longer than {job.timeout_seconds:g} s.")


def _failed(job: ClaimedJob, code: str, message: str) -> Finish:
    return _retried_or_failed(job, ErrorRecord(code, message))


def _retried_or_failed(job: ClaimedJob, error: ErrorRecord) -> Finish:
    if job.attempt >= job.max_attempts:
        return Finish.failed(job, error)
    return Finish.retried(job, error, retry_delay_seconds(job.attempt))


def _record(error: BaseException, code: str = "TASK_ERROR") -> ErrorRecord:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - so may its __str__
        text = "(its text cannot be read)"
    message = text if isinstance(error, PermanentError) else f"{type(error).__name__}: {text}"
    trace = "".join(traceback.format_exception(error))
    return ErrorRecord(
        _clean(str(code), MAX_CODE_LENGTH), _clean(message, MAX_MESSAGE_LENGTH), _clean(trace, MAX_TRACEBACK_LENGTH)
    )


def _clean(text: str, limit: int) -> str:
    """Valid Unicode, the end of it kept: the last lines of a traceback say most."""
    return text.encode(errors="replace").decode()[-limit:]
