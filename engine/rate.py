"""How fast a worker is going, for it to know how far ahead to claim."""

from __future__ import annotations

from engine.clock import Clock


class Rate:
    """How many jobs a second have been finishing lately."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.monotonic()
        self._count = 0
        self.per_second = 0.0

    def note(self) -> None:
        self._count += 1

    def measure(self) -> float:
        elapsed = self._clock.monotonic() - self._since
        if elapsed >= 0.02:
            self.per_second = 0.5 * self.per_second + 0.5 * self._count / elapsed
            self._since += elapsed
            self._count = 0
        return self.per_second
