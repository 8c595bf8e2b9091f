"""Subscriptions over plain HTTP, for those who have no websocket."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from client import Api, unique
from launching import Launch
from processes import ServerProcess

WATCH = """subscription($tag: String, $after: String) {
  jobStatusChanged(tag: $tag, after: $after) { cursor to job { id status payload } } }"""


async def changes(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """What each ``next`` of a stream carries."""
    async for line in response.content:
        if line.startswith(b"data: "):
            body = json.loads(line.removeprefix(b"data: "))
            yield (body.get("data") and body["data"]["jobStatusChanged"]) or body


def watching(api: Api, **variables: Any) -> Any:
    return api.session.post(
        api.url, json={"query": WATCH, "variables": variables}, headers={"Accept": "text/event-stream"}
    )


async def test_a_job_is_followed_and_a_broken_stream_resumed(server: ServerProcess, api_of: Any) -> None:
    api: Api = api_of(server)
    tag = unique("streamed")
    async with watching(api, tag=tag, after=await api.last_cursor()) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        stream = changes(response)
        job = await api.create("nap", payload={"seconds": 0.01}, tags=[tag], run=True)
        first = await asyncio.wait_for(anext(stream), 10)
        assert (first["to"], first["job"]["id"]) == ("QUEUED", job["id"])
    await api.job_in(job["id"], "COMPLETED")
    async with watching(api, tag=tag, after=first["cursor"]) as response:
        stream = changes(response)
        later = [await asyncio.wait_for(anext(stream), 10) for _ in range(2)]
    assert [each["to"] for each in later] == ["RUNNING", "COMPLETED"]


async def test_a_cursor_that_is_none_is_refused_in_the_stream(server: ServerProcess, api_of: Any) -> None:
    async with watching(api_of(server), after="99999999999") as response:
        [body] = [each async for each in changes(response)]
    assert body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "after"}


async def test_open_streams_do_not_hold_up_the_end(launch: Launch, api_of: Any) -> None:
    server = launch("serve", "--port", "0", "--grace", "30")
    api: Api = api_of(server)
    async with watching(api) as response, api.watch():
        await api.create("simulate")
        assert (await asyncio.wait_for(anext(changes(response)), 10))["to"] == "PENDING"
        started = time.monotonic()
        server.signal(signal.SIGTERM)
        assert b"event: complete" not in await response.content.read()
    assert await asyncio.to_thread(server.wait, 10) == 0
    assert time.monotonic() - started < 8, "it waited for the streams"
