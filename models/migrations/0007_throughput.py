from tortoise import migrations
from tortoise.migrations import operations as ops
from models.enums import JobStatus
from tortoise import fields

from models.operations import MySQLOnly


class Migration(migrations.Migration):
    dependencies = [("signalbox", "0006_delivery_not_before")]

    initial = False

    operations = [
        ops.CreateModel(
            name="ThroughputCursor",
            fields=[
                ("id", fields.BigIntField(generated=False, primary_key=True, unique=True, db_index=True)),
                ("seq", fields.BigIntField()),
            ],
            options={
                "table": "throughput_cursor",
                "app": "signalbox",
                "pk_attr": "id",
                "table_description": "The one row that says up to which event all are counted.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ThroughputMinute",
            fields=[
                ("minute", fields.BigIntField(generated=False, primary_key=True, unique=True, db_index=True)),
                ("created", fields.IntField()),
                ("completed", fields.IntField()),
                ("failed", fields.IntField()),
                ("cancelled", fields.IntField()),
            ],
            options={
                "table": "throughput_minute",
                "app": "signalbox",
                "pk_attr": "minute",
                "table_description": "What was counted of one minute. The key is its number since 1970 in UTC.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ThroughputRemoved",
            fields=[
                ("seq", fields.BigIntField(generated=False, primary_key=True, unique=True, db_index=True)),
                ("from_status", fields.CharEnumField(null=True, enum_type=JobStatus, max_length=9)),
                ("to_status", fields.CharEnumField(enum_type=JobStatus, max_length=9)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "throughput_removed",
                "app": "signalbox",
                "pk_attr": "seq",
                "table_description": "Events that were removed with their jobs before they were counted.",
            },
            bases=["Model"],
        ),
        MySQLOnly(["ALTER TABLE `throughput_removed` CONVERT TO CHARACTER SET utf8mb4 COLLATE {exact}"]),
    ]
