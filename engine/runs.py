"""An attempt under way in a worker, and how it is told to stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from engine.executor import INTERRUPT_GRACE_SECONDS
from engine.records import ClaimedJob

Why = Literal["cancel", "lost", "stop"]


@dataclass(slots=True, eq=False)
class Run:
    """An attempt under way. ``interrupted_at`` and ``why`` are set once it is told to stop."""

    job: ClaimedJob
    started_at: float
    task: asyncio.Task[None] | None = None
    interrupted_at: float | None = None
    why: Why | None = None

    def interrupt(self, why: Why, now: float) -> None:
        """Cancel the task, once."""
        if self.interrupted_at is None and self.task is not None:
            self.interrupted_at, self.why = now, why
            self.task.cancel()

    def is_overdue(self, now: float) -> bool:
        """Whether it was to stop long ago: when it was interrupted, or by its own time limit."""
        limit = self.started_at + self.job.timeout_seconds
        if self.interrupted_at is not None:
            limit = min(limit, self.interrupted_at)
        return now > limit + INTERRUPT_GRACE_SECONDS + 1.0
