"""The jobs table and its tags.

JSON is kept as text, byte for byte as it was accepted (docs/adr/0001). Every index that a list reads has one form:
what is filtered by, then ``priority``, then what is sorted by; see engine/store/listing.py.

A QUEUED job of a paused task may be stored as PARKED, with ``parked_task`` set; see engine/store/parking.py.

``listed_status`` and ``listed_at`` are what lists are sorted by: ``status`` and ``updated_at`` as they were before a
claim, while the job runs, and QUEUED while it is PARKED (docs/adr/0007, ``engine/store/rows.py``).
"""

from __future__ import annotations

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.enums import JobPriority, JobStatus

MAX_NAME_LENGTH = 255
MAX_URL_LENGTH = 2048


class Job(Model):
    """One request to run a task."""

    id = fields.BigIntField(primary_key=True)
    task_name = fields.CharField(max_length=MAX_NAME_LENGTH)
    payload = fields.TextField(null=True)
    priority = fields.IntEnumField(JobPriority)
    status = fields.CharEnumField(JobStatus, max_length=9)
    tags = fields.TextField(null=True)
    attempt = fields.IntField()
    max_attempts = fields.IntField()
    timeout_seconds = fields.FloatField()
    progress = fields.FloatField(null=True)
    result = fields.TextField(null=True)
    error = fields.TextField(null=True)
    idempotency_key = fields.CharField(max_length=MAX_NAME_LENGTH, null=True, unique=True)
    idempotency_digest = fields.CharField(max_length=64, null=True)
    concurrency_key = fields.CharField(max_length=MAX_NAME_LENGTH, null=True)
    webhook_url = fields.CharField(max_length=MAX_URL_LENGTH, null=True)
    schedule_id = fields.BigIntField(null=True)
    scheduled_for = fields.DatetimeField(null=True)
    traceparent = fields.CharField(max_length=55, null=True)
    copy_of_id = fields.BigIntField(null=True)
    parked_task = fields.CharField(max_length=MAX_NAME_LENGTH, null=True)
    worker_id = fields.BigIntField(null=True)
    claim_token = fields.BigIntField(null=True)
    lease_until = fields.DatetimeField(null=True)
    cancel_requested_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()
    listed_status = fields.CharEnumField(JobStatus, max_length=9, null=True)
    listed_at = fields.DatetimeField(null=True)
    run_at = fields.DatetimeField(null=True)
    started_at = fields.DatetimeField(null=True)
    finished_at = fields.DatetimeField(null=True)

    class Meta:
        app = "signalbox"
        table = "jobs"
        indexes = (
            Index(fields=["status", "priority", "id"], name="jobs_claim"),
            Index(fields=["parked_task", "priority", "id"], name="jobs_parked"),
            Index(fields=["listed_status", "priority", "listed_at", "id"], name="jobs_listed_updated"),
            Index(fields=["listed_status", "priority", "run_at", "id"], name="jobs_listed_run_at"),
            Index(fields=["task_name", "priority", "id"], name="jobs_task"),
            Index(fields=["task_name", "priority", "listed_at", "id"], name="jobs_task_updated"),
            Index(fields=["task_name", "priority", "run_at", "id"], name="jobs_task_run_at"),
        )


class JobTag(Model):
    """A tag of a job, with what lists sort by, so that a list by tag reads one index in order."""

    id = fields.BigIntField(primary_key=True)
    job_id = fields.BigIntField()
    tag = fields.CharField(max_length=MAX_NAME_LENGTH)
    priority = fields.IntEnumField(JobPriority)
    updated_at = fields.DatetimeField()
    run_at = fields.DatetimeField(null=True)

    class Meta:
        app = "signalbox"
        table = "job_tag"
        indexes = (
            Index(fields=["job_id"], name="job_tag_job"),
            Index(fields=["tag", "priority", "job_id"], name="job_tag_id"),
            Index(fields=["tag", "priority", "updated_at", "job_id"], name="job_tag_updated"),
            Index(fields=["tag", "priority", "run_at", "job_id"], name="job_tag_run_at"),
        )
