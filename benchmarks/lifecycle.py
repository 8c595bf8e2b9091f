"""20,000 jobs from createJobs to COMPLETED through one server process; then the same with a full table, and a webhook.

    python benchmarks/lifecycle.py [--jobs N] [--runs N] [--finished N] [--webhook] [DATABASE_URL ...]

Without a URL: SQLite. It checks that every job is COMPLETED with exactly four events, and with ``--webhook`` exactly
one delivery each. A database that is given is emptied first.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from aiohttp import web

from benchmarks.harness import Client, empty, free_port, machine, server_name, serving

CREATE = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"
RUN = "mutation { runJobs(filter: {status: [PENDING]}) { count } }"
UNFINISHED = "{ jobs(status: [PENDING, SCHEDULED, QUEUED, RUNNING], first: 1) { nodes { id } } }"
PAGE = """query($after: String) { jobs(status: [COMPLETED], first: 100, after: $after) {
  nodes { id events { to at } deliveries { id } } pageInfo { hasNextPage endCursor } } }"""


@dataclass
class Rates:
    """Jobs a second."""

    created: float
    run: float
    finished: float
    """From the call of runJobs to the last COMPLETED."""
    drained: float
    """After the last job became QUEUED: how fast what was left then was finished, by the log's own times."""


async def work_off(client: Client, jobs: int) -> tuple[float, float]:
    """Create jobs, run them, wait for their end; when all were created, and when all were run."""
    inputs = [{"taskName": "simulate", "payload": {"email": f"{n}@example.test"}} for n in range(1000)]
    for _ in range(jobs // 1000):
        await client.run(CREATE, inputs=inputs)
    created = time.perf_counter()
    count = (await client.run(RUN))["runJobs"]["count"]
    ran = time.perf_counter()
    assert count == jobs, count
    while (await client.run(UNFINISHED))["jobs"]["nodes"]:
        await asyncio.sleep(0.2)
    return created, ran


async def lifecycle(client: Client, jobs: int, deliveries: int) -> Rates:
    """Create, run and wait; then read all of it back and check it."""
    before = await completed(client)
    start = time.perf_counter()
    created, ran = await work_off(client, jobs)
    done = await completed(client)
    assert done == before + jobs, done
    lives = await read_back(client, jobs, deliveries)
    called = min(life["QUEUED"] for life in lives)
    queued = max(life["QUEUED"] for life in lives)
    ends = [life["COMPLETED"] for life in lives]
    late = [end for end in ends if end > queued]
    return Rates(
        jobs / (created - start),
        jobs / (ran - created),
        jobs / (max(ends) - called),
        len(late) / (max(late) - queued) if late else jobs / (max(ends) - called),
    )


async def completed(client: Client) -> int:
    data = await client.run("{ jobs(status: [COMPLETED], first: 1) { totalCount } }")
    return int(data["jobs"]["totalCount"])


async def read_back(client: Client, jobs: int, deliveries: int) -> list[dict[str, float]]:
    """When each of the newest ``jobs`` reached each status. Each must have exactly four events, and its deliveries."""
    seen: set[str] = set()
    lives: list[dict[str, float]] = []
    after = None
    while len(seen) < jobs:
        page = (await client.run(PAGE, after=after))["jobs"]
        for node in page["nodes"]:
            assert node["id"] not in seen
            seen.add(node["id"])
            assert [event["to"] for event in node["events"]] == ["PENDING", "QUEUED", "RUNNING", "COMPLETED"], node
            assert len(node["deliveries"]) == deliveries, node
            lives.append({each["to"]: datetime.fromisoformat(each["at"]).timestamp() for each in node["events"]})
        after = page["pageInfo"]["endCursor"]
        assert page["pageInfo"]["hasNextPage"] or len(seen) >= jobs, len(seen)
    return lives[:jobs]


async def measure(url: str, jobs: int, runs: int, *, receiver: str | None = None, finished: int = 0) -> float:
    await empty(url)
    environment = {"WEBHOOK_URL": receiver, "SIGNALBOX_WEBHOOK_ALLOW": "127.0.0.1"} if receiver else {}
    deliveries = 1 if receiver else 0
    async with serving(url, **environment) as client:
        while await completed(client) < finished:
            await work_off(client, 20_000)
        rates = [await lifecycle(client, jobs, deliveries) for _ in range(runs)]
    note = " with a webhook" if receiver else f" after {finished:,} finished jobs" if finished else ""
    drained = statistics.median(each.drained for each in rates)
    print(
        f"{await server_name(url)}{note}: created {statistics.median(each.created for each in rates):,.0f}/s, "
        f"run {statistics.median(each.run for each in rates):,.0f}/s, "
        f"finished {drained:,.0f}/s once all were QUEUED ({', '.join(f'{each.drained:,.0f}' for each in rates)}), "
        f"{statistics.median(each.finished for each in rates):,.0f}/s from the call of runJobs (medians of {runs}); "
        f"all COMPLETED, four events{' and one delivery' if receiver else ''} each"
    )
    return drained


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="*", default=["sqlite"])
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--finished", type=int, default=0, help="measure again with so many finished jobs")
    parser.add_argument("--webhook", action="store_true", help="measure again with a webhook")
    options = parser.parse_args()
    print(f"lifecycle: {options.jobs} jobs, one server process; {machine()}")
    for url in options.urls:
        base = await measure(url, options.jobs, options.runs)
        if options.finished:
            full = await measure(url, options.jobs, options.runs, finished=options.finished)
            print(f"  ratio of the rates, full to empty: {full / base:.2f}")
        if options.webhook:
            app = web.Application()

            async def receive(request: web.Request) -> web.Response:
                await request.read()
                return web.Response()

            app.router.add_post("/", receive)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            port = free_port()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            await measure(url, options.jobs, 1, receiver=f"http://127.0.0.1:{port}/")
            await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
