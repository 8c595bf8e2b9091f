"""The tasks that workers have said they can run, so that every server knows them."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model

from models.job import MAX_NAME_LENGTH


class Task(Model):
    """A task as its worker declared it, and whether operators have paused it."""

    name = fields.CharField(max_length=MAX_NAME_LENGTH, primary_key=True)
    description = fields.TextField(null=True)
    payload_schema = fields.TextField(null=True)
    max_attempts = fields.IntField()
    timeout_seconds = fields.FloatField()
    max_concurrency = fields.IntField(null=True)
    max_concurrency_per_key = fields.IntField(null=True)
    rate_limit = fields.CharField(max_length=32, null=True)
    paused = fields.BooleanField()
    seen_at = fields.DatetimeField()

    class Meta:
        app = "signalbox"
        table = "task"
