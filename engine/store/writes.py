"""What operators ask of jobs, in batches: create, run, cancel, retry, delete.

A handler gets the requests of one kind that go into one transaction and gives a result, or an error, for each:
one caller's mistake never fails its neighbours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import orjson

from engine import states
from engine.errors import Conflict, InvalidState, NotFound, SignalboxError
from engine.records import Created, JobRecord, NewJob
from engine.states import Trigger
from engine.store.database import Database, to_text
from engine.store.rows import JOB_COLUMNS, STATUSES, at_rest, job_from_row, stored_list
from engine.store.throughput import keep_uncounted
from engine.store.unit import Unit, id_list, without_empty
from models.enums import JobStatus

LOG_CHUNK = 5000
"""So many log lines are deleted in one transaction; a job has up to twice as many."""
NEW_JOB_COLUMNS = (
    "task_name",
    "payload",
    "priority",
    "status",
    "tags",
    "attempt",
    "max_attempts",
    "timeout_seconds",
    "idempotency_key",
    "idempotency_digest",
    "concurrency_key",
    "webhook_url",
    "copy_of_id",
    "schedule_id",
    "scheduled_for",
    "traceparent",
    "created_at",
    "updated_at",
    "listed_status",
    "listed_at",
    "run_at",
)


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """Ask ``trigger`` of one job."""

    job_id: int
    trigger: Trigger


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """Ask ``trigger`` of many jobs that a filter found; those that have moved on meanwhile are passed over."""

    job_ids: tuple[int, ...]
    trigger: Trigger


class OperatorWrites:
    """The handlers of what clients ask for."""

    def __init__(self, database: Database) -> None:
        self._job_columns = database.packed(JOB_COLUMNS)
        self._by_id = f"jobs{database.by_index('PRIMARY')}"

    async def create(self, unit: Unit, requests: Sequence[list[NewJob]]) -> list[list[Created] | SignalboxError]:
        """Each request is a list of jobs: all of them are created, or none."""
        earlier = await self._earlier(unit, requests)
        answers: list[list[Created] | SignalboxError] = []
        new: list[NewJob] = []
        places: list[tuple[list[Created], int]] = []
        first_of_key: dict[str, tuple[str | None, list[Created], int]] = {}
        repeats: list[tuple[list[Created], int, list[Created], int]] = []
        for jobs in requests:
            conflict = _conflict(jobs, earlier, first_of_key)
            if conflict is not None:
                answers.append(conflict)
                continue
            answer: list[Created] = [cast(Created, None)] * len(jobs)  # each place is filled below
            answers.append(answer)
            for index, job in enumerate(jobs):
                key = job.idempotency_key
                if key is not None and key in earlier:
                    answer[index] = Created(earlier[key][1], created=False)
                elif key is not None and key in first_of_key:
                    repeats.append((answer, index, *first_of_key[key][1:]))
                else:
                    if key is not None:
                        first_of_key[key] = (job.digest, answer, index)
                    new.append(job)
                    places.append((answer, index))
        for (answer, index), record in zip(places, await self.insert(unit, new), strict=True):
            answer[index] = Created(record, created=True)
        for answer, index, source, source_index in repeats:
            answer[index] = Created(source[source_index].job, created=False)
        return answers

    async def _earlier(self, unit: Unit, requests: Sequence[list[NewJob]]) -> dict[str, tuple[str | None, JobRecord]]:
        keys = sorted({job.idempotency_key for jobs in requests for job in jobs if job.idempotency_key is not None})
        if not keys:
            return {}
        marks = ",".join(["%s"] * len(keys))
        found = await unit.transaction.fetch(
            f"SELECT idempotency_key, idempotency_digest, id FROM jobs WHERE idempotency_key IN ({marks})", keys
        )
        records = await self._records(unit, [row[2] for row in found])
        return {key: (digest, records[job_id]) for key, digest, job_id in found}

    async def _records(self, unit: Unit, ids: Sequence[int], suffix: str = "") -> dict[int, JobRecord]:
        if not ids:
            return {}
        rows = await unit.transaction.fetch(
            f"SELECT {self._job_columns} FROM jobs WHERE id IN ({id_list(ids)}) ORDER BY id{suffix}"
        )
        records = [job_from_row(unpack(row)) for row in rows]
        return {record.id: record for record in records}

    async def insert(self, unit: Unit, jobs: Sequence[NewJob]) -> list[JobRecord]:
        """Create ``jobs``, whose idempotency keys nobody else has; with their events."""
        if not jobs:
            return []
        rows = []
        records = []
        for job in jobs:
            status, run_at = _first_status(job, unit)
            run_at_text = None if run_at is None else to_text(run_at)
            tags = orjson.dumps(job.tags).decode() if job.tags else None
            rows.append(
                (
                    job.task_name,
                    job.payload_text,
                    int(job.priority),
                    status.value,
                    tags,
                    0,
                    job.max_attempts,
                    job.timeout_seconds,
                    job.idempotency_key,
                    job.digest,
                    job.concurrency_key,
                    job.webhook_url,
                    job.copy_of_id,
                    job.schedule_id,
                    None if job.scheduled_for is None else to_text(job.scheduled_for),
                    job.traceparent,
                    unit.now_text,
                    unit.now_text,
                    status.value,
                    unit.now_text,
                    run_at_text,
                )
            )
            records.append(_new_record(job, status, run_at, unit))
        ids = await unit.transaction.insert("jobs", *without_empty(NEW_JOB_COLUMNS, rows))
        tag_rows: list[tuple[object, ...]] = []
        for record, job_id, row in zip(records, ids, rows, strict=True):
            record.id = job_id
            unit.changed(job_id, None, record.status, 0, run_at=row[-1])
            tag_rows.extend((job_id, tag, int(record.priority), unit.now_text, row[-1]) for tag in record.tags)
        if tag_rows:
            await unit.transaction.insert("job_tag", ("job_id", "tag", "priority", "updated_at", "run_at"), tag_rows)
        return records

    async def change(self, unit: Unit, requests: Sequence[ChangeRequest]) -> list[JobRecord | SignalboxError]:
        """Run, cancel or retry jobs, in the order of the requests."""
        records = await self._records(unit, list({each.job_id for each in requests}), unit.transaction.for_update)
        answers: list[JobRecord | SignalboxError] = []
        steps: list[dict[int, Trigger]] = []
        times: Counter[int] = Counter()
        for request in requests:
            record = records.get(request.job_id)
            if record is None:
                answers.append(NotFound(f"There is no job {request.job_id}."))
                continue
            try:
                changed = _apply(record, request.trigger, unit)
            except InvalidState as refusal:
                answers.append(refusal)
                continue
            if request.trigger is Trigger.CANCEL and record.status is JobStatus.RUNNING:
                unit.to_cancel.append(record.id)
                answers.append(record)
                continue
            run_at = None if changed.run_at is None else to_text(changed.run_at)
            unit.changed(record.id, record.status, changed.status, changed.attempt, run_at=run_at)
            records[record.id] = changed
            if times[record.id] == len(steps):
                steps.append({})
            steps[times[record.id]][record.id] = request.trigger
            times[record.id] += 1
            answers.append(changed)
        await _ask_to_cancel(unit, unit.to_cancel)
        for step in steps:  # a job that is run and cancelled in one batch is changed twice
            await self._write(unit, step)
        await touch_tags(unit, [job_id for job_id in times if records[job_id].tags], run_at=True)
        return answers

    async def change_many(self, unit: Unit, requests: Sequence[BulkRequest]) -> list[int]:
        """Run, cancel or retry all of many jobs that answer to the trigger; how many did. The rest is passed over."""
        answers = []
        for request in requests:
            answering = {each: states.target(each, request.trigger, 0) for each in states.sources(request.trigger)}
            rows = await unit.transaction.fetch(
                f"SELECT id, status, attempt, tags IS NOT NULL, run_at FROM {self._by_id} "
                f"WHERE id IN ({id_list(request.job_ids)}) AND status IN ({stored_list(answering)}) "
                f"ORDER BY id{unit.transaction.for_update}"
            )
            running = [row[0] for row in rows if row[1] == JobStatus.RUNNING]  # theirs to end who run them
            await _ask_to_cancel(unit, running)
            unit.to_cancel.extend(running)
            count = len(rows)
            rows = [row for row in rows if row[1] != JobStatus.RUNNING]
            if rows:
                is_cancel = request.trigger is Trigger.CANCEL
                await unit.transaction.execute(
                    f"UPDATE jobs SET {_assignment(request.trigger, unit)} "
                    f"WHERE id IN ({id_list(row[0] for row in rows)})"
                )
                for job_id, status, attempt, _has_tags, run_at in rows:
                    source = STATUSES[status]
                    unit.changed(
                        job_id,
                        source,
                        answering[source],
                        0 if request.trigger is Trigger.RETRY else attempt,
                        run_at=run_at if is_cancel else unit.now_text,
                    )
                await touch_tags(unit, [row[0] for row in rows if row[3]], run_at=True)
            answers.append(count)
        return answers

    async def _write(self, unit: Unit, step: dict[int, Trigger]) -> None:
        for trigger in (Trigger.RUN, Trigger.CANCEL, Trigger.RETRY):
            ids = [job_id for job_id, applied in step.items() if applied is trigger]
            if ids:
                await unit.transaction.execute(
                    f"UPDATE jobs SET {_assignment(trigger, unit)} WHERE id IN ({id_list(ids)})"
                )

    async def delete(self, unit: Unit, requests: Sequence[int]) -> list[int | SignalboxError]:
        """Remove jobs with all that belongs to them; not while they run."""
        records = await self._records(unit, list(set(requests)), unit.transaction.for_update)
        answers: list[int | SignalboxError] = []
        gone: list[int] = []
        for job_id in requests:
            record = records.get(job_id)
            if record is None:
                answers.append(NotFound(f"There is no job {job_id}."))
            elif record.status is JobStatus.RUNNING:
                answers.append(
                    InvalidState(f"Job {job_id} is RUNNING: cancel it, then delete it.", status=JobStatus.RUNNING)
                )
            else:
                del records[job_id]
                gone.append(job_id)
                answers.append(job_id)
        await remove(unit, gone)
        return answers

    async def thin_logs(self, unit: Unit, requests: Sequence[tuple[int, ...]]) -> list[int]:
        """Delete log lines of jobs that do not run and are about to be removed, until few are left; how many."""
        answers = []
        for job_ids in requests:
            rows = await unit.transaction.fetch(
                f"SELECT id FROM {self._by_id} WHERE id IN ({id_list(job_ids)}) AND status<>'RUNNING'"
            )
            answers.append(await thin_logs(unit, [row[0] for row in rows]))
        return answers

    async def delete_many(self, unit: Unit, requests: Sequence[tuple[int, ...]]) -> list[int]:
        """Remove those of many jobs that do not run; how many."""
        answers = []
        for job_ids in requests:
            rows = await unit.transaction.fetch(
                f"SELECT id FROM {self._by_id} WHERE id IN ({id_list(job_ids)}) AND status<>'RUNNING' "
                f"ORDER BY id{unit.transaction.for_update}"
            )
            await remove(unit, [row[0] for row in rows])
            answers.append(len(rows))
        return answers


def _assignment(trigger: Trigger, unit: Unit) -> str:
    """What a trigger of clients sets."""
    now = f"'{unit.now_text}'"
    queued = f"{at_rest(JobStatus.QUEUED, unit.now_text)}, run_at={now}"
    return {
        Trigger.RUN: queued,
        Trigger.CANCEL: f"{at_rest(JobStatus.CANCELLED, unit.now_text)}, finished_at={now}",
        Trigger.RETRY: f"{queued}, attempt=0, started_at=NULL, finished_at=NULL, "
        "result=NULL, progress=NULL, cancel_requested_at=NULL",
    }[trigger]


async def _ask_to_cancel(unit: Unit, running: Sequence[int]) -> None:
    """Whoever runs these jobs finds the wish with the next heartbeat; the status changes when the task has stopped."""
    if running:
        await unit.transaction.execute(
            f"UPDATE jobs SET cancel_requested_at='{unit.now_text}' "
            f"WHERE id IN ({id_list(running)}) AND status='RUNNING' AND cancel_requested_at IS NULL"
        )


async def thin_logs(unit: Unit, job_ids: Sequence[int]) -> int:
    """Delete log lines of these jobs, at most ``LOG_CHUNK``, while there are more than that: how many."""
    if not job_ids:
        return 0
    rows = await unit.transaction.fetch(
        f"SELECT id FROM job_log WHERE job_id IN ({id_list(job_ids)}) LIMIT {LOG_CHUNK + 1}"
    )
    if len(rows) <= LOG_CHUNK:
        return 0
    await unit.transaction.execute(f"DELETE FROM job_log WHERE id IN ({id_list(row[0] for row in rows[:-1])})")
    return LOG_CHUNK


async def remove(unit: Unit, job_ids: Sequence[int]) -> None:
    """Delete jobs with all that belongs to them, by primary keys."""
    if not job_ids:
        return
    ids = id_list(job_ids)
    transaction = unit.transaction
    deliveries = await transaction.fetch(f"SELECT id FROM webhook_delivery WHERE job_id IN ({ids})")
    if deliveries:
        delivery_ids = id_list(row[0] for row in deliveries)
        await transaction.execute(f"DELETE FROM webhook_try WHERE delivery_id IN ({delivery_ids})")
        await transaction.execute(f"DELETE FROM webhook_delivery WHERE id IN ({delivery_ids})")
    await keep_uncounted(unit, ids)
    for table in ("job_tag", "job_log", "job_event"):
        await transaction.execute(f"DELETE FROM {table} WHERE job_id IN ({ids})")
    await transaction.execute(f"DELETE FROM jobs WHERE id IN ({ids})")


async def touch_tags(unit: Unit, job_ids: Sequence[int], *, run_at: bool = False) -> None:
    """Keep the tags' copies of ``updated_at`` and ``run_at`` like their jobs'."""
    if not job_ids:
        return
    more = ", run_at=(SELECT jobs.run_at FROM jobs WHERE jobs.id=job_tag.job_id)" if run_at else ""
    await unit.transaction.execute(
        f"UPDATE job_tag SET updated_at='{unit.now_text}'{more} WHERE job_id IN ({id_list(job_ids)})"
    )


def unpack(row: Sequence[Any]) -> Sequence[Any]:
    """A job's columns, which travel as one value on MySQL."""
    return row[0].split("\x1f") if len(row) == 1 else row


