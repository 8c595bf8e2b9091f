"""Cron rules that create jobs, and the firings that each has had."""

from __future__ import annotations

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.enums import JobPriority, MisfirePolicy, OverlapPolicy
from models.job import MAX_NAME_LENGTH


class Schedule(Model):
    """A rule, and when it fires next."""

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=MAX_NAME_LENGTH, unique=True)
    task_name = fields.CharField(max_length=MAX_NAME_LENGTH)
    payload = fields.TextField(null=True)
    priority = fields.IntEnumField(JobPriority)
    cron = fields.CharField(max_length=MAX_NAME_LENGTH)
    timezone = fields.CharField(max_length=64)
    overlap = fields.CharEnumField(OverlapPolicy, max_length=8)
    misfire = fields.CharEnumField(MisfirePolicy, max_length=8)
    paused = fields.BooleanField()
    next_run_at = fields.DatetimeField(null=True)
    last_run_at = fields.DatetimeField(null=True)
    last_job_id = fields.BigIntField(null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta:
        app = "signalbox"
        table = "schedule"
        indexes = (Index(fields=["paused", "next_run_at", "id"], name="schedule_due"),)


class ScheduleFiring(Model):
    """One firing. Its unique key is what makes it one: it is written with its job, in one transaction."""

    id = fields.BigIntField(primary_key=True)
    schedule_id = fields.BigIntField()
    fire_at = fields.DatetimeField()
    job_id = fields.BigIntField(null=True)

    class Meta:
        app = "signalbox"
        table = "schedule_firing"
        unique_together = (("schedule_id", "fire_at"),)
