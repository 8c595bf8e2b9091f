"""The append-only log of status changes: what subscriptions, histories and webhooks are read from."""

from __future__ import annotations

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.enums import JobStatus


class JobEvent(Model):
    """One status change of one job, numbered: the number is the cursor that clients resume from."""

    seq = fields.BigIntField(primary_key=True)
    job_id = fields.BigIntField()
    from_status = fields.CharEnumField(JobStatus, max_length=9, null=True)
    to_status = fields.CharEnumField(JobStatus, max_length=9)
    attempt = fields.IntField()
    at = fields.DatetimeField()
    run_at = fields.DatetimeField(null=True)
    worker = fields.CharField(max_length=128, null=True)
    error = fields.TextField(null=True)

    class Meta:
        app = "signalbox"
        table = "job_event"
        indexes = (Index(fields=["job_id", "seq"], name="job_event_job"),)
