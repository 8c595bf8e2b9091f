"""What is asked of the store without changing it. Every read sees what was committed when it began."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from engine.errors import InvalidInput
from engine.records import (
    AttemptRecord,
    DeliveryRecord,
    EventRecord,
    JobRecord,
    StatsRecord,
    StatusChange,
    TaskRecord,
    WorkerRecord,
)
from engine.store.database import Database, from_text, to_text
from engine.store.delivery_log import deliveries_of
from engine.store.joblogs import LogPage, LogQuery, read_log_pages
from engine.store.limits import any_waiting, is_limited
from engine.store.listing import (
    SORT_COLUMNS,
    JobFilter,
    JobQuery,
    ListStatement,
    OrderField,
    Page,
    Position,
    conditions,
    decode_cursor,
)
from engine.store.lookups import Lookups
from engine.store.parking import resumed_tasks
from engine.store.routing import Takes, any_routed, marks_for
from engine.store.rows import (
    EVENT_COLUMNS,
    JOB_COLUMNS,
    STATUSES,
    StoredRow,
    StoredRows,
    event_from_row,
    job_from_row,
    stored_as,
    stored_list,
)
from engine.store.same_reads import SameReads
from engine.store.tasks import TASK_COLUMNS, task_from_row
from engine.store.unit import id_list
from models.enums import DeliveryStatus, JobPriority, JobStatus
from models.shapes import Shape

MAX_ID = 2**63 - 1
MAX_SHAPES = 200
"""So many sets of columns are looked up by lookups of their own; clients that vary them more gain nothing."""
RESCUE_LIMIT = 200
"""So many jobs of one priority whose lease has ended are looked up at once."""


@dataclass(slots=True)
class JobPage:
    jobs: list[JobRecord]
    has_next: bool
    has_previous: bool


@dataclass(slots=True)
class StoredPage:
    jobs: StoredRows
    has_next: bool
    has_previous: bool


@dataclass(frozen=True, slots=True)
class Hole:
    """Numbers that no readable event has; ``passed_at`` is the time of the event that follows."""

    first: int
    last: int
    passed_at: datetime


class Reads:
    """The reading half of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._job_columns = database.packed(JOB_COLUMNS)
        self._resumed_tasks = resumed_tasks(database)
        self._task_names = database.distinct("jobs", "task_name", "jobs_task")
        resumed, waiting = resumed_tasks(database, "LIMIT 1"), any_waiting(database)
        self._any_parked = f"SELECT ({resumed}) IS NOT NULL, ({waiting}) IS NOT NULL"
        self._by_run_at = f"jobs{database.by_index('jobs_listed_run_at')}"
        self._lookups: dict[Sequence[str], Lookups[int, StoredRow]] = {}
        self._pages: SameReads[list[Sequence[Any]]] = SameReads()

    async def jobs_by_id(self, ids: Sequence[int]) -> dict[int, JobRecord]:
        """The jobs that exist among ``ids``."""
        possible = [each for each in ids if 0 < each <= MAX_ID]
        if not possible:
            return {}
        rows = await self._database.fetch_packed(JOB_COLUMNS, f"FROM jobs WHERE id IN ({id_list(set(possible))})")
        return {record.id: record for record in map(job_from_row, rows)}

    async def job(self, job_id: int) -> JobRecord | None:
        return (await self.jobs_by_id([job_id])).get(job_id)

    async def stored_job(self, job_id: int, columns: Sequence[str]) -> StoredRow | None:
        """These columns of a job, and its id; None where there is no such job."""
        if not 0 < job_id <= MAX_ID:
            return None
        wanted = tuple(columns)
        lookups = self._lookups.get(wanted)
        if lookups is None:
            if len(self._lookups) >= MAX_SHAPES:
                self._lookups.clear()  # those under way go on by themselves
            whole = wanted if "id" in wanted else (*wanted, "id")
            lookups = self._lookups[wanted] = Lookups(functools.partial(self._stored_jobs, whole))
        return await lookups.get(job_id)

    async def _stored_jobs(self, columns: tuple[str, ...], ids: Sequence[int]) -> dict[int, StoredRow]:
        rows = await self._database.fetch_packed(columns, f"FROM jobs WHERE id IN ({id_list(set(ids))})")
        place = columns.index("id")
        return {int(row[place]): StoredRow(columns, row) for row in rows}

    async def list_jobs(self, query: JobQuery) -> JobPage:
        """One page of a list.

        Raises:
            InvalidInput: the cursor is not one of this list's.
        """
        page = await self.list_stored(query, JOB_COLUMNS)
        return JobPage([job_from_row(row) for row in page.jobs.rows], page.has_next, page.has_previous)

    async def list_stored(self, query: JobQuery, columns: Sequence[str], shape: Shape | None = None) -> StoredPage:
        """The same page, with these columns alone, those that cursors are made of among them; with a ``shape``, where
        the database makes that, only those.

        Raises:
            InvalidInput: as ``list_jobs``.
        """
        argument = "before" if query.page.is_backward else "after"
        position = None if query.page.cursor is None else decode_cursor(query, query.page.cursor, argument)
        names, search_id = await self._resolve_search(query.where)
        statement = ListStatement(self._database, query, position, names, search_id).rows()
        json = None if shape is None else self._database.as_json(shape)
        if json is None:
            wanted, shape, expressions = tuple(columns), None, []
        else:
            wanted, expressions = tuple(dict.fromkeys(("id", SORT_COLUMNS.get(query.order, "id")))), [json]
        rows: list[Sequence[Any]] = []
        if statement is not None:
            read = functools.partial(
                self._database.fetch_packed, wanted, statement.source, statement.parameters, expressions=expressions
            )
            rows = await self._pages.get((statement.source, *statement.parameters, wanted, shape), read)
        has_more = len(rows) > query.page.size
        shown = rows[: query.page.size]
        if query.page.is_backward:
            stored = StoredRows(wanted, shown[::-1], shape)
            return StoredPage(stored, has_next=position is not None, has_previous=has_more)
        return StoredPage(StoredRows(wanted, shown, shape), has_next=has_more, has_previous=position is not None)

    async def _resolve_search(self, where: JobFilter) -> tuple[list[str] | None, int | None]:
        if where.search is None:
            return None, None
        wanted = where.search.casefold()
        names = sorted(row[0] for row in await self._database.fetch(self._task_names))
        search_id = int(where.search) if where.search.isascii() and where.search.isdigit() else None
        if search_id is not None and search_id > MAX_ID:
            search_id = None
        return [name for name in names if wanted in name.casefold()], search_id

    async def count_jobs(self, where: JobFilter, at_most: int | None = None) -> int:
        """How many jobs match; counting stops at ``at_most``."""
        names, search_id = await self._resolve_search(where)
        found, parameters = conditions(where, names, search_id)
        condition = f" WHERE {' AND '.join(found)}" if found else ""
        sql = f"SELECT COUNT(*) FROM jobs{condition}"
        if at_most is not None:
            sql = f"SELECT COUNT(*) FROM (SELECT 1 AS one FROM jobs{condition} LIMIT {at_most}) c"
        [(count,)] = await self._database.fetch(sql, parameters)
        return int(count)

    async def matching_ids(self, where: JobFilter, after_id: int, limit: int) -> list[int]:
        """The next ids that match, in ascending order."""
        names, search_id = await self._resolve_search(where)
        query = JobQuery(where, OrderField.CREATED_AT, is_descending=False, page=Page(limit))
        statement = ListStatement(self._database, query, Position(None, after_id), names, search_id).build()
        return [row[0] for row in (await self._database.fetch(statement.sql, statement.parameters))[:limit]]

    async def stats(self) -> StatsRecord:
        now = await self._database.now()
        counts = dict.fromkeys(JobStatus, 0)
        for status, count in await self._database.fetch("SELECT status, COUNT(*) FROM jobs GROUP BY status"):
            counts[STATUSES[status]] += count
        since = to_text(now - timedelta(seconds=60))
        recent: dict[JobStatus, int] = {}
        for status in (JobStatus.COMPLETED, JobStatus.FAILED):
            [(recent[status],)] = await self._database.fetch(
                f"SELECT COUNT(*) FROM jobs WHERE listed_status='{status.value}' AND priority IN (1,2,3) "
                "AND listed_at > %s",
                [since],
            )
        return StatsRecord(
            counts, recent[JobStatus.COMPLETED], recent[JobStatus.FAILED], await self.oldest_queued_seconds(now)
        )

    async def oldest_queued_seconds(self, now: datetime) -> float | None:
        """How long the job has waited that is QUEUED for longest; None when there is none. Reads an index."""
        oldest = []
        for priority in JobPriority:
            oldest += await self._database.fetch(
                f"SELECT run_at FROM {self._by_run_at} WHERE listed_status='QUEUED' AND status<>'RUNNING' "
                f"AND priority={int(priority)} AND run_at IS NOT NULL ORDER BY run_at, id LIMIT 1"
            )
        waited = max(((now - from_text(row[0])).total_seconds() for row in oldest), default=None)
        return None if waited is None else max(0.0, waited)

    async def count_up_to(self, status: JobStatus, most: int) -> int:
        """How many jobs have this status; counting stops at ``most``, and reads an index alone."""
        [(count,)] = await self._database.fetch(
            f"SELECT COUNT(*) FROM (SELECT 1 FROM jobs{self._database.by_index('jobs_claim')} "
            f"WHERE status IN ({stored_list([status])}) LIMIT {most}) AS counted"
        )
        return int(count)

    async def count_tasks(self, status: JobStatus, most: int) -> dict[str, int]:
        """How many of the first ``most`` jobs of this status, in the order of claims, each task has; of those that are
        parked, as many again are looked at."""
        found: Counter[str] = Counter()
        for stored in stored_as([status]):
            rows = await self._database.fetch(
                f"SELECT task_name, COUNT(*) FROM (SELECT task_name FROM jobs{self._database.by_index('jobs_claim')} "
                f"WHERE status='{stored}' LIMIT {most}) AS counted GROUP BY task_name"
            )
            found.update({name: int(count) for name, count in rows})
        return dict(found)

    async def count_pending_deliveries(self, most: int) -> int:
        """How many webhooks are yet to be delivered; counting stops at ``most``."""
        [(count,)] = await self._database.fetch(
            f"SELECT COUNT(*) FROM (SELECT 1 FROM webhook_delivery{self._database.by_index('webhook_delivery_due')} "
            f"WHERE status='{DeliveryStatus.PENDING.value}' LIMIT {most}) AS counted"
        )
        return int(count)

    async def events_of(self, job_ids: Sequence[int]) -> dict[int, list[EventRecord]]:
        """Every status change of each job, oldest first."""
        if not job_ids:
            return {}
        source = f"FROM job_event WHERE job_id IN ({id_list(set(job_ids))}) ORDER BY job_id, seq"
        found: dict[int, list[EventRecord]] = defaultdict(list)
        for event in map(event_from_row, await self._database.fetch_packed(EVENT_COLUMNS, source, table="job_event")):
            found[event.job_id].append(event)
        return found

    async def attempts_of(self, job_ids: Sequence[int]) -> dict[int, list[AttemptRecord]]:
        """Every attempt of each job, oldest first: a claim begins one, the next change of status ends it."""
        return {job_id: attempts(events) for job_id, events in (await self.events_of(job_ids)).items()}

    async def log_pages(self, queries: Sequence[LogQuery]) -> list[LogPage]:
        """A page of a job's log for each query, oldest line first."""
        return await read_log_pages(self._database, queries)

    async def events_after(self, seq: int, limit: int) -> list[EventRecord]:
        """The next events of the log, in order. Numbers may be missing: see ``engine.feed``."""
        source = f"FROM job_event WHERE seq > {seq} ORDER BY seq LIMIT {limit}"
        return list(map(event_from_row, await self._database.fetch_packed(EVENT_COLUMNS, source, table="job_event")))

    async def holes(self, after: int, until: int) -> list[Hole]:
        """The numbers between two events that no readable event has, in order."""
        # The events before and after each, found by one look-up for every event. A window function would sort them.
        here = f"FROM job_event e WHERE seq > {after} AND seq <= {until} AND NOT EXISTS "
        rows = await self._database.fetch(
            f"SELECT seq, at {here} (SELECT 1 FROM job_event b WHERE b.seq = e.seq - 1) "
            f"UNION ALL SELECT seq, NULL {here} (SELECT 1 FROM job_event b WHERE b.seq = e.seq + 1)"
        )
        found = []
        before = after
        for seq, at in sorted(rows, key=lambda row: (row[0], row[1] is None)):
            if at is None:
                before = seq
            elif seq > before + 1:
                found.append(Hole(before + 1, seq - 1, from_text(at)))
        return found

    async def log_bounds(self) -> tuple[int, int]:
        """The first and last event numbers that are readable; (0, 0) for an empty log."""
        [(first, last)] = await self._database.fetch(
            "SELECT (SELECT MIN(seq) FROM job_event), (SELECT MAX(seq) FROM job_event)"  # SQLite scans for both at once
        )
        return (first or 0, last or 0)

    async def is_hole_open(self, first_seq: int, last_seq: int) -> bool:
        return await self._database.is_hole_open(first_seq, last_seq)

    async def last_event_given(self) -> int:
        return await self._database.last_event_given()

    async def changes(self, events: Sequence[EventRecord]) -> list[StatusChange]:
        """``events`` with their jobs as they were right after each. Events of jobs that are deleted are left out."""
        ids = list({event.job_id for event in events})
        records = await self.jobs_by_id(ids)
        stale = [
            event.job_id
            for event in events
            if event.job_id in records
            and (records[event.job_id].updated_at != event.at or records[event.job_id].status is not event.to)
        ]
        histories = await self.events_of(stale)
        return [
            StatusChange(
                event.cursor,
                event.seq,
                _as_of(records[event.job_id], event, histories.get(event.job_id)),
                event.from_,
                event.to,
                event.at,
            )
            for event in events
            if event.job_id in records
        ]

    async def next_due(self) -> datetime | None:
        """When the next SCHEDULED job is due; None when there is none. Each priority is read in the order of its
        index."""
        firsts = (
            f"(SELECT run_at FROM {self._by_run_at} WHERE listed_status='SCHEDULED' AND priority={int(priority)} "
            "AND run_at IS NOT NULL ORDER BY run_at, id LIMIT 1)"
            for priority in JobPriority
        )
        [row] = await self._database.fetch(f"SELECT {', '.join(firsts)}")
        found = [each for each in row if each is not None]
        return from_text(min(found)) if found else None

    async def to_cancel(self, job_ids: Sequence[int]) -> set[int]:
        """Those among running jobs that someone has asked to cancel."""
        if not job_ids:
            return set()
        rows = await self._database.fetch(
            f"SELECT id FROM jobs WHERE id IN ({id_list(job_ids)}) AND status='RUNNING' "
            "AND cancel_requested_at IS NOT NULL"
        )
        return {row[0] for row in rows}

    async def overdue(self) -> tuple[bool, list[int]]:
        """Whether any job is RUNNING, and the first of those whose lease has ended, of each priority. One statement: it
        is asked by loops that are idle, and that must be in time where each statement takes long."""
        source = f"jobs{self._database.by_index('jobs_claim')}"
        any_running = f"SELECT 0 FROM (SELECT 1 FROM {source} WHERE status='RUNNING' LIMIT 1) AS any_running"
        # all that runs is looked at: no more than there are slots and what is claimed ahead of them
        of_priorities = [
            f"SELECT * FROM (SELECT id FROM {source} WHERE status='RUNNING' AND priority={int(priority)} "
            f"AND lease_until < {self._database.ago(0)} ORDER BY id LIMIT {RESCUE_LIMIT}) AS of_{int(priority)}"
            for priority in JobPriority
        ]
        rows = await self._database.fetch(" UNION ALL ".join((any_running, *of_priorities)))
        return bool(rows), [row[0] for row in rows if row[0]]

    async def is_any_claimable(self, takes: Takes) -> bool:
        """Whether any job is in the queue, or routed to a worker that takes these tasks; in one statement, where none
        is routed."""
        source = f"jobs{self._database.by_index('jobs_claim')}"
        [(queued, routed)] = await self._database.fetch(
            f"SELECT (SELECT 1 FROM {source} WHERE status='QUEUED' LIMIT 1), {any_routed(self._database)}"
        )
        return bool(queued or (routed and await marks_for(self._database.fetch, self._database, takes)))

    async def is_any_delivery_pending(self) -> bool:
        """Whether any webhook is yet to be delivered, due or not."""
        source = f"webhook_delivery{self._database.by_index('webhook_delivery_due')}"
        return bool(await self._database.fetch(f"SELECT 1 FROM {source} WHERE status='PENDING' LIMIT 1"))

    async def queue(self, limit: int) -> list[int]:
        """The ids of what is QUEUED, in the order of claims; not of what is parked, which nobody claims."""
        source = f"jobs{self._database.by_index('jobs_claim')}"
        rows = await self._database.fetch(
            f"SELECT id FROM {source} WHERE status='QUEUED' ORDER BY priority, id LIMIT {limit}"
        )
        return [row[0] for row in rows]

    async def is_any_worker_alive(self, within_seconds: float) -> bool:
        """Whether any worker was heard from lately."""
        since = to_text(await self._database.now() - timedelta(seconds=within_seconds))
        return bool(await self._database.fetch("SELECT 1 FROM worker WHERE heartbeat_at > %s LIMIT 1", [since]))

    async def count_workers(
        self, alive_seconds: float, worker_id: int | None, silent_seconds: float
    ) -> tuple[int, int, int]:
        """How many workers were heard from in the last ``alive_seconds``, and how many of them have a lower id than
        ``worker_id``; how many were not heard from in ``silent_seconds``."""
        ago = self._database.ago
        is_alive = f"heartbeat_at > {ago(alive_seconds)}"
        [(alive, before, silent)] = await self._database.fetch(
            f"SELECT COUNT(CASE WHEN {is_alive} THEN 1 END), "
            f"COUNT(CASE WHEN {is_alive} AND id < {worker_id or 0} THEN 1 END), "
            f"COUNT(CASE WHEN heartbeat_at < {ago(silent_seconds)} THEN 1 END) FROM worker"
        )
        return int(alive), int(before), int(silent)

    async def workers(self) -> list[WorkerRecord]:
        rows = await self._database.fetch(
            "SELECT id, host, pid, slots, running, started_at, heartbeat_at FROM worker ORDER BY id"
        )
        return [
            WorkerRecord(id_, host, pid, slots, running, from_text(started_at), from_text(heartbeat_at))
            for id_, host, pid, slots, running, started_at, heartbeat_at in rows
        ]

    async def tasks(self) -> list[TaskRecord]:
        rows = await self._database.fetch(f"SELECT {','.join(TASK_COLUMNS)} FROM task ORDER BY name")
        return [task_from_row(row) for row in rows]

    async def resumed_tasks(self) -> set[str]:
        """The names of tasks whose jobs are yet to go back into the queue."""
        return {row[0] for row in await self._database.fetch(self._resumed_tasks)}

    async def is_any_parked(self) -> tuple[bool, bool]:
        """Whether jobs of resumed tasks are yet to go back into the queue; whether any job waits for a limit."""
        [(is_resumed, is_waiting)] = await self._database.fetch(self._any_parked)
        return bool(is_resumed), bool(is_waiting)

    async def marks(self, job_ids: Sequence[int]) -> dict[int, str]:
        """What those of these jobs bear in ``parked_task`` that bear anything (limits.py)."""
        if not job_ids:
            return {}
        rows = await self._database.fetch(
            f"SELECT id, parked_task FROM jobs WHERE id IN ({id_list(job_ids)}) AND parked_task IS NOT NULL"
        )
        return {row[0]: row[1] for row in rows}

    async def limits_waited_for(self, marks: Mapping[int, str]) -> dict[int, str]:
        """The concurrency key, or an empty text for all of the task, of the limit that each job waits for, given what
        jobs bear; those that wait for none are left out."""
        waits = {job_id: int(mark[1:]) for job_id, mark in marks.items() if is_limited(mark)}
        if not waits:
            return {}
        found = await self._database.fetch(
            f"SELECT id, limit_key FROM task_limit WHERE id IN ({id_list(set(waits.values()))})"
        )
        keys: dict[int, str] = {row[0]: row[1] for row in found}
        return {job_id: keys[limit] for job_id, limit in waits.items() if limit in keys}

    async def deliveries_of(self, job_ids: Sequence[int]) -> dict[int, list[DeliveryRecord]]:
        """Every webhook of each job with its tries, oldest first."""
        return await deliveries_of(self._database, job_ids)


