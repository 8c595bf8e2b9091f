"""How much is waiting: read when somebody asks, at most every ten seconds, and never more than so many rows.

Jobs that have ended are not counted: there may be millions, and what is done is told by counters.

Failure handling: when the database does not answer in time, the last numbers are given up rather than shown as new.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from engine.clock import Clock
from engine.store.store import Store
from models.enums import JobStatus

FRESH_SECONDS = 10.0
PATIENCE_SECONDS = 2.0
MAX_COUNT = 100_000
"""A count stops here: an index is read so far in some ten milliseconds."""
MAX_TASK_ROWS = 10_000
"""Of a status, so many jobs are looked at to tell their tasks."""
COUNTED = (JobStatus.PENDING, JobStatus.SCHEDULED, JobStatus.QUEUED, JobStatus.RUNNING)
BY_TASK = (JobStatus.QUEUED, JobStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a census found."""

    jobs: dict[JobStatus, int] = field(default_factory=dict)
    jobs_by_task: dict[tuple[JobStatus, str], int] = field(default_factory=dict)
    oldest_queued_seconds: float = 0.0
    pending_deliveries: int = 0
    newest_event: int = 0


class Census:
    """Counts what is unfinished."""

    def __init__(self, store: Store, clock: Clock | None = None) -> None:
        self._store = store
        self._clock = clock or store.clock
        self._counting = asyncio.Lock()
        self._counted_at: float | None = None
        self._numbers: Numbers | None = None

    async def numbers(self) -> Numbers | None:
        """The numbers, not older than ``FRESH_SECONDS``; None when the database does not tell."""
        async with self._counting:
            now = self._clock.monotonic()
            if self._counted_at is None or now - self._counted_at >= FRESH_SECONDS:
                self._counted_at = now
                self._numbers = await self._count()
            return self._numbers

    async def _count(self) -> Numbers | None:
        reads = self._store.reads
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return Numbers(
                    {status: await reads.count_up_to(status, MAX_COUNT) for status in COUNTED},
                    {
                        (status, name): count
                        for status in BY_TASK
                        for name, count in (await reads.count_tasks(status, MAX_TASK_ROWS)).items()
                    },
                    await reads.oldest_queued_seconds(await self._store.database.now()) or 0.0,
                    await reads.count_pending_deliveries(MAX_COUNT),
                    (await reads.log_bounds())[1],
                )
        except Exception:  # noqa: BLE001 - whatever it is, readiness and the log tell of it; the other metrics matter now
            return None
