"""MySQL compares text without regard to case by default; names and keys differ by case here, as they do on SQLite."""

from tortoise import migrations

from models.operations import MySQLOnly

TABLES = ("jobs", "job_event", "job_tag", "task", "webhook_delivery", "webhook_try", "worker")


class Migration(migrations.Migration):
    dependencies = [("signalbox", "0001_initial")]
    operations = [
        MySQLOnly([f"ALTER TABLE `{table}` CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" for table in TABLES])
    ]
