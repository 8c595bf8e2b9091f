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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from aiohttp import web

from benchmarks.harness import Client, empty, free_port, machine, serving

CREATE = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"
RUN = "mutation { runJobs(filter: {status: [PENDING]}) { count } }"
UNFINISHED = "{ jobs(status: [PENDING, SCHEDULED, QUEUED, RUNNING], first: 1) { nodes { id } } }"
PAGE = """query($after: String) { jobs(status: [COMPLETED], first: 50, after: $after) {
  nodes { id events { to } deliveries { status tries { responseStatus } } } pageInfo { hasNextPage endCursor } } }"""


async def lifecycle(client: Client, jobs: int) -> tuple[float, float, float, float]:
    """Jobs a second: created, made QUEUED, finished from the runJobs call to the last COMPLETED, and finished by
    themselves, from when runJobs has returned (some have finished by then; they do not count)."""
    before = await completed(client)
    inputs = [{"taskName": "simulate", "payload": {"email": f"{n}@example.test"}} for n in range(1000)]
    start = time.perf_counter()
    for _ in range(jobs // 1000):
        await client.run(CREATE, inputs=inputs)
    created = time.perf_counter()
    count = (await client.run(RUN))["runJobs"]["count"]
    ran = time.perf_counter()
    assert count == jobs, count
    early = await completed(client) - before
    while (await client.run(UNFINISHED))["jobs"]["nodes"]:
        await asyncio.sleep(0.1)
    end = time.perf_counter()
    done = await completed(client)
    assert done == before + jobs, done
    return jobs / (created - start), jobs / (ran - created), jobs / (end - created), (jobs - early) / (end - ran)


async def completed(client: Client) -> int:
    data = await client.run("{ jobs(status: [COMPLETED], first: 1) { totalCount } }")
    return int(data["jobs"]["totalCount"])


async def check(client: Client, jobs: int, deliveries: int) -> None:
    """Exactly four events each, and so many deliveries."""
    seen: set[str] = set()
    after = None
    while len(seen) < jobs:
        page = (await client.run(PAGE, after=after))["jobs"]
        for node in page["nodes"]:
            assert node["id"] not in seen
            seen.add(node["id"])
            assert [event["to"] for event in node["events"]] == ["PENDING", "QUEUED", "RUNNING", "COMPLETED"], node
            assert len(node["deliveries"]) == deliveries, node
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert len(seen) >= jobs, len(seen)


async def measure(url: str, jobs: int, runs: int, *, receiver: str | None = None, finished: int = 0) -> float:
    await empty(url)
    environment = {"WEBHOOK_URL": receiver, "SIGNALBOX_WEBHOOK_ALLOW": "127.0.0.1"} if receiver else {}
    async with serving(url, **environment) as client:
        while await completed(client) < finished:
            await lifecycle(client, 20_000)
        rates = [await lifecycle(client, jobs) for _ in range(runs)]
        created, ran, done, alone = (statistics.median(column) for column in zip(*rates, strict=True))
        await check(client, jobs, 1 if receiver else 0)
        name = url.partition(":")[0] if url == "sqlite" else url.partition("://")[0]
        note = " with a webhook" if receiver else f" after {finished} finished jobs" if finished else ""
        print(
            f"{name}{note}: created {created:,.0f}/s, run {ran:,.0f}/s, finished {done:,.0f}/s while being run, "
            f"{alone:,.0f}/s after (medians of {runs}; after: {', '.join(f'{rate[3]:,.0f}' for rate in rates)}); "
            f"all COMPLETED, four events{' and one delivery' if receiver else ''} each"
        )
        return alone


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
            print(f"  ratio full/empty {full / base:.2f}")
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
