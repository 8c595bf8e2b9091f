"""Limits of tasks over all machines (engine/store/limits.py). Processes of the version before go on beside it."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from models.operations import MySQLOnly


class Migration(migrations.Migration):
    dependencies = [("signalbox", "0009_listed_jobs")]

    initial = False

    operations = [
        ops.AddField(model_name="Task", name="max_concurrency_per_key", field=fields.IntField(null=True)),
        ops.CreateModel(
            name="TaskLimit",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("task_name", fields.CharField(max_length=255)),
                ("limit_key", fields.CharField(max_length=255)),
                ("next_start_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "task_limit",
                "app": "signalbox",
                "unique_together": (("task_name", "limit_key"),),
                "pk_attr": "id",
                "table_description": "A task's limit over all its jobs (``limit_key`` is empty), or over those of one concurrency key. Whoever claims",
            },
            bases=["Model"],
        ),
        MySQLOnly(["ALTER TABLE `task_limit` CONVERT TO CHARACTER SET utf8mb4 COLLATE {exact}"]),
    ]
