"""Equal subscriptions share one execution; each subscriber still gets every event once and in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from graphql import build_schema

import server.transport.sharing
from engine.errors import InvalidInput, SlowConsumer
from server.transport.documents import Asked, Documents
from server.transport.requests import GraphQLRequest
from server.transport.responses import GraphQLResponse
from server.transport.sharing import Broadcasts, Sharing, Update

SCHEMA = build_schema("type Query { a: Int } type Subscription { ticks(of: String, after: String): Int }")
DOCUMENT = "subscription($of: String, $after: String) { ticks(of: $of, after: $after) }"


class Log:
    """Events that are numbered from 1, and how often somebody reads them."""

    def __init__(self) -> None:
        self.end = 0
        self.opened = 0
        self.open = 0
        self.executed = 0
        self.error: Exception | None = None
        self._grown = asyncio.Event()

    def grow(self, count: int = 1) -> None:
        self.end += count
        self._wake()

    def fail(self, error: Exception) -> None:
        self.error = error
        self._wake()

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()

    async def read(self, asked: Asked) -> AsyncGenerator[Update, None]:
        after = (asked.request.variables or {}).get("after")
        position = self.end if after is None else int(after)
        if position > self.end:
            raise InvalidInput("after is beyond the end")
        self.opened += 1
        self.open += 1
        try:
            while True:
                if self.error is not None:
                    raise self.error
                if position < self.end:
                    position += 1
                    self.executed += 1
                    if random.random() < 0.3:
                        await asyncio.sleep(0)
                    yield Update(GraphQLResponse(b"%d" % position, True), position)
                else:
                    await self._grown.wait()
        finally:
            self.open -= 1


def asked(role: str | None = "viewer", document: str = DOCUMENT, **variables: Any) -> Asked:
    found = DOCUMENTS.parse(document)
    assert not DOCUMENTS.validate(found)
    return Asked(found, found.operation(None), GraphQLRequest(document, variables), role)


DOCUMENTS = Documents(SCHEMA)


@pytest.fixture
def log() -> Log:
    return Log()


def sharing(log: Log, queue_size: int = 100) -> Broadcasts:
    return Broadcasts(
        log.read, Sharing(key_of=lambda role: role, position_of=lambda _event: None), queue_size=queue_size
    )


class Subscriber:
    """Writes down what it gets; ``is_slow`` until told otherwise."""

    def __init__(self, broadcasts: Broadcasts, request: Asked, *, is_slow: bool = False, direct: bool = False) -> None:
        self.got: list[int] = []
        self.direct: list[int] = []
        self.error: Exception | None = None
        self.may_read = asyncio.Event()
        self.can_write = direct
        if not is_slow:
            self.may_read.set()
        self.task = asyncio.create_task(self._read(broadcasts, request))

    def _write(self, response: GraphQLResponse) -> bool:
        if self.can_write:
            self.got.append(int(response.body))
            self.direct.append(int(response.body))
        return self.can_write

    async def _read(self, broadcasts: Broadcasts, request: Asked) -> None:
        try:
            async with aclosing(broadcasts.stream(request, self._write)) as responses:
                async for response in responses:
                    await self.may_read.wait()
                    self.got.append(int(response.body))
        except (SlowConsumer, InvalidInput, ZeroDivisionError) as error:
            self.error = error

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.wait((self.task,))


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_one_execution_for_all(log: Log) -> None:
    broadcasts = sharing(log)
    subscribers = [Subscriber(broadcasts, asked(of="x", after=None)) for _ in range(20)]
    await settle()
    log.grow(3)
    await settle()
    assert [each.got for each in subscribers] == [[1, 2, 3]] * 20
    assert (log.opened, log.executed, broadcasts.count) == (1, 3, 1)
    for each in subscribers:
        await each.leave()
    assert (log.open, broadcasts.count) == (0, 0)


@pytest.mark.parametrize(
    "other",
    [
        {"of": "y"},
        {"role": "admin"},
        {"document": "subscription($of: String) { ticks(of: $of) }"},
        {"document": 'subscription($of: String) { ticks(of: $of, after: "0") }'},
        {"document": 'subscription($of: String, $after: String = "0") { ticks(of: $of, after: $after) }'},
        {"document": "subscription($after: String) { ticks(of: $after, after: $after) }"},
        {"document": "subscription($of: String) { ... on Subscription { ticks(of: $of) } }"},
        {"role": None},
    ],
)
async def test_what_differs_is_not_shared(log: Log, other: dict[str, Any]) -> None:
    broadcasts = sharing(log)
    one = Subscriber(broadcasts, asked(of="x"))
    two = Subscriber(broadcasts, asked(**({"of": "x"} | other)))
    await settle()
    log.grow()
    await settle()
    assert (one.got, two.got) == ([1], [1])
    assert log.opened == 2
    await one.leave()
    await two.leave()
    assert log.open == 0


async def test_one_who_resumes_joins_the_others(log: Log) -> None:
    broadcasts = sharing(log)
    first = Subscriber(broadcasts, asked())
    await settle()
    log.grow(5)
    await settle()
    behind = Subscriber(broadcasts, asked(after="2"))
    level = Subscriber(broadcasts, asked(after="5"))
    await settle()
    assert behind.got == [3, 4, 5]
    assert log.opened == 1, "what they have missed was kept"
    far_behind = Subscriber(broadcasts, asked(after="0"))
    await settle()
    assert far_behind.got == [1, 2, 3, 4, 5]
    assert log.opened == 2, "nobody knows what came before the first event that was sent"
    assert log.open == 1, "it has joined the others"
    log.grow(2)
    await settle()
    assert (first.got, behind.got, level.got) == ([1, 2, 3, 4, 5, 6, 7], [3, 4, 5, 6, 7], [6, 7])
    beyond = Subscriber(broadcasts, asked(after="99"))
    await settle()
    assert isinstance(beyond.error, InvalidInput)
    for each in (first, behind, far_behind, level, beyond):
        await each.leave()
    assert (log.open, broadcasts.count) == (0, 0)


async def test_no_more_is_kept_than_there_is_room_for(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.transport.sharing, "KEPT_BYTES", 10 * 303)
    broadcasts = sharing(log)
    one, another = Subscriber(broadcasts, asked(of="x")), Subscriber(broadcasts, asked(of="y"))
    await settle()
    log.grow(120)
    await settle()
    assert [len(each._kept) for each in broadcasts._broadcasts.values()] == [5, 5]
    late = Subscriber(broadcasts, asked(of="x", after="115"))
    await settle()
    assert (late.got, log.opened) == ([116, 117, 118, 119, 120], 2)
    later = Subscriber(broadcasts, asked(of="x", after="114"))
    await settle()
    assert (later.got, log.opened) == ([115, 116, 117, 118, 119, 120], 3)
    for each in (one, another, late, later):
        await each.leave()
    assert (log.open, broadcasts.count) == (0, 0)


@pytest.mark.parametrize("seed", range(30))
async def test_nothing_is_missed_or_repeated_whenever_one_joins(
    log: Log, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random.seed(seed)
    monkeypatch.setattr(server.transport.sharing, "KEPT_BYTES", random.choice([0, 1000, 10_000]))
    broadcasts = sharing(log, queue_size=random.choice([3, 1000]))
    subscribers: list[tuple[int, Subscriber]] = []
    for _ in range(60):
        action = random.random()
        if action < 0.35:
            start = random.randint(0, log.end)
            subscribers.append((start, Subscriber(broadcasts, asked(after=str(start)), direct=random.random() < 0.5)))
        elif action < 0.8:
            log.grow(random.randint(1, 6))
        elif subscribers:
            _, who = random.choice(subscribers)
            who.can_write = not who.can_write
        for _ in range(random.randint(0, 12)):
            await asyncio.sleep(0)
    log.grow()
    for _ in range(20):
        await settle()
    for start, who in subscribers:
        expected = list(range(start + 1, log.end + 1))
        assert who.got == expected[: len(who.got)], "a gap or a repeat"
        if who.error is None:
            assert who.got == expected, seed
        else:
            assert isinstance(who.error, SlowConsumer)
            assert who.error.cursor == str(who.got[-1]) if who.got else who.error.cursor in (None, str(start))
        await who.leave()
    assert (log.open, broadcasts.count) == (0, 0)


async def test_one_that_does_not_keep_up_is_ended_with_its_cursor(log: Log) -> None:
    broadcasts = sharing(log, queue_size=10)
    slow, quick = Subscriber(broadcasts, asked(), is_slow=True), Subscriber(broadcasts, asked())
    await settle()
    for _ in range(40):
        log.grow()
        await settle()
    assert quick.got == list(range(1, 41))
    slow.may_read.set()
    await settle()
    assert slow.got == list(range(1, 12)), "what it held and what was waiting"
    assert isinstance(slow.error, SlowConsumer)
    assert slow.error.cursor == "11"
    await quick.leave()
    assert log.open == 0


async def test_direct_writes_keep_the_order(log: Log) -> None:
    broadcasts = sharing(log)
    one = Subscriber(broadcasts, asked(), is_slow=True, direct=True)
    await settle()
    log.grow(2)
    await settle()
    one.can_write = False  # its buffer is full: the next ones wait for the reader
    log.grow(2)
    await settle()
    one.can_write = True  # and those that follow wait behind them
    log.grow(2)
    await settle()
    assert one.got == [1, 2]
    one.may_read.set()
    await settle()
    log.grow(1)
    await settle()
    assert (one.got, one.direct) == ([1, 2, 3, 4, 5, 6, 7], [1, 2, 4, 5, 6, 7])
    await one.leave()


async def test_the_error_of_a_source_is_told_to_all_and_ends_the_broadcast(log: Log) -> None:
    broadcasts = sharing(log)
    both = [Subscriber(broadcasts, asked()) for _ in range(2)]
    await settle()
    log.grow(2)
    await settle()
    log.fail(ZeroDivisionError())
    await settle()
    for each in both:
        assert (each.got, type(each.error)) == ([1, 2], ZeroDivisionError)
    log.error = None
    late = Subscriber(broadcasts, asked())
    await settle()
    log.grow()
    await settle()
    assert late.got == [3]
    await late.leave()
    assert (log.open, broadcasts.count) == (0, 0)
