"""Until when a receiver asked not to be sent a delivery again."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("signalbox", "0005_job_traceparent")]

    initial = False

    operations = [
        ops.AddField(
            model_name="WebhookDelivery",
            name="not_before",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
    ]
