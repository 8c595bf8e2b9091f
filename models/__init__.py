"""The tables, as Tortoise models, and their migrations. The verbs live in engine/."""

from models.enums import TERMINAL, DeliveryStatus, JobPriority, JobStatus, WebhookEvent
from models.event import JobEvent
from models.job import Job, JobTag
from models.task import Task
from models.webhook import WebhookDelivery, WebhookTry
from models.worker import Worker

__all__ = [
    "TERMINAL",
    "DeliveryStatus",
    "Job",
    "JobEvent",
    "JobPriority",
    "JobStatus",
    "JobTag",
    "Task",
    "WebhookDelivery",
    "WebhookEvent",
    "WebhookTry",
    "Worker",
]
