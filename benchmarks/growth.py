"""What a table that grows costs: the drain, a claim, a look-up, lists and deep pages, with more and more finished jobs.

    python benchmarks/growth.py [--sizes N,...] [--backlog N] [--jobs N] [DATABASE_URL ...]

Without a URL: SQLite. A database that is given is emptied first. The finished jobs are copies of some that have lived,
with their events. At the end there is a backlog of queued jobs as well. What is printed for each size: jobs drained in
a second by one worker process, and medians in milliseconds, through the API, of a look-up by id, of the first page of a
list, of one deep in it, and of a list by status and time; then the ratio of each to the smallest size.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.drain import NEWEST, asking, drained, working
from benchmarks.harness import Client, empty, machine, server_name, serving
from benchmarks.lifecycle import LIVED, copy_in_file, copy_on_server, work_off

CREATE = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"
LOOK_UP = "query($id: ID!) { job(id: $id) { id taskName status priority payload } }"
NODES = "nodes { id taskName status priority payload createdAt updatedAt } pageInfo { endCursor }"
LIST = f"query($after: String) {{ jobs(first: 50, after: $after) {{ {NODES} }} }}"
BY_TIME = f"{{ jobs(first: 50, status: [COMPLETED], orderBy: {{field: UPDATED_AT, direction: DESC}}) {{ {NODES} }} }}"
DEEP = 100
"""Pages of 100 before the deep one."""
SECONDS = 3.0


async def timed(client: Client, query: str, variables: list[dict[str, object]]) -> float:
    """The median of one request after the other, in milliseconds."""
    found = []
    for each in variables:
        start = time.perf_counter()
        await client.run(query, **each)
        found.append((time.perf_counter() - start) * 1000)
    return statistics.median(found)


async def answers(client: Client, size: int, requests: int) -> dict[str, float]:
    """How long requests take."""
    pick = random.Random(7)
    ids: list[dict[str, object]] = [{"id": str(pick.randint(1, size))} for _ in range(requests)]
    cursor = None
    for _ in range(min(DEEP, size // 100 - 1)):
        page = await client.run(
            "query($after: String) { jobs(first: 100, after: $after) { pageInfo { endCursor } } }", after=cursor
        )
        cursor = page["jobs"]["pageInfo"]["endCursor"]
    return {
        "look-up": await timed(client, LOOK_UP, ids),
        "list": await timed(client, LIST, [{"after": None}] * requests),
        "deep page": await timed(client, LIST, [{"after": cursor}] * requests),
        "by status and time": await timed(client, BY_TIME, [{}] * requests),
    }


async def queue(client: Client, jobs: int) -> None:
    inputs = [{"taskName": "noop", "run": True}] * 1000
    for _ in range(jobs // 1000):
        await client.run(CREATE, inputs=inputs)


async def drain(database: str, jobs: int, runs: int) -> float:
    """Jobs a second: the median of some runs."""
    rates = []
    for _ in range(runs):
        async with serving(database, "--no-worker", SIGNALBOX_UNKNOWN_TASK="simulate") as client:
            await queue(client, jobs)
        with tempfile.TemporaryDirectory() as folder:
            async with asking(database) as ask:
                rates.append(jobs / await drained(database, ask, Path(folder), 100, 1, jobs))
    return statistics.median(rates)


async def claimed(database: str, backlog: int) -> float:
    """Jobs a second while there are more than can be done, by the numbers of the events: of each, two. For ``SECONDS``,
    or until none of ``backlog`` jobs is left."""
    with tempfile.TemporaryDirectory() as folder:
        async with asking(database) as ask:
            goal = (await ask(NEWEST))[0] + 2 * backlog
            async with working(database, Path(folder), 100, 1) as started:
                while started() is None:
                    await asyncio.sleep(0.03)
                [first], start = await ask(NEWEST), time.perf_counter()
                last, end = first, start
                while last < goal and end - start < SECONDS:
                    await asyncio.sleep(0.03)
                    [last], end = await ask(NEWEST), time.perf_counter()
    return (last - first) / 2 / (end - start)


async def grow(database: str, size: int) -> int:
    """More finished jobs, until there are about ``size``; how many there are then."""
    async with asking(database) as ask:
        [has] = await ask("SELECT MAX(id) FROM jobs")
    first, last = -(-has // LIVED), size // LIVED
    if database.startswith("sqlite"):
        await asyncio.to_thread(copy_in_file, database.removeprefix("sqlite://"), last, first)
    else:
        await copy_on_server(database, last, first)
    async with asking(database) as ask:
        [count] = await ask("SELECT COUNT(*) FROM jobs")
    return count


async def measure(url: str, sizes: list[int], backlog: int, jobs: int, runs: int, requests: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite://{folder}/growth.db" if url == "sqlite" else url
        await empty(url)
        async with serving(database) as client:
            await work_off(client, LIVED)
        rows: dict[str, dict[str, float]] = {}
        has = 0
        for size in sizes:
            has = await grow(database, size)
            async with serving(database, "--no-worker") as client:
                found = await answers(client, has, requests)
            rows[f"{has:,} finished"] = {"drain": await drain(database, jobs, runs), **found}
        if backlog:
            async with serving(database, "--no-worker", SIGNALBOX_UNKNOWN_TASK="simulate") as client:
                await queue(client, backlog)
                found = await answers(client, has, requests)
            rows[f"and {backlog:,} queued"] = {"drain": await claimed(database, backlog), **found}
    tell(f"{await server_name(url)}{await cache_size(url)}", rows)


async def cache_size(url: str) -> str:
    """How much of its tables the server keeps in memory, which decides how long a look-up in large ones takes."""
    if url == "sqlite":
        return ""
    async with asking(url) as ask:
        [size] = await ask("SELECT @@innodb_buffer_pool_size")
    return f" (innodb_buffer_pool_size {size >> 20} MB)"


def tell(name: str, rows: dict[str, dict[str, float]]) -> None:
    print(f"{name}: drained a second, then milliseconds; in brackets the ratio of the speed to that of the first line")
    first = next(iter(rows.values()))
    for label, row in rows.items():
        cells = []
        for key, value in row.items():
            ratio = value / first[key] if key == "drain" else first[key] / value
            cells.append(f"{key} {value:,.0f} ({ratio:.2f})" if key == "drain" else f"{key} {value:.2f} ({ratio:.2f})")
        print(f"  {label}: {', '.join(cells)}", flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="*", default=["sqlite"])
    parser.add_argument("--sizes", default="20000,100000,1000000")
    parser.add_argument("--backlog", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--requests", type=int, default=200)
    options = parser.parse_args()
    print(f"growth: {machine()}")
    for url in options.urls:
        sizes = [int(size) for size in options.sizes.split(",")]
        await measure(url, sizes, options.backlog, options.jobs, options.runs, options.requests)


if __name__ == "__main__":
    asyncio.run(main())
