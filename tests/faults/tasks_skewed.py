"""Loaded into a worker beside its tasks, it puts the process's clock an hour ahead or behind, by turns of the pid."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from engine.clock import SystemClock
from signalbox import task

_SKEW = timedelta(hours=1 if os.getpid() % 2 else -1)
_now = SystemClock.now


def _skewed(clock: SystemClock) -> datetime:
    return _now(clock) + _SKEW


SystemClock.now = _skewed  # type: ignore[method-assign]


@task("skew")
async def skew() -> float:
    """By how many seconds this process's clock is wrong; a module of tasks must declare one."""
    return _SKEW.total_seconds()
