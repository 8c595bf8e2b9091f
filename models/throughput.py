"""How many jobs were created and ended, minute by minute: counted from the log of events."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model

from models.enums import JobStatus


class ThroughputMinute(Model):
    """What was counted of one minute. The key is its number since 1970 in UTC."""

    minute = fields.BigIntField(primary_key=True, generated=False)
    created = fields.IntField()
    completed = fields.IntField()
    failed = fields.IntField()
    cancelled = fields.IntField()

    class Meta:
        app = "signalbox"
        table = "throughput_minute"


class ThroughputCursor(Model):
    """The one row that says up to which event all are counted."""

    id = fields.BigIntField(primary_key=True, generated=False)
    seq = fields.BigIntField()

    class Meta:
        app = "signalbox"
        table = "throughput_cursor"


class ThroughputRemoved(Model):
    """Events that were removed with their jobs before they were counted."""

    seq = fields.BigIntField(primary_key=True, generated=False)
    from_status = fields.CharEnumField(JobStatus, max_length=9, null=True)
    to_status = fields.CharEnumField(JobStatus, max_length=9)
    at = fields.DatetimeField()

    class Meta:
        app = "signalbox"
        table = "throughput_removed"
