"""What concurrency and rate limits are counted by (engine/store/limits.py)."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model

from models.job import MAX_NAME_LENGTH


class TaskLimit(Model):
    """A task's limit over all its jobs (``limit_key`` is empty), or over those of one concurrency key. Whoever claims
    such jobs holds the lock of its row."""

    id = fields.BigIntField(primary_key=True)
    task_name = fields.CharField(max_length=MAX_NAME_LENGTH)
    limit_key = fields.CharField(max_length=MAX_NAME_LENGTH)
    next_start_at = fields.DatetimeField(null=True)

    class Meta:
        app = "signalbox"
        table = "task_limit"
        unique_together = (("task_name", "limit_key"),)
