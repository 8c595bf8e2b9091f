"""What limits cost: jobs a second through one worker without any, and with a limit for each of a hundred keys.

    python benchmarks/limits.py [--jobs N] [--runs N] [--keys N] [--per-key N] DATABASE_URL ...

A database that is given is emptied first; ``sqlite`` means a file. The same jobs are drained in turn by a worker whose
task has ``max_concurrency_per_key`` and by one whose task has not. Afterwards the log of events is read: at no moment
may more jobs of a key have been RUNNING than its limit. Exits with 1 when there were.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import statistics
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.drain import asking, drained
from benchmarks.harness import connect, empty, machine, server_name, serving

CREATE = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"
CHANGES = "SELECT concurrency_key, from_status, to_status FROM job_event JOIN jobs ON jobs.id=job_id ORDER BY seq"
CHUNK = 1000


async def queue(database: str, jobs: int, keys: int) -> None:
    async with serving(database, "--no-worker", SIGNALBOX_UNKNOWN_TASK="simulate") as client:
        for start in range(0, jobs, CHUNK):
            inputs = [
                {"taskName": "noop", "run": True, "concurrencyKey": f"key {n % keys}"}
                for n in range(start, start + CHUNK)
            ]
            await client.run(CREATE, inputs=inputs)


async def most_at_once(database: str) -> int:
    """The most jobs of one key that ran at one moment, by the order of the log."""
    if database.startswith("sqlite"):
        with closing(sqlite3.connect(database.removeprefix("sqlite://"))) as file:
            changes = file.execute(CHANGES).fetchall()
    else:
        connection = await connect(database)
        async with connection.cursor() as cursor:
            await cursor.execute(CHANGES)
            changes = await cursor.fetchall()
        connection.close()
    running: Counter[str] = Counter()
    most = 0
    for key, from_, to in changes:
        running[key] += (to == "RUNNING") - (from_ == "RUNNING")
        most = max(most, running[key])
    return most


async def measure(url: str, options: argparse.Namespace) -> bool:
    rates: dict[bool, list[float]] = {False: [], True: []}
    most = 0
    with tempfile.TemporaryDirectory() as folder:
        for run in range(options.runs):
            for limited in (False, True):
                database = f"sqlite://{folder}/{run}{limited}.db" if url == "sqlite" else url
                await empty(url)
                await queue(database, options.jobs, options.keys)
                limit = str(options.per_key) if limited else ""
                place = Path(tempfile.mkdtemp(dir=folder))  # where it is noted when the first job starts
                async with asking(database) as ask:
                    seconds = await drained(database, ask, place, 100, 1, options.jobs, DRAIN_PER_KEY=limit)
                rates[limited].append(options.jobs / seconds)
                if limited:
                    most = max(most, await most_at_once(database))
    free, bound = statistics.median(rates[False]), statistics.median(rates[True])
    print(
        f"{await server_name(url)}: {free:,.0f} jobs a second without limits, {bound:,.0f} with {options.per_key} at "
        f"once for each of {options.keys} keys: {bound / free:.2f} of it; at most {most} of a key ran at once",
        flush=True,
    )
    return most <= options.per_key


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="*", default=["sqlite"])
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keys", type=int, default=100)
    parser.add_argument("--per-key", type=int, default=25)
    options = parser.parse_args()
    print(f"limits: {options.jobs:,} jobs that do nothing, one worker process; {machine()}")
    return 0 if all([await measure(url, options) for url in options.urls]) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
