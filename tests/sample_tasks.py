"""Tasks for tests: they leave traces, take their time, and fail."""

from __future__ import annotations

import asyncio
import logging
import os
import threading

from signalbox import PermanentError, TaskContext, task


@task("note", max_attempts=5, timeout_seconds=60)
async def note(ctx: TaskContext, file: str, seconds: float = 0) -> dict[str, int]:
    """Append this job's number to a file: one line for each time it was run to its end."""
    await asyncio.sleep(seconds)
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, f"{ctx.job_id}\n".encode())
    finally:
        os.close(descriptor)
    return {"job": ctx.job_id}


@task("nap", timeout_seconds=60)
async def nap(ctx: TaskContext, seconds: float = 30.0, started: str | None = None) -> dict[str, float]:
    """Sleep; a file of the name ``started`` tells that it does."""
    await ctx.progress(0.25)
    if started is not None:
        os.close(os.open(started, os.O_CREAT))
    await asyncio.sleep(seconds)
    return {"slept": seconds}


@task("fail", max_attempts=2)
async def fail(message: str = "it broke") -> None:
    raise ValueError(message)


@task("refuse")
async def refuse() -> None:
    raise PermanentError("there is no such address", code="NO_ADDRESS")


@task("in a thread")
def in_a_thread(text: str) -> dict[str, object]:
    return {"text": text, "in_main_thread": threading.current_thread() is threading.main_thread()}


@task("not json")
async def not_json() -> object:
    return {"number": float("nan")}


@task("talk")
async def talk(ctx: TaskContext, lines: int = 1) -> None:
    """Write to the job's log, and once by Python's logging."""
    for number in range(lines):
        await ctx.log(f"line {number}")
    logging.getLogger("sample").warning("that was all")


@task("firing time")
async def firing_time(ctx: TaskContext) -> str | None:
    return None if ctx.scheduled_for is None else ctx.scheduled_for.isoformat()
