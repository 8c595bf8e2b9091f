"""Lists are sorted by columns that a claim leaves as they are (docs/adr/0007)."""

from tortoise import migrations

from models.operations import ByDialect, ForgetIndex

STATUSES = "'PENDING','SCHEDULED','QUEUED','RUNNING','COMPLETED','FAILED','CANCELLED'"
LISTED_STATUS = "CASE WHEN status IN ('RUNNING','PARKED') THEN 'QUEUED' ELSE status END"
LISTED_AT = "CASE WHEN status='RUNNING' THEN COALESCE(unclaimed_at, updated_at) ELSE updated_at END"
INDEXES = {
    "jobs_listed_updated": "listed_status, priority, listed_at, id",
    "jobs_listed_run_at": "listed_status, priority, run_at, id",
    "jobs_task_updated": "task_name, priority, listed_at, id",
}
OLD_INDEXES = ("jobs_status_updated", "jobs_status_run_at", "jobs_task_updated")


class Migration(migrations.Migration):
    dependencies = [("signalbox", "0008_parked_jobs")]

    initial = False

    operations = [
        # Tortoise has no computed columns, so its models know neither these nor the indexes on them.
        *(ForgetIndex(model_name="Job", name=name) for name in OLD_INDEXES),
        ByDialect(
            table="jobs",
            unless="listed_at",
            mysql=[
                "ALTER TABLE jobs ADD COLUMN unclaimed_at DATETIME(6) NULL, "
                f"ADD COLUMN listed_status ENUM({STATUSES}) CHARACTER SET ascii COLLATE ascii_bin "
                f"GENERATED ALWAYS AS ({LISTED_STATUS}) STORED, "
                f"ADD COLUMN listed_at DATETIME(6) GENERATED ALWAYS AS ({LISTED_AT}) STORED, "
                + ", ".join(f"DROP INDEX {name}" for name in OLD_INDEXES)
                + ", "
                + ", ".join(f"ADD INDEX {name} ({columns})" for name, columns in INDEXES.items())
            ],
            sqlite=[
                *(f"DROP INDEX {name}" for name in OLD_INDEXES),
                "ALTER TABLE jobs ADD COLUMN unclaimed_at TIMESTAMP",
                f"ALTER TABLE jobs ADD COLUMN listed_status VARCHAR(9) GENERATED ALWAYS AS ({LISTED_STATUS}) VIRTUAL",
                f"ALTER TABLE jobs ADD COLUMN listed_at TIMESTAMP GENERATED ALWAYS AS ({LISTED_AT}) VIRTUAL",
                *(f"CREATE INDEX {name} ON jobs ({columns})" for name, columns in INDEXES.items()),
            ],
        ),
    ]
