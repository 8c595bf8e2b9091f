"""The store: everything the engine keeps, behind one object.

Writes go through two lanes, one for what clients ask and one for what workers and loops ask, so that a long bulk
change does not hold up the claims. Reads go straight to the database.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from engine.clock import Clock, SystemClock
from engine.fleet import Fleet
from engine.metrics import JOB_CHANGES
from engine.records import (
    ClaimedJob,
    Created,
    DueDelivery,
    Finish,
    JobRecord,
    NewDelivery,
    NewJob,
    TaskRecord,
    TryResult,
)
from engine.states import Trigger, sources
from engine.store.claims import ClaimRequest, Heartbeat, Progress, Pulse, WorkerWrites
from engine.store.database import Collision, Database
from engine.store.deliveries import DeliveryWrites, DueRequest
from engine.store.delivery_log import DeliveryLog
from engine.store.endpoints import EndpointStore
from engine.store.joblogs import LogAppend, LogSize, LogWrites
from engine.store.lane import Answer, Lane, Operation
from engine.store.limits import LimitWrites
from engine.store.listing import JobFilter
from engine.store.mysql import MySQLDatabase
from engine.store.parking import ParkingWrites
from engine.store.reads import Reads
from engine.store.schedules import ScheduleStore
from engine.store.sqlite import SqliteDatabase
from engine.store.tasks import PauseRequest, TaskWrites
from engine.store.throughput import ThroughputStore
from engine.store.unit import Ending, Unit
from engine.store.upkeep import PruneRequest, Rescued, UpkeepWrites
from engine.store.writes import BulkRequest, ChangeRequest, OperatorWrites
from models.connection import DatabaseURL
from models.enums import JobStatus
from models.migrate import missing

log = structlog.get_logger("signalbox.store")

BULK_CHUNK = 500
Listener = Callable[[Unit], None]
Outbox = Callable[[Unit, Sequence[Ending]], Awaitable[Sequence[NewDelivery]]]
"""The webhooks that follow from the jobs that a transaction ends, made before it commits."""


async def no_webhooks(_unit: Unit, _endings: Sequence[Ending]) -> Sequence[NewDelivery]:
    """An outbox for those who have no receivers."""
    return ()


def database_for(url: DatabaseURL, clock: Clock | None = None) -> Database:
    """The dialect that ``url`` asks for."""
    return SqliteDatabase(url, clock=clock) if url.dialect == "sqlite" else MySQLDatabase(url)


class Claimant(Protocol):
    """A worker of this process that may claim along with what clients ask."""

    def offer(self) -> tuple[ClaimRequest, Answer] | None:
        """A claim, and where its answer goes; None from one that has enough to do."""
        ...


class Store:
    """All that is kept.

    Args:
        outbox: the webhooks that follow from the end of a job; their rows are written in the same transaction.
    """

    def __init__(self, database: Database, *, outbox: Outbox = no_webhooks, clock: Clock | None = None) -> None:
        self.database = database
        self.clock = clock or SystemClock()
        self.fleet = Fleet()
        self.reads = Reads(database)
        self.throughput = ThroughputStore(database)
        self._outbox = outbox
        self._operators = OperatorWrites(database)
        self._workers = WorkerWrites(database)
        self._deliveries = DeliveryWrites(database)
        self._logs = LogWrites(database)
        self._upkeep = UpkeepWrites(database)
        self._parking = ParkingWrites(database)
        self._limits = LimitWrites(database)
        self._tasks = TaskWrites()
        self.claimant: Claimant | None = None
        self._listeners: list[Listener] = []
        self._clients_lane = self._lane("clients")
        self._workers_lane = self._lane("workers")
        # what nobody waits for, and must not wait either: a rescue behind a worker's large batch, or while old jobs are
        # removed, would come too late, and be taken for an outage
        self._upkeep_lane = self._lane("upkeep")
        self._rescue_lane = self._lane("rescue")
        self._lanes = (self._clients_lane, self._workers_lane, self._upkeep_lane, self._rescue_lane)
        self.schedules = ScheduleStore(database, self._operators, self._clients_lane, self._workers_lane)
        self.delivery_log = DeliveryLog(database, self._clients_lane)
        self.endpoints = EndpointStore(database, self._clients_lane, self._workers_lane)

    def _lane(self, name: str) -> Lane:
        return Lane(
            name,
            self.database,
            self.clock,
            unit=Unit,
            settle=self._settle,
            was_committed=self._was_committed,
            committed=self._committed,
            gathers=name == "clients",
        )

    async def _settle(self, unit: Unit) -> None:
        """Write what follows from a unit's changes, with the webhooks of the jobs that it ends."""
        if unit.endings:
            unit.deliveries.extend(await self._outbox(unit, unit.endings))
        await unit.settle()

    async def open(self) -> None:
        await self.database.open()
        for lane in self._lanes:
            lane.start()

    async def close(self) -> None:
        for lane in self._lanes:
            await lane.close()
        await self.database.close()

    def listen(self, listener: Listener) -> None:
        """Have ``listener`` called, in this process, after every commit. It must not raise or wait."""
        self._listeners.append(listener)

    @property
    def waiting(self) -> dict[str, int]:
        """How many operations wait in each lane."""
        return {lane.name: lane.waiting_count for lane in self._lanes}

    def _committed(self, unit: Unit) -> None:
        self._workers.committed(unit)
        for source, target, count in unit.count_changes():
            JOB_CHANGES.labels(source.value if source else "", target.value).inc(count)
        for listener in self._listeners:
            try:
                listener(unit)
            except Exception:
                log.exception("store.listener_failed")

    async def _was_committed(self, unit: Unit) -> bool:
        """After a COMMIT without an answer: is the unit's last event in the log? A COMMIT under way holds its job's
        row, so that it is waited for."""
        if unit.last_event is None:
            return False
        job_id, at, status = unit.last_event
        async with self.database.transaction() as transaction:
            await transaction.fetch(f"SELECT id FROM jobs WHERE id={job_id}{transaction.for_update}")
            rows = await transaction.fetch(
                f"SELECT seq FROM job_event WHERE job_id={job_id} AND at='{at}' AND to_status='{status.value}' "
                "ORDER BY seq DESC LIMIT 1"
            )
        if rows:
            unit.was_committed(rows[0][0])
        return bool(rows)

    # Clients

    async def create_jobs(self, jobs: Sequence[NewJob]) -> list[Created]:
        """Create all of ``jobs``, or none.

        Raises:
            Conflict: an idempotency key was used with another input.
            Unavailable: the database cannot be reached; nothing was created.
        """
        creating = self._clients_lane.submit(self._operators.create, list(jobs), weight=len(jobs))
        if any(job.run for job in jobs):
            self._claim_along()
        created: list[Created] = await creating
        return created

    async def change_job(self, job_id: int, trigger: Trigger) -> JobRecord:
        """Run, cancel or retry a job; the job as it is then.

        Raises:
            NotFound, InvalidState, Unavailable
        """
        changing = self._clients_lane.submit(self._operators.change, ChangeRequest(job_id, trigger))
        if trigger is not Trigger.CANCEL:
            self._claim_along()
        record: JobRecord = await changing
        return record

    def _claim_along(self) -> None:
        """Have an idle worker of this process claim in the transaction that makes jobs QUEUED: engine/offers.py."""
        offered = None if self.claimant is None else self.claimant.offer()
        if offered is not None:
            request, answer = offered
            self._clients_lane.put(Operation(self._workers.claim, request, 1, self.clock.monotonic(), answer))

    async def change_jobs(self, where: JobFilter, trigger: Trigger) -> int:
        """Ask ``trigger`` of every job that matches and answers to it, in chunks; how many were changed."""
        narrowed = _changeable(where, trigger)
        count = 0
        ids = await self.reads.matching_ids(narrowed, 0, BULK_CHUNK)
        while ids:
            request = BulkRequest(tuple(ids), trigger)
            change = self._clients_lane.submit(self._operators.change_many, request, weight=len(ids))
            try:  # the next chunk is read while this one is written
                ids = await self.reads.matching_ids(narrowed, ids[-1], BULK_CHUNK) if len(ids) == BULK_CHUNK else []
            finally:
                count += await change
        return count

    async def delete_jobs(self, where: JobFilter) -> int:
        """Remove every job that matches and does not run, in chunks; how many."""
        narrowed = _deletable(where)
        count = 0
        last = 0
        while ids := await self.reads.matching_ids(narrowed, last, BULK_CHUNK):
            last = ids[-1]
            while await self._clients_lane.submit(self._operators.thin_logs, tuple(ids), weight=len(ids)):
                pass
            count += await self._clients_lane.submit(self._operators.delete_many, tuple(ids), weight=len(ids))
        return count

    async def count_deletable(self, where: JobFilter) -> int:
        """How many jobs ``delete_jobs`` would remove now."""
        return await self.reads.count_jobs(_deletable(where))

    async def count_changeable(self, where: JobFilter, trigger: Trigger) -> int:
        """How many jobs ``change_jobs`` would change now."""
        return await self.reads.count_jobs(_changeable(where, trigger))

    async def delete_job(self, job_id: int) -> int:
        """Remove a job and all that belongs to it.

        Raises:
            NotFound, InvalidState, Unavailable
        """
        deleted: int = await self._clients_lane.submit(self._operators.delete, job_id)
        return deleted

    # Workers

    async def claim(self, request: ClaimRequest) -> list[ClaimedJob]:
        claimed: list[ClaimedJob] = await self._workers_lane.submit(
            self._workers.claim, request, weight=request.limit, patience_seconds=0.0
        )
        return claimed

    def report(self, finish: Finish, answer: Answer) -> None:
        """Report the end of an attempt; ``answer`` is told False when the claim was lost. It waits for the database as
        long as that takes."""
        self._workers_lane.put(Operation(self._workers.finish, finish, 1, None, answer))

    async def finish(self, finish: Finish) -> bool:
        """``report``, and wait for the answer."""
        accepted: bool = await self._workers_lane.submit(self._workers.finish, finish, patience_seconds=None)
        return accepted

    async def heartbeat(self, beat: Heartbeat) -> Pulse:
        if not beat.claims:
            with contextlib.suppress(Collision):
                return await self._workers.idle_heartbeat(beat)
        pulse: Pulse = await self._workers_lane.submit(
            self._workers.heartbeat, beat, patience_seconds=1.0, goes_first=True
        )
        return pulse

    async def report_progress(self, progress: Progress) -> None:
        await self._workers_lane.submit(self._workers.report_progress, progress, patience_seconds=1.0)

    async def append_log(self, lines: LogAppend, patience_seconds: float) -> LogSize:
        """Write what fits of a job's new lines; the size of its log then."""
        size: LogSize = await self._workers_lane.submit(
            self._logs.append, lines, weight=len(lines.lines), patience_seconds=patience_seconds
        )
        return size

    async def promote_due(self) -> int:
        promoted: int = await self._workers_lane.submit(self._workers.promote, None, patience_seconds=0.0)
        return promoted

    async def seconds_to_next_due(self) -> float | None:
        """How long until the next scheduled job is due, by the database's clock; None when there is none."""
        due = await self.reads.next_due()
        return None if due is None else max(0.0, (due - await self.database.now()).total_seconds())

    async def rescue(self, overdue: Sequence[int] | None = None) -> list[Rescued]:
        """Take back the claims whose lease has ended by the database's clock, of the jobs that ``Reads.overdue`` has
        found; it is asked if none are given."""
        if overdue is None:
            _is_any_running, overdue = await self.reads.overdue()
        if not overdue:
            return []
        rescued: list[Rescued] = await self._rescue_lane.submit(self._upkeep.rescue, overdue, patience_seconds=0.0)
        return rescued

    async def forget_workers(self, silent_for_seconds: float) -> int:
        """Take workers off the list that were not heard from for so long; how many."""
        forgotten: int = await self._rescue_lane.submit(
            self._upkeep.forget_workers, silent_for_seconds, patience_seconds=0.0
        )
        return forgotten

    async def prune(self, older_than_seconds: float, limit: int) -> int:
        """Remove up to ``limit`` jobs that ended longer ago than that, or some of their log lines: how many rows."""
        pruned: int = await self._upkeep_lane.submit(
            self._upkeep.prune, PruneRequest(older_than_seconds, limit), weight=limit, patience_seconds=0.0
        )
        return pruned

    async def prune_firings(self, older_than_seconds: float, limit: int) -> int:
        """Remove up to ``limit`` firings of schedules from longer ago than that; how many."""
        pruned: int = await self._upkeep_lane.submit(
            self._upkeep.prune_firings, PruneRequest(older_than_seconds, limit), weight=limit, patience_seconds=0.0
        )
        return pruned

    async def register_worker(self, host: str, pid: int, slots: int) -> int:
        async with self.database.transaction() as transaction:
            [worker_id] = await transaction.insert(
                "worker",
                ("host", "pid", "slots", "running", "started_at", "heartbeat_at"),
                [(host, pid, slots, 0, transaction.now_text, transaction.now_text)],
            )
        return worker_id

    async def unregister_worker(self, worker_id: int) -> None:
        async with self.database.transaction() as transaction:
            await transaction.execute(f"DELETE FROM worker WHERE id={worker_id}")

    async def declare_tasks(self, tasks: Sequence[TaskRecord]) -> None:
        """Make these tasks known to every server. What operators set (paused) stays."""
        await self._workers_lane.submit(self._tasks.declare, tasks, weight=len(tasks))

    async def pause_task(self, name: str, *, paused: bool) -> TaskRecord:
        """Pause a task, or resume it; the task as it is then.

        Raises:
            NotFound, Unavailable
        """
        task: TaskRecord = await self._clients_lane.submit(self._tasks.pause, PauseRequest(name, paused))
        return task

    async def unpark(self) -> int:
        """Put some of the jobs of resumed tasks back into the queue; how many."""
        unparked: int = await self._workers_lane.submit(self._parking.unpark, None, patience_seconds=0.0)
        return unparked

    async def refill(self) -> int:
        """Put jobs back into the queue that wait for a limit which has room; how many."""
        refilled: int = await self._workers_lane.submit(self._limits.refill, None, patience_seconds=0.0)
        return refilled

    async def tidy_limits(self, after: int) -> int:
        """Remove limits that nobody needs, some after the one with this number; the last of them, 0 at the end."""
        last: int = await self._upkeep_lane.submit(self._limits.tidy, after, patience_seconds=0.0)
        return last

    async def deployment(self) -> str:
        """What tells this database from all others, under whatever address: its name there, and when it was made.

        Raises:
            Unavailable: it cannot be reached.
        """
        url = self.database.url
        name = url.database if url.dialect == "mysql" else ""
        text = "TEXT" if url.dialect == "sqlite" else "CHAR"
        [(made_at,)] = await self.database.fetch(f"SELECT CAST(MIN(applied_at) AS {text}) FROM tortoise_migrations")
        return hashlib.sha256(f"{name} {made_at}".encode()).hexdigest()[:16]

    # Webhooks

    async def claim_deliveries(
        self,
        limit: int,
        lease_seconds: float,
        *,
        lane_limit: int | None = None,
        under_way: Mapping[int, int] | None = None,
    ) -> list[DueDelivery]:
        """What is due, shared evenly by its receivers; none gets more than ``lane_limit`` with what is under way."""
        request = DueRequest(limit, lease_seconds, lane_limit or limit, under_way or {})
        due: list[DueDelivery] = await self._workers_lane.submit(
            self._deliveries.claim_due, request, weight=limit, patience_seconds=0.0
        )
        return due

    async def record_try(self, result: TryResult) -> bool:
        recorded: bool = await self._workers_lane.submit(self._deliveries.record_tries, result, patience_seconds=30.0)
        return recorded

    async def missing_migrations(self) -> list[str]:
        """The migrations that the database lacks.

        Raises:
            Unavailable: it cannot be reached.
        """
        return await missing(self.database.url, self.database.fetch)


def _deletable(where: JobFilter) -> JobFilter:
    """``where``, without what is RUNNING."""
    ended = tuple(each for each in JobStatus if each is not JobStatus.RUNNING)
    return replace(where, status=tuple(each for each in ended if not where.status or each in where.status))


def _changeable(where: JobFilter, trigger: Trigger) -> JobFilter:
    """``where``, narrowed to the statuses that answer to ``trigger``."""
    return replace(where, status=tuple(each for each in sources(trigger) if not where.status or each in where.status))
