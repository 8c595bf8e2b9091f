"""The logs of jobs: what their tasks said, at most so much for each job over all its attempts.

What is beyond the bound is not written, and one last line says so. It is what takes a log's size above the bound, so
the size tells whether that line is there. When a COMMIT's answer is lost, lines may be written twice.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import orjson

from engine.errors import InvalidInput
from engine.records import LogRecord
from engine.store.database import Database, from_text, to_text
from engine.store.unit import Unit, id_list

MAX_LINES = 10_000
MAX_BYTES = 1_000_000
MORE_WAS_DROPPED = "The log of a job has at most 10,000 lines and 1 MB; more was logged, and it was dropped."
COLUMNS = ("job_id", "attempt", "at", "level", "message")
BRANCHES = 100
"""SQLite takes at most 500 SELECTs in one."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line to be written. ``size`` is its message's, in bytes of UTF-8."""

    at: datetime
    attempt: int
    level: str
    message: str
    size: int


@dataclass(frozen=True, slots=True)
class LogSize:
    lines: int = 0
    bytes: int = 0

    @property
    def is_full(self) -> bool:
        """Whether the last line is there that says that more was dropped."""
        return self.lines > MAX_LINES or self.bytes > MAX_BYTES

    def plus(self, lines: Sequence[LogLine]) -> LogSize:
        return LogSize(self.lines + len(lines), self.bytes + sum(line.size for line in lines))


@dataclass(frozen=True, slots=True)
class LogAppend:
    """New lines of one job; ``size`` is that of its log so far, where it is known."""

    job_id: int
    lines: Sequence[LogLine]
    size: LogSize | None


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Ask for ``limit`` lines of one job that come after line ``after_id``."""

    job_id: int
    after_id: int
    limit: int


@dataclass(slots=True)
class LogPage:
    lines: list[LogRecord] = field(default_factory=list)
    has_next: bool = False


class LogWrites:
    """The handler of what tasks log."""

    def __init__(self, database: Database) -> None:
        self._sizes = (
            # hexadecimal digits are two for each byte on every server; LENGTH counts characters on one of them
            "SELECT jobs.id, COUNT(job_log.id), SUM(LENGTH(HEX(job_log.message))) "
            f"FROM jobs{database.by_index('PRIMARY')} "
            f"LEFT JOIN job_log{database.by_index('job_log_job')} ON job_log.job_id=jobs.id"
        )

    async def append(self, unit: Unit, requests: Sequence[LogAppend]) -> list[LogSize]:
        """Write what fits; the size of each job's log then. The log of a job that is gone counts as full."""
        gone = LogSize(MAX_LINES + 1)
        found = await self._read_sizes(unit, {each.job_id for each in requests if each.size is None})
        rows: list[tuple[object, ...]] = []
        answers = []
        for each in requests:
            size = found.get(each.job_id, gone) if each.size is None else each.size
            lines = fitting(each.lines, size)
            rows += [(each.job_id, line.attempt, to_text(line.at), line.level, line.message) for line in lines]
            answers.append(size.plus(lines))
        if rows:
            await unit.transaction.insert("job_log", COLUMNS, rows)
        return answers

    async def _read_sizes(self, unit: Unit, job_ids: set[int]) -> dict[int, LogSize]:
        if not job_ids:
            return {}
        rows = await unit.transaction.fetch(f"{self._sizes} WHERE jobs.id IN ({id_list(job_ids)}) GROUP BY jobs.id")
        return {job_id: LogSize(lines, int(digits or 0) // 2) for job_id, lines, digits in rows}


def fitting(lines: Sequence[LogLine], size: LogSize) -> list[LogLine]:
    """The first of ``lines``, as many as fit behind a log of this size, and the last line where some do not."""
    kept: list[LogLine] = []
    if size.is_full:
        return kept
    count, used = size.lines, size.bytes
    for line in lines:
        if count == MAX_LINES or used + line.size > MAX_BYTES:
            beginning = line.message.encode()[: MAX_BYTES - used].decode(errors="ignore")
            if beginning and count < MAX_LINES:
                kept.append(replace(line, message=beginning, size=len(beginning.encode())))
            kept.append(replace(line, level="warning", message=MORE_WAS_DROPPED, size=len(MORE_WAS_DROPPED)))
            break
        kept.append(line)
        count, used = count + 1, used + line.size
    return kept


async def read_log_pages(database: Database, queries: Sequence[LogQuery]) -> list[LogPage]:
    """A page for each query, oldest line first; one statement for up to a hundred of them."""
    pages = [LogPage() for _ in queries]
    for start in range(0, len(queries), BRANCHES):
        branches = [
            f"SELECT * FROM (SELECT {index} AS place, id, at, attempt, level, message "
            f"FROM job_log{database.by_index('job_log_job')} WHERE job_id={each.job_id} AND id > {each.after_id} "
            f"ORDER BY id LIMIT {each.limit + 1}) b{index}"
            for index, each in enumerate(queries[start : start + BRANCHES], start)
        ]
        for place, line_id, at, attempt, level, message in await database.fetch(" UNION ALL ".join(branches)):
            pages[place].lines.append(LogRecord(line_id, from_text(at), attempt, level, message))
    for page, query in zip(pages, queries, strict=True):
        page.lines.sort(key=lambda line: line.id)
        page.has_next = len(page.lines) > query.limit
        del page.lines[query.limit :]
    return pages


def encode_log_cursor(job_id: int, line_id: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(["log", job_id, line_id])).decode().rstrip("=")


def decode_log_cursor(job_id: int, cursor: str) -> int:
    """The line that ``cursor`` names.

    Raises:
        InvalidInput: it is no cursor, or one of another job's log.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        mark, owner, line_id = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, UnicodeError, ValueError, TypeError):
        mark = owner = line_id = None
    if mark != "log" or type(owner) is not int or type(line_id) is not int or line_id < 0:
        shown = cursor[:80].encode(errors="replace").decode()
        raise InvalidInput(f"after: {shown!r} is not a cursor of a job's log.", field="after")
    if owner != job_id:
        raise InvalidInput(
            f"after: this cursor belongs to the log of job {owner}; use cursors only with the job they came from.",
            field="after",
        )
    return line_id
