"""MySQL ignores case and trailing spaces by default; names and keys differ by both here, as they do on SQLite."""

from tortoise import migrations

from models.operations import MySQLOnly

TABLES = ("jobs", "job_event", "job_tag", "task", "webhook_delivery", "webhook_try", "worker")


class Migration(migrations.Migration):
    dependencies = [("signalbox", "0001_initial")]
    operations = [
        MySQLOnly([f"ALTER TABLE `{table}` CONVERT TO CHARACTER SET utf8mb4 COLLATE {{exact}}" for table in TABLES])
    ]
