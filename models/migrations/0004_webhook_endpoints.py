from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields
from tortoise.indexes import Index

from models.operations import MySQLOnly


class Migration(migrations.Migration):
    dependencies = [("signalbox", "0003_schedules_and_logs")]

    initial = False

    operations = [
        ops.CreateModel(
            name="WebhookCircuit",
            fields=[
                ("endpoint_id", fields.BigIntField(generated=False, primary_key=True, unique=True, db_index=True)),
                ("failures_in_a_row", fields.IntField()),
                ("failing_since", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("open_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("probes", fields.IntField()),
                ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "webhook_circuit",
                "app": "signalbox",
                "pk_attr": "endpoint_id",
                "table_description": "How a receiver that fails has been doing, by its endpoint (0 is WEBHOOK_URL).",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="WebhookEndpoint",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("url", fields.CharField(max_length=2048)),
                ("events", fields.TextField(unique=False)),
                ("task_names", fields.TextField(null=True, unique=False)),
                ("enabled", fields.BooleanField()),
                ("disabled_reason", fields.CharField(null=True, max_length=255)),
                ("secret", fields.TextField(unique=False)),
                ("previous_secret", fields.TextField(null=True, unique=False)),
                ("previous_secret_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "webhook_endpoint",
                "app": "signalbox",
                "pk_attr": "id",
                "table_description": "A URL that receives webhooks. Lists are JSON, secrets are encrypted.",
            },
            bases=["Model"],
        ),
        ops.AddIndex(
            model_name="WebhookDelivery",
            index=Index(fields=["endpoint_id", "status", "next_try_at", "id"], name="webhook_delivery_endpoint_due"),
        ),
        ops.AddIndex(
            model_name="WebhookDelivery",
            index=Index(fields=["endpoint_id", "id"], name="webhook_delivery_endpoint"),
        ),
        ops.AddIndex(
            model_name="WebhookDelivery",
            index=Index(fields=["status", "id"], name="webhook_delivery_status"),
        ),
        ops.AddField(
            model_name="WebhookTry",
            name="response_body",
            field=fields.TextField(null=True, unique=False),
        ),
        MySQLOnly(
            [
                f"ALTER TABLE `{table}` CONVERT TO CHARACTER SET utf8mb4 COLLATE {{exact}}"
                for table in ("webhook_circuit", "webhook_endpoint")
            ]
        ),
    ]
