"""From createJob(run: true) to its COMPLETED event over the websocket, on an idle server, and on one that has work.

    python benchmarks/latency.py [--jobs N] [--rate N] [DATABASE_URL ...]

Without a URL: SQLite. A database that is given is emptied first. ``--rate``: so many other jobs a second are created
and run meanwhile, ten in a request.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
import uvloop

from benchmarks.harness import Client, empty, machine, server_name, serving

CREATE = 'mutation { createJob(input: {taskName: "simulate", run: true}) { job { id } } }'
WATCH = 'subscription { jobStatusChanged(status: [COMPLETED], taskName: "simulate") { job { id status } } }'
LOAD = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"
CHUNK = 10


async def measure(client: Client, jobs: int) -> list[float]:
    """Milliseconds for each of ``jobs``, one at a time."""
    found = []
    url = client.url.replace("http", "ws")
    async with client.session.ws_connect(url, protocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init"})
        assert (await socket.receive_json())["type"] == "connection_ack"
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": WATCH}})
        await asyncio.sleep(0.3)
        for _ in range(jobs):
            start = time.perf_counter()
            created = await client.run(CREATE)
            while True:
                message = await socket.receive(timeout=10)
                assert message.type is aiohttp.WSMsgType.TEXT, message
                answer = message.json()
                if answer["type"] == "ping":
                    await socket.send_json({"type": "pong"})
                elif answer["payload"]["data"]["jobStatusChanged"]["job"]["id"] == created["createJob"]["job"]["id"]:
                    break
            found.append((time.perf_counter() - start) * 1000)
            await asyncio.sleep(0.02)
    return found


@asynccontextmanager
async def load(client: Client, rate: int) -> AsyncIterator[None]:
    """``rate`` other jobs a second, whether or not the server keeps up."""
    inputs = [{"taskName": "load", "payload": {"n": n}, "run": True} for n in range(CHUNK)]

    async def create(group: asyncio.TaskGroup) -> None:
        start = time.perf_counter()
        for number in itertools.count(1):
            group.create_task(client.run(LOAD, inputs=inputs))
            await asyncio.sleep(max(0.0, start + number * CHUNK / rate - time.perf_counter()))

    async with asyncio.TaskGroup() as group:
        creating = group.create_task(create(group)) if rate else None
        yield
        if creating is not None:
            creating.cancel()


async def tell(url: str, jobs: int, rate: int) -> None:
    await empty(url)
    async with serving(url, SIGNALBOX_UNKNOWN_TASK="simulate") as client:
        start = time.perf_counter()
        async with load(client, rate):
            found = sorted(await measure(client, jobs))
        took = time.perf_counter() - start
        [others] = (await client.run('{ jobs(taskName: "load") { totalCount } }'))["jobs"].values()
    p50, p99 = statistics.median(found), found[int(len(found) * 0.99) - 1]
    beside = f", beside {others / took:,.0f} other jobs a second" if rate else ""
    print(f"{await server_name(url)}: p50 {p50:.1f} ms, p99 {p99:.1f} ms ({len(found)} jobs{beside})", flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="*", default=["sqlite"])
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--rate", type=int, default=0)
    options = parser.parse_args()
    print(f"latency of createJob(run: true) to COMPLETED over the websocket; {machine()}")
    for url in options.urls:
        await tell(url, options.jobs, options.rate)


if __name__ == "__main__":
    uvloop.run(main())
