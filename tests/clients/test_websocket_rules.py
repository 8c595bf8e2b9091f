"""Each rule of graphql-transport-ws, played against a real server by a client that knows nothing of the protocol."""

from __future__ import annotations

import asyncio
import json
import signal
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import ServerProcess
from rules import (
    IDLE,
    INIT,
    KEY,
    KEYED_RULES,
    NEXT,
    REVOKED_KEY,
    RULES,
    Rule,
    init_with,
    play,
    subscribe,
)

pytestmark = [pytest.mark.clients, pytest.mark.rules]
TITLE = "websocket rules"
AT_ONCE = 20


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(f"rules:operator:{KEY}\nrevoked:operator:{REVOKED_KEY}\n")
    return file


@pytest.fixture(scope="session")
def keyed_server(tmp_path_factory: pytest.TempPathFactory, key_file: Path) -> Iterator[ServerProcess]:
    """A server that lets nobody in without a key."""
    settings = {"SIGNALBOX_API_KEYS_FILE": str(key_file), "SIGNALBOX_UNKNOWN_TASK": "simulate"}
    arguments = ["serve", "--port", "0", "--grace", "2"]
    process = ServerProcess(tmp_path_factory.mktemp("keyed"), arguments, settings).start()
    yield process
    process.check_its_end()


@pytest.fixture(scope="session")
def outcomes(server: ServerProcess, keyed_server: ServerProcess) -> dict[str, str]:
    """What came of each rule. They are played beside one another, for some of them wait for the server's clock."""
    played = [(rule, server) for rule in RULES] + [(rule, keyed_server) for rule in KEYED_RULES]

    async def play_all() -> dict[str, str]:
        room = asyncio.Semaphore(AT_ONCE)

        async def one(rule: Rule, process: ServerProcess) -> str:
            async with room:
                return await play(rule, websocket_url(process))

        got = await asyncio.gather(*(one(*each) for each in played))
        return {rule.name: each for (rule, _), each in zip(played, got, strict=True)}

    return asyncio.run(play_all())


def websocket_url(server: ServerProcess) -> str:
    return server.url.replace("http", "ws", 1) + "/graphql"


@pytest.mark.parametrize("rule", [*RULES, *KEYED_RULES], ids=lambda rule: rule.name)
def test_rule(rule: Rule, outcomes: dict[str, str], table: Callable[..., None]) -> None:
    got = outcomes[rule.name]
    table(TITLE, rule=rule.name, sent=rule.shown, expected=rule.expected, got=got)
    assert got == rule.expected


def test_what_was_refused_did_not_run(outcomes: dict[str, str], keyed_server: ServerProcess) -> None:
    assert outcomes, "the rules were played"
    headers = {"Authorization": f"Bearer {KEY}"}
    query = urllib.parse.urlencode({"query": "{ jobs { nodes { id } } }"})
    with urllib.request.urlopen(
        urllib.request.Request(f"{keyed_server.url}/graphql?{query}", headers=headers)
    ) as response:
        assert json.load(response) == {"data": {"jobs": {"nodes": []}}}


async def test_revoked_key(keyed_server: ServerProcess, key_file: Path, table: Callable[..., None]) -> None:
    """Who was let in does not stay for longer than the key is valid."""

    def revoke() -> None:
        key_file.write_text(key_file.read_text().replace(f"revoked:operator:{REVOKED_KEY}\n", ""))

    rule = Rule(
        "a key is revoked",
        (init_with(f"Bearer {REVOKED_KEY}"), NEXT, subscribe("1", IDLE), subscribe("2"), NEXT, NEXT, revoke, NEXT),
        "connection_ack, next 2, complete 2, close 4403",
        sent="init with a key, a subscription, a query; the key is taken from the file",
    )
    got = await play(rule, websocket_url(keyed_server))
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
