"""Keys in a file, changed while the server runs: sockets of revoked keys close, others notice nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from client import WATCH, Stream
from eventually import eventually
from keyed import KEYS, authorization, by_post, keyed_socket
from launching import launching
from processes import ServerProcess

PATIENCE_SECONDS = 5.0
CREATE = "mutation($input: CreateJobInput!) { createJob(input: $input) { job { id } } }"


def lines(**roles: str) -> str:
    """A file with the key of each role, under the role that is given, or its own."""
    return "".join(f"{name}-of-tests:{roles.get(name, name)}:{key}\n" for name, key in KEYS.items())


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"# keys of the tests\n{lines()}")
    return path


@pytest.fixture
def server_of_file(tmp_path: Path, key_file: Path) -> Iterator[ServerProcess]:
    with launching(tmp_path) as launch:
        settings = {"SIGNALBOX_API_KEYS_FILE": str(key_file), "SIGNALBOX_UNKNOWN_TASK": "simulate"}
        yield launch("serve", "--port", "0", **settings)


async def closing(websocket: aiohttp.ClientWebSocketResponse) -> tuple[int, list[Any]]:
    """The code that the socket is closed with, and what else arrived before."""
    before = []
    while (frame := await websocket.receive(PATIENCE_SECONDS)).type is aiohttp.WSMsgType.TEXT:
        before.append(frame.json())
    assert frame.type is aiohttp.WSMsgType.CLOSE
    return frame.data, [each for each in before if each["type"] != "ping"]


@pytest.mark.parametrize(
    "change",
    [lambda text: text.replace(KEYS["viewer"], "another-key-0123456789"), lambda _text: lines(viewer="operator")],
    ids=["revoked", "another role"],
)
async def test_a_changed_key_loses_its_sockets(
    server_of_file: ServerProcess, key_file: Path, session: aiohttp.ClientSession, change: Callable[[str], str]
) -> None:
    """The subscription ends with its socket; that of another key goes on and misses nothing."""
    url = f"{server_of_file.url}/graphql"
    query = WATCH % "id"
    async with keyed_socket(session, url, KEYS["viewer"]) as mine, keyed_socket(session, url, KEYS["admin"]) as other:
        watched: list[Stream] = [await each.subscribe(query, status=["PENDING"]) for each in (mine, other)]
        probe = await each_sees_a_job(session, url, watched)
        key_file.write_text(change(key_file.read_text()))  # noqa: ASYNC240 - a few bytes
        assert await closing(mine.websocket) == (4403, [])
        await by_post(session, url, KEYS["admin"], CREATE, {"input": {"taskName": "simulate", "tags": ["last"]}})
        change_seen = await watched[1].next()
        assert int(change_seen["job"]["id"]) > probe
    server_of_file.wait_for("keys.changed")
    server_of_file.wait_for("websocket.closed", where=lambda line: line["code"] == 4403)
    outcome = await by_post(session, url, KEYS["viewer"], "{ version }", {})
    assert outcome.code == ("UNAUTHENTICATED" if KEYS["viewer"] not in key_file.read_text() else None)  # noqa: ASYNC240


async def test_a_revoked_key_loses_its_event_streams(
    server_of_file: ServerProcess, key_file: Path, session: aiohttp.ClientSession
) -> None:
    url = f"{server_of_file.url}/graphql"
    body = {"query": WATCH % "id"}

    def stream(role: str) -> Any:
        headers = {"accept": "text/event-stream", **authorization(KEYS[role])}
        return session.post(url, json=body, headers=headers)

    async with stream("viewer") as mine, stream("admin") as other:
        assert (mine.status, other.status) == (200, 200)
        key_file.write_text(lines().replace(KEYS["viewer"], "another-key-0123456789"))  # noqa: ASYNC240
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert b"event: complete" not in await mine.read()  # clients connect again, and are told
        server_of_file.wait_for("stream.closed")
        line = asyncio.ensure_future(other.content.readline())
        while not line.done():
            await by_post(session, url, KEYS["admin"], CREATE, {"input": {"taskName": "simulate"}})
            await asyncio.wait([line], timeout=0.05)
        assert await line == b"event: next\n"


async def each_sees_a_job(session: aiohttp.ClientSession, url: str, streams: list[Stream]) -> int:
    """Create a job that all of the streams tell of: from then on they are live; its id."""
    for stream in streams:
        await stream.socket.send(id="ready", type="subscribe", payload={"query": "{ jobStats { total } }"})
        while (await stream.socket.receive()).get("type") != "complete":
            pass
    outcome = await by_post(session, url, KEYS["admin"], CREATE, {"input": {"taskName": "simulate"}})
    assert outcome.answer is not None
    job_id = outcome.answer["data"]["createJob"]["job"]["id"]
    for stream in streams:
        assert (await stream.next())["job"]["id"] == job_id
    return int(job_id)


async def test_a_file_that_cannot_be_used_keeps_the_old_keys(
    server_of_file: ServerProcess, key_file: Path, session: aiohttp.ClientSession
) -> None:
    async def warnings() -> Any:
        async with session.get(f"{server_of_file.url}/readyz") as response:
            assert response.status == 200
            return (await response.json()).get("warnings")

    url = f"{server_of_file.url}/graphql"
    assert await warnings() is None
    async with keyed_socket(session, url, KEYS["viewer"]) as socket:
        key_file.write_text(f"{lines()}new:root:hunter2-hunter2-hunter2\n")  # noqa: ASYNC240
        found = await eventually(warnings, timeout_seconds=PATIENCE_SECONDS)
        assert "line 4: its role is none of viewer, operator, admin" in found["keys"]
        assert (await by_post(session, url, KEYS["viewer"], "{ version }", {})).code is None
        await socket.subscribe("{ version }")
        assert (await socket.receive())["type"] == "next"
        line = server_of_file.wait_for("keys.unusable")
        assert line["level"] == "error"
        key_file.unlink()  # noqa: ASYNC240
        server_of_file.wait_for("keys.unusable", where=lambda line: "No such file" in line["error"])
        key_file.write_text(lines().replace(KEYS["viewer"], "another-key-0123456789"))  # noqa: ASYNC240
        while (frame := await socket.websocket.receive(PATIENCE_SECONDS)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert frame.data == 4403

    async def is_well() -> bool:
        return await warnings() is None

    await eventually(is_well)
    assert "hunter2" not in server_of_file.log
    assert [line for line in server_of_file.records() if line.get("event") == "loop.failed"] == []


async def test_the_rate_limit(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    """Each key has its own; HTTP says 429 and when to come back, a websocket the same in an error."""
    setting = ",".join(f"{role}:{role}:{key}" for role, key in KEYS.items())
    with launching(tmp_path) as launch:
        server = launch("serve", "--port", "0", "--no-worker", SIGNALBOX_API_KEYS=setting, SIGNALBOX_RATE_LIMIT="3")
        url = f"{server.url}/graphql"
        for _ in range(3):
            assert (await by_post(session, url, KEYS["viewer"], "{ version }", {})).status == 200
        for accept in ("application/json", "application/graphql-response+json"):
            outcome = await by_post(session, url, KEYS["viewer"], "{ version }", {}, accept=accept)
            assert (outcome.status, outcome.code) == (429, "RATE_LIMITED")
            assert outcome.headers is not None
            assert 1 <= int(outcome.headers["retry-after"]) <= 20
        async with keyed_socket(session, url, KEYS["viewer"]) as socket:
            refusal = await (await socket.subscribe("{ version }")).refusal()
            assert refusal["code"] == "RATE_LIMITED"
            assert 1 <= refusal["retryAfterSeconds"] <= 20
        assert (await by_post(session, url, KEYS["admin"], "{ version }", {})).status == 200
