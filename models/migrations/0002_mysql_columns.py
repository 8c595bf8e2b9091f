"""MySQL's columns as the store wants them.

It compares text without regard to case and trailing spaces by default; names and keys differ by both here, as they do
on SQLite. Statuses are ENUMs: still text to everyone who reads them, and one byte in each of the indexes that every change moves.
"""

from tortoise import migrations

from models.operations import MySQLOnly

TABLES = ("jobs", "job_event", "job_tag", "task", "webhook_delivery", "webhook_try", "worker")
STATUS = "ENUM('PENDING','SCHEDULED','QUEUED','RUNNING','COMPLETED','FAILED','CANCELLED') CHARACTER SET ascii COLLATE ascii_bin"


class Migration(migrations.Migration):
    dependencies = [("signalbox", "0001_initial")]
    operations = [
        MySQLOnly(
            [
                *(f"ALTER TABLE `{table}` CONVERT TO CHARACTER SET utf8mb4 COLLATE {{exact}}" for table in TABLES),
                f"ALTER TABLE `jobs` MODIFY `status` {STATUS} NOT NULL",
                f"ALTER TABLE `job_event` MODIFY `from_status` {STATUS}, MODIFY `to_status` {STATUS} NOT NULL",
            ]
        )
    ]
