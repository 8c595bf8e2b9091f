"""From createJob(run: true) to its COMPLETED event over the websocket, on an idle server.

python benchmarks/latency.py [--jobs N] [DATABASE_URL ...]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
import uvloop

from benchmarks.harness import Client, empty, machine, server_name, serving

CREATE = 'mutation { createJob(input: {taskName: "simulate", run: true}) { job { id } } }'
WATCH = "subscription { jobStatusChanged(status: [COMPLETED]) { job { id status } } }"


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


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="*", default=["sqlite"])
    parser.add_argument("--jobs", type=int, default=200)
    options = parser.parse_args()
    print(f"latency of createJob(run: true) to COMPLETED over the websocket; {machine()}")
    for url in options.urls:
        await empty(url)
        async with serving(url) as client:
            found = sorted(await measure(client, options.jobs))
        p50, p99 = statistics.median(found), found[int(len(found) * 0.99) - 1]
        print(f"{await server_name(url)}: p50 {p50:.1f} ms, p99 {p99:.1f} ms ({len(found)} jobs)")


if __name__ == "__main__":
    uvloop.run(main())
