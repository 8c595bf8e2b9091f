"""GraphQL over server-sent events, in distinct connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from parcels import Server

EVENTS = {"Accept": "text/event-stream"}
WATCH = "subscription { events }"


async def messages(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    """The events of a stream, each with its decoded data; comments as ``(":", None)``."""
    name, data = "", ""
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line.startswith(":"):
            yield ":", None
        elif line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data:"):
            data += line.removeprefix("data:").strip()
        elif name:
            yield name, json.loads(data) if data else None
            name = data = ""


@asynccontextmanager
async def opened(server: Server, query: str, *, get: bool = False, **headers: str) -> AsyncIterator[Any]:
    url = f"http://127.0.0.1:{server.port}/graphql"
    given = {**EVENTS, **headers}
    if get:
        request = server.client.get(url, params={"query": query}, headers=given)
    else:
        request = server.client.post(url, json={"query": query}, headers=given)
    async with request as response:
        yield response


@pytest.mark.parametrize("get", [True, False])
async def test_a_query_is_one_event_and_complete(server: Server, get: bool) -> None:
    async with opened(server, "{ hello }", get=get) as response:
        assert (response.status, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert [each async for each in messages(response)] == [
            ("next", {"data": {"hello": "hello world"}}),
            ("complete", None),
        ]


@pytest.mark.parametrize("get", [True, False])
async def test_a_subscription_is_streamed_until_it_ends(server: Server, get: bool) -> None:
    async with opened(server, WATCH, get=get) as response:
        stream = messages(response)
        for value in ("a", "b\nc\u2028"):
            await server.world.events.put(value)
            assert await anext(stream) == ("next", {"data": {"events": value}})
        await server.world.events.put(None)
        assert [each async for each in stream] == [("complete", None)]
    await asyncio.wait_for(server.world.closed.acquire(), 5)


async def test_the_source_is_closed_when_the_client_leaves(server: Server) -> None:
    async with opened(server, WATCH) as response:
        await server.world.events.put("a")
        await anext(messages(response))
        response.close()
        await asyncio.wait_for(server.world.closed.acquire(), 5)


async def test_errors_are_events_too(server: Server) -> None:
    for query in ("{ nothing }", "{", "subscription { nothing }"):
        async with opened(server, query) as response:
            [(kind, body), last] = [each async for each in messages(response)]
        assert (response.status, kind, last) == (200, "next", ("complete", None))
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert "data" not in body


async def test_what_never_becomes_an_operation_is_answered_as_json(server: Server) -> None:
    url = f"http://127.0.0.1:{server.port}/graphql"
    async with server.client.post(url, data=b"[]", headers={**EVENTS, "content-type": "application/json"}) as response:
        assert (response.status, response.content_type) == (400, "application/json")
    async with opened(server, 'mutation { write(text: "x") }', get=True) as response:
        assert (response.status, response.headers["allow"]) == (405, "POST")
    assert server.world.writes == []


@pytest.mark.parametrize(
    ("accept", "query", "kind"),
    [
        ("application/json, text/event-stream", "{ hello }", "application/json"),
        ("application/json, text/event-stream", WATCH, "text/event-stream"),
        ("application/graphql-response+json, text/event-stream;q=0.1", WATCH, "text/event-stream"),
        ("text/event-stream;q=0, */*", WATCH, "application/json"),
        ("*/*", WATCH, "application/json"),
        ("text/*", WATCH, "application/json"),
    ],
)
async def test_what_is_streamed(server: Server, accept: str, query: str, kind: str) -> None:
    async with opened(server, query, Accept=accept) as response:
        assert response.content_type == kind
        if kind == "text/event-stream":
            await server.world.events.put(None)
            assert [each async for each in messages(response)] == [("complete", None)]


async def test_a_silent_stream_is_kept_alive(serve: Callable[..., Any]) -> None:
    server: Server = await serve(keep_alive_seconds=0.05)
    async with opened(server, WATCH) as response:
        stream = messages(response)
        assert [await anext(stream) for _ in range(3)] == [(":", None)] * 3
        await server.world.events.put(None)
        assert ("complete", None) in [each async for each in stream]


async def test_the_server_ends_its_streams_without_complete(server: Server) -> None:
    async with opened(server, WATCH) as response:
        await server.world.events.put("a")
        stream = messages(response)
        await anext(stream)
        await asyncio.wait_for(server.streams.shutdown(), 5)
        assert [each async for each in stream] == []
    await asyncio.wait_for(server.world.closed.acquire(), 5)
    async with opened(server, WATCH) as response:
        assert [each async for each in messages(response)] == [], "and opens no new ones"
