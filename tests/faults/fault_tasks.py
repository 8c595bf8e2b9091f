"""Tasks that leave traces: a line when an execution starts and one when it has come to its end.

A line is one write to a file opened with O_APPEND, so that lines of several processes never mix.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
import time

from signalbox import PermanentError, TaskContext, task

TRACES = os.environ["FAULT_TRACES"]


def _trace(phase: str, ctx: TaskContext, execution: str) -> None:
    line = f"{phase} {ctx.job_id} {ctx.attempt} {execution} {os.getpid()} {time.time_ns()}\n"
    descriptor = os.open(TRACES, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


@task("work", max_attempts=8, timeout_seconds=30)
async def work(ctx: TaskContext, milliseconds: float, padding: str = "") -> dict[str, str]:
    """Take some time; the result names the execution that it is of."""
    execution = secrets.token_hex(8)
    _trace("start", ctx, execution)
    await asyncio.sleep(milliseconds / 1000)
    _trace("end", ctx, execution)
    return {"execution": execution}


@task("work in a thread", max_attempts=8, timeout_seconds=30, max_concurrency=6, max_concurrency_per_key=2)
def work_in_a_thread(ctx: TaskContext, milliseconds: float, padding: str = "") -> dict[str, str]:
    """The same as a plain function, of which no more than so many run at once."""
    execution = secrets.token_hex(8)
    _trace("start", ctx, execution)
    threading.Event().wait(milliseconds / 1000)
    _trace("end", ctx, execution)
    return {"execution": execution}


@task("break", max_attempts=8, timeout_seconds=30)
async def break_(ctx: TaskContext, milliseconds: float, padding: str = "") -> None:
    """Fail for good."""
    execution = secrets.token_hex(8)
    _trace("start", ctx, execution)
    await asyncio.sleep(milliseconds / 1000)
    _trace("end", ctx, execution)
    raise PermanentError("it is broken", code="BROKEN")
