"""A page of a job's log: its arguments checked, its records as a connection."""

from __future__ import annotations

from typing import Any, cast

from engine.errors import InvalidInput
from engine.store.joblogs import LogPage, LogQuery, decode_log_cursor, encode_log_cursor
from resolvers.inputs import MAX_PAGE
from schema.logs import JobLogConnection
from schema.pages import PageInfo


def log_query(job_id: int, first: int | None, after: str | None) -> LogQuery:
    """The page that the arguments of ``logs`` ask for; without ``first`` the longest.

    Raises:
        InvalidInput: ``first`` is out of range, or ``after`` is no cursor of this job's log.
    """
    if first is not None and not 1 <= first <= MAX_PAGE:
        raise InvalidInput(f"first: {first} is not from 1 to {MAX_PAGE}.", field="first")
    after_id = 0 if after is None else decode_log_cursor(job_id, after)
    return LogQuery(job_id, after_id, MAX_PAGE if first is None else first)


def log_connection(query: LogQuery, page: LogPage) -> JobLogConnection:
    cursors = [encode_log_cursor(query.job_id, line.id) for line in (page.lines[:1] + page.lines[-1:])]
    return JobLogConnection(
        nodes=cast(list[Any], page.lines),
        page_info=PageInfo(
            has_next_page=page.has_next,
            has_previous_page=query.after_id > 0,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        ),
    )
