"""What keeps the tables true without anybody asking: lost claims are rescued, dead workers forgotten, old jobs pruned.

Safe to run in any number of processes at once: rows are found without a lock (overdue claims by ``Reads.overdue``),
then locked by their ids and looked at again. What another process holds is skipped; it is being seen to. Where SKIP
LOCKED takes no lock, the conditions of the UPDATE tell that another was first, and the transaction starts over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.records import ErrorRecord
from engine.store.database import Collision, Database
from engine.store.rows import at_rest, encode_error
from engine.store.unit import Unit, id_list
from engine.store.writes import remove, thin_logs, touch_tags
from models.enums import TERMINAL, JobPriority, JobStatus

LOST = ErrorRecord("WORKER_LOST", "The worker that ran it was not heard from in time.")
LOST_FOR_GOOD = ErrorRecord("WORKER_LOST", "The worker that ran the last allowed attempt was not heard from in time.")


@dataclass(frozen=True, slots=True)
class Rescued:
    """A claim that had outlived its lease, and what became of its job."""

    job_id: int
    attempt: int
    to: JobStatus


@dataclass(frozen=True, slots=True)
class PruneRequest:
    """Remove up to ``limit`` jobs that ended more than ``older_than_seconds`` ago."""

    older_than_seconds: float
    limit: int


class UpkeepWrites:
    """The handlers of the loops that keep things in order."""

    def __init__(self, database: Database) -> None:
        self._by_id = f"jobs{database.by_index('PRIMARY')}"
        self._firings = f"schedule_firing{database.by_index('PRIMARY')}"
        self._by_updated = f"jobs{database.by_index('jobs_listed_updated')}"

    async def rescue(self, unit: Unit, requests: Sequence[Sequence[int]]) -> list[list[Rescued]]:
        """Take back those of these jobs' claims whose lease has ended: QUEUED while attempts are left, else FAILED
        (CANCELLED if asked)."""
        transaction = unit.transaction
        found = {job_id for request in requests for job_id in request}
        rows = await transaction.fetch(
            f"SELECT id, attempt, max_attempts, tags IS NOT NULL, cancel_requested_at IS NOT NULL FROM {self._by_id} "
            f"WHERE id IN ({id_list(found)}) AND status='RUNNING' AND lease_until < '{unit.now_text}' "
            f"ORDER BY id{transaction.skip_locked}"
        )
        rescued = [
            Rescued(job_id, attempt, _after_loss(attempt, max_attempts, bool(is_cancelled)))
            for job_id, attempt, max_attempts, _tags, is_cancelled in rows
        ]
        for status in (JobStatus.QUEUED, JobStatus.FAILED, JobStatus.CANCELLED):
            await self._end_claims(unit, status, [each for each in rescued if each.to is status])
        await touch_tags(unit, [row[0] for row in rows if row[3]])
        return [rescued, *([] for _ in requests[1:])]

    async def _end_claims(self, unit: Unit, status: JobStatus, jobs: Sequence[Rescued]) -> None:
        if not jobs:
            return
        error = LOST if status is JobStatus.QUEUED else LOST_FOR_GOOD if status is JobStatus.FAILED else None
        changes = f"{at_rest(status, unit.now_text)}, claim_token=NULL, lease_until=NULL"
        if status.is_terminal:
            changes += f", finished_at='{unit.now_text}'"
        changed = await unit.transaction.execute(
            f"UPDATE {self._by_id} SET {changes}, worker_id=NULL, error=COALESCE(%s, error) "
            f"WHERE id IN ({id_list(each.job_id for each in jobs)}) AND status='RUNNING' "
            f"AND lease_until < '{unit.now_text}'",
            (encode_error(error),),
        )
        if changed != len(jobs):
            raise Collision("Another session rescued some of these jobs meanwhile.")
        for each in jobs:
            unit.changed(each.job_id, JobStatus.RUNNING, status, each.attempt, error=error)

    async def forget_workers(self, unit: Unit, requests: Sequence[float]) -> list[int]:
        """Take workers off the list whose heartbeat is older than so many seconds; how many."""
        answers = []
        for seconds in requests:
            rows = await unit.transaction.fetch(f"SELECT id FROM worker WHERE heartbeat_at < '{unit.later(-seconds)}'")
            if rows:
                await unit.transaction.execute(
                    f"DELETE FROM worker WHERE id IN ({id_list(row[0] for row in rows)}) "
                    f"AND heartbeat_at < '{unit.later(-seconds)}'"
                )
            answers.append(len(rows))
        return answers

    async def prune_firings(self, unit: Unit, requests: Sequence[PruneRequest]) -> list[int]:
        """Remove firings of long ago, the oldest first; how many. A rule never goes back to them."""
        answers = []
        for request in requests:
            rows = await unit.transaction.fetch(
                f"SELECT id, fire_at FROM {self._firings} WHERE id > 0 ORDER BY id LIMIT {request.limit}"
            )
            before = unit.later(-request.older_than_seconds)
            old = [row[0] for row in rows if row[1] < before]
            if old:
                await unit.transaction.execute(f"DELETE FROM schedule_firing WHERE id IN ({id_list(old)})")
            answers.append(len(old))
        return answers

    async def prune(self, unit: Unit, requests: Sequence[PruneRequest]) -> list[int]:
        """Remove old terminal jobs with all that belongs to them, or, while that is much, some of their log lines."""
        return [await self._prune(unit, request) for request in requests]

    async def _prune(self, unit: Unit, request: PruneRequest) -> int:
        transaction = unit.transaction
        before = unit.later(-request.older_than_seconds)
        found: list[int] = []
        for status in sorted(TERMINAL):
            for priority in JobPriority:
                found += [
                    row[0]
                    for row in await transaction.fetch(
                        f"SELECT id FROM {self._by_updated} WHERE listed_status='{status.value}' "
                        f"AND priority={int(priority)} AND listed_at < '{before}' "
                        f"ORDER BY listed_at, id LIMIT {request.limit}"
                    )
                ]
        if not found:
            return 0
        statuses = ",".join(f"'{status.value}'" for status in sorted(TERMINAL))
        rows = await transaction.fetch(
            f"SELECT id FROM {self._by_id} WHERE id IN ({id_list(found[: request.limit])}) "
            f"AND status IN ({statuses}) AND updated_at < '{before}' ORDER BY id{transaction.skip_locked}"
        )
        job_ids = [row[0] for row in rows]
        if thinned := await thin_logs(unit, job_ids):
            return thinned
        await remove(unit, job_ids)
        return len(rows)


def _after_loss(attempt: int, max_attempts: int, is_cancelled: bool) -> JobStatus:
    if is_cancelled:
        return JobStatus.CANCELLED
    return JobStatus.QUEUED if attempt < max_attempts else JobStatus.FAILED
