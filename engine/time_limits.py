"""Time limits for many tasks at once, behind one timer.

``asyncio.timeout`` makes a timer for each use, sorts it in and cancels it. Limits that are seldom reached need none of
that: here one timer stands at the earliest of them.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class TimeLimits:
    """The limits under way in one event loop."""

    def __init__(self) -> None:
        self._limits: set[TimeLimit] = set()
        self._timer: asyncio.TimerHandle | None = None

    def of(self, seconds: float) -> TimeLimit:
        """A limit for a ``with`` block, counted from its beginning. As ``asyncio.timeout`` does, it cancels the task
        and turns its ``CancelledError`` into a ``TimeoutError`` at the end of the block."""
        return TimeLimit(self, seconds)

    def add(self, limit: TimeLimit) -> None:
        """Watch ``limit``, which begins."""
        self._limits.add(limit)
        if self._timer is None or limit.deadline < self._timer.when():
            self._set_timer(limit.deadline)

    def remove(self, limit: TimeLimit) -> None:
        """Watch ``limit`` no longer. The timer is left where it is: it finds nothing, and is set anew."""
        self._limits.discard(limit)

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(when, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for limit in [each for each in self._limits if each.deadline <= now]:
            self._limits.discard(limit)
            limit.expire()
        if self._limits:
            self._set_timer(min(each.deadline for each in self._limits))


class TimeLimit:
    """One limit; see ``TimeLimits.of``.

    Attributes:
        deadline: by the loop's clock.
        is_expired: whether the time ran out within the block.
    """

    __slots__ = ("_cancelling", "_limits", "_seconds", "_task", "deadline", "is_expired")

    def __init__(self, limits: TimeLimits, seconds: float) -> None:
        self._limits = limits
        self._seconds = seconds
        self.is_expired = False

    def __enter__(self) -> TimeLimit:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit is for the code of a task")
        self._task = task
        self._cancelling = task.cancelling()
        self.deadline = asyncio.get_running_loop().time() + self._seconds
        self._limits.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._limits.remove(self)
        if self.is_expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Interrupt the task."""
        self.is_expired = True
        self._task.cancel()
