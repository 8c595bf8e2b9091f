"""Reads that ask the same and wait together are made once; none is older than who asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from eventually import eventually
from makers import create

from engine.store.listing import JobFilter, JobQuery
from engine.store.same_reads import AT_ONCE, SameReads
from engine.store.store import Store


class Source:
    """Something that is read, and changes; each read takes until it is let go."""

    def __init__(self) -> None:
        self.value = 0
        self.begun: list[str] = []
        self.cancelled: list[str] = []
        self.reads: SameReads[tuple[str, int]] = SameReads()
        self._gates: list[asyncio.Event] = []

    def ask(self, key: str) -> asyncio.Task[tuple[str, int]]:
        return asyncio.create_task(self.reads.get(key, self._reading(key)))

    def _reading(self, key: str) -> Callable[[], Awaitable[tuple[str, int]]]:
        async def read() -> tuple[str, int]:
            self.begun.append(key)
            found = self.value
            gate = asyncio.Event()
            self._gates.append(gate)
            try:
                await gate.wait()
            except asyncio.CancelledError:
                self.cancelled.append(key)
                raise
            if key == "broken":
                raise ValueError(key)
            return key, found

        return read

    def let_go(self) -> None:
        """All reads that have begun end now."""
        gates, self._gates = self._gates, []
        for gate in gates:
            gate.set()


@pytest.fixture
async def source() -> Source:
    return Source()


async def busy(source: Source) -> list[asyncio.Task[tuple[str, int]]]:
    """As many reads as may be under way."""
    tasks = [source.ask(f"first {number}") for number in range(AT_ONCE)]
    await eventually(lambda: len(source.begun) == AT_ONCE)
    return tasks


async def test_those_who_wait_with_the_same_question_share_a_read(source: Source) -> None:
    first = await busy(source)
    waiting = [source.ask("a") for _ in range(5)] + [source.ask("b")]
    await asyncio.sleep(0)
    assert len(source.begun) == AT_ONCE
    source.let_go()
    await asyncio.gather(*first)
    await eventually(lambda: source.begun[AT_ONCE:] == ["a", "b"])
    source.let_go()
    assert await asyncio.gather(*waiting) == [("a", 0)] * 5 + [("b", 0)]


async def test_nobody_joins_a_read_that_has_begun(source: Source) -> None:
    early = source.ask("a")
    await eventually(lambda: source.begun == ["a"])
    source.value = 1  # what a client has written before it asks
    late = source.ask("a")
    await eventually(lambda: source.begun == ["a", "a"])
    source.let_go()
    assert (await early, await late) == (("a", 0), ("a", 1))


async def test_an_error_is_that_of_those_who_asked(source: Source) -> None:
    first = await busy(source)
    broken, good = [source.ask("broken") for _ in range(2)], source.ask("good")
    await asyncio.sleep(0)
    source.let_go()
    await asyncio.gather(*first)
    await eventually(lambda: len(source.begun) == AT_ONCE + 2)
    source.let_go()
    for each in broken:
        with pytest.raises(ValueError, match="broken"):
            await each
    assert await good == ("good", 0)


async def test_one_that_takes_long_holds_up_nobody(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.store.same_reads.PATIENCE_SECONDS", 0.01)
    slow = await busy(source)
    other = source.ask("other")
    await eventually(lambda: "other" in source.begun)
    source.let_go()
    assert await other == ("other", 0)
    await asyncio.gather(*slow)


async def test_what_nobody_waits_for_is_cancelled_or_never_begun(source: Source) -> None:
    first = await busy(source)
    never, kept = source.ask("never"), [source.ask("kept") for _ in range(2)]
    await asyncio.sleep(0)
    never.cancel()
    kept[0].cancel()
    first[0].cancel()
    await asyncio.gather(never, kept[0], first[0], return_exceptions=True)
    await eventually(lambda: source.cancelled == ["first 0"])
    await eventually(lambda: "kept" in source.begun)
    source.let_go()
    assert await kept[1] == ("kept", 0)
    await asyncio.gather(*first[1:])
    assert "never" not in source.begun


async def test_callers_that_leave_before_a_read_has_begun_take_no_place(source: Source) -> None:
    for number in range(AT_ONCE + 1):
        asked = source.ask(f"left {number}")
        await asyncio.sleep(0)  # it has asked, and the read's task has not had its first turn
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
    last = source.ask("last")
    await eventually(lambda: "last" in source.begun)
    source.let_go()
    assert await last == ("last", 0)


async def test_a_page_has_what_was_created_before(store: Store) -> None:
    async def create_and_list() -> bool:
        created = await create(store)
        page = await store.reads.list_jobs(JobQuery(JobFilter(task_name=created.task_name)))
        return created.id in [job.id for job in page.jobs]

    assert all(await asyncio.gather(*[create_and_list() for _ in range(30)]))
