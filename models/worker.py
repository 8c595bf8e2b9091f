"""The worker processes that are alive, by their heartbeats."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class Worker(Model):
    """The execution engine of a process."""

    id = fields.BigIntField(primary_key=True)
    host = fields.CharField(max_length=255)
    pid = fields.IntField()
    slots = fields.IntField()
    running = fields.IntField()
    started_at = fields.DatetimeField()
    heartbeat_at = fields.DatetimeField()

    class Meta:
        app = "signalbox"
        table = "worker"
