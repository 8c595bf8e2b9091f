"""The jobs of a period, for those who report on them."""

from __future__ import annotations

from datetime import datetime

from engine.records import JobRecord
from engine.store.listing import JobFilter, JobQuery, Page, encode_cursor, sort_key
from engine.store.reads import Reads

PAGE = 500


async def jobs_created(reads: Reads, after: datetime, before: datetime, limit: int) -> list[JobRecord]:
    """The jobs created after one instant and before another, newest first, at most ``limit``.

    Raises:
        Unavailable: the database cannot be reached.
    """
    where = JobFilter(created_after=after, created_before=before)
    found: list[JobRecord] = []
    cursor = None
    while len(found) < limit:
        query = JobQuery(where, page=Page(min(PAGE, limit - len(found)), cursor))
        page = await reads.list_jobs(query)
        found += page.jobs
        if not page.jobs or not page.has_next:
            break
        cursor = encode_cursor(query, sort_key(query, page.jobs[-1]), page.jobs[-1].id)
    return found
