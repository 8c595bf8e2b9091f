"""One attempt, from a claim to how it ended. It reads as a pipeline: find the task, read the payload, run, judge.

A task that raises, hangs or returns nonsense ends its own attempt and nothing else. Cancellation from outside (the
worker stops, the claim is lost) passes through: the worker decides what it means.
"""

from __future__ import annotations

import asyncio
import traceback
from concurrent.futures import Executor
from typing import Any

import orjson

from engine.backoff import retry_delay_seconds
from engine.errors import InvalidInput
from engine.payload import encode_json
from engine.records import ClaimedJob, ErrorRecord, Finish
from engine.registry import PermanentError, Reporter, Task, TaskContext, TaskRegistry

MAX_MESSAGE_LENGTH = 4000
MAX_TRACEBACK_LENGTH = 16_000


class Attempts:
    """Runs attempts.

    Args:
        threads: where plain functions run. A thread cannot be killed: one that is out of time is left behind, and
            its late result is dropped.
    """

    def __init__(self, registry: TaskRegistry, reporter: Reporter, threads: Executor) -> None:
        self._registry = registry
        self._reporter = reporter
        self._threads = threads
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
            return Finish.failed(job, ErrorRecord("INVALID_PAYLOAD", str(error)))
        context = TaskContext(job.id, job.task_name, job.attempt, job.max_attempts, self._reporter)
        try:
            async with asyncio.timeout(job.timeout_seconds) as limit:
                result = await self._call(task, context, arguments)
        except PermanentError as error:
            return Finish.failed(job, _record(error, error.code))
        except TimeoutError as error:
            if limit.expired():
                return _failed(job, "TIMEOUT", f"It took longer than {job.timeout_seconds:g} s.")
            return _retried_or_failed(job, _record(error))
        except asyncio.CancelledError as error:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            return _retried_or_failed(job, _record(error))
        except Exception as error:  # noqa: BLE001 - users' code may raise anything
            return _retried_or_failed(job, _record(error))
        return _completed(job, result)

    async def _call(self, task: Task, context: TaskContext, arguments: dict[str, Any]) -> Any:
        positional = (context,) if task.takes_context else ()
        if task.is_async:
            return await task.function(*positional, **arguments)
        stop = context.watch_cancellation()
        future = asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: task.function(*positional, **arguments)
        )
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            stop.set()
            if not future.cancel():
                self.abandoned_threads += 1
                future.add_done_callback(self._returned_late)
            raise

    def _returned_late(self, future: asyncio.Future[Any]) -> None:
        self.abandoned_threads -= 1
        if not future.cancelled():
            future.exception()  # looked at, so that it is not reported as never retrieved


def _completed(job: ClaimedJob, result: Any) -> Finish:
    if result is None:
        return Finish.completed(job, None)
    try:
        return Finish.completed(job, encode_json(result, "result"))
    except InvalidInput as error:
        return Finish.failed(job, ErrorRecord("TASK_ERROR", f"The task returned what cannot be stored: {error}"))


def _failed(job: ClaimedJob, code: str, message: str) -> Finish:
    return _retried_or_failed(job, ErrorRecord(code, message))


def _retried_or_failed(job: ClaimedJob, error: ErrorRecord) -> Finish:
    if job.attempt >= job.max_attempts:
        return Finish.failed(job, error)
    return Finish.retried(job, error, retry_delay_seconds(job.attempt))


def _record(error: BaseException, code: str = "TASK_ERROR") -> ErrorRecord:
    message = f"{type(error).__name__}: {error}" if not isinstance(error, PermanentError) else str(error)
    trace = "".join(traceback.format_exception(error))
    return ErrorRecord(code[:100], _clean(message, MAX_MESSAGE_LENGTH), _clean(trace, MAX_TRACEBACK_LENGTH))


def _clean(text: str, limit: int) -> str:
    """Valid Unicode, the end of it kept: the last lines of a traceback say most."""
    return text.encode(errors="replace").decode()[-limit:]