def _conflict(
    jobs: Sequence[NewJob],
    earlier: dict[str, tuple[str | None, JobRecord]],
    first_of_key: dict[str, tuple[str | None, list[Created], int]],
) -> Conflict | None:
    own: dict[str, str | None] = {}
    for job in jobs:
        key = job.idempotency_key
        if key is None:
            continue
        known = earlier.get(key) or first_of_key.get(key)
        digest = known[0] if known else own.setdefault(key, job.digest)
        if digest != job.digest:
            whose = f" (job {earlier[key][1].id})" if key in earlier else ""
            return Conflict(f"The idempotency key {key!r} was used with another input{whose}; use a new key.")
    return None


def _first_status(job: NewJob, unit: Unit) -> tuple[JobStatus, datetime | None]:
    if job.run_at is not None and job.run_at > unit.now:
        return JobStatus.SCHEDULED, job.run_at
    if job.run or job.run_at is not None:
        return JobStatus.QUEUED, job.run_at or unit.now
    return JobStatus.PENDING, None


def _new_record(job: NewJob, status: JobStatus, run_at: datetime | None, unit: Unit) -> JobRecord:
    return JobRecord(
        id=0,
        task_name=job.task_name,
        payload_text=job.payload_text,
        priority=job.priority,
        status=status,
        tags=job.tags,
        attempt=0,
        max_attempts=job.max_attempts,
        timeout_seconds=job.timeout_seconds,
        progress=None,
        result_text=None,
        error=None,
        idempotency_key=job.idempotency_key,
        concurrency_key=job.concurrency_key,
        webhook_url=job.webhook_url,
        schedule_id=job.schedule_id,
        copy_of_id=job.copy_of_id,
        created_at=unit.now,
        updated_at=unit.now,
        run_at=run_at,
        started_at=None,
        finished_at=None,
    )


def _apply(record: JobRecord, trigger: Trigger, unit: Unit) -> JobRecord:
    status = states.target(record.status, trigger, record.id)
    if trigger is Trigger.CANCEL:
        return replace(record, status=status, updated_at=unit.now, finished_at=unit.now)
    changed = replace(record, status=status, updated_at=unit.now, run_at=unit.now)
    if trigger is Trigger.RETRY:
        changed = replace(changed, attempt=0, started_at=None, finished_at=None, result_text=None, progress=None)
    return changed
