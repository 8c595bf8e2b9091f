"""A worker's heart: it renews the worker's claims, all in one statement, and learns what has become of them.

Failure handling: a beat that finds no database is tried again every second; the leases hold meanwhile. What the answer
says is lost is interrupted, whoever has it now; a worker that was taken off the list, for it was silent for long, puts
itself back on it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from engine.service import Rest, Service
from engine.store.claims import Heartbeat, Progress
from engine.store.store import Store

if TYPE_CHECKING:
    from engine.worker import Worker

HEARTBEAT_SECONDS = 5.0
IDLE_TURNS = 2
"""A worker that holds nothing has so long a turn: no claim that it may make meanwhile needs a heartbeat before that."""
LOOK_SECONDS = 1.0
"""Between the beats, jobs that run for longer than this are looked up: has anybody asked to cancel them?"""


class Heart(Service):
    """Beats for one worker."""

    name = "heartbeat"
    interval_seconds = LOOK_SECONDS

    def __init__(self, worker: Worker, store: Store) -> None:
        super().__init__(worker.clock)
        self._worker = worker
        self._store = store
        self._beat_seconds = min(HEARTBEAT_SECONDS, worker.lease_seconds / 6)
        self.interval_seconds = min(LOOK_SECONDS, self._beat_seconds)
        self._last_beat = 0.0
        self._suspects: set[int] = set()
        self.progress: dict[int, float] = {}

    def look(self, job_ids: Collection[int]) -> None:
        """Look at once which of these jobs are to be cancelled, if they are held here."""
        suspects = self._worker.held.keys() & set(job_ids)
        if suspects:
            self._suspects |= suspects
            self.wake()

    async def run_once(self) -> float | None:
        worker = self._worker
        worker.cut_off_overdue()
        if worker.id is None:
            return None
        now = self.clock.monotonic()
        if not worker.held:
            return await self._idle(worker.id, now)
        if now - self._last_beat >= self._beat_seconds - self.interval_seconds / 2:  # rather now than a turn late
            await self.beat(worker.id)
            self._last_beat = now
        else:
            await self._look_for_cancels()
        await self._report_progress()
        return None

    async def _idle(self, worker_id: int, now: float) -> Rest:
        """Show that the worker is alive, at a moment at which it looks for work too: then the database wakes up once
        for both. What is left of jobs that have ended since the last turn is forgotten."""
        self._suspects.clear()
        self.progress.clear()
        if now - self._last_beat >= self._beat_seconds:
            await self.beat(worker_id)
            self._last_beat = now
        return Rest(IDLE_TURNS * self.interval_seconds)

    async def beat(self, worker_id: int) -> None:
        """Renew every claim; drop those that are lost, and interrupt those that are to be cancelled."""
        worker = self._worker
        claims = tuple((job.id, job.claim_token) for job in worker.held.values())
        pulse = await self._store.heartbeat(Heartbeat(worker_id, worker.running_count, claims, worker.lease_seconds))
        worker.lose(
            [
                job_id
                for job_id, token in claims
                if job_id not in pulse.held
                and (job := worker.held.get(job_id)) is not None
                and job.claim_token == token
            ]
        )
        worker.cancel(pulse.to_cancel)
        if not pulse.is_registered and worker.id == worker_id:
            await worker.register()

    async def _look_for_cancels(self) -> None:
        before = self.clock.monotonic() - LOOK_SECONDS
        running = {run.job.id for run in self._worker.runs if run.started_at < before and run.interrupted_at is None}
        running |= self._suspects & self._worker.held.keys()
        self._suspects.clear()
        if running:
            self._worker.cancel(await self._store.reads.to_cancel(list(running)))

    async def _report_progress(self) -> None:
        latest, self.progress = self.progress, {}
        for job_id, fraction in latest.items():
            job = self._worker.held.get(job_id)
            if job is not None:
                await self._store.report_progress(Progress(job_id, job.claim_token, fraction))
