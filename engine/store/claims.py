"""What workers ask of jobs, in batches: claim, finish, heartbeat, progress, and the promotion of what is due.

A claim is temporary ownership, proven by its token: nothing that a worker says of a job is believed unless the job is
still RUNNING under the token that this worker was given. The token is fresh for every batch of claims.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.records import ClaimedJob, Finish
from engine.store.admission import Met
from engine.store.database import Collision, Database, Row, from_text
from engine.store.endpoints import ask_who_listens
from engine.store.limits import SPECIAL_TASKS, LimitWrites
from engine.store.parking import MAY_BE_CLAIMED, PARK_CHUNK, ParkingWrites
from engine.store.routing import TASK_NAME, Routing, Takes, any_routed
from engine.store.rows import CLAIM_COLUMNS, PRIORITIES, at_rest, encode_error
from engine.store.unit import Unit, id_list
from engine.store.writes import touch_tags, unpack
from models.enums import JobPriority, JobStatus

PROMOTE_LIMIT = 500
ROUNDS = 2
"""How often one claim reads the queue on when it met nothing that may be claimed."""
WORTH_READING_AGAIN = 4
"""So many times as many jobs as a claim takes it may meet that have to wait, and leave them where they are."""
LEAST_REACH, FARTHEST = 64, 1 << 20
"""So many jobs a claim reads, at least and at most, as far as it wants them."""
KEY, SPECIAL_COUNT = CLAIM_COLUMNS.index("concurrency_key"), len(CLAIM_COLUMNS)


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """Ask for up to ``limit`` jobs on behalf of a worker, for ``lease_seconds``.

    ``wanted``, if given, is asked for a smaller number when the transaction begins; ``takes`` says of which tasks, None
    of whatever is in the queue.
    """

    worker_id: int
    worker_name: str
    limit: int
    lease_seconds: float
    wanted: Callable[[], int] | None = None
    takes: Takes | None = None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Renew the claims of a worker: (job id, claim token) of each job it holds."""

    worker_id: int
    running: int
    claims: tuple[tuple[int, int], ...]
    lease_seconds: float


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a heartbeat found: the jobs the worker still holds, those among them that are to be cancelled, and whether
    the worker is still on the list of workers."""

    held: frozenset[int]
    to_cancel: frozenset[int]
    is_registered: bool


@dataclass(frozen=True, slots=True)
class Progress:
    job_id: int
    claim_token: int
    fraction: float


class WorkerWrites:
    """The handlers of what workers ask for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # By any other index the server would sort, and so lock, all that is QUEUED: and it chooses one while a table is
        # young and its statistics are old.
        self._claim_columns = database.packed(CLAIM_COLUMNS, SPECIAL_TASKS, any_routed(database))
        self._routing = Routing(database, self._claim_columns)
        self._parking = ParkingWrites(database)
        self._limits = LimitWrites(database)
        self._reach = FARTHEST
        self._special_count = 0
        self._by_claim = f"jobs{database.by_index('jobs_claim')}"
        # Rows whose ids are known are read by them: by their status, a server would lock what others are running.
        self._by_id = f"jobs{database.by_index('PRIMARY')}"
        self._by_run_at = f"jobs{database.by_index('jobs_listed_run_at')}"

    async def claim(self, unit: Unit, requests: Sequence[ClaimRequest]) -> list[list[ClaimedJob]]:
        """The next jobs that may be run, by priority and age."""
        return [await self._claim(unit, request) for request in requests]

    async def _claim(self, unit: Unit, request: ClaimRequest) -> list[ClaimedJob]:
        limit = request.limit if request.wanted is None else min(request.limit, request.wanted())
        if limit <= 0:
            return []
        jobs, marks = await self._next(unit, limit, request)
        if len(jobs) < limit and not (unit.parked or unit.passed or unit.left or unit.unread):
            unit.became_queued = 0  # nothing is left that a worker would have to be woken for
        if not jobs:
            return []
        transaction = unit.transaction
        token = secrets.randbits(63)
        ids = [int(row[0]) for row in jobs]
        mark = transaction.chosen({job_id: marks.get(job_id) for job_id in ids}) if marks else "NULL"
        # The guard on status is repeated: some servers accept SKIP LOCKED and take no lock.
        changed = await transaction.execute(
            f"UPDATE {self._by_id} SET status='RUNNING', attempt=attempt+1, "
            f"claim_token={token}, worker_id={request.worker_id}, lease_until='{unit.later(request.lease_seconds)}', "
            f"started_at='{unit.now_text}', updated_at='{unit.now_text}', progress=NULL, "
            f"parked_task={mark} "
            f"WHERE id IN ({id_list(ids)}) AND {MAY_BE_CLAIMED}"
        )
        if changed != len(ids):
            held = await transaction.fetch(
                f"SELECT id FROM {self._by_id} WHERE id IN ({id_list(ids)}) AND status='RUNNING' "
                f"AND claim_token={token}"
            )
            owned = {row[0] for row in held}
            jobs = [row for row in jobs if int(row[0]) in owned]
        claimed = [
            ClaimedJob(
                int(id_),
                task_name,
                payload or None,
                PRIORITIES[priority],
                int(attempt) + 1,
                int(max_attempts),
                float(timeout_seconds),
                webhook_url or None,
                bool(tags),
                token,
                from_text(fire_at) if fire_at else None,
                traceparent or None,
                marks.get(int(id_)),
            )
            for (
                id_,
                task_name,
                payload,
                priority,
                attempt,
                max_attempts,
                timeout_seconds,
                webhook_url,
                tags,
                fire_at,
                traceparent,
                _concurrency_key,
                _special_tasks,
                _any_routed,
            ) in jobs
        ]
        for job in claimed:
            unit.changed(job.id, JobStatus.QUEUED, JobStatus.RUNNING, job.attempt, worker=request.worker_name)
        await touch_tags(unit, [job.id for job in claimed if job.has_tags])
        return claimed

    async def _next(
        self, unit: Unit, limit: int, request: ClaimRequest
    ) -> tuple[list[Sequence[Any]], Mapping[int, str]]:
        """Lock the next jobs that may be claimed, with the marks of those that have limits (limits.py), and park those
        that are in the way.

        When nothing but those is there, the queue is read on, though not without end: their locks, and the claims that
        wait in the lane, last as long as this transaction. The worker comes again at once (``Unit.parked``). Where only
        some of what it met may not be claimed, it is left: there may be room for it when the next claim comes, and to
        park it and put it back costs more than to read it again. Then the next claim reads less far.
        """
        transaction = unit.transaction
        passed: set[int] = set()
        count = min(limit, self._reach)
        for _ in range(ROUNDS):
            rules = self._limits.ask_rules(unit) if self._special_count else None
            # ORDER BY is exactly the index: a sort would lock thousands of rows.
            rows = await transaction.fetch_many(
                self._claim_columns,
                f"FROM {self._by_claim} WHERE status='QUEUED' ORDER BY priority, id "
                f"LIMIT {count + len(passed)}{transaction.skip_locked}",
            )
            queue = [unpack(row) for row in rows]
            takes = request.takes
            jobs = queue if takes is None else await self._routing.taken(unit, queue, takes, count)
            if queue and not jobs:  # all of it was routed
                count = max(limit, PARK_CHUNK)
                continue
            if jobs:
                self._special_count = int(jobs[0][SPECIAL_COUNT])
            if not jobs or not self._special_count:
                unit.unread |= len(queue) == count < limit
                self._reach = FARTHEST
                return jobs[:limit], {}
            met = [Met(int(row[0]), row[TASK_NAME], row[KEY] or None) for row in jobs if int(row[0]) not in passed]
            is_known = rules is not None and len(rules) == self._special_count
            admission = await self._limits.admit(unit, met, limit, request.worker_id, rules if is_known else None)
            taken = len(admission.claimable)
            passed.update(admission.passed)
            unit.passed += len(admission.passed)
            await self._parking.park(unit, admission.paused)
            if admission.refused > WORTH_READING_AGAIN * taken:
                await self._limits.park(unit, admission.parked)
            else:
                unit.left += admission.refused
            unit.unread |= not admission.refused and len(queue) == count < limit
            self._reach = max(LEAST_REACH, 2 * taken) if admission.refused else min(FARTHEST, 2 * self._reach)
            if taken:
                claimable = set(admission.claimable)
                return [row for row in jobs if int(row[0]) in claimable], admission.marks
            count = max(limit, PARK_CHUNK)
        return [], {}

    def committed(self, unit: Unit) -> None:
        """Told of each unit once it is."""
        self._limits.committed(unit)

    async def finish(self, unit: Unit, requests: Sequence[Finish]) -> list[bool]:
        """Whether each was accepted: False when the job is no longer this claim's."""
        ask_who_listens(unit)
        completed = [each for each in requests if each.to is JobStatus.COMPLETED]
        accepted: set[Finish] = set()
        if len({each.job.id for each in requests}) == len(requests) and await self._complete_all(unit, completed):
            accepted.update(completed)
        accepted.update(await self._finish_one_by_one(unit, [each for each in requests if each not in accepted]))
        return [each in accepted for each in requests]

    async def _complete_all(self, unit: Unit, finishes: Sequence[Finish]) -> bool:
        """Complete these jobs, if all of them are still their claim's: then nothing has to be read."""
        if not finishes:
            return False
        transaction = unit.transaction
        is_single = len(finishes) == 1  # which changes its row or nothing: there is nothing to undo
        if not is_single:
            transaction.ahead("SAVEPOINT completion")
        waiting = self._limits.ask_who_waits(unit, finishes)
        if await transaction.complete(finishes) != len(finishes):
            if not is_single:
                await transaction.execute("ROLLBACK TO SAVEPOINT completion")
            return False
        for finish in finishes:
            self._ended(unit, finish)
        await self._after(unit, finishes, waiting)
        return True

    async def _finish_one_by_one(self, unit: Unit, requests: Sequence[Finish]) -> list[Finish]:
        """Those of ``requests`` that were accepted."""
        if not requests:
            return []
        transaction = unit.transaction
        waiting = self._limits.ask_who_waits(unit, requests)
        rows = await transaction.fetch_many(
            "id, claim_token, cancel_requested_at",
            f"FROM {self._by_id} WHERE id IN ({id_list(each.job.id for each in requests)}) AND status='RUNNING'"
            f"{transaction.for_update}",
        )
        holders: dict[int, int] = {row[0]: row[1] for row in rows}
        to_cancel = {row[0] for row in rows if row[2] is not None}
        accepted = []
        for finish in requests:
            if holders.get(finish.job.id) == finish.job.claim_token:
                del holders[finish.job.id]
                accepted.append(finish)
        completed = [each for each in accepted if each.to is JobStatus.COMPLETED]
        if completed:
            await transaction.complete(completed)
        for finish in accepted:
            if finish.to is JobStatus.COMPLETED:
                self._ended(unit, finish)
            else:
                is_cancelled = finish.job.id in to_cancel
                ending = replace(finish, to=JobStatus.CANCELLED) if is_cancelled else finish
                self._ended(unit, ending, await self._end_otherwise(unit, ending))
        await self._after(unit, accepted, waiting)
        return accepted

    async def _after(self, unit: Unit, finishes: Sequence[Finish], waiting: Sequence[Row]) -> None:
        """What the end of these attempts changes beyond their jobs' rows."""
        await touch_tags(unit, [each.job.id for each in finishes if each.job.has_tags], run_at=True)
        await self._limits.ended(unit, finishes, waiting)

    def _ended(self, unit: Unit, finish: Finish, run_at: str | None = None) -> None:
        job = finish.job
        unit.changed(job.id, JobStatus.RUNNING, finish.to, job.attempt, run_at=run_at, error=finish.error, job=job)

    async def _end_otherwise(self, unit: Unit, finish: Finish) -> str | None:
        changes = [
            at_rest(finish.to, unit.now_text),
            "claim_token=NULL",
            "lease_until=NULL",
            "worker_id=NULL",
        ]
        parameters: list[str | None] = []
        run_at = None
        if finish.error is not None:
            changes.append("error=%s")
            parameters.append(encode_error(finish.error))
        if finish.to.is_terminal:
            changes.append(f"finished_at='{unit.now_text}'")
        elif finish.to is JobStatus.SCHEDULED:
            run_at = unit.later(finish.delay_seconds)
            changes.append(f"run_at='{run_at}'")
        elif finish.to is JobStatus.QUEUED:
            changes.append("attempt=attempt-1")  # it was not the task's fault
        await unit.transaction.execute(
            f"UPDATE jobs SET {', '.join(changes)} WHERE id={finish.job.id} AND status='RUNNING'", parameters
        )
        return run_at

    async def heartbeat(self, unit: Unit, requests: Sequence[Heartbeat]) -> list[Pulse]:
        """What each worker still holds; all claims of a worker are renewed in one statement."""
        answers = []
        for beat in requests:
            rows: list[Row] = []
            if beat.claims:
                rows = unit.transaction.ahead(
                    f"SELECT id, claim_token, cancel_requested_at IS NOT NULL FROM {self._by_id} "
                    f"WHERE id IN ({id_list(job_id for job_id, _ in beat.claims)}) "
                    f"AND status='RUNNING'{unit.transaction.for_update}"
                )
            registered = await unit.transaction.execute(_is_alive(beat, f"'{unit.now_text}'"))
            claims = dict(beat.claims)
            held = {job_id: bool(is_asked) for job_id, token, is_asked in rows if claims[job_id] == token}
            if held:
                await unit.transaction.execute(
                    f"UPDATE jobs SET lease_until='{unit.later(beat.lease_seconds)}' WHERE id IN ({id_list(held)})"
                )
            to_cancel = frozenset(job_id for job_id, is_asked in held.items() if is_asked)
            answers.append(Pulse(frozenset(held), to_cancel, registered > 0))
        return answers

    async def idle_heartbeat(self, beat: Heartbeat) -> Pulse:
        """The heartbeat of a worker that holds nothing: one statement, where a transaction takes three."""
        registered = await self._database.execute(_is_alive(beat, self._database.ago(0)))
        return Pulse(frozenset(), frozenset(), registered > 0)

    async def report_progress(self, unit: Unit, requests: Sequence[Progress]) -> list[None]:
        latest = {(each.job_id, each.claim_token): each.fraction for each in requests}
        for (job_id, token), fraction in sorted(latest.items()):
            await unit.transaction.execute(
                f"UPDATE jobs SET progress=%s WHERE id={job_id} AND status='RUNNING' AND claim_token={token}",
                (fraction,),
            )
        return [None] * len(requests)

    async def promote(self, unit: Unit, requests: Sequence[None]) -> list[int]:
        """Make QUEUED what has become due: how many were. Each priority is read in the order of its index."""
        transaction = unit.transaction
        due = await transaction.fetch_each(
            [
                f"SELECT id, attempt, run_at, tags IS NOT NULL FROM {self._by_run_at} WHERE listed_status='SCHEDULED' "
                f"AND priority={int(priority)} AND run_at <= '{unit.now_text}' ORDER BY run_at, id "
                f"LIMIT {PROMOTE_LIMIT}{transaction.skip_locked}"
                for priority in JobPriority
            ]
        )
        if rows := [row for found in due for row in found]:
            ids: list[int] = [row[0] for row in rows]
            changed = await transaction.execute(
                f"UPDATE {self._by_id} SET {at_rest(JobStatus.QUEUED, unit.now_text)} WHERE id IN ({id_list(ids)}) "
                "AND status='SCHEDULED'"
            )
            if changed != len(ids):
                raise Collision("Another session promoted some of these jobs meanwhile.")
            for job_id, attempt, run_at, _has_tags in rows:
                unit.changed(job_id, JobStatus.SCHEDULED, JobStatus.QUEUED, attempt, run_at=run_at)
            await touch_tags(unit, [row[0] for row in rows if row[3]])
        return [len(rows)] * len(requests)


def _is_alive(beat: Heartbeat, at: str) -> str:
    """The statement that notes that a worker was heard from; ``at`` is an expression."""
    return f"UPDATE worker SET heartbeat_at={at}, running={beat.running} WHERE id={beat.worker_id}"
