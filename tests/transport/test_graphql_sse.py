"""GraphQL over server-sent events against a real server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from eventually import eventually
from parcels import KNOWN, Server

from server.transport.requests import stream_wish

SSE = {"accept": "text/event-stream"}
PATIENCE_SECONDS = 10.0


@contextlib.asynccontextmanager
async def opened(server: Server, query: str, **headers: str) -> AsyncIterator[aiohttp.ClientResponse]:
    async with server.client.post(server.url, json={"query": query}, headers={**SSE, **headers}) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        yield response


async def event(response: aiohttp.ClientResponse) -> tuple[str, Any] | None:
    """The next event, comments left out; None at the end."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        name, data = "", []
        while line := (await response.content.readline()).decode():
            if line.startswith("event: "):
                name = line[7:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].strip())
            elif line == "\n" and name:
                text = "\n".join(data)
                return name, orjson.loads(text) if text else None
    return None


async def test_a_subscription(server: Server) -> None:
    async with opened(server, "subscription { count(to: 2) }") as response:
        assert await event(response) == ("next", {"data": {"count": 0}})
        assert await event(response) == ("next", {"data": {"count": 1}})
        assert await event(response) == ("complete", None)
        assert await event(response) is None


@pytest.mark.parametrize("query", ["{ hello }", 'mutation { write(text: "x") }'])
async def test_other_operations_have_one_event(server: Server, query: str) -> None:
    async with opened(server, query) as response:
        name, payload = await event(response) or ("", {})
        assert (name, list(payload)) == ("next", ["data"])
        assert await event(response) == ("complete", None)
    assert server.world.writes == (["x"] if "mutation" in query else [])


async def test_by_get(server: Server) -> None:
    async with server.client.get(
        server.url, params={"query": "subscription { count(to: 1) }"}, headers=SSE
    ) as response:
        assert await event(response) == ("next", {"data": {"count": 0}})
    async with server.client.get(
        server.url, params={"query": 'mutation { write(text: "x") }'}, headers=SSE
    ) as response:
        assert (response.status, response.headers["allow"]) == (405, "POST")
    assert server.world.writes == []


@pytest.mark.parametrize("query", ["{", "{ nothing }", "subscription { nothing }"])
async def test_invalid_operations(server: Server, query: str) -> None:
    async with opened(server, query) as response:
        name, payload = await event(response) or ("", {})
        assert (name, payload["errors"][0]["extensions"]["code"]) == ("next", "BAD_USER_INPUT")
        assert "data" not in payload
        assert await event(response) == ("complete", None)


@pytest.mark.parametrize("name", ["slow", "expired"])
async def test_errors_of_the_source_end_the_stream(server: Server, name: str) -> None:
    async with opened(server, "subscription { events }") as response:
        await server.world.events.put("one")
        await server.world.events.put(KNOWN[name])
        assert await event(response) == ("next", {"data": {"events": "one"}})
        _, payload = await event(response) or ("", {})
        assert payload["errors"][0]["extensions"] == KNOWN[name].extensions
        assert await event(response) == ("complete", None)


async def test_a_client_that_leaves_ends_its_source(server: Server) -> None:
    async with opened(server, "subscription { events }") as response:
        await server.world.opened.acquire()
        assert server.world.closed.locked()
        response.close()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await server.world.closed.acquire()


async def test_json_clients_that_name_the_type_too(server: Server) -> None:
    accept = "application/graphql-response+json, application/json, text/event-stream"
    status, answer = await server.post("{ hello }", accept=accept)
    assert (status, answer) == (200, {"data": {"hello": "hello world"}})
    async with opened(server, "subscription { count(to: 1) }", accept=accept) as response:
        assert await event(response) == ("next", {"data": {"count": 0}})


async def test_keep_alive_and_shutdown(serve: Any) -> None:
    server: Server = await serve(http={"keep_alive_seconds": 0.02})
    async with opened(server, "subscription { events }") as response:
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert [await response.content.readline() for _ in range(6)] == [b":\n", b"\n"] * 3
            await server.http.shutdown()
        assert not server.world.closed.locked()
        assert await event(response) is None  # and no complete: clients connect again
    await eventually(lambda: not response.connection)


@pytest.mark.parametrize(
    ("accept", "wish"),
    [
        ("", "never"),
        ("*/*", "never"),
        ("text/*", "never"),
        ("text/event-stream", "always"),
        ("text/event-stream, */*", "always"),
        ("text/event-stream, multipart/mixed", "always"),
        ("text/event-stream;q=0.5, application/json", "subscriptions"),
        ("text/event-stream, application/json", "subscriptions"),
        ("text/event-stream, application/json;q=0.9", "always"),
        ("text/event-stream;q=0", "never"),
    ],
)
def test_wish(accept: str, wish: str) -> None:
    assert stream_wish([accept]) == wish
