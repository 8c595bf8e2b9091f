"""The base of every loop: it survives its own exceptions, says so, and stops when it is told to.

Loops that have nothing to do look again at the same moments, one second apart, in all of a process, and those that
rest for two seconds or more at every other one: a database that is asked ten things in a row is idle for longer, and
wakes up less often, than one that is asked them one by one. While processes tell each other what there is to do, all of
them look at about the same moments. While they do not, their moments are spread evenly, for a job waits until the next
of many workers looks.

Failure handling: a turn that raises is logged with its traceback, counted, and tried again after a growing pause; the
loop itself ends only by ``stop``. ``health`` tells when the last good turn was, so that readiness can see a dead loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import math
import os
import random
from dataclasses import dataclass

import structlog

from engine.clock import Clock, SystemClock
from engine.errors import Unavailable
from engine.metrics import LOOP_FAILURES

log = structlog.get_logger("signalbox.service")

LONGEST_PAUSE_SECONDS = 5.0
LONGEST_TURN_SECONDS = 90.0
"""A turn that takes longer hangs: its statements have limits of 30 s, and a turn of many is cut into several."""
LATE_SECONDS = 30.0
MOMENTS_SECONDS = 1.0
"""So far apart are the moments at which the idle loops of a process look again."""
TOO_SOON_SECONDS = 0.25
"""A loop that would look again sooner than this waits for the moment after the next."""
TOGETHER_SECONDS = 0.1
"""Processes that look at the same moment do so within this time, not all at once."""
APART_SECONDS = 0.25
"""Where nobody tells anything, the moments of processes are so far apart, or the same: somebody polls that often."""


class Rest(float):
    """Seconds that a loop would like to wait, but need not to the instant: nothing is due then."""


class Turn(Rest):
    """The rest of one of many, of which each is to have another moment within it, by the place of its process."""


@dataclass(slots=True)
class Health:
    """What a loop has been doing."""

    name: str
    turns: int = 0
    failures: int = 0
    last_turn: float | None = None
    turn_began: float | None = None
    next_turn_due: float | None = None
    last_error: str | None = None


class Service:
    """A loop: ``run_once`` again and again, at most ``interval_seconds`` apart, sooner when woken.

    Subclasses implement ``run_once`` and may return the seconds until they want the next turn: exactly then, unless it
    is a ``Rest``.
    """

    name = "service"
    interval_seconds = 1.0
    jitter = 0.1
    is_vital = True
    """Whether a process in which this loop fails should be sent no clients."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.health = Health(self.name)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def run_once(self) -> float | None:
        """One turn. Returns the seconds to wait before the next, or None to rest for the interval."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the loop. It runs in a context of its own: a task made inside a transaction must not inherit it."""
        self._stopping = False
        self._task = asyncio.get_running_loop().create_task(self._loop(), name=self.name, context=contextvars.Context())

    def wake(self) -> None:
        """Have the next turn at once."""
        self._wake.set()

    async def stop(self) -> None:
        """End the loop after the turn under way."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            task, self._task = self._task, None
            await asyncio.gather(task, return_exceptions=True)

    @property
    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    @property
    def problem(self) -> str | None:
        """Why this loop does not do its work; None when it does."""
        if not self.is_running:
            return "the loop has ended"
        now, health = self.clock.monotonic(), self.health
        if health.turn_began is not None and now - health.turn_began > LONGEST_TURN_SECONDS:
            return f"a turn has been under way for {now - health.turn_began:.0f} s"
        if health.next_turn_due is not None and now - health.next_turn_due > LATE_SECONDS:
            return f"the next turn is {now - health.next_turn_due:.0f} s late"
        return health.last_error

    async def _loop(self) -> None:
        failures_in_a_row = 0
        while not self._stopping:
            self._wake.clear()
            self.health.turn_began, self.health.next_turn_due = self.clock.monotonic(), None
            try:
                wait = await self.run_once()
            except Exception as error:  # noqa: BLE001 - a loop that dies silently is the worst of failures
                failures_in_a_row += 1
                self.health.failures += 1
                LOOP_FAILURES.labels(self.name).inc()
                self.health.last_error = f"{type(error).__name__}: {error}"
                self._report(error, failures_in_a_row)
                wait = Rest(min(LONGEST_PAUSE_SECONDS, 0.05 * 2 ** min(failures_in_a_row, 8)))
            else:
                failures_in_a_row = 0
                self.health.turns += 1
                self.health.last_turn = self.clock.monotonic()
                self.health.last_error = None
            if wait is None or isinstance(wait, Rest):
                wait = self._rest(self.interval_seconds if wait is None else wait)
            self.health.turn_began, self.health.next_turn_due = None, self.clock.monotonic() + wait
            await self._pause(wait)

    def _rest(self, seconds: float) -> float:
        """A short rest differs from time to time, so that processes do not look in step; a long one ends at one of the
        process's moments."""
        if seconds < MOMENTS_SECONDS:
            return seconds * (1 + random.uniform(-self.jitter, self.jitter))  # noqa: S311 - no secret
        step = MOMENTS_SECONDS if seconds < 2 * MOMENTS_SECONDS else 2 * MOMENTS_SECONDS
        since = self.clock.now().timestamp() - moments.phase
        if isinstance(seconds, Turn) and moments.place is not None:
            count = math.floor(seconds / step)
            soonest = math.ceil((since + TOO_SOON_SECONDS) / step)
            return (soonest + (math.floor(moments.place * count) - soonest) % count) * step - since
        end = math.floor((since + seconds) / step) * step
        return end - since if end - since >= TOO_SOON_SECONDS else end - since + step

    def _report(self, error: Exception, failures_in_a_row: int) -> None:
        if isinstance(error, Unavailable):
            if failures_in_a_row == 1:
                log.warning("loop.unavailable", loop=self.name, error=str(error))
            return
        log.error("loop.failed", loop=self.name, failures_in_a_row=failures_in_a_row, exc_info=error)

    async def _pause(self, seconds: float) -> None:
        if seconds <= 0 or self._stopping:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()


class Moments:
    """When the idle loops of this process look again.

    Attributes:
        are_shared: whether hints of other processes arrive; the notifier says so.
        place: where this process stands among the others, 0 to 1; None as long as it does not know.
    """

    def __init__(self) -> None:
        self.are_shared = False
        self.place: float | None = None

    @property
    def phase(self) -> float:
        """By how many seconds this process is later than others may be."""
        place = _somewhere(os.getpid()) if self.place is None else self.place
        if self.are_shared:
            return place * TOGETHER_SECONDS
        return math.floor(place * 2 * MOMENTS_SECONDS / APART_SECONDS) * APART_SECONDS


moments = Moments()


@functools.cache
def _somewhere(_pid: int) -> float:
    """A place that is another in each process, even in one that was forked."""
    return random.random()  # noqa: S311 - no secret
