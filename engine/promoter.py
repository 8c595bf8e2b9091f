"""The loop that makes QUEUED what has become due."""

from __future__ import annotations

from engine.clock import Clock
from engine.service import Service
from engine.store.store import Store
from engine.store.unit import Unit


class Promoter(Service):
    """Makes QUEUED what has become due, by the database's clock. Safe to run in any number of processes."""

    name = "promoter"
    interval_seconds = 1.0
    idle_seconds = 2.0
    """While nothing is SCHEDULED. What this process commits wakes it; it may have to take over another's."""

    def __init__(self, store: Store, clock: Clock | None = None) -> None:
        super().__init__(clock or store.clock)
        self._store = store
        store.listen(self._committed)

    def _committed(self, unit: Unit) -> None:
        if unit.became_scheduled:
            self.wake()

    async def run_once(self) -> float | None:
        wait = await self._store.seconds_to_next_due()
        if wait is None:
            return self._store.fleet.rest(self.idle_seconds)
        if wait > 0:
            return min(wait, self._store.fleet.rest(self.interval_seconds))
        await self._store.promote_due()
        return 0.0
