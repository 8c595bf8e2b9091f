"""Jobs of paused tasks, out of the way of claims (engine/store/parking.py)."""

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from models.operations import MySQLOnly

STATUS = (
    "ENUM('PENDING','SCHEDULED','QUEUED','RUNNING','COMPLETED','FAILED','CANCELLED','PARKED') "
    "CHARACTER SET ascii COLLATE ascii_bin"
)


class Migration(migrations.Migration):
    dependencies = [("signalbox", "0007_throughput")]

    initial = False

    operations = [
        MySQLOnly([f"ALTER TABLE `jobs` MODIFY `status` {STATUS} NOT NULL"]),
        ops.AddField(
            model_name="Job",
            name="parked_task",
            field=fields.CharField(null=True, max_length=255),
        ),
        ops.AddIndex(
            model_name="Job",
            index=Index(fields=["parked_task", "priority", "id"], name="jobs_parked"),
        ),
    ]
