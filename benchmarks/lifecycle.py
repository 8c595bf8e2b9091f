"""20,000 jobs from createJobs to COMPLETED through one server process; then the same with a full table, and a webhook.

    python benchmarks/lifecycle.py [--jobs N] [--runs N] [--finished N] [--webhook] [DATABASE_URL ...]

Without a URL: SQLite. It checks that every job is COMPLETED with exactly four events, and with ``--webhook`` exactly
one delivery each. A database that is given is emptied first. ``--finished N`` measures an empty table and one with so
many finished jobs in turn, so that both meet the same machine; a MySQL server gets a second database for it, named
like the first with ``_full`` behind.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from aiohttp import web

from benchmarks.harness import Client, connect, empty, free_port, machine, server_name, serving
from models.connection import DatabaseURL

LIVED = 20_000
"""Jobs of a full table that were created, run and finished; all others are copies of them."""
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


async def measure(url: str, jobs: int, runs: int, *, receiver: str | None = None) -> None:
    await empty(url)
    environment = {"WEBHOOK_URL": receiver, "SIGNALBOX_WEBHOOK_ALLOW": "127.0.0.1"} if receiver else {}
    async with serving(url, **environment) as client:
        rates = [await lifecycle(client, jobs, 1 if receiver else 0) for _ in range(runs)]
    tell(f"{await server_name(url)}{' with a webhook' if receiver else ''}", rates, bool(receiver))


async def measure_full(url: str, jobs: int, runs: int, finished: int) -> None:
    """An empty table and a full one, in turn."""
    empty_rates, full_rates = [], []
    async with full_database(url, finished) as full_url:
        for _ in range(runs):
            await empty(url)
            async with serving(url) as client:
                empty_rates.append(await lifecycle(client, jobs, 0))
            async with serving(full_url) as client:
                assert await completed(client) >= finished
                full_rates.append(await lifecycle(client, jobs, 0))
    name = await server_name(url)
    tell(f"{name} after {finished:,} finished jobs", full_rates)
    tell(f"{name} empty", empty_rates)
    ratios = {
        each.name: statistics.median(getattr(rates, each.name) for rates in full_rates)
        / statistics.median(getattr(rates, each.name) for rates in empty_rates)
        for each in fields(Rates)
    }
    print(f"  ratios of the medians, full to empty: {', '.join(f'{key} {ratio:.2f}' for key, ratio in ratios.items())}")


def tell(name: str, rates: list[Rates], has_webhook: bool = False) -> None:
    """Print the medians."""
    drained = statistics.median(each.drained for each in rates)
    print(
        f"{name}: created {statistics.median(each.created for each in rates):,.0f}/s, "
        f"run {statistics.median(each.run for each in rates):,.0f}/s, "
        f"finished {drained:,.0f}/s once all were QUEUED ({', '.join(f'{each.drained:,.0f}' for each in rates)}), "
        f"{statistics.median(each.finished for each in rates):,.0f}/s from the call of runJobs "
        f"(medians of {len(rates)}); all COMPLETED, four events{' and one delivery' if has_webhook else ''} each",
        flush=True,
    )


@asynccontextmanager
async def full_database(url: str, finished: int) -> AsyncIterator[str]:
    """The URL of a database in which ``finished`` jobs have lived: some that did, and copies of them."""
    with tempfile.TemporaryDirectory() as folder:
        if url == "sqlite":
            full_url = f"sqlite://{folder}/full.db"
        else:
            full_url = await sibling(url, "_full")
            await empty(full_url)
        async with serving(full_url) as client:
            await work_off(client, LIVED)
        copies = -(-finished // LIVED)
        if url == "sqlite":
            await asyncio.to_thread(copy_in_file, f"{folder}/full.db", copies)
        else:
            await copy_on_server(full_url, copies)
        yield full_url


def copying(columns: list[str], table: str, own_number: str, copy: int) -> str:
    """A statement that puts one more copy of the jobs that have lived into a table."""
    kept = [name for name in columns if name != own_number or table == "jobs"]
    wanted = [f"{name} + {copy * LIVED}" if name in ("job_id", "id") else name for name in kept]
    job = "id" if table == "jobs" else "job_id"
    return (
        f"INSERT INTO {table} ({', '.join(kept)}) SELECT {', '.join(wanted)} FROM {table} "
        f"WHERE {job} BETWEEN 1 AND {LIVED} ORDER BY {own_number}"
    )


def copy_in_file(path: str, copies: int, first: int = 1) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for table, own_number in (("jobs", "id"), ("job_event", "seq")):
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            for copy in range(first, copies):
                with connection:
                    connection.execute(copying(columns, table, own_number, copy))


async def copy_on_server(url: str, copies: int, first: int = 1) -> None:
    connection = await connect(url)
    try:
        async with connection.cursor() as cursor:
            for table, own_number in (("jobs", "id"), ("job_event", "seq")):
                await cursor.execute(f"SHOW COLUMNS FROM {table}")
                columns = [row[0] for row in await cursor.fetchall()]
                for copy in range(first, copies):
                    await cursor.execute(copying(columns, table, own_number, copy))
    finally:
        connection.close()


async def sibling(url: str, suffix: str) -> str:
    """The URL of another database on the same server, which is made if there is none."""
    parsed = DatabaseURL.parse(url)
    connection = await connect(url)
    try:
        async with connection.cursor() as cursor:
            await cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{parsed.database}{suffix}` CHARACTER SET utf8mb4")
    finally:
        connection.close()
    return f"{url.rpartition('/')[0]}/{parsed.database}{suffix}"


@asynccontextmanager
async def receiving() -> AsyncIterator[str]:
    """The URL of a receiver that answers 200 to everything."""

    async def receive(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        await runner.cleanup()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="*", default=["sqlite"])
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--finished", type=int, default=0, help="beside an empty table, one with so many finished jobs")
    parser.add_argument("--webhook", action="store_true", help="measure again with a webhook")
    options = parser.parse_args()
    print(f"lifecycle: {options.jobs} jobs, one server process; {machine()}")
    for url in options.urls:
        if options.finished:
            await measure_full(url, options.jobs, options.runs, options.finished)
        else:
            await measure(url, options.jobs, options.runs)
        if options.webhook:
            async with receiving() as receiver:
                await measure(url, options.jobs, 1, receiver=receiver)


if __name__ == "__main__":
    asyncio.run(main())
