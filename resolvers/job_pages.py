"""Pages of jobs, as connections of which only what is asked for is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from engine.errors import InvalidInput
from engine.store.listing import (
    SORT_COLUMNS,
    JobQuery,
    encode_cursor,
    fingerprint,
    sort_key,
    stored_sort_key,
)
from engine.store.reads import Reads
from engine.store.rows import StoredRow, StoredRows
from models.shapes import Shape
from schema.pages import JobEdge, PageInfo


class JobPageView:
    """What a ``JobConnection`` is made from.

    Args:
        jobs: records, or rows as they are stored.
        position_of: the sort key and id of the job at a place.
        each: the jobs one by one.
    """

    def __init__(
        self,
        reads: Reads,
        query: JobQuery,
        jobs: StoredRows | Sequence[Any],
        each: Callable[[], list[Any]],
        position_of: Callable[[int], tuple[Any, int]],
        size: int,
        has_next: bool,
        has_previous: bool,
    ) -> None:
        self.nodes = jobs
        self._reads = reads
        self._query = query
        self._each = each
        self._position_of = position_of
        self._size = size
        self._has_next = has_next
        self._has_previous = has_previous

    @cached_property
    def _mark(self) -> str:
        return fingerprint(self._query)

    def _cursor(self, index: int) -> str:
        key, job_id = self._position_of(index)
        return encode_cursor(self._query, key, job_id, self._mark)

    @property
    def edges(self) -> list[JobEdge]:
        return [JobEdge(cursor=self._cursor(index), node=job) for index, job in enumerate(self._each())]

    @property
    def page_info(self) -> PageInfo:
        return PageInfo(
            has_next_page=self._has_next,
            has_previous_page=self._has_previous,
            start_cursor=self._cursor(0) if self._size else None,
            end_cursor=self._cursor(self._size - 1) if self._size else None,
        )

    async def count(self, at_most: int | None) -> int:
        """How many jobs the whole list has; counting stops at ``at_most``.

        Raises:
            InvalidInput: that is below 0.
        """
        if at_most is not None and at_most < 0:
            raise InvalidInput(f"atMost: {at_most} is below 0.", field="atMost")
        return await self._reads.count_jobs(self._query.where, at_most)


async def job_connection(
    reads: Reads, query: JobQuery, columns: Sequence[str] | None, shape: Shape | None = None
) -> JobPageView:
    """One page of a list: records of its jobs, or with ``columns`` these alone, as they are stored, or as the JSON
    objects of ``shape``.

    Raises:
        InvalidInput: the cursor is not one of this list's.
    """
    if columns is None:
        page = await reads.list_jobs(query)
        jobs = page.jobs

        def of_record(index: int) -> tuple[Any, int]:
            return sort_key(query, jobs[index]), jobs[index].id

        return JobPageView(reads, query, jobs, lambda: jobs, of_record, len(jobs), page.has_next, page.has_previous)
    sorted_by = SORT_COLUMNS.get(query.order, "id")
    wanted = tuple(dict.fromkeys((*columns, "id", sorted_by)))
    stored = await reads.list_stored(query, wanted, shape)
    found, rows = stored.jobs.columns, stored.jobs.rows
    key_at, id_at = found.index(sorted_by), found.index("id")

    def of_row(index: int) -> tuple[Any, int]:
        row = rows[index]
        return stored_sort_key(query, row[key_at]), int(row[id_at])

    def each() -> list[Any]:
        return [StoredRow(found, row, stored.jobs.shape) for row in rows]

    return JobPageView(reads, query, stored.jobs, each, of_row, len(rows), stored.has_next, stored.has_previous)
