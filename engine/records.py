"""What passes between the store and the rest of the engine: plain, slotted, without behaviour.

Attribute names are those that clients read, so that a field of the API is an attribute look-up. JSON stays the text
it is stored as; ``payload`` and ``result`` hand it on unparsed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import orjson

from models.enums import DeliveryStatus, JobPriority, JobStatus, MisfirePolicy, OverlapPolicy, WebhookEvent


@dataclass(slots=True)
class ErrorRecord:
    """Why an attempt failed."""

    code: str
    message: str
    traceback: str | None = None


@dataclass(slots=True)
class JobRecord:
    """A job, as it was at one moment."""

    id: int
    task_name: str
    payload_text: str | None
    priority: JobPriority
    status: JobStatus
    tags: list[str]
    attempt: int
    max_attempts: int
    timeout_seconds: float
    progress: float | None
    result_text: str | None
    error: ErrorRecord | None
    idempotency_key: str | None
    concurrency_key: str | None
    webhook_url: str | None
    schedule_id: int | None
    copy_of_id: int | None
    created_at: datetime
    updated_at: datetime
    run_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def payload(self) -> orjson.Fragment | None:
        return None if self.payload_text is None else orjson.Fragment(self.payload_text)

    @property
    def result(self) -> orjson.Fragment | None:
        return None if self.result_text is None else orjson.Fragment(self.result_text)


@dataclass(slots=True, kw_only=True)
class NewJob:
    """A job to be created; checked already.

    Args:
        payload_text: JSON, or None.
        run_at: due then; None with ``run`` means now, None without means held.
        digest: what must be equal for an idempotency key to mean the same request.
        scheduled_for: the firing time, where a schedule makes the job.
        traceparent: the span that asked for it (W3C Trace Context), for the spans of its attempts.
    """

    task_name: str
    payload_text: str | None = None
    priority: JobPriority = JobPriority.MEDIUM
    tags: list[str] = field(default_factory=list)
    run: bool = False
    run_at: datetime | None = None
    max_attempts: int
    timeout_seconds: float
    idempotency_key: str | None = None
    digest: str | None = None
    webhook_url: str | None = None
    concurrency_key: str | None = None
    copy_of_id: int | None = None
    schedule_id: int | None = None
    scheduled_for: datetime | None = None
    traceparent: str | None = None


@dataclass(slots=True)
class Created:
    """A created job, or the earlier one that its idempotency key found."""

    job: JobRecord
    created: bool


@dataclass(slots=True)
class EventRecord:
    """One status change of one job. ``seq`` is the cursor."""

    seq: int
    job_id: int
    from_: JobStatus | None
    to: JobStatus
    attempt: int
    at: datetime
    run_at: datetime | None = None
    worker: str | None = None
    error: ErrorRecord | None = None

    @property
    def cursor(self) -> str:
        return str(self.seq)


@dataclass(slots=True)
class StatusChange:
    """An event with its job as it was right after it."""

    cursor: str
    seq: int
    job: JobRecord
    from_: JobStatus | None
    to: JobStatus
    at: datetime


@dataclass(slots=True)
class AttemptRecord:
    """One try at running a job, as the log tells it."""

    number: int
    outcome: JobStatus | None
    error: ErrorRecord | None
    worker: str | None
    started_at: datetime
    finished_at: datetime | None


@dataclass(slots=True)
class LogRecord:
    """One line of a job's log."""

    id: int
    at: datetime
    attempt: int
    level: str
    message: str


@dataclass(slots=True)
class ClaimedJob:
    """A job that this worker owns until it finishes it or its lease ends; ``claim_token`` proves it. ``mark`` is what
    it bears where its task has limits (engine/store/limits.py)."""

    id: int
    task_name: str
    payload_text: str | None
    priority: JobPriority
    attempt: int
    max_attempts: int
    timeout_seconds: float
    webhook_url: str | None
    has_tags: bool
    claim_token: int
    scheduled_for: datetime | None = None
    traceparent: str | None = None
    mark: str | None = None


@dataclass(slots=True, eq=False)
class Finish:
    """How an attempt ended; made by the named constructors alone."""

    job: ClaimedJob
    to: JobStatus
    result_text: str | None = None
    error: ErrorRecord | None = None
    delay_seconds: float = 0.0

    @classmethod
    def completed(cls, job: ClaimedJob, result_text: str | None) -> Finish:
        """The task returned; ``result_text`` is JSON."""
        return cls(job, JobStatus.COMPLETED, result_text=result_text)

    @classmethod
    def failed(cls, job: ClaimedJob, error: ErrorRecord) -> Finish:
        """No further attempt."""
        return cls(job, JobStatus.FAILED, error=error)

    @classmethod
    def retried(cls, job: ClaimedJob, error: ErrorRecord, delay_seconds: float) -> Finish:
        """Another attempt after ``delay_seconds``."""
        return cls(job, JobStatus.SCHEDULED, error=error, delay_seconds=delay_seconds)

    @classmethod
    def cancelled(cls, job: ClaimedJob) -> Finish:
        """It was cancelled, and its task has stopped."""
        return cls(job, JobStatus.CANCELLED)

    @classmethod
    def released(cls, job: ClaimedJob) -> Finish:
        """Back to QUEUED: its worker stops."""
        return cls(job, JobStatus.QUEUED)


