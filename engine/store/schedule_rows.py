"""Between a row of ``schedule`` and its record."""

from __future__ import annotations

from engine.records import ScheduleRecord
from engine.store.database import Row, from_text
from models.enums import JobPriority, MisfirePolicy, OverlapPolicy

SCHEDULE_COLUMNS = (
    "id",
    "name",
    "task_name",
    "payload",
    "priority",
    "cron",
    "timezone",
    "overlap",
    "misfire",
    "paused",
    "next_run_at",
    "last_run_at",
    "last_job_id",
    "created_at",
)


def schedule_from_row(row: Row) -> ScheduleRecord:
    """The schedule in a row of ``SCHEDULE_COLUMNS``."""
    (
        id_,
        name,
        task_name,
        payload,
        priority,
        cron,
        timezone,
        overlap,
        misfire,
        paused,
        next_run_at,
        last_run_at,
        last_job_id,
        created_at,
    ) = row
    return ScheduleRecord(
        id_,
        name,
        task_name,
        payload,
        JobPriority(priority),
        cron,
        timezone,
        OverlapPolicy(overlap),
        MisfirePolicy(misfire),
        bool(paused),
        from_text(next_run_at) if next_run_at else None,
        from_text(last_run_at) if last_run_at else None,
        last_job_id,
        from_text(created_at),
    )
