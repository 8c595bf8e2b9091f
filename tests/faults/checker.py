"""The judge of a run: reads the database and the traces that tasks left, and counts what should not be there.

It believes nothing that the engine says of itself: it imports none of it, and reads with plain SQL.

I1 every acknowledged job is there in one status, and terminal if it was run; an acknowledged cancel holds.
I2 an idempotency key has one job.                   I3 a claim has at most one finish, and it is that claim's own.
I4 no more executions than claims, and no claim without a reason.   I5 nothing is RUNNING long after its lease.
I6 nothing starts before its time.                   I7 no more attempts than allowed.
I8 COMPLETED, its one event and its one webhook come together.      I9 each job's events are one unbroken chain.
I10 nothing leaks.                                   I11 what was counted by minutes is what the log holds, once.
I12 at no moment, by the order of the log, have more jobs of a task or of a key been RUNNING than its limits allow.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from history import Connection, Counted, Job, Trace, fetch, moment_of, read_counted, read_jobs

INVARIANTS = tuple(f"I{number}" for number in range(1, 13))
TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
STATUSES = TERMINAL | {"PENDING", "SCHEDULED", "QUEUED", "RUNNING"}
OVERDUE_SECONDS = 5.0
LIMITS = {"work in a thread": (6, 2)}
"""Of the tasks that have them (``fault_tasks.py``): how many at once, and how many of a key."""


@dataclass(slots=True)
class Acknowledged:
    """A job whose creation was confirmed, and what was asked of it.

    Args:
        was_run: it was to run at once or at ``run_at``, or ``runJob`` was confirmed.
        was_cancelled: ``cancelJob`` answered with CANCELLED, and nothing was asked after that.
        retries: how many times ``retryJob`` was asked; answered or not.
        endpoints: the URLs that are told of its completion.
    """

    job_id: int
    was_run: bool = True
    key: str | None = None
    run_at: datetime | None = None
    was_cancelled: bool = False
    retries: int = 0
    endpoints: tuple[str, ...] = ()


@dataclass(slots=True)
class Report:
    """What was found: for each invariant the violations, each with the id of its job.

    Attributes:
        duplicates: executions that came to their end beyond one for each time the job was run or retried.
        rescued: claims that were taken back.
    """

    jobs: int = 0
    executions: int = 0
    duplicates: int = 0
    rescued: int = 0
    violations: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in INVARIANTS})

    def blame(self, invariant: str, violation: str) -> None:
        self.violations[invariant].append(violation)

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(found) for name, found in self.violations.items()}

    @property
    def text(self) -> str:
        """The violations, at most ten of each invariant."""
        return "\n".join(f"{name} {each}" for name, found in self.violations.items() for each in found[:10])


def check(
    connection: Connection,
    traces: Sequence[Trace],
    acknowledged: Iterable[Acknowledged],
    *,
    are_clocks_one: bool = True,
    are_rows_locked: bool = True,
) -> Report:
    """Judge a run that is over.

    Args:
        are_clocks_one: whether the tasks' clock is the database's, so that traces can be compared with ``run_at``.
        are_rows_locked: whether the database keeps what limits stand on.
    """
    report = Report()
    counted = read_counted(connection)  # before the log, which may go on
    jobs = read_jobs(connection, traces)
    known = {each.job_id: each for each in acknowledged}
    report.jobs = len(known)
    _check_acknowledged(report, jobs, known)
    _check_keys(report, jobs, known)
    _check_executions_are_distinct(report, traces)
    _check_counts(report, jobs, counted)
    if are_rows_locked:
        _check_limits(report, jobs)
    for job in jobs.values():
        asked = known.get(job.id)
        _check_claims(report, job, asked)
        _check_times(report, job, asked, are_clocks_one=are_clocks_one)
        _check_attempts(report, job)
        _check_completions(report, job, asked)
        _check_chain(report, job)
        report.executions += len(job.starts)
        ended = len({each.execution for each in job.traces if each.phase == "end"})
        report.duplicates += max(0, ended - 1 - sum(job.moves(each, "QUEUED") for each in TERMINAL))
        report.rescued += sum(each.error is not None and "WORKER_LOST" in each.error for each in job.events)
    return report


def _check_acknowledged(report: Report, jobs: dict[int, Job], known: dict[int, Acknowledged]) -> None:
    for asked in known.values():
        job = jobs.get(asked.job_id)
        if job is None or job.status not in STATUSES:
            report.blame("I1", f"job {asked.job_id} was acknowledged and is {job.status if job else 'not there'}")
        elif asked.was_run and job.status not in TERMINAL:
            report.blame("I1", f"job {job.id} was run and is {job.status}")
        elif asked.was_cancelled and job.status != "CANCELLED":
            report.blame("I1", f"job {job.id} was cancelled and is {job.status}")


def _check_keys(report: Report, jobs: dict[int, Job], known: dict[int, Acknowledged]) -> None:
    ids: dict[str, set[int]] = defaultdict(set)
    for job in jobs.values():
        if job.key is not None:
            ids[job.key].add(job.id)
    for asked in known.values():
        if asked.key is not None:
            ids[asked.key].add(asked.job_id)
    for key, found in ids.items():
        if len(found) > 1:
            report.blame("I2", f"key {key} has jobs {sorted(found)}")


def _check_executions_are_distinct(report: Report, traces: Sequence[Trace]) -> None:
    starts = Counter(each.execution for each in traces if each.phase == "start")
    for trace in traces:
        if trace.phase == "start" and starts[trace.execution] > 1:
            report.blame("I4", f"job {trace.job_id}: execution {trace.execution} started {starts[trace.execution]} x")
        elif trace.phase == "end" and trace.execution not in starts:
            report.blame("I4", f"job {trace.job_id}: execution {trace.execution} ended and never started")


def _check_claims(report: Report, job: Job, asked: Acknowledged | None) -> None:
    claims = sum(each.target == "RUNNING" for each in job.events)
    finishes = sum(each.source == "RUNNING" for each in job.events)
    if finishes > claims:
        report.blame("I3", f"job {job.id}: {finishes} finishes of {claims} claims")
    for before, after in zip(job.events, job.events[1:], strict=False):
        if before.target == after.source == "RUNNING" and before.attempt != after.attempt:
            report.blame("I3", f"job {job.id}: attempt {after.attempt} finished while {before.attempt} held the claim")
    if job.status == "COMPLETED":
        ended = {each.execution for each in job.traces if each.phase == "end" and each.attempt == job.attempt}
        if not any(execution in (job.result or "") for execution in ended):
            report.blame("I3", f"job {job.id}: result {job.result} is of no execution of attempt {job.attempt}")
    if len(job.starts) > claims:
        report.blame("I4", f"job {job.id}: {len(job.starts)} executions of {claims} claims")
    returned = job.moves("RUNNING", "QUEUED", "SCHEDULED")
    retries = sum(job.moves(each, "QUEUED") for each in TERMINAL)
    if claims > 1 + returned + retries:
        report.blame("I4", f"job {job.id}: {claims} claims, {returned} returned, {retries} retries")
    if asked is not None and retries > asked.retries:
        report.blame("I4", f"job {job.id}: retried {retries} x, asked for {asked.retries} x")


def _check_times(report: Report, job: Job, asked: Acknowledged | None, *, are_clocks_one: bool) -> None:
    if asked is None or asked.run_at is None:
        return
    run_at = asked.run_at
    # RUNNING's own time is its transaction's begin: before the job was QUEUED, when that was seen to just meanwhile
    times = [each.at for each in job.events if each.target == "QUEUED"][:1]
    if are_clocks_one:
        times += [each.at for each in job.starts]
    for at in times:
        if at < run_at:
            report.blame("I6", f"job {job.id}: queued or started {at.isoformat()}, due {run_at.isoformat()}")


def _check_attempts(report: Report, job: Job) -> None:
    highest = max([job.attempt, *(each.attempt for each in job.events), *(each.attempt for each in job.traces)])
    if job.status != "MISSING" and highest > job.max_attempts:
        report.blame("I7", f"job {job.id}: attempt {highest} of {job.max_attempts}")


def _check_completions(report: Report, job: Job, asked: Acknowledged | None) -> None:
    retried_at = max((each.seq for each in job.events if each.source in TERMINAL), default=0)
    completions = sum(each.target == "COMPLETED" for each in job.events)
    latest = sum(each.target == "COMPLETED" and each.seq > retried_at for each in job.events)
    if latest != (job.status == "COMPLETED"):
        report.blame("I8", f"job {job.id} is {job.status} with {latest} COMPLETED events since its last retry")
    for url in {*(asked.endpoints if asked else ()), *job.deliveries}:
        if job.deliveries[url] != completions:
            report.blame("I8", f"job {job.id}: {job.deliveries[url]} deliveries to {url} of {completions} completions")


def _check_chain(report: Report, job: Job) -> None:
    targets = [None, *(each.target for each in job.events)]
    for event, before in zip(job.events, targets, strict=False):
        if event.source != before:
            report.blame("I9", f"job {job.id}: event {event.seq} comes from {event.source}, and it was {before}")
    if targets[-1] != job.status:
        report.blame("I9", f"job {job.id} is {job.status}, its events end in {targets[-1]}")


def _check_counts(report: Report, jobs: dict[int, Job], counted: Counted) -> None:
    expected: Counter[tuple[int, str]] = Counter()
    for event in (each for job in jobs.values() for each in job.events if each.seq <= counted.until):
        minute = int(event.at.timestamp()) // 60
        if event.source is None:
            expected[minute, "CREATED"] += 1
        if event.target in TERMINAL:
            expected[minute, event.target] += 1
    for minute, kind in sorted(expected.keys() | counted.minutes.keys()):
        found, wanted = counted.minutes[minute, kind], expected[minute, kind]
        if found != wanted:
            report.blame("I11", f"minute {minute}: {found} are counted as {kind}, and the log has {wanted}")


def _check_limits(report: Report, jobs: dict[int, Job]) -> None:
    events = sorted(
        ((event, job) for job in jobs.values() if job.task_name in LIMITS for event in job.events),
        key=lambda each: each[0].seq,
    )
    running: Counter[tuple[str, str | None]] = Counter()
    for event, job in events:
        at_once, of_key = LIMITS[job.task_name]
        step = (event.target == "RUNNING") - (event.source == "RUNNING")
        running[job.task_name, None] += step
        if job.concurrency_key is not None:
            running[job.task_name, job.concurrency_key] += step
        if step > 0 and running[job.task_name, None] > at_once:
            report.blame("I12", f"job {job.id}: one more than {at_once} of {job.task_name!r}, event {event.seq}")
        elif step > 0 and running[job.task_name, job.concurrency_key] > of_key and job.concurrency_key is not None:
            report.blame("I12", f"job {job.id}: one more than {of_key} of {job.concurrency_key!r}, event {event.seq}")


def overdue(
    connection: Connection, now: datetime, excused_until: datetime | None = None, seconds: float = OVERDUE_SECONDS
) -> dict[int, str]:
    """I5: the jobs that are RUNNING though their lease ended more than 5 s ago, in words.

    Args:
        now: by the database's clock.
        excused_until: until then nobody could reach the database, or the rows were locked.
    """
    found = {}
    for job_id, value in fetch(connection, "SELECT id, lease_until FROM jobs WHERE status='RUNNING'"):
        lease_until = moment_of(value)
        since = max(each for each in (lease_until, excused_until) if each is not None) if lease_until else now
        if lease_until is None or since + timedelta(seconds=seconds) < now:
            found[job_id] = f"job {job_id} is RUNNING at {now.isoformat()}, its lease ended {lease_until}"
    return found
