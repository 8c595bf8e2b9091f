"""What a server process costs by itself: from its start until it is ready, and its memory before and after many jobs.

    python benchmarks/memory.py [--jobs N] [--starts N] [DATABASE_URL ...]

Without a URL: SQLite. A database that is given is emptied first. The jobs are created through the API and run by the
process's own worker. Memory is the resident set of the process, as Linux counts it, when it is ready and when it is
idle again.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import Client, empty, machine, server_name, serving

CREATE = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"
UNFINISHED = "{ jobs(status: [QUEUED, RUNNING], first: 1) { nodes { id } } }"
CHUNK = 1000
AHEAD = 20
"""Chunks that may wait: the queue is never empty, and never long."""


def resident_mb(pid: int) -> float:
    """The resident set of a process in megabytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def work(client: Client, jobs: int) -> None:
    """Create jobs and wait until they are done."""
    inputs = [{"taskName": "simulate", "payload": {"n": n}, "run": True} for n in range(CHUNK)]
    for number in range(1, jobs // CHUNK + 1):
        await client.run(CREATE, inputs=inputs)
        if number % AHEAD == 0:
            await idle(client)
    await idle(client)


async def idle(client: Client) -> None:
    while (await client.run(UNFINISHED))["jobs"]["nodes"]:
        await asyncio.sleep(0.05)


async def measure(url: str, jobs: int, starts: int) -> None:
    await empty(url)
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite://{folder}/bench.db" if url == "sqlite" else url
        seconds = []
        for _ in range(starts):
            began = time.perf_counter()
            async with serving(database):
                seconds.append(time.perf_counter() - began)
        async with serving(database) as client:
            await client.run(UNFINISHED)
            await asyncio.sleep(2.0)
            before = resident_mb(client.pid)
            began = time.perf_counter()
            await work(client, jobs)
            took = time.perf_counter() - began
            await asyncio.sleep(5.0)
            after = resident_mb(client.pid)
    print(
        f"{await server_name(url)}: ready {statistics.median(seconds):.2f} s after the start (median of {starts}); "
        f"{before:.0f} MB then, {after:.0f} MB after {jobs:,} jobs in {took:.0f} s: {after - before:+.0f} MB",
        flush=True,
    )


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="*", default=["sqlite"])
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--starts", type=int, default=5)
    options = parser.parse_args()
    print(f"memory: {machine()}")
    for url in options.urls:
        await measure(url, options.jobs, options.starts)


if __name__ == "__main__":
    asyncio.run(main())
