"""A server without keys answers to names that it knows, so that no page of a stranger's can speak for its user."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from client import CREATE, Api, Socket
from keyed import KEYS, SETTING, authorization
from launching import Launch
from processes import ServerProcess, run_command

KNOWN = (
    *("localhost", "localhost:8000", "LOCALHOST:1", "localhost.", "dev.localhost:8000"),
    *("127.0.0.1", "127.0.0.1:8000", "127.9.9.9", "[::1]", "[::1]:8000", "192.168.1.5:8000"),
)
STRANGE = (
    *("evil.example", "evil.example:8000", "EVIL.example", "localhost.evil.example", "evillocalhost"),
    *("127.0.0.1.evil.example", "localhost@evil.example", "localhost:80:80", "localhost:x", "::1", "[evil.example]"),
    *("[127.0.0.1", "localhost, evil.example", "127.1", "2130706433", "*", "", "x" * 5000),
)


@pytest.fixture(scope="module")
def server(running: Any) -> ServerProcess:
    found: ServerProcess = running.get("sqlite")
    return found


async def ask(session: aiohttp.ClientSession, server: ServerProcess, host: str) -> tuple[int, dict[str, Any]]:
    body = {"query": CREATE % "id", "variables": {"input": {"taskName": "simulate", "tags": ["hosts"]}}}
    async with session.post(f"{server.url}/graphql", json=body, headers={"Host": host}) as response:
        return response.status, await response.json()


async def shake_hands(session: aiohttp.ClientSession, server: ServerProcess, host: str) -> int:
    """The status of a websocket's handshake; one that succeeds is tried out."""
    protocols = ("graphql-transport-ws",)
    try:
        async with session.ws_connect(f"{server.url}/graphql", protocols=protocols, headers={"Host": host}) as opened:
            socket = Socket(opened)
            await socket.send(type="connection_init")
            assert await socket.receive() == {"type": "connection_ack"}
            return 101
    except aiohttp.WSServerHandshakeError as refused:
        return refused.status


async def count(session: aiohttp.ClientSession, server: ServerProcess) -> int:
    found: int = (await Api(session, server.url).data('{ jobs(tag: "hosts") { totalCount } }'))["jobs"]["totalCount"]
    return found


@pytest.mark.parametrize("host", KNOWN)
async def test_a_known_host(host: str, server: ServerProcess, session: aiohttp.ClientSession) -> None:
    status, answer = await ask(session, server, host)
    assert (status, answer.get("errors")) == (200, None)
    assert await shake_hands(session, server, host) == 101


@pytest.mark.parametrize("host", STRANGE)
async def test_a_strange_host(host: str, server: ServerProcess, session: aiohttp.ClientSession) -> None:
    before = await count(session, server)
    status, answer = await ask(session, server, host)
    assert status == 403
    [error] = answer["errors"]
    assert error["extensions"] == {"code": "FORBIDDEN"}
    assert repr(host[:100]) in error["message"]
    assert "SIGNALBOX_ALLOWED_HOSTS" in error["message"]
    assert len(error["message"]) < 400
    assert await shake_hands(session, server, host) == 403
    assert await count(session, server) == before


@pytest.mark.parametrize("path", ["/", "/jobs", "/graphql", "/metrics", "/readyz", "/webhook-test", "/none"])
async def test_every_path(path: str, server: ServerProcess, session: aiohttp.ClientSession) -> None:
    async with session.get(server.url + path, headers={"Host": "evil.example"}) as response:
        assert response.status == 403


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /healthz HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n", b"403"),
        (b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"403"),
        (b"GET /healthz HTTP/1.1\r\nHost: evil\xff\r\nConnection: close\r\n\r\n", b"403"),
        (b"GET /healthz HTTP/1.1\r\nHost: evil\r\nX-Forwarded-Host: localhost\r\nConnection: close\r\n\r\n", b"403"),
    ],
    ids=["none", "a known one and another", "another and a known one", "no ASCII", "a proxy's"],
)
async def test_hosts_as_no_browser_sends_them(head: bytes, status: bytes, server: ServerProcess) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    writer.write(head)
    answer = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    await writer.wait_closed()
    assert answer.split()[1] == status


async def test_names_of_ones_own(launch: Launch, session: aiohttp.ClientSession) -> None:
    names = {"SIGNALBOX_ALLOWED_HOSTS": "jobs.example.com, Other.example"}
    server = launch("serve", "--port", "0", "--no-worker", SIGNALBOX_UNKNOWN_TASK="simulate", **names)
    for host in ("jobs.example.com", "JOBS.example.com:443", "other.example.", "localhost"):
        assert (await ask(session, server, host))[0] == 200
        assert await shake_hands(session, server, host) == 101
    for host in ("example.com", "a.jobs.example.com"):
        assert (await ask(session, server, host))[0] == 403
        assert await shake_hands(session, server, host) == 403


async def test_the_check_can_be_switched_off(launch: Launch, session: aiohttp.ClientSession) -> None:
    settings = {"SIGNALBOX_ALLOWED_HOSTS": "*", "SIGNALBOX_UNKNOWN_TASK": "simulate"}
    server = launch("serve", "--port", "0", "--no-worker", **settings)
    assert (await ask(session, server, "evil.example"))[0] == 200
    assert await shake_hands(session, server, "evil.example") == 101


async def test_a_key_is_enough(launch: Launch, session: aiohttp.ClientSession) -> None:
    """A stranger's page has none, and who has one may reach the server by any name."""
    server = launch("serve", "--port", "0", "--no-worker", SIGNALBOX_API_KEYS=SETTING)
    headers = {"Host": "jobs.example.com", **authorization(KEYS["viewer"])}
    async with session.get(f"{server.url}/graphql?query={{version}}", headers=headers) as response:
        assert response.status == 200
    async with session.get(f"{server.url}/graphql?query={{version}}", headers={"Host": "evil.example"}) as response:
        assert response.status == 401


@pytest.mark.parametrize("names", ["a b", "http://a", "a:8000", "a,-b", "*.example.com", "é.example"])
def test_what_is_no_name(names: str, tmp_path: Any) -> None:
    done = run_command(tmp_path, "serve", settings={"SIGNALBOX_ALLOWED_HOSTS": names})
    assert done.returncode == 1
    assert done.stderr.startswith("signalbox: SIGNALBOX_ALLOWED_HOSTS: ")
    assert repr(names.rpartition(",")[2]) in done.stderr
