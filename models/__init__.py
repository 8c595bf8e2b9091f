"""The tables, as Tortoise models, and their migrations. The verbs live in engine/."""

from models.enums import (
    TERMINAL,
    DeliveryStatus,
    JobPriority,
    JobStatus,
    MisfirePolicy,
    OverlapPolicy,
    WebhookEvent,
)
from models.event import JobEvent
from models.job import Job, JobTag
from models.limit import TaskLimit
from models.log import JobLog
from models.schedule import Schedule, ScheduleFiring
from models.task import Task
from models.throughput import ThroughputCursor, ThroughputMinute, ThroughputRemoved
from models.webhook import WebhookCircuit, WebhookDelivery, WebhookEndpoint, WebhookTry
from models.worker import Worker

__all__ = [
    "TERMINAL",
    "DeliveryStatus",
    "Job",
    "JobEvent",
    "JobLog",
    "JobPriority",
    "JobStatus",
    "JobTag",
    "MisfirePolicy",
    "OverlapPolicy",
    "Schedule",
    "ScheduleFiring",
    "Task",
    "TaskLimit",
    "ThroughputCursor",
    "ThroughputMinute",
    "ThroughputRemoved",
    "WebhookCircuit",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
    "WebhookTry",
    "Worker",
]