def attempts(events: Sequence[EventRecord]) -> list[AttemptRecord]:
    """The attempts that a job's events tell of."""
    found: list[AttemptRecord] = []
    for event in events:
        if event.to is JobStatus.RUNNING:
            found.append(AttemptRecord(event.attempt, None, None, event.worker, event.at, None))
        elif event.from_ is JobStatus.RUNNING and found:
            found[-1].outcome, found[-1].error, found[-1].finished_at = event.to, event.error, event.at
    return found


def _as_of(record: JobRecord, event: EventRecord, history: Sequence[EventRecord] | None) -> JobRecord:
    """``record``, read later, as it was right after ``event``."""
    if history is None:
        return record
    started_at = run_at = error = None
    for each in history:
        if each.seq > event.seq:
            break
        if each.to is JobStatus.RUNNING:
            started_at = each.at
        elif each.from_ is not None and each.from_.is_terminal:
            started_at = None
        run_at = each.run_at or run_at
        error = each.error or error
    is_last = history[-1].seq == event.seq
    is_release = event.from_ is JobStatus.RUNNING and event.to is JobStatus.QUEUED and event.error is None
    is_completed_again = any(each.seq > event.seq and each.to is JobStatus.COMPLETED for each in history)
    return replace(
        record,
        status=event.to,
        attempt=event.attempt - is_release,  # the event names the attempt that it gave back
        updated_at=event.at,
        run_at=run_at,
        started_at=started_at,
        finished_at=event.at if event.to.is_terminal else None,
        result_text=record.result_text if event.to is JobStatus.COMPLETED and not is_completed_again else None,
        error=error,
        progress=record.progress if is_last else None,
    )


def parse_id(text: str, argument: str = "id") -> int:
    """The number in an ID that a client gave.

    Raises:
        InvalidInput: it is not a decimal number.
    """
    if not (text.isascii() and text.isdigit()):
        raise InvalidInput(f"{argument}: {text[:80]!r} is not an id; ids are decimal numbers.", field=argument)
    return int(text) if len(text) <= 20 else MAX_ID + 1
