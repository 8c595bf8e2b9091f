"""Lists are sorted by columns that a claim leaves as they are (docs/adr/0007)."""

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from models.enums import JobStatus
from models.operations import MySQLOnly

STATUS = (
    "ENUM('PENDING','SCHEDULED','QUEUED','RUNNING','COMPLETED','FAILED','CANCELLED') "
    "CHARACTER SET ascii COLLATE ascii_bin"
)
FILL = (
    "UPDATE jobs SET listed_status=CASE WHEN status IN ('RUNNING','PARKED') THEN 'QUEUED' ELSE status END, "
    "listed_at=updated_at"
)
OLD = ("jobs_status_updated", "jobs_status_run_at", "jobs_task_updated")
NEW = {
    "jobs_listed_updated": ["listed_status", "priority", "listed_at", "id"],
    "jobs_listed_run_at": ["listed_status", "priority", "run_at", "id"],
    "jobs_task_updated": ["task_name", "priority", "listed_at", "id"],
}


class Migration(migrations.Migration):
    dependencies = [("signalbox", "0008_parked_jobs")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Job",
            name="listed_status",
            field=fields.CharEnumField(null=True, enum_type=JobStatus, max_length=9),
        ),
        ops.AddField(
            model_name="Job",
            name="listed_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        MySQLOnly([f"ALTER TABLE `jobs` MODIFY `listed_status` {STATUS} NULL"]),
        ops.RunSQL(FILL, reverse_sql=ops.RunSQL.noop),
        *(ops.RemoveIndex(model_name="Job", name=name) for name in OLD),
        *(ops.AddIndex(model_name="Job", index=Index(fields=columns, name=name)) for name, columns in NEW.items()),
    ]
