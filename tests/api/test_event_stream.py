"""Subscriptions over server-sent events on the real product: live, resumed, and ended by a server that stops."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import orjson
from client import Api, unique
from launching import Launch

QUERY = """subscription($tag: String, $after: String) {
  jobStatusChanged(tag: $tag, after: $after) { cursor to job { id } } }"""
SSE = {"accept": "text/event-stream"}


async def next_change(response: aiohttp.ClientResponse) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while not (line := await response.content.readline()).startswith(b"data: "):
            assert line, "the stream has ended"
    change: dict[str, Any] = orjson.loads(line[6:])["data"]["jobStatusChanged"]
    return change


def watch(api: Api, **variables: Any) -> Any:
    return api.session.post(api.url, json={"query": QUERY, "variables": variables}, headers=SSE)


async def test_live_resumed_and_ended(launch: Launch, session: aiohttp.ClientSession) -> None:
    process = launch()
    api = Api(session, process.url)
    tag = unique("sse")
    job = await api.create("simulate", tags=[tag])
    cursor = (await api.job(job["id"], "events { cursor }"))["events"][0]["cursor"]
    async with watch(api, tag=tag, after=cursor) as response:
        await api.change("runJob", job["id"])
        changes = [await next_change(response) for _ in range(2)]
    async with watch(api, tag=tag, after=changes[-1]["cursor"]) as response:
        changes.append(await next_change(response))
        assert [change["to"] for change in changes] == ["QUEUED", "RUNNING", "COMPLETED"]
        begun = time.monotonic()
        await asyncio.to_thread(process.stop)
        assert time.monotonic() - begun < 20.0  # it would wait for the stream for 35 s
        assert b"complete" not in await response.content.read()


async def test_an_operation_that_costs_too_much_changes_nothing(sqlite_api: Api) -> None:
    query = "query($n: Int) { jobs(first: $n) { nodes { logs { nodes { message at } } } } }"
    error = await sqlite_api.error(query, n=100)
    assert (error["code"], error["limit"], error["max"]) == ("TOO_COMPLEX", "cost", 10_000)
    await sqlite_api.data(query, n=10)
