"""The loops that keep the tables in order: the rescuer, the pruner, the one that puts jobs of resumed tasks back into
the queue, and the one that moves secrets to a new key. Each runs in every process, side by side.

Failure handling: a rescuer that could not reach the database lets two heartbeats pass before it rescues again, for the
workers could not renew their leases either: what they still run is theirs.
"""

from __future__ import annotations

import random

import structlog

from engine.clock import Clock
from engine.endpoints import Endpoints
from engine.errors import Unavailable
from engine.metrics import JOBS_RESCUED
from engine.service import Rest, Service
from engine.store.store import Store
from engine.store.unit import Unit

log = structlog.get_logger("signalbox.upkeep")

GRACE_AFTER_OUTAGE_SECONDS = 10.0
PRESENT_SECONDS = 15.0
"""A worker that was heard from in this time, which is more than two heartbeats, shares in the work."""
SOONEST = 0.6
"""While jobs run, a rescuer looks again after some part of its interval, at least this."""
FORGET_WORKERS_SECONDS = 60.0
LOOK_FOR_WORKERS_SECONDS = 10.0
PRUNE_LIMIT = 200
REFILL_SECONDS = 0.5
TIDY_LIMITS_SECONDS = 60.0
DAY_SECONDS = 86_400.0


class Rescuer(Service):
    """Returns what dead workers held: within its lease and a turn of this loop.

    Args:
        lease_seconds: how long claims last. While nothing runs, it may rest for a third of that: no claim that is made
            meanwhile can have ended.
    """

    name = "rescuer"
    interval_seconds = 2.0

    def __init__(self, store: Store, *, lease_seconds: float, clock: Clock | None = None) -> None:
        super().__init__(clock or store.clock)
        self._store = store
        self._longest_rest = lease_seconds / 3
        self._not_before = self._workers_at = self.clock.monotonic()

    async def run_once(self) -> float | None:
        try:
            now = self.clock.monotonic()
            if now < self._not_before:
                await self._store.database.now()
                return None
            is_any_running, overdue = await self._store.reads.overdue()
            rescued = await self._store.rescue(overdue)
            if now >= self._workers_at:
                fleet = self._store.fleet
                alive, before, silent = await self._store.reads.count_workers(
                    PRESENT_SECONDS, fleet.worker_id, FORGET_WORKERS_SECONDS
                )
                if silent:
                    await self._store.forget_workers(FORGET_WORKERS_SECONDS)
                fleet.counted(alive, before)
                self._workers_at = now + LOOK_FOR_WORKERS_SECONDS
        except Unavailable:
            self._not_before = self.clock.monotonic() + GRACE_AFTER_OUTAGE_SECONDS
            raise
        for each in rescued:
            JOBS_RESCUED.labels(each.to.value).inc()
            log.warning("job.rescued", job=each.job_id, attempt=each.attempt, to=each.to.value)
        if rescued:
            return 0.0
        if is_any_running:  # not at one moment with all others: what is in the way of one may be in the way of them
            return self.interval_seconds * random.uniform(SOONEST, 1.0)  # noqa: S311 - no secret
        return self._store.fleet.rest(self.interval_seconds, self._longest_rest)


class Pruner(Service):
    """Removes jobs that ended long ago, and what schedules fired then, a few at a time.

    Args:
        retention_days: how long ago; 0 keeps everything.
    """

    name = "pruner"
    interval_seconds = 60.0

    def __init__(self, store: Store, *, retention_days: float, clock: Clock | None = None) -> None:
        super().__init__(clock or store.clock)
        self._store = store
        self._seconds = retention_days * DAY_SECONDS

    async def run_once(self) -> float | None:
        if self._seconds <= 0:
            return None
        pruned = await self._store.prune(self._seconds, PRUNE_LIMIT)
        pruned += await self._store.prune_firings(self._seconds, PRUNE_LIMIT)
        if pruned:
            log.info("jobs.pruned", rows=pruned)
        return 0.05 if pruned else None


class Unparker(Service):
    """Puts parked jobs back into the queue: those of resumed tasks, and those whose limit has room. The process that
    resumes a task begins at once, and so does one that has just parked a job, for there may be room meanwhile; the
    others go on where those have died. Limits that nobody needs are removed now and then."""

    name = "unparker"
    interval_seconds = 5.0

    def __init__(self, store: Store, clock: Clock | None = None) -> None:
        super().__init__(clock or store.clock)
        self._store = store
        self._tidy_at = self.clock.monotonic() + TIDY_LIMITS_SECONDS
        self._tidied = 0
        store.listen(self._committed)

    def _committed(self, unit: Unit) -> None:
        if unit.resumed or unit.parked > unit.routed:  # routed jobs are not put back
            self.wake()

    async def run_once(self) -> float | None:
        is_any_resumed, is_any_waiting = await self._store.reads.is_any_parked()
        unparked = await self._store.unpark() if is_any_resumed else 0
        if is_any_waiting:
            unparked += await self._store.refill()
        if self.clock.monotonic() >= self._tidy_at:
            self._tidied = await self._store.tidy_limits(self._tidied)
            self._tidy_at = self.clock.monotonic() + (TIDY_LIMITS_SECONDS if self._tidied == 0 else 1.0)
        if unparked:
            return 0.0
        return Rest(REFILL_SECONDS) if is_any_waiting else self._store.fleet.rest(self.interval_seconds)


class Rekeyer(Service):
    """Keeps the endpoints' secrets under the first key of SIGNALBOX_SECRET_KEY, so that others can be taken away."""

    name = "rekeyer"
    interval_seconds = 600.0

    def __init__(self, endpoints: Endpoints, clock: Clock) -> None:
        super().__init__(clock)
        self._endpoints = endpoints

    async def run_once(self) -> float | None:
        await self._endpoints.reencrypt()
        return None
