"""The logs of jobs in the store: in order, bounded over all attempts, read page by page, gone with their jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from makers import job_in, rows_of

from engine.errors import InvalidInput, InvalidState
from engine.store import joblogs
from engine.store.joblogs import (
    MORE_WAS_DROPPED,
    LogAppend,
    LogLine,
    LogQuery,
    LogSize,
    decode_log_cursor,
    encode_log_cursor,
)
from engine.store.store import Store
from models.enums import JobStatus

AT = datetime(2026, 2, 5, 15, 0, 0, 123456, tzinfo=UTC)
PATIENCE_SECONDS = 3.0


def lines(*messages: str, attempt: int = 1, level: str = "info") -> list[LogLine]:
    return [LogLine(AT, attempt, level, message, len(message.encode())) for message in messages]


async def append(store: Store, job_id: int, given: Sequence[LogLine], size: LogSize | None = None) -> LogSize:
    return await store.append_log(LogAppend(job_id, given, size), PATIENCE_SECONDS)


async def messages(store: Store, job_id: int, limit: int = 100) -> list[str]:
    [page] = await store.reads.log_pages([LogQuery(job_id, 0, limit)])
    return [line.message for line in page.lines]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs of at most 5 lines and 100 bytes."""
    monkeypatch.setattr(joblogs, "MAX_LINES", 5)
    monkeypatch.setattr(joblogs, "MAX_BYTES", 100)


async def test_lines_come_back_as_they_were(store: Store) -> None:
    job_id = await job_in(store, JobStatus.RUNNING)
    given = ["plain", "", "emoji 🚂 and é", "two\nlines\tand a tab", "'; DROP TABLE jobs; -- \\ \" %s"]
    size = await append(store, job_id, lines(*given, attempt=3, level="critical"))
    assert size == LogSize(5, sum(len(each.encode()) for each in given))
    [page] = await store.reads.log_pages([LogQuery(job_id, 0, 100)])
    assert [line.message for line in page.lines] == given
    assert {(line.at, line.attempt, line.level) for line in page.lines} == {(AT, 3, "critical")}
    assert not page.has_next


async def test_the_size_is_read_where_it_is_not_known(store: Store) -> None:
    job_id = await job_in(store, JobStatus.RUNNING)
    assert await append(store, job_id, lines("é")) == LogSize(1, 2)
    assert await append(store, job_id, lines("abc")) == LogSize(2, 5)
    assert await append(store, job_id, lines("d"), LogSize(2, 5)) == LogSize(3, 6)


@pytest.mark.usefixtures("small")
async def test_too_many_lines(store: Store) -> None:
    job_id = await job_in(store, JobStatus.RUNNING)
    size = await append(store, job_id, lines("1", "2", "3"))
    assert not size.is_full
    size = await append(store, job_id, lines("4", "5", attempt=2))
    assert not size.is_full
    size = await append(store, job_id, lines("6", "7", attempt=2), size)
    assert size.is_full
    assert (await append(store, job_id, lines("8", attempt=3))).is_full
    [page] = await store.reads.log_pages([LogQuery(job_id, 0, 100)])
    assert [line.message for line in page.lines] == ["1", "2", "3", "4", "5", MORE_WAS_DROPPED]
    assert (page.lines[-1].level, page.lines[-1].attempt) == ("warning", 2)


@pytest.mark.usefixtures("small")
async def test_too_much_text(store: Store) -> None:
    job_id = await job_in(store, JobStatus.RUNNING)
    size = await append(store, job_id, lines("a" * 95, "é" * 40, "more"))
    assert size.is_full
    assert await messages(store, job_id) == ["a" * 95, "éé", MORE_WAS_DROPPED]
    assert (await append(store, job_id, lines("x"))).is_full
    assert len(await messages(store, job_id)) == 3


async def test_the_real_bound(store: Store) -> None:
    job_id = await job_in(store, JobStatus.RUNNING)
    size = None
    for start in range(0, 12_000, 1_000):
        size = await append(store, job_id, lines(*(str(start + each) for each in range(1_000))), size)
    [(count,)] = await store.database.fetch(f"SELECT COUNT(*) FROM job_log WHERE job_id={job_id}")
    assert count == 10_001
    [page] = await store.reads.log_pages(
        [LogQuery(job_id, (await rows_of(store, "job_log"))[-3][0], 100)],
    )
    assert [line.message for line in page.lines] == ["9999", MORE_WAS_DROPPED]


async def test_pages_of_several_jobs_in_one_read(store: Store) -> None:
    first, second, silent = [await job_in(store, JobStatus.PENDING) for _ in range(3)]
    for turn in range(3):
        await append(store, first, lines(f"a{turn}"))
        await append(store, second, lines(f"b{turn}"))
    pages = await store.reads.log_pages(
        [LogQuery(second, 0, 2), LogQuery(first, 0, 3), LogQuery(silent, 0, 1), LogQuery(first, 0, 1)]
    )
    assert [[line.message for line in page.lines] for page in pages] == [["b0", "b1"], ["a0", "a1", "a2"], [], ["a0"]]
    assert [page.has_next for page in pages] == [True, False, False, True]
    [rest] = await store.reads.log_pages([LogQuery(second, pages[0].lines[-1].id, 2)])
    assert [line.message for line in rest.lines] == ["b2"]


async def test_many_pages(store: Store) -> None:
    job_id = await job_in(store, JobStatus.PENDING)
    await append(store, job_id, lines("x"))
    pages = await store.reads.log_pages([LogQuery(job_id, 0, 1)] * 250)
    assert [len(page.lines) for page in pages] == [1] * 250
    assert await store.reads.log_pages([]) == []


async def test_a_deleted_job_leaves_no_log(store: Store) -> None:
    gone, kept = [await job_in(store, JobStatus.PENDING) for _ in range(2)]
    await append(store, gone, lines("gone"))
    await append(store, kept, lines("kept"))
    await store.delete_job(gone)
    assert (await append(store, gone, lines("too late"))).is_full
    assert [row[-1] for row in await rows_of(store, "job_log")] == ["kept"]


async def test_a_refused_deletion_leaves_the_log(store: Store) -> None:
    job_id = await job_in(store, JobStatus.RUNNING)
    await append(store, job_id, lines("still here"))
    with pytest.raises(InvalidState):
        await store.delete_job(job_id)
    assert await messages(store, job_id) == ["still here"]


def test_cursors() -> None:
    cursor = encode_log_cursor(7, 42)
    assert decode_log_cursor(7, cursor) == 42
    with pytest.raises(InvalidInput, match="belongs to the log of job 7") as refusal:
        decode_log_cursor(8, cursor)
    assert refusal.value.field == "after"


@pytest.mark.parametrize("cursor", ["", "x", "é", "\ud800", "MQ", "WzEsMl0", encode_log_cursor(7, -1)])
def test_what_is_no_cursor(cursor: str) -> None:
    with pytest.raises(InvalidInput, match="is not a cursor of a job's log"):
        decode_log_cursor(7, cursor)
