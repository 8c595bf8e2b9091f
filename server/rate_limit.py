"""How much each API key may ask for: a token bucket of cost points, one for each key and process."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from engine.clock import Clock, SystemClock
from server.transport.documents import Asked
from server.transport.requests import BadRequest

SECONDS_A_MINUTE = 60.0
ROUNDING = 1e-6
"""Whoever waited as long as told is not refused for the last bit of a float."""


class RateLimited(BadRequest):
    """The caller's points are used up for now; ``retry_after_seconds`` None means that no waiting helps."""

    def __init__(self, message: str, retry_after_seconds: int | None) -> None:
        headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
        super().__init__(429, "RATE_LIMITED", message, headers=headers)
        self.retry_after_seconds = retry_after_seconds

    @property
    def extensions(self) -> dict[str, object]:
        if self.retry_after_seconds is None:
            return {"code": self.code}
        return {"code": self.code, "retryAfterSeconds": self.retry_after_seconds}


@dataclass(slots=True)
class _Bucket:
    points: float
    filled_at: float


class RateLimit:
    """A check (``server.transport.documents``) that takes the cost of each operation from its caller's bucket.

    A bucket holds the points of one minute and fills evenly. A subscription pays once, when it starts.

    Args:
        points_per_minute: what each caller may spend.
        cost_of: the points that an operation costs.
    """

    def __init__(self, points_per_minute: int, cost_of: Callable[[Asked], int], clock: Clock | None = None) -> None:
        self._capacity = points_per_minute
        self._points_per_second = points_per_minute / SECONDS_A_MINUTE
        self._cost_of = cost_of
        self._clock = clock or SystemClock()
        self._buckets: dict[str, _Bucket] = {}

    def __call__(self, asked: Asked) -> None:
        self.take(asked.context.caller, max(1, self._cost_of(asked)))

    def take(self, caller: str, cost: int) -> None:
        """Take ``cost`` points, all or none.

        Raises:
            RateLimited: there are not so many at the moment, or never will be.
        """
        if cost > self._capacity:
            raise RateLimited(
                f"This operation costs {cost} points, and a key has {self._capacity} a minute: ask for less at once.",
                None,
            )
        now = self._clock.monotonic()
        bucket = self._buckets.setdefault(caller, _Bucket(self._capacity, now))
        gained = (now - bucket.filled_at) * self._points_per_second
        bucket.points, bucket.filled_at = min(self._capacity, bucket.points + gained), now
        if bucket.points < cost - ROUNDING:
            wait = max(1, math.ceil((cost - bucket.points) / self._points_per_second))
            raise RateLimited(
                f"This key has used up its {self._capacity} points a minute; try again in {wait} s.", wait
            )
        bucket.points -= cost
