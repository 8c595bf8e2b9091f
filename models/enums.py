"""The words of a job's life, as they are stored and as clients see them."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class JobStatus(StrEnum):
    """Where a job is in its life; the legal changes are in engine/states.py."""

    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})


class JobPriority(IntEnum):
    """Stored as its rank, so that the order of claims, (priority, id), is one ascending index."""

    HIGH = 1
    MEDIUM = 2
    LOW = 3


class WebhookEvent(StrEnum):
    """What an endpoint can be told about; the value is what the ``webhook-event`` header says."""

    JOB_COMPLETED = "job.completed"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"


class DeliveryStatus(StrEnum):
    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class OverlapPolicy(StrEnum):
    """What happens to a cron firing whose previous job is not finished."""

    ALLOW = "ALLOW"
    SKIP = "SKIP"


class MisfirePolicy(StrEnum):
    """What happens to firings missed while no server ran."""

    RUN_ONCE = "RUN_ONCE"
    RUN_ALL = "RUN_ALL"
    SKIP = "SKIP"


class ThroughputPeriod(StrEnum):
    """How far back throughput is told of."""

    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"


class Role(IntEnum):
    """What a caller may do; each role may do all that those below it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """As users write it."""
        return self.name.lower()
