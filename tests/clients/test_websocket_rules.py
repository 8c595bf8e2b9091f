"""Each rule of graphql-transport-ws, played against a real server by a client that knows nothing of the protocol."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import ServerProcess
from rules import IDLE, INIT, NEXT, RULES, Rule, play, subscribe

pytestmark = [pytest.mark.clients, pytest.mark.rules]
TITLE = "websocket rules"
AT_ONCE = 20


@pytest.fixture(scope="session")
def outcomes(server: ServerProcess) -> dict[str, str]:
    """What came of each rule. They are played beside one another, for some of them wait for the server's clock."""

    async def play_all() -> dict[str, str]:
        room = asyncio.Semaphore(AT_ONCE)

        async def one(rule: Rule) -> str:
            async with room:
                return await play(rule, websocket_url(server))

        got = await asyncio.gather(*map(one, RULES))
        return {rule.name: each for rule, each in zip(RULES, got, strict=True)}

    return asyncio.run(play_all())


def websocket_url(server: ServerProcess) -> str:
    return server.url.replace("http", "ws", 1) + "/graphql"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule(rule: Rule, outcomes: dict[str, str], table: Callable[..., None]) -> None:
    got = outcomes[rule.name]
    table(TITLE, rule=rule.name, sent=rule.shown, expected=rule.expected, got=got)
    assert got == rule.expected


async def test_shutdown(tmp_path: Path, table: Callable[..., None]) -> None:
    """Clients are told to come back, and not merely cut off."""
    process = ServerProcess(tmp_path, ["serve", "--port", "0", "--grace", "1"]).start()
    rule = Rule(
        "the server is told to stop",
        (INIT, NEXT, subscribe("1", IDLE), subscribe("2"), NEXT, NEXT, lambda: process.signal(signal.SIGTERM)),
        "connection_ack, next 2, complete 2, close 1012",
        sent="init, a subscription, a query; SIGTERM",
    )
    got = await play(rule, websocket_url(process))
    await asyncio.to_thread(process.check_its_end)
    table(TITLE, rule=rule.name, sent=rule.shown, expected=rule.expected, got=got)
    assert got == rule.expected
