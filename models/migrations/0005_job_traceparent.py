"""Where a job's trace began, for OpenTelemetry."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("signalbox", "0004_webhook_endpoints")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Job",
            name="traceparent",
            field=fields.CharField(null=True, max_length=55),
        ),
    ]
