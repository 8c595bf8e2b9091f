"""The three keys of a test's server, and operations sent with one of them over each transport."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from client import GRAPHQL_RESPONSE, JSON, PATIENCE_SECONDS, Socket

ROLES = ("viewer", "operator", "admin")
KEYS = {role: f"{role}-key-0123456789" for role in ROLES}
SETTING = ",".join(f"{role}-of-tests:{role}:{key}" for role, key in KEYS.items())
CALLERS = {"nobody": None, "a wrong key": "wrong-key-0123456789", **KEYS}


@dataclass
class Outcome:
    """What came of an operation: the code of its first error, or None; ``status`` is HTTP's, or a close code."""

    code: str | None
    status: int | None = None
    headers: Mapping[str, str] | None = None
    answer: dict[str, Any] | None = None


Send = Callable[[aiohttp.ClientSession, str, str | None, str, dict[str, Any]], Awaitable[Outcome]]


def authorization(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Authorization": f"Bearer {key}"}


async def by_post(
    session: aiohttp.ClientSession,
    url: str,
    key: str | None,
    query: str,
    variables: dict[str, Any],
    accept: str = GRAPHQL_RESPONSE,
) -> Outcome:
    headers = {"content-type": JSON, "accept": accept, **authorization(key)}
    body = orjson.dumps({"query": query, "variables": variables})
    async with session.post(url, data=body, headers=headers) as response:
        return _outcome(response, orjson.loads(await response.read()))


async def by_get(
    session: aiohttp.ClientSession, url: str, key: str | None, query: str, variables: dict[str, Any]
) -> Outcome:
    parameters = {"query": query, "variables": orjson.dumps(variables).decode()}
    headers = {"accept": GRAPHQL_RESPONSE, **authorization(key)}
    async with session.get(url, params=parameters, headers=headers) as response:
        return _outcome(response, orjson.loads(await response.read()))


def _outcome(response: aiohttp.ClientResponse, answer: dict[str, Any]) -> Outcome:
    return Outcome(_code(answer.get("errors")), response.status, response.headers, answer)


async def by_event_stream(
    session: aiohttp.ClientSession, url: str, key: str | None, query: str, variables: dict[str, Any]
) -> Outcome:
    """One operation; a subscription counts as begun when nothing was refused before its first comment or event."""
    headers = {"content-type": JSON, "accept": "text/event-stream", **authorization(key)}
    body = orjson.dumps({"query": query, "variables": variables})
    async with session.post(url, data=body, headers=headers) as response:
        if response.content_type != "text/event-stream":
            return _outcome(response, orjson.loads(await response.read()))
        assert response.status == 200
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3 if query.startswith("subscription") else PATIENCE_SECONDS):
                async for line in response.content:
                    if line.startswith(b"data: "):
                        answer = orjson.loads(line.removeprefix(b"data: "))
                        return Outcome(_code(answer.get("errors")), answer=answer)
        return Outcome(None)


async def by_websocket(
    session: aiohttp.ClientSession, url: str, key: str | None, query: str, variables: dict[str, Any]
) -> Outcome:
    """One operation; a subscription counts as begun when a ping sent after it is answered before any error."""
    async with session.ws_connect(url, protocols=("graphql-transport-ws",)) as websocket:
        socket = Socket(websocket)
        await socket.send(type="connection_init", payload=authorization(key))
        frame = await websocket.receive(PATIENCE_SECONDS)
        if frame.type is aiohttp.WSMsgType.CLOSE:
            return Outcome("UNAUTHENTICATED" if frame.data == 4403 else None, frame.data)
        assert orjson.loads(frame.data) == {"type": "connection_ack"}
        await socket.send(id="1", type="subscribe", payload={"query": query, "variables": variables})
        if query.startswith("subscription"):
            await socket.send(id="2", type="subscribe", payload={"query": "{ jobStats { total } }"})
        message = await socket.receive()
        if message["type"] == "error":
            return Outcome(_code(message["payload"]))
        return Outcome(_code(message["payload"].get("errors")), answer=message["payload"])


def _code(errors: list[dict[str, Any]] | None) -> str | None:
    return errors[0]["extensions"]["code"] if errors else None


@contextlib.asynccontextmanager
async def keyed_socket(session: aiohttp.ClientSession, url: str, key: str | None) -> AsyncIterator[Socket]:
    """A websocket that the server has admitted with this key."""
    async with session.ws_connect(url, protocols=("graphql-transport-ws",)) as websocket:
        socket = Socket(websocket)
        await socket.send(type="connection_init", payload=authorization(key))
        assert await socket.receive() == {"type": "connection_ack"}
        yield socket
