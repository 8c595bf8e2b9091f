"""Processes of one deployment that hear of each other by each notifier in turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from deployment import MakeProcess, Network, Process, Workbench
from eventually import eventually
from redis_server import RedisServer

import engine.notifier.contract
from engine.notifier.contract import Notifier
from engine.notifier.line import ANSWER_SECONDS, Line
from engine.notifier.memory import Exchange, MemoryNotifier
from engine.notifier.poll import PollNotifier
from engine.notifier.redis import RedisNotifier
from engine.store.store import Store


@pytest.fixture(params=["memory", "poll", "redis"])
def network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Network:
    """Makes a notifier for each process, of each kind in turn. Where hints come, nobody finds anything without them."""
    if request.param == "poll":
        return lambda _store, **_options: PollNotifier()
    monkeypatch.setattr(engine.notifier.contract, "SAFETY_SECONDS", 600.0)
    if request.param == "memory":
        exchange = Exchange()
        return lambda _store, **_options: MemoryNotifier(exchange)
    request.getfixturevalue("patient")
    redis: RedisServer = request.getfixturevalue("redis_server")

    def redis_notifier(store: Store, **options: Any) -> Notifier:
        return RedisNotifier(redis.url, store.deployment, clock=store.clock, **options)

    return redis_notifier


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis has 10 s more for each answer."""
    ask = Line.ask

    async def ask_patiently(line: Line, question: Any, *, answer_seconds: float = ANSWER_SECONDS) -> Any:
        return await ask(line, question, answer_seconds=answer_seconds + 10.0)

    monkeypatch.setattr(Line, "ask", ask_patiently)


@pytest.fixture
def workbench() -> Workbench:
    return Workbench()


@pytest.fixture
async def make_process(open_store: Any, network: Network, workbench: Workbench) -> AsyncIterator[MakeProcess]:
    """Starts processes on one database; each has been heard by the others when it is given."""
    made: list[Process] = []

    async def make(*, slots: int = 0) -> Process:
        process = Process(await open_store(), network, workbench, slots)
        made.append(process)
        process.start()
        if not isinstance(process.notifier, PollNotifier):
            await eventually(lambda: process.notifier.is_live)
        return process

    yield make
    workbench.gate.set()
    await asyncio.gather(*(each.stop() for each in reversed(made)))
