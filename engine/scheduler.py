"""The loop that fires schedules."""

from __future__ import annotations

from engine.clock import Clock
from engine.service import Service
from engine.store.firings import LimitsOf
from engine.store.store import Store
from engine.store.unit import Unit


class Scheduler(Service):
    """Makes the jobs of schedules that are due, by the database's clock. Safe to run in any number of processes.

    Args:
        limits_of: what this process knows of a task's attempts and time.
    """

    name = "scheduler"
    interval_seconds = 1.0

    def __init__(self, store: Store, limits_of: LimitsOf, clock: Clock | None = None) -> None:
        super().__init__(clock or store.clock)
        self._store = store
        self._limits_of = limits_of
        store.listen(self._committed)

    def _committed(self, unit: Unit) -> None:
        if unit.schedules_changed:
            self.wake()

    async def run_once(self) -> float | None:
        rest = self._store.fleet.rest(self.interval_seconds)
        wait = await self._store.schedules.seconds_to_next()
        if wait is None:
            return rest
        if wait > 0:
            return min(wait, rest)
        fired = await self._store.schedules.fire_due(self._limits_of)
        return 0.0 if fired else None  # none: another server holds them
