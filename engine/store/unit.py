"""One transaction's work: the statements it runs, and the events and deliveries that follow from them.

Every change of a status goes through ``changed``, so no job row changes without its event, and both are written in
one transaction.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from engine.records import ClaimedJob, ErrorRecord, EventRecord, NewDelivery
from engine.store.database import Row, Transaction, from_text, to_text
from engine.store.rows import encode_error
from models.enums import TERMINAL, DeliveryStatus, JobStatus

EVENT_COLUMNS = ("job_id", "from_status", "to_status", "attempt", "at", "run_at", "worker", "error")
DELIVERY_COLUMNS = (
    "message_id",
    "job_id",
    "event",
    "endpoint_id",
    "url",
    "body",
    "status",
    "try_count",
    "next_try_at",
    "created_at",
    "updated_at",
)


@dataclass(slots=True)
class Ending:
    """A job that reached a terminal status; ``job`` where a worker ran it to its end."""

    job_id: int
    to: JobStatus
    error: ErrorRecord | None
    job: ClaimedJob | None


class Unit:
    """A transaction, and what it will have changed once it commits.

    Attributes:
        became_queued: how many jobs workers can claim that they could not before.
        parked: how many jobs were taken out of their way.
        routed: how many of those others may claim.
        passed: how many jobs a claim left where they are, because their limit was just being counted.
        left: how many it left there for which there was no room.
        unread: whether it read the queue less far than its worker had wished.
        resumed: how many tasks were.
        tasks_changed: whether a task was declared, paused or resumed.
        schedules_changed: whether a schedule was created, or will fire at another time.
        ended_under_limits: the jobs with limits whose attempts ended.
        listening: the rows of the endpoints that are told of jobs' ends, where they were asked for before.
    """

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.now = transaction.now
        self.now_text = transaction.now_text
        self.became_queued = 0
        self.became_scheduled = 0
        self.parked = 0
        self.routed = 0
        self.passed = 0
        self.left = 0
        self.unread = False
        self.resumed = 0
        self.tasks_changed = False
        self.schedules_changed = False
        self.to_cancel: list[int] = []
        self.endings: list[Ending] = []
        self.ended_under_limits: list[int] = []
        self.listening: list[Row] | None = None
        self.deliveries: list[NewDelivery] = []
        self.made_due = 0
        self._seqs: list[int] = []
        self._events: list[tuple[Any, ...]] = []
        self._errors: list[ErrorRecord | None] = []

    def later(self, seconds: float) -> str:
        """The database's time ``seconds`` from now, as text."""
        return to_text(self.now + timedelta(seconds=seconds))

    def changed(
        self,
        job_id: int,
        source: JobStatus | None,
        target: JobStatus,
        attempt: int,
        *,
        run_at: str | None = None,
        worker: str | None = None,
        error: ErrorRecord | None = None,
        job: ClaimedJob | None = None,
    ) -> None:
        """Note that a job's status has changed; ``job`` is the claim that ended, where one did."""
        if target is JobStatus.QUEUED:
            self.became_queued += 1
        elif target is JobStatus.SCHEDULED:
            self.became_scheduled += 1
        elif target in TERMINAL:
            self.endings.append(Ending(job_id, target, error, job))
        self._errors.append(error)
        self._events.append(
            (job_id, source, target, attempt, self.now_text, run_at, worker, encode_error(error) if error else None)
        )

    async def settle(self) -> None:
        """Write the events and deliveries; the last statements before COMMIT, and sent along with it."""
        if self.deliveries:
            await self.transaction.insert_ahead(
                "webhook_delivery",
                DELIVERY_COLUMNS,
                [
                    (
                        each.message_id,
                        each.job_id,
                        each.event.value,
                        each.endpoint_id,
                        each.url,
                        each.body,
                        DeliveryStatus.PENDING.value,
                        0,
                        self.now_text,
                        self.now_text,
                        self.now_text,
                    )
                    for each in self.deliveries
                ],
            )
        if self._events:
            self._seqs = await self.transaction.insert_ahead("job_event", *without_empty(EVENT_COLUMNS, self._events))

    @property
    def first_seq(self) -> int | None:
        """The number of the first event, once this is committed."""
        return self._seqs[0] if self._seqs else None

    @property
    def last_seq(self) -> int | None:
        """The number of the last event, once this is committed."""
        return self._seqs[-1] if self._seqs else None

    def count_changes(self) -> list[tuple[JobStatus | None, JobStatus, int]]:
        """How many jobs went from which status to which. The same changes stand together, so runs are counted: to
        look each up by two enums would take four times as long."""
        found: list[tuple[JobStatus | None, JobStatus, int]] = []
        source = target = None
        count = 0
        for event in self._events:
            if event[1] is source and event[2] is target:
                count += 1
                continue
            if target is not None:
                found.append((source, target, count))
            source, target, count = event[1], event[2], 1
        if target is not None:
            found.append((source, target, count))
        return found

    def events(self) -> list[EventRecord]:
        """The events, as they are in the log once this is committed."""
        return [
            EventRecord(seq, job_id, source, target, attempt, self.now, run_at and from_text(run_at), worker, error)
            for seq, (job_id, source, target, attempt, _at, run_at, worker, _), error in zip(
                self._seqs, self._events, self._errors, strict=True
            )
        ]

    @property
    def last_event(self) -> tuple[int, str, JobStatus] | None:
        """What tells this unit's last event from those of others: job, time and new status."""
        if not self._events:
            return None
        job_id, _source, target, _attempt, at, *_rest = self._events[-1]
        return job_id, at, target

    def was_committed(self, last_seq: int) -> None:
        """Note what number the last event has, where the answer to COMMIT was lost. Those that were inserted together
        with it have the numbers before."""
        step, missing = self.transaction.increment, len(self._events) - len(self._seqs)
        self._seqs.extend(range(last_seq - (missing - 1) * step, last_seq + 1, step))


def without_empty(
    columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> tuple[Sequence[str], Sequence[tuple[Any, ...]]]:
    """Columns and rows to insert, of which more than one are never NULL. Of thousands, a server spends as long on NULLs
    as on values, so columns that are NULL in all rows are left out: most claims and completions have neither an error
    nor a time to run at, most jobs neither keys nor tags."""
    needed = [index for index, values in enumerate(zip(*rows, strict=True)) if values.count(None) < len(rows)]
    if len(needed) == len(columns):
        return columns, rows
    pick = operator.itemgetter(*needed)
    return pick(columns), [pick(row) for row in rows]


def id_list(ids: Iterable[int]) -> str:
    """Numbers for an IN (...): sorted, so that every transaction locks rows in one order."""
    return ",".join(map(str, sorted(ids)))
