"""What task code logged."""

from __future__ import annotations

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model


class JobLog(Model):
    """One line of a job's log."""

    id = fields.BigIntField(primary_key=True)
    job_id = fields.BigIntField()
    attempt = fields.IntField()
    at = fields.DatetimeField()
    level = fields.CharField(max_length=16)
    message = fields.TextField()

    class Meta:
        app = "signalbox"
        table = "job_log"
        indexes = (Index(fields=["job_id", "id"], name="job_log_job"),)
