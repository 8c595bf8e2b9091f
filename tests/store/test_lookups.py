"""Lookups that arrive together are one query, and nobody sees less than was committed before they asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from eventually import eventually
from makers import create

from engine.states import Trigger
from engine.store import lookups
from engine.store.lookups import Lookups
from engine.store.reads import MAX_SHAPES
from engine.store.store import Store


class Table:
    """Finds numbers below 100 as their names; it can be held back, and it can fail."""

    def __init__(self) -> None:
        self.queries: list[list[int]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.error: Exception | None = None

    async def load(self, keys: Sequence[int]) -> dict[int, str]:
        self.queries.append(list(keys))
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return {key: str(key) for key in keys if key < 100}


async def test_those_that_come_together_go_together() -> None:
    table = Table()
    found = Lookups(table.load)
    assert await asyncio.gather(*(found.get(key) for key in (1, 2, 200, 2))) == ["1", "2", None, "2"]
    assert table.queries == [[1, 2, 200, 2]]
    assert await found.get(3) == "3"


async def test_nobody_joins_a_query_that_has_begun() -> None:
    table = Table()
    table.may_answer.clear()
    found = Lookups(table.load)
    first = asyncio.ensure_future(found.get(1))
    await eventually(lambda: table.queries)
    later = [asyncio.ensure_future(found.get(key)) for key in (1, 2)]
    await asyncio.sleep(0)
    assert table.queries == [[1]]
    table.may_answer.set()
    assert await asyncio.gather(first, *later) == ["1", "1", "2"]
    assert table.queries == [[1], [1, 2]]


async def test_nobody_is_left_behind_at_the_end_of_a_query() -> None:
    table = Table()
    found = Lookups(table.load)

    async def ask_at_every_turn(turns: int) -> str | None:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await found.get(turns)

    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(ask_at_every_turn(turns) for turns in range(60)))
    assert answers == [str(turns) for turns in range(60)]


async def test_an_error_is_of_those_who_were_in_the_query() -> None:
    table = Table()
    table.error = OSError("away")
    found = Lookups(table.load)
    answers = await asyncio.gather(found.get(1), found.get(2), return_exceptions=True)
    assert [str(each) for each in answers] == ["away", "away"]
    table.error = None
    assert await found.get(1) == "1"


async def test_one_that_leaves_takes_nobody_with_it() -> None:
    table = Table()
    table.may_answer.clear()
    found = Lookups(table.load)
    leaving, staying = (asyncio.ensure_future(found.get(1)) for _ in range(2))
    await eventually(lambda: table.queries)
    leaving.cancel()
    table.may_answer.set()
    assert await staying == "1"
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_a_query_that_hangs_holds_up_those_alone_who_are_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "PATIENCE_SECONDS", 0.01)
    table = Table()
    table.may_answer.clear()
    found = Lookups(table.load)
    hanging = asyncio.ensure_future(found.get(1))
    await eventually(lambda: table.queries)
    waiting = asyncio.ensure_future(found.get(2))
    await eventually(lambda: table.queries == [[1], [2]])
    table.may_answer.set()
    assert await asyncio.gather(hanging, waiting) == ["1", "2"]


async def test_a_client_reads_its_own_writes(store: Store) -> None:
    jobs = [await create(store, f"task {number}") for number in range(20)]

    async def run_and_read(job_id: int) -> str:
        await store.change_job(job_id, Trigger.RUN)
        row = await store.reads.stored_job(job_id, ("status",))
        assert row is not None
        return str(row.values[row.columns.index("status")])

    assert await asyncio.gather(*(run_and_read(job.id) for job in jobs)) == ["QUEUED"] * 20


async def test_what_is_asked_of_a_job_is_what_comes(store: Store) -> None:
    job = await create(store, "report", payload_text='{"a":1}')
    row = await store.reads.stored_job(job.id, ("payload", "task_name"))
    assert row is not None
    assert dict(zip(row.columns, row.values, strict=True)) | {"id": 0} == {
        "payload": '{"a":1}',
        "task_name": "report",
        "id": 0,
    }
    for missing in (0, -1, job.id + 1, 2**70):
        assert await store.reads.stored_job(missing, ("id",)) is None


async def test_ever_new_sets_of_columns_are_not_kept(store: Store) -> None:
    job = await create(store)
    for number in range(MAX_SHAPES + 5):
        columns = tuple(name for bit, name in enumerate(("task_name", "status", "payload")) if number >> bit & 1)
        await store.reads.stored_job(job.id, (*columns, *["id"] * (1 + number // 8)))
    assert len(store.reads._lookups) <= MAX_SHAPES
