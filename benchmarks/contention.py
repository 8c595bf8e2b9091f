"""Four workers, a server and a stream of creates, runs and cancels on one database for a minute: are there deadlocks?

    python benchmarks/contention.py [--seconds N] [--workers N] DATABASE_URL [...]

MySQL and MariaDB count deadlocks. Exits with 1 when there was one. The database is emptied first.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import Client, connect, empty, environment, machine, server_name, serving
from benchmarks.server_counts import server_counts

CREATE = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"
CANCEL = "mutation($id: ID!) { cancelJob(id: $id) { job { id } } }"
RUN = "mutation($ids: [ID!]) { runJobs(filter: {ids: $ids}) { count } }"
STATS = "{ jobStats { byStatus { status count } } }"
BATCH = 200
START_SECONDS = 120.0


async def all_at_work(url: str, workers: int) -> None:
    """Wait until every worker has made itself known: before that there is no contention to measure."""
    connection = await connect(url)
    try:
        async with asyncio.timeout(START_SECONDS), connection.cursor() as cursor:
            count = 0
            while count < workers:
                await asyncio.sleep(0.1)
                await cursor.execute("SELECT COUNT(*) FROM worker")
                [count] = await cursor.fetchone()
    finally:
        connection.close()


async def press(client: Client, until: float, chance: random.Random) -> int:
    """Create, run and cancel until the time is over; how many were created."""
    created = 0
    while time.monotonic() < until:
        inputs: list[dict[str, Any]] = [
            {
                "taskName": "simulate",
                "payload": {"seconds": chance.choice([0, 0, 0.01]), "steps": 1},
                "priority": chance.choice(["LOW", "MEDIUM", "HIGH"]),
                "tags": chance.choice([[], ["a"], ["a", "b"]]),
                "run": chance.random() < 0.5,
            }
            for _ in range(BATCH)
        ]
        ids = [job["id"] for job in (await client.run(CREATE, inputs=inputs))["createJobs"]["jobs"]]
        created += len(ids)
        await client.run(RUN, ids=ids)
        await asyncio.gather(*(client.try_to_run(CANCEL, id=each) for each in chance.sample(ids, 10)))
    return created


async def measure(url: str, seconds: float, workers: int) -> int:
    await empty(url)
    async with serving(url, "--no-worker") as client:
        before = (await server_counts(url)).deadlocks
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "server.cli", "worker", "--slots", "20"],
                env=environment(url),
                stderr=subprocess.DEVNULL,
            )
            for _ in range(workers)
        ]
        try:
            await all_at_work(url, workers)
            until = time.monotonic() + seconds
            created = sum(await asyncio.gather(*(press(client, until, random.Random(seed)) for seed in range(3))))
            found = (await server_counts(url)).deadlocks - before
            counts = {each["status"]: each["count"] for each in (await client.run(STATS))["jobStats"]["byStatus"]}
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait(60)
    ended = counts["COMPLETED"] + counts["CANCELLED"]
    print(f"{await server_name(url)}: {created:,} jobs created, {ended:,} ended in {seconds:g} s; {found} deadlocks")
    return found


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    print(f"contention: {options.workers} workers, {options.seconds:g} s; {machine()}")
    return int(any([await measure(url, options.seconds, options.workers) for url in options.urls]))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
