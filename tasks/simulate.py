"""``simulate``: a job that takes as long, and fails as often, as its payload says; also what unknown tasks become."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from engine.registry import DEFAULT_MAX_ATTEMPTS, Task, TaskContext

Seconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
Steps = Annotated[int, Field(ge=1, le=1000)]
FailTimes = Annotated[int, Field(ge=0)]
TIMEOUT_SECONDS = 3700.0
NOTE = "No task of this name is registered; it was simulated."


class SimulatedError(Exception):
    """The payload asked for a failure."""


async def simulate(
    ctx: TaskContext,
    /,
    *,
    seconds: Seconds = 0.0,
    steps: Steps = 10,
    fail: bool | str = False,
    fail_times: FailTimes = 0,
    result: Any = None,
    **_ignored: Any,
) -> Any:
    """Sleep for `seconds`, reporting progress in `steps`; then fail if told to, or return `result`.

    `fail` fails every attempt, with a text of your own if you give one; `fail_times` fails that many first attempts.
    Other keys are ignored.
    """
    if seconds > 0:
        for step in range(1, steps + 1):
            await asyncio.sleep(seconds / steps)
            await ctx.progress(step / steps)
    if fail:
        raise SimulatedError(fail if isinstance(fail, str) else "The payload asked for a failure (fail).")
    if ctx.attempt <= fail_times:
        raise SimulatedError(f"The payload asked for {fail_times} failed attempts; this is number {ctx.attempt}.")
    return {"simulated": True, "task": ctx.task_name, "seconds": seconds} if result is None else result


_OPTIONS: dict[str, TypeAdapter[Any]] = {
    "seconds": TypeAdapter(Seconds),
    "steps": TypeAdapter(Steps),
    "fail": TypeAdapter(bool | str),
    "fail_times": TypeAdapter(FailTimes),
    "result": TypeAdapter(Any),
}


class _AnyPayloadTask(Task):
    """Refuses no payload: it was written for a task that is not here, so its keys are nobody's mistake."""

    __slots__ = ()

    def arguments(self, payload: Any) -> dict[str, Any]:
        options: dict[str, Any] = {}
        for name, adapter in _OPTIONS.items():
            if isinstance(payload, dict) and name in payload:
                with suppress(ValidationError):
                    options[name] = adapter.validate_python(payload[name], strict=True)
        return options


async def _simulate_unknown(ctx: TaskContext, /, **options: Any) -> dict[str, Any]:
    """Stands in for a task that is not registered. The options of `simulate` are read where they are well-typed."""
    given = options.pop("result", None)
    result: dict[str, Any] = await simulate(ctx, **options)
    return {**result, "note": NOTE} if given is None else {**result, "result": given, "note": NOTE}


def simulate_task() -> Task:
    """The task ``simulate``."""
    return Task.declare("simulate", simulate, max_attempts=DEFAULT_MAX_ATTEMPTS, timeout_seconds=TIMEOUT_SECONDS)


def fallback_task() -> Task:
    """``simulate`` for unknown names: any payload will do, and the result says that nothing real was run."""
    return _AnyPayloadTask.declare(
        "simulate", _simulate_unknown, max_attempts=DEFAULT_MAX_ATTEMPTS, timeout_seconds=TIMEOUT_SECONDS
    )
