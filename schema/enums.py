"""The enums of the public surface; the words are those of models/enums.py."""

from __future__ import annotations

from enum import Enum

import strawberry

from models.enums import (
    DeliveryStatus,
    JobPriority,
    JobStatus,
    MisfirePolicy,
    OverlapPolicy,
    ThroughputPeriod,
    WebhookEvent,
)

__all__ = [
    "DeliveryStatus",
    "JobOrderField",
    "JobPriority",
    "JobStatus",
    "MisfirePolicy",
    "OrderDirection",
    "OverlapPolicy",
    "ThroughputPeriod",
    "WebhookEvent",
]

# Registered where they are defined, so that they stay types for those who annotate with them.
strawberry.enum(JobStatus, description="Where a job is in its life. COMPLETED, FAILED and CANCELLED are terminal.")
strawberry.enum(JobPriority, description="Higher priority is claimed first; within one priority, older first.")
strawberry.enum(WebhookEvent, description="What a webhook can tell of.")
strawberry.enum(DeliveryStatus, description="Where a delivery stands.")
strawberry.enum(OverlapPolicy, description="What happens to a cron firing whose previous job is not finished.")
strawberry.enum(
    MisfirePolicy,
    description="What happens to firings missed while no server ran: RUN_ONCE runs once for all that were missed, "
    "RUN_ALL runs each one, at most the latest 1000, SKIP none.",
)
strawberry.enum(
    ThroughputPeriod,
    description="HOUR is 60 steps of a minute, DAY 96 of 15 minutes, WEEK 168 of an hour. The step under way is the "
    "last.",
)


@strawberry.enum(description="What a list of jobs can be sorted by.")
class JobOrderField(Enum):
    CREATED_AT = "CREATED_AT"
    UPDATED_AT = "UPDATED_AT"
    RUN_AT = "RUN_AT"
    PRIORITY = "PRIORITY"


@strawberry.enum(description="PRIORITY DESC is HIGH first.")
class OrderDirection(Enum):
    ASC = "ASC"
    DESC = "DESC"
