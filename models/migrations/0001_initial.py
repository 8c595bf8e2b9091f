from tortoise import migrations
from tortoise.migrations import operations as ops
from models.enums import DeliveryStatus, JobPriority, JobStatus, WebhookEvent
from tortoise import fields
from tortoise.indexes import Index


class Migration(migrations.Migration):
    initial = True

    operations = [
        ops.CreateModel(
            name="Job",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("task_name", fields.CharField(max_length=255)),
                ("payload", fields.TextField(null=True, unique=False)),
                (
                    "priority",
                    fields.IntEnumField(
                        description="HIGH: 1\nMEDIUM: 2\nLOW: 3", enum_type=JobPriority, generated=False
                    ),
                ),
                (
                    "status",
                    fields.CharEnumField(
                        description="PENDING: PENDING\nSCHEDULED: SCHEDULED\nQUEUED: QUEUED\nRUNNING: RUNNING\nCOMPLETED: COMPLETED\nFAILED: FAILED\nCANCELLED: CANCELLED",
                        enum_type=JobStatus,
                        max_length=9,
                    ),
                ),
                ("tags", fields.TextField(null=True, unique=False)),
                ("attempt", fields.IntField()),
                ("max_attempts", fields.IntField()),
                ("timeout_seconds", fields.FloatField()),
                ("progress", fields.FloatField(null=True)),
                ("result", fields.TextField(null=True, unique=False)),
                ("error", fields.TextField(null=True, unique=False)),
                ("idempotency_key", fields.CharField(null=True, unique=True, max_length=255)),
                ("idempotency_digest", fields.CharField(null=True, max_length=64)),
                ("concurrency_key", fields.CharField(null=True, max_length=255)),
                ("webhook_url", fields.CharField(null=True, max_length=2048)),
                ("schedule_id", fields.BigIntField(null=True)),
                ("copy_of_id", fields.BigIntField(null=True)),
                ("worker_id", fields.BigIntField(null=True)),
                ("claim_token", fields.BigIntField(null=True)),
                ("lease_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("run_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("started_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("finished_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "jobs",
                "app": "signalbox",
                "indexes": [
                    Index(fields=["status", "priority", "id"], name="jobs_claim"),
                    Index(fields=["status", "priority", "updated_at", "id"], name="jobs_status_updated"),
                    Index(fields=["status", "priority", "run_at", "id"], name="jobs_status_run_at"),
                    Index(fields=["task_name", "priority", "id"], name="jobs_task"),
                    Index(fields=["task_name", "priority", "updated_at", "id"], name="jobs_task_updated"),
                    Index(fields=["task_name", "priority", "run_at", "id"], name="jobs_task_run_at"),
                ],
                "pk_attr": "id",
                "table_description": "One request to run a task.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="JobEvent",
            fields=[
                ("seq", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("job_id", fields.BigIntField()),
                (
                    "from_status",
                    fields.CharEnumField(
                        null=True,
                        description="PENDING: PENDING\nSCHEDULED: SCHEDULED\nQUEUED: QUEUED\nRUNNING: RUNNING\nCOMPLETED: COMPLETED\nFAILED: FAILED\nCANCELLED: CANCELLED",
                        enum_type=JobStatus,
                        max_length=9,
                    ),
                ),
                (
                    "to_status",
                    fields.CharEnumField(
                        description="PENDING: PENDING\nSCHEDULED: SCHEDULED\nQUEUED: QUEUED\nRUNNING: RUNNING\nCOMPLETED: COMPLETED\nFAILED: FAILED\nCANCELLED: CANCELLED",
                        enum_type=JobStatus,
                        max_length=9,
                    ),
                ),
                ("attempt", fields.IntField()),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("run_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("worker", fields.CharField(null=True, max_length=128)),
                ("error", fields.TextField(null=True, unique=False)),
            ],
            options={
                "table": "job_event",
                "app": "signalbox",
                "indexes": [Index(fields=["job_id", "seq"], name="job_event_job")],
                "pk_attr": "seq",
                "table_description": "One status change of one job, numbered: the number is the cursor that clients resume from.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="JobTag",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("job_id", fields.BigIntField()),
                ("tag", fields.CharField(max_length=255)),
                (
                    "priority",
                    fields.IntEnumField(
                        description="HIGH: 1\nMEDIUM: 2\nLOW: 3", enum_type=JobPriority, generated=False
                    ),
                ),
                ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("run_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "job_tag",
                "app": "signalbox",
                "indexes": [
                    Index(fields=["job_id"], name="job_tag_job"),
                    Index(fields=["tag", "priority", "job_id"], name="job_tag_id"),
                    Index(fields=["tag", "priority", "updated_at", "job_id"], name="job_tag_updated"),
                    Index(fields=["tag", "priority", "run_at", "job_id"], name="job_tag_run_at"),
                ],
                "pk_attr": "id",
                "table_description": "A tag of a job, with what lists sort by, so that a list by tag reads one index in order.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Task",
            fields=[
                ("name", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=255)),
                ("description", fields.TextField(null=True, unique=False)),
                ("payload_schema", fields.TextField(null=True, unique=False)),
                ("max_attempts", fields.IntField()),
                ("timeout_seconds", fields.FloatField()),
                ("max_concurrency", fields.IntField(null=True)),
                ("rate_limit", fields.CharField(null=True, max_length=32)),
                ("paused", fields.BooleanField()),
                ("seen_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "task",
                "app": "signalbox",
                "pk_attr": "name",
                "table_description": "A task as its worker declared it, and whether operators have paused it.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="WebhookDelivery",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("message_id", fields.CharField(unique=True, max_length=40)),
                ("job_id", fields.BigIntField()),
                (
                    "event",
                    fields.CharEnumField(
                        description="JOB_COMPLETED: job.completed\nJOB_FAILED: job.failed\nJOB_CANCELLED: job.cancelled",
                        enum_type=WebhookEvent,
                        max_length=32,
                    ),
                ),
                ("endpoint_id", fields.BigIntField(null=True)),
                ("url", fields.CharField(max_length=2048)),
                ("body", fields.BinaryField()),
                (
                    "status",
                    fields.CharEnumField(
                        description="PENDING: PENDING\nDELIVERED: DELIVERED\nFAILED: FAILED",
                        enum_type=DeliveryStatus,
                        max_length=9,
                    ),
                ),
                ("try_count", fields.IntField()),
                ("next_try_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("claim_token", fields.BigIntField(null=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "webhook_delivery",
                "app": "signalbox",
                "indexes": [
                    Index(fields=["status", "next_try_at", "id"], name="webhook_delivery_due"),
                    Index(fields=["job_id", "id"], name="webhook_delivery_job"),
                ],
                "pk_attr": "id",
                "table_description": "One event to be POSTed to one receiver. The body holds the very bytes of every try.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="WebhookTry",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("delivery_id", fields.BigIntField()),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("duration_ms", fields.IntField()),
                ("response_status", fields.IntField(null=True)),
                ("error", fields.CharField(null=True, max_length=1024)),
            ],
            options={
                "table": "webhook_try",
                "app": "signalbox",
                "indexes": [Index(fields=["delivery_id", "id"], name="webhook_try_delivery")],
                "pk_attr": "id",
                "table_description": "One attempt to deliver.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Worker",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("host", fields.CharField(max_length=255)),
                ("pid", fields.IntField()),
                ("slots", fields.IntField()),
                ("running", fields.IntField()),
                ("started_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("heartbeat_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "worker",
                "app": "signalbox",
                "pk_attr": "id",
                "table_description": "The execution engine of a process.",
            },
            bases=["Model"],
        ),
    ]
