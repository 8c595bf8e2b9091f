"""A worker: slots, a small buffer of claims, and the loop that fills it.

Claims come in batches: as many as there are free slots, plus a prefetch that covers the round trip when jobs are short
(it is none when they are long, so that no job waits here while another worker is idle). What finished is committed in
batches too, together with the next claim.

Failure handling: when the database is away, finished attempts keep their result and are reported when it is back;
running ones go on. A claim that was lost, or a job that is to be cancelled, is found by the heart (engine/heart.py);
the attempt is interrupted, and one that does not heed it is cut off after a grace period: its slot is free, and what
it returns later is nobody's. On stop, running attempts get a grace period, then go back to QUEUED.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import socket
from collections import deque
from collections.abc import Collection, Sequence

import structlog

from engine import tracing
from engine.clock import Clock
from engine.errors import Unavailable
from engine.executor import Attempts, timed_out
from engine.heart import Heart
from engine.joblogs import JobLogs
from engine.metrics import CLAIM_SECONDS, JOBS_CLAIMED, OTHER, TASKS_ABANDONED, Tally
from engine.notifier.contract import News, Notifier
from engine.notifier.poll import PollNotifier
from engine.offers import Offer
from engine.rate import Rate
from engine.records import ClaimedJob, Finish, TaskRecord
from engine.registry import TaskRegistry
from engine.runs import Run
from engine.service import Rest, Service
from engine.store.claims import ClaimRequest
from engine.store.routing import Takes
from engine.store.store import Store
from engine.store.unit import Unit
from engine.threads import DaemonThreads

log = structlog.get_logger("signalbox.worker")

LEASE_SECONDS = 30.0
POLL_SECONDS = 0.25
LONGEST_REST_SECONDS = 2.0
"""A worker that knows of others leaves it to them for so long to find what no hint told of."""
MAX_CLAIM = 1000
"""One claim takes at most so many: its rows are locked, and its transaction grows with it."""
LONGEST_PREFETCH = 2000
PREFETCH_SECONDS = 0.25
"""At most so much work, at the present rate, is claimed ahead of the slots: it lasts for two transactions."""
COUNTING_SECONDS = 0.02
"""After so long a worker comes back to jobs whose limit another claim was counting."""
STOP_SECONDS = 5.0
"""How long interrupted attempts may take to stop when the process ends."""


class Worker(Service):
    """Claims jobs and runs them.

    Args:
        slots: how many attempts may run at once.
        grace_seconds: how long running attempts may go on after ``stop``.
        lease_seconds: how long a claim lasts without a heartbeat.
        notifier: tells of jobs that others made; without one it polls.
        only: the names of the tasks that it takes; without them, all that it knows, and those that no worker has
            declared.
    """

    name = "worker"
    interval_seconds = POLL_SECONDS
    jitter = 0.2

    def __init__(
        self,
        store: Store,
        registry: TaskRegistry,
        *,
        slots: int = 10,
        grace_seconds: float = 30.0,
        lease_seconds: float = LEASE_SECONDS,
        notifier: Notifier | None = None,
        only: Collection[str] = (),
        clock: Clock | None = None,
    ) -> None:
        super().__init__(clock or store.clock)
        self._notifier = notifier or PollNotifier()
        self.slots = slots
        self.grace_seconds = grace_seconds
        self.lease_seconds = lease_seconds
        self.id: int | None = None
        self.host = socket.gethostname()[:100]
        self.pid = os.getpid()
        self._store = store
        self._registry = registry
        self.takes = Takes(frozenset(only or (task.name for task in registry)), undeclared=not only)
        self._attempts = Attempts(registry, Said(self), DaemonThreads("task"))
        self._logging: set[asyncio.Future[None]] = set()
        self._unreported: set[Report] = set()
        self._all_reported: asyncio.Event | None = None
        self._buffer: deque[ClaimedJob] = deque()
        self._running: dict[int, Run] = {}
        self._held: dict[int, ClaimedJob] = {}
        self._cut_off: set[asyncio.Task[None]] = set()
        self._prefetch = 0
        self._asked_for = 0
        self._is_claiming = False
        self._offer: Offer | None = None
        self._may_be_more = True
        self._draining = False
        self._rate = Rate(self.clock)
        self.tally = Tally()
        self.heart = Heart(self, store)
        self.logs = JobLogs(store, self._running, self.clock)
        store.claimant = self
        store.listen(self._committed)

    # Its life

    def start(self) -> None:
        super().start()
        self.heart.start()
        self.logs.start()

    async def stop(self) -> None:
        """Claim no more, give running attempts their grace, put back what is left, and take leave."""
        self._draining = True
        await super().stop()
        if self._offer is not None:
            await self._offer.wait()
        await self._release_buffer()
        if self._running:
            log.info("worker.draining", running=len(self._running), grace_seconds=self.grace_seconds)
            await self._wait_for_runs(self.grace_seconds)
        self._interrupt_all()
        await self._wait_for_runs(STOP_SECONDS)
        for run in list(self._running.values()):
            self._abandon(run)
        await self._settle_reports()
        await self.heart.stop()
        await self.logs.stop()
        if self.id is not None:
            try:
                await self._store.unregister_worker(self.id)
            except Unavailable:
                log.warning("worker.left_unseen", worker=self.id)

    def hurry(self) -> None:
        """End the grace period now, or have none if it has not begun."""
        self._draining = True
        self.grace_seconds = 0.0
        self._interrupt_all()

    def _interrupt_all(self) -> None:
        self._attempts.grace_seconds = 0.0
        for run in self._running.values():
            run.interrupt("stop", self.clock.monotonic())

    async def _wait_for_runs(self, seconds: float) -> None:
        tasks = [run.task for run in self._running.values() if run.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    @property
    def is_free(self) -> int:
        """How many slots are free."""
        return self.slots - len(self._running)

    @property
    def room(self) -> int:
        """How many jobs it would claim now."""
        return 0 if self._draining else max(0, self._wanted())

    @property
    def held(self) -> dict[int, ClaimedJob]:
        """The jobs that are claimed and not yet reported, by id."""
        return self._held

    @property
    def running_count(self) -> int:
        return len(self._running)

    @property
    def buffered_count(self) -> int:
        """How many jobs are claimed and wait for a slot here."""
        return len(self._buffer)

    @property
    def runs(self) -> Collection[Run]:
        """The attempts under way."""
        return self._running.values()

    async def register(self) -> int:
        """Make this worker known, and all tasks that it knows, whichever it takes."""
        await self._store.declare_tasks(
            [
                TaskRecord(
                    task.name,
                    task.description,
                    task.payload_schema_text,
                    task.max_attempts,
                    task.timeout_seconds,
                    task.max_concurrency,
                    task.max_concurrency_per_key,
                    task.rate_limit,
                )
                for task in self._registry
            ]
        )
        self.id = self._store.fleet.worker_id = await self._store.register_worker(self.host, self.pid, self.slots)
        return self.id

    # The loop

    async def run_once(self) -> float | None:
        worker_id = self.id or await self.register()
        if self.room <= 0 or self._offer is not None:
            return self._notifier.pause(POLL_SECONDS)
        was_told, self._may_be_more = self._may_be_more, False
        if not was_told and not await self._store.reads.is_any_claimable(self.takes):
            return self._pause_for_news()
        if self._offer is not None:  # it was made while we looked
            return self._notifier.pause(POLL_SECONDS)
        began = self.clock.monotonic()
        self._is_claiming = True
        try:
            jobs = await self._store.claim(self._request(worker_id))
        finally:
            self._is_claiming = False
        self._take(jobs, began)
        return 0.0 if self._may_be_more and self._wanted() > 0 else self._pause_for_news()

    def offer(self) -> tuple[ClaimRequest, Offer] | None:
        """A claim to go along with new jobs, if a slot is free and nothing is claimed for it yet."""
        is_busy = self._is_claiming or self._offer is not None or bool(self._buffer)
        if self.id is None or self._draining or is_busy or self._wanted() <= 0:
            return None
        began = self.clock.monotonic()

        def taken(jobs: Sequence[ClaimedJob], error: Exception | None) -> None:
            self._offer = None
            if error is not None and not isinstance(error, Unavailable):
                log.error("worker.claim_failed", exc_info=error)
            self._take(jobs, began)
            if self._may_be_more or error is not None:
                self.wake()

        self._offer = Offer(taken)
        return self._request(self.id), self._offer

    def _request(self, worker_id: int) -> ClaimRequest:
        name = f"{self.host}:{self.pid}/{worker_id}"
        return ClaimRequest(worker_id, name, MAX_CLAIM, self.lease_seconds, wanted=self._wanted_now, takes=self.takes)

    def _take(self, jobs: Sequence[ClaimedJob], began: float) -> None:
        """Run what a claim has brought; it was asked for at ``began``."""
        if jobs:
            CLAIM_SECONDS.observe(self.clock.monotonic() - began)
            JOBS_CLAIMED.inc(len(jobs))
        for job in jobs:
            self._held[job.id] = job
        self._buffer.extend(jobs)
        self._fill_slots()
        if jobs and len(jobs) == self._asked_for:
            self._may_be_more = True
            self._notifier.tell(News(queued=1))

    def _pause_for_news(self) -> Rest:
        """The seconds until the next look, unless somebody tells of a job before."""
        if not self._may_be_more:
            self._notifier.await_work()
        seconds = self._notifier.pause(POLL_SECONDS)
        # one that takes only some tasks cannot rely on the others
        return self._store.fleet.rest(seconds, LONGEST_REST_SECONDS if self.takes.undeclared else seconds)

    def look(self) -> None:
        """Claim at once: somebody has told of a job."""
        self._may_be_more = True
        self.wake()

    def _wanted_now(self) -> int:
        """Asked when the claim's transaction begins: by then more slots are free than when it was queued."""
        wanted = 0 if self._draining else self._prefetch + self.is_free - len(self._buffer)
        self._asked_for = min(MAX_CLAIM, max(0, wanted))
        return self._asked_for

    def _wanted(self) -> int:
        """How many to claim now: none before it is worth a statement."""
        self._prefetch = min(LONGEST_PREFETCH, int(self._rate.measure() * PREFETCH_SECONDS))
        is_free = self.slots - len(self._running)
        wanted = is_free + self._prefetch - len(self._buffer)
        return wanted if is_free > 0 or wanted > self._prefetch // 8 else 0

    def _committed(self, unit: Unit) -> None:
        if unit.to_cancel:
            self.cancel(unit.to_cancel)
        if self._draining:
            return
        if unit.became_queued or unit.parked or unit.unread:
            self._may_be_more = True
            if self._wanted() > 0:
                self.wake()
        if unit.passed:  # not at once: whoever counts their limit may take his time
            asyncio.get_running_loop().call_later(COUNTING_SECONDS, self.look)

    def _fill_slots(self) -> None:
        buffer, running = self._buffer, self._running
        if not buffer or self._draining:
            return
        create_task, now = asyncio.get_running_loop().create_task, self.clock.monotonic()
        while buffer and len(running) < self.slots:
            run = Run(buffer.popleft(), now)
            if (earlier := running.pop(run.job.id, None)) is not None:
                # this worker lost the job, and claimed it again before it knew
                earlier.interrupt("lost", now)
                self._leave_to_itself(earlier)
            running[run.job.id] = run
            run.task = create_task(self._run(run), context=contextvars.Context())

    async def _run(self, run: Run) -> None:
        job = run.job
        try:
            finish = await (self._traced(job) if tracing.is_on() else self._attempts.run(job))
        except asyncio.CancelledError:
            finish = Finish.cancelled(job) if run.why == "cancel" else Finish.released(job)
        except Exception as error:
            log.exception("worker.attempt_failed", job=job.id, error=str(error))
            finish = Finish.released(job)
        if self._running.get(job.id) is not run:
            return  # it was cut off
        self._end(run, finish)

    async def _traced(self, job: ClaimedJob) -> Finish:
        about = {"signalbox.job.id": job.id, "signalbox.task": job.task_name, "signalbox.attempt": job.attempt}
        with tracing.span("job.attempt", about, parent=job.traceparent) as span:
            finish = await self._attempts.run(job)
            span.set_attribute("signalbox.to", finish.to.value)
        return finish

    def _end(self, run: Run, finish: Finish) -> None:
        del self._running[run.job.id]
        self._rate.note()
        name = run.job.task_name
        outcome = "LOST" if run.why == "lost" else finish.to._value_
        self.tally.note(name if name in self._registry else OTHER, outcome, self.clock.monotonic() - run.started_at)
        if run.why == "lost":
            self.logs.settle(run.job.id)
            self._forget(run.job)
        else:
            self._hand_in(finish)
        self._fill_slots()
        if self._draining:
            return
        if not self._may_be_more:
            self._notifier.await_work()
        elif self._wanted() > 0:
            self.wake()

    def _hand_in(self, finish: Finish) -> None:
        """Tell the store how an attempt ended, after what it logged, and do not wait for it: the slot is free."""
        settled = self.logs.settle(finish.job.id)
        if settled is None:
            self._submit(finish)
            return
        self._logging.add(settled)
        settled.add_done_callback(functools.partial(self._logged, finish))

    def _logged(self, finish: Finish, settled: asyncio.Future[None]) -> None:
        self._logging.discard(settled)
        self._submit(finish)

    def _submit(self, finish: Finish) -> None:
        report = Report(self, finish)
        self._unreported.add(report)
        self._store.report(finish, report)

    def answered(self, report: Report, is_accepted: bool, error: Exception | None) -> None:
        """The store has taken a report, or cannot."""
        self._unreported.discard(report)
        if not self._unreported and self._all_reported is not None:
            self._all_reported.set()
        job = report.finish.job
        self._forget(job)
        if isinstance(error, Unavailable):
            log.warning("worker.finish_unreported", job=job.id, attempt=job.attempt)
        elif error is not None:
            log.error("worker.finish_failed", job=job.id, attempt=job.attempt, exc_info=error)
        elif not is_accepted:
            log.warning("worker.finish_refused", job=job.id, attempt=job.attempt, outcome=report.finish.to.value)

    def _forget(self, job: ClaimedJob) -> None:
        """Hold this claim no more. There may be a later one of the same job: a rescued job can come back here."""
        if self._held.get(job.id) is job:
            del self._held[job.id]

    async def _settle_reports(self) -> None:
        """Wait for the reports under way."""
        while self._logging or self._unreported:
            if self._logging:
                await asyncio.wait(list(self._logging))
            if self._unreported:
                self._all_reported = asyncio.Event()
                await self._all_reported.wait()

    async def _release_buffer(self) -> None:
        waiting, self._buffer = self._buffer, deque()
        for job in waiting:
            self._hand_in(Finish.released(job))
        await self._settle_reports()

    # What it is told of its claims

    def lose(self, job_ids: Collection[int]) -> None:
        """Interrupt attempts whose claim is another's by now; they report nothing."""
        for job_id in job_ids:
            run = self._running.get(job_id)
            if run is not None:
                log.warning("worker.claim_lost", job=job_id, attempt=run.job.attempt)
                run.interrupt("lost", self.clock.monotonic())
                run.why = "lost"
            elif (job := self._take_from_buffer(job_id)) is not None:
                log.warning("worker.claim_lost", job=job_id)
                self._forget(job)

    def cancel(self, job_ids: Collection[int]) -> None:
        """Interrupt those of these jobs that are held here."""
        for job_id in job_ids:
            run = self._running.get(job_id)
            if run is not None:
                run.interrupt("cancel", self.clock.monotonic())
            elif (job := self._take_from_buffer(job_id)) is not None:
                self._hand_in(Finish.cancelled(job))

    def cut_off_overdue(self) -> None:
        """Give up on attempts that were told to stop and did not."""
        now = self.clock.monotonic()
        for run in [each for each in self._running.values() if each.is_overdue(now)]:
            self._abandon(run)

    def _abandon(self, run: Run) -> None:
        """Free the slot of an attempt that heeds nothing; the task is left to itself."""
        TASKS_ABANDONED.labels(run.why or "timeout").inc()
        log.error("worker.task_abandoned", job=run.job.id, task_name=run.job.task_name, why=run.why or "timeout")
        self._leave_to_itself(run)
        if run.why == "cancel":
            finish = Finish.cancelled(run.job)
        elif run.why == "stop":
            finish = Finish.released(run.job)
        else:
            finish = timed_out(run.job)
        self._end(run, finish)

    def _leave_to_itself(self, run: Run) -> None:
        if run.task is not None:
            self._cut_off.add(run.task)
            run.task.add_done_callback(self._cut_off.discard)

    def _take_from_buffer(self, job_id: int) -> ClaimedJob | None:
        for job in self._buffer:
            if job.id == job_id:
                self._buffer.remove(job)
                return job
        return None


class Report:
    """A report under way: the answer goes to the worker at once, without a future's way through the loop."""

    __slots__ = ("_is_done", "_worker", "finish")

    def __init__(self, worker: Worker, finish: Finish) -> None:
        self.finish = finish
        self._worker = worker
        self._is_done = False

    def done(self) -> bool:
        return self._is_done

    def cancelled(self) -> bool:
        return False

    def set_result(self, is_accepted: bool, /) -> None:
        self._is_done = True
        self._worker.answered(self, is_accepted, None)

    def set_exception(self, error: Exception, /) -> None:
        self._is_done = True
        self._worker.answered(self, False, error)


class Said:
    """What tasks say while they run."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def log(self, job_id: int, attempt: int, level: str, message: str) -> None:
        self._worker.logs.log(job_id, attempt, level, message)

    def progress(self, job_id: int, fraction: float) -> None:
        self._worker.heart.progress[job_id] = fraction