@dataclass(slots=True)
class WorkerRecord:
    id: int
    host: str
    pid: int
    slots: int
    running: int
    started_at: datetime
    heartbeat_at: datetime


@dataclass(slots=True)
class TaskRecord:
    """A task as workers declared it."""

    name: str
    description: str | None
    payload_schema_text: str | None
    max_attempts: int
    timeout_seconds: float
    max_concurrency: int | None = None
    max_concurrency_per_key: int | None = None
    rate_limit: str | None = None
    paused: bool = False

    @property
    def payload_schema(self) -> orjson.Fragment | None:
        return None if self.payload_schema_text is None else orjson.Fragment(self.payload_schema_text)


@dataclass(slots=True)
class ScheduleRecord:
    """A cron rule that creates jobs. ``next_run_at`` is None while it is paused."""

    id: int
    name: str
    task_name: str
    payload_text: str | None
    priority: JobPriority
    cron: str
    timezone: str
    overlap: OverlapPolicy
    misfire: MisfirePolicy
    paused: bool
    next_run_at: datetime | None
    last_run_at: datetime | None
    last_job_id: int | None
    created_at: datetime

    @property
    def payload(self) -> orjson.Fragment | None:
        return None if self.payload_text is None else orjson.Fragment(self.payload_text)


@dataclass(frozen=True, slots=True)
class FiringRecord:
    """One time at which a schedule fired; without a job where its overlap policy left it out."""

    at: datetime
    job_id: int | None


@dataclass(slots=True, kw_only=True)
class NewSchedule:
    """A schedule to be created; checked already."""

    name: str
    task_name: str
    payload_text: str | None
    priority: JobPriority
    cron: str
    timezone: str
    overlap: OverlapPolicy
    misfire: MisfirePolicy


@dataclass(slots=True)
class EndpointRecord:
    """A URL that receives webhooks. ``task_names`` None means every task; secrets are encrypted."""

    id: int
    url: str
    events: list[WebhookEvent]
    task_names: list[str] | None
    enabled: bool
    disabled_reason: str | None
    created_at: datetime
    secret: str = field(default="", repr=False)
    previous_secret: str | None = field(default=None, repr=False)
    previous_secret_until: datetime | None = None


@dataclass(slots=True, kw_only=True)
class NewEndpoint:
    """An endpoint to be created; checked already, its secret encrypted."""

    url: str
    events: list[WebhookEvent]
    task_names: list[str] | None
    secret: str = field(repr=False)


@dataclass(slots=True)
class EndedJob:
    """What a webhook tells of a job that nobody ran to its end."""

    id: int
    task_name: str
    payload_text: str | None
    priority: JobPriority


@dataclass(slots=True)
class NewDelivery:
    """A webhook to be sent, written in the transaction of the event that it tells of."""

    message_id: str
    job_id: int
    event: WebhookEvent
    endpoint_id: int | None
    url: str
    body: bytes


@dataclass(slots=True)
class DueDelivery:
    """A delivery that this process has claimed for one try.

    Attributes:
        lane: what it is counted under; see ``engine.store.circuits.lane_of``.
        is_held: its receiver's circuit is open, so this try is not sent.
        failing_seconds: for how long its receiver has done nothing but fail.
    """

    id: int
    message_id: str
    event: WebhookEvent
    endpoint_id: int | None
    url: str
    body: bytes
    try_count: int
    created_at: datetime
    claim_token: int
    lane: int = 0
    is_held: bool = False
    failing_seconds: float = 0.0


@dataclass(slots=True)
class TryRecord:
    at: datetime
    duration_ms: int
    response_status: int | None
    error: str | None
    response_body: str | None = None


@dataclass(slots=True)
class TryResult:
    """What came of a try, and what follows: ``retry_after_seconds`` None means no further try.

    Attributes:
        asked_seconds: the receiver asked not to be tried again for so long.
    """

    delivery: DueDelivery
    status: DeliveryStatus
    duration_ms: int
    response_status: int | None
    error: str | None
    retry_after_seconds: float | None
    response_body: str | None = None
    counts_against_receiver: bool = True
    asked_seconds: float = 0.0


@dataclass(slots=True)
class DeliveryRecord:
    id: str
    event: WebhookEvent
    job_id: int
    endpoint_id: int | None
    url: str
    status: DeliveryStatus
    next_try_at: datetime | None
    created_at: datetime
    tries: list[TryRecord] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CircuitRecord:
    """How a receiver has been failing; ``open_until`` None: too few failures to open its circuit."""

    failures_in_a_row: int
    failing_since: datetime
    open_until: datetime | None


@dataclass(slots=True)
class StatsRecord:
    counts: dict[JobStatus, int]
    completed_last_minute: int
    failed_last_minute: int
    oldest_queued_seconds: float | None


@dataclass(frozen=True, slots=True)
class ThroughputPoint:
    """How many jobs were created and ended in the step that began then."""

    at: datetime
    created: int
    completed: int
    failed: int
    cancelled: int


@dataclass(frozen=True, slots=True)
class ThroughputRecord:
    """A period, step by step, oldest first."""

    step_seconds: int
    points: list[ThroughputPoint]
