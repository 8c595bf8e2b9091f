from tortoise import migrations
from tortoise.migrations import operations as ops
from models.enums import JobPriority, MisfirePolicy, OverlapPolicy
from tortoise import fields
from tortoise.indexes import Index

from models.operations import MySQLOnly


class Migration(migrations.Migration):
    dependencies = [("signalbox", "0002_mysql_columns")]

    initial = False

    operations = [
        ops.CreateModel(
            name="JobLog",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("job_id", fields.BigIntField()),
                ("attempt", fields.IntField()),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("level", fields.CharField(max_length=16)),
                ("message", fields.TextField(unique=False)),
            ],
            options={
                "table": "job_log",
                "app": "signalbox",
                "indexes": [Index(fields=["job_id", "id"], name="job_log_job")],
                "pk_attr": "id",
                "table_description": "One line of a job's log.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Schedule",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("name", fields.CharField(unique=True, max_length=255)),
                ("task_name", fields.CharField(max_length=255)),
                ("payload", fields.TextField(null=True, unique=False)),
                (
                    "priority",
                    fields.IntEnumField(
                        description="HIGH: 1\nMEDIUM: 2\nLOW: 3", enum_type=JobPriority, generated=False
                    ),
                ),
                ("cron", fields.CharField(max_length=255)),
                ("timezone", fields.CharField(max_length=64)),
                (
                    "overlap",
                    fields.CharEnumField(description="ALLOW: ALLOW\nSKIP: SKIP", enum_type=OverlapPolicy, max_length=8),
                ),
                (
                    "misfire",
                    fields.CharEnumField(
                        description="RUN_ONCE: RUN_ONCE\nRUN_ALL: RUN_ALL\nSKIP: SKIP",
                        enum_type=MisfirePolicy,
                        max_length=8,
                    ),
                ),
                ("paused", fields.BooleanField()),
                ("next_run_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("last_run_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("last_job_id", fields.BigIntField(null=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "schedule",
                "app": "signalbox",
                "indexes": [Index(fields=["paused", "next_run_at", "id"], name="schedule_due")],
                "pk_attr": "id",
                "table_description": "A rule, and when it fires next.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ScheduleFiring",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("schedule_id", fields.BigIntField()),
                ("fire_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("job_id", fields.BigIntField(null=True)),
            ],
            options={
                "table": "schedule_firing",
                "app": "signalbox",
                "unique_together": (("schedule_id", "fire_at"),),
                "pk_attr": "id",
                "table_description": "One firing. Its unique key is what makes it one: it is written with its job, in one transaction.",
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Job",
            name="cancel_requested_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Job",
            name="scheduled_for",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        MySQLOnly(
            [
                f"ALTER TABLE `{table}` CONVERT TO CHARACTER SET utf8mb4 COLLATE {{exact}}"
                for table in ("job_log", "schedule", "schedule_firing")
            ]
        ),
    ]
