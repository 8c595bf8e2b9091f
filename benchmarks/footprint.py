"""What a finished job takes up, in rows and bytes of each table, and what follows for so many jobs a day.

    python benchmarks/footprint.py [--jobs N] [--payload-bytes N] [--jobs-per-day N] [--retention-days N] [URL ...]

Each job is created with `run: true`, finishes, and has one webhook delivered. A table's bytes are those of its pages,
indexes included, as the server or the file's own statistics give them, less those of the empty table. Then the jobs are
removed as retention does it, first by one process and then by two at once, and counted. A database that is given is
emptied first. Redo log bytes are the whole server's: measure on one that does nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import TABLES, Client, connect, empty, machine, server_name, serving
from benchmarks.lifecycle import CREATE, UNFINISHED, completed, receiving
from engine.store.store import Store, database_for
from engine.upkeep import PRUNE_LIMIT
from models.connection import DatabaseURL

BATCH = 1000
DAY_SECONDS = 86_400
PAUSE_SECONDS = 0.05
"""Between two turns of the pruner."""
GB = 1e9
PENDING = "{ webhookDeliveries(filter: {status: [PENDING]}, first: 1) { nodes { id } } }"


@dataclass(frozen=True, slots=True)
class Size:
    """Of one table."""

    rows: int
    bytes: int


async def live(client: Client, jobs: int, payload_bytes: int) -> None:
    """Create so many jobs, and wait until all have finished and their webhooks were delivered."""
    padding = "x" * max(0, payload_bytes - len('{"note":""}'))
    one = {"taskName": "simulate", "payload": {"note": padding}, "run": True}
    before = await completed(client)
    for _ in range(jobs // BATCH):
        await client.run(CREATE, inputs=[one] * BATCH)
    while (await client.run(UNFINISHED))["jobs"]["nodes"]:
        await asyncio.sleep(0.2)
    while (await client.run(PENDING))["webhookDeliveries"]["nodes"]:
        await asyncio.sleep(0.2)
    assert await completed(client) == before + jobs


async def sizes(url: str) -> dict[str, Size]:
    """Every table's size."""
    if url.startswith("sqlite"):
        return await asyncio.to_thread(sizes_of_file, DatabaseURL.parse(url).database)
    connection = await connect(url)
    try:
        async with connection.cursor() as cursor:
            if (await server_name(url)).startswith("MySQL"):
                await cursor.execute("SET SESSION information_schema_stats_expiry=0")
            await cursor.execute(f"ANALYZE TABLE {','.join(TABLES)}")
            await cursor.execute(
                "SELECT table_name, data_length + index_length FROM information_schema.tables "
                "WHERE table_schema = DATABASE()"
            )
            lengths = dict(await cursor.fetchall())
            found = {}
            for table in TABLES:
                await cursor.execute(f"SELECT COUNT(*) FROM {table}")
                [rows] = await cursor.fetchone()
                found[table] = Size(rows, int(lengths[table]))
            return found
    finally:
        connection.close()


def sizes_of_file(path: str) -> dict[str, Size]:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        owners = dict(connection.execute("SELECT name, tbl_name FROM sqlite_master WHERE type IN ('table', 'index')"))
        taken: dict[str, int] = {}
        for name, size in connection.execute("SELECT name, SUM(pgsize) FROM dbstat GROUP BY name"):
            table = owners.get(name, name)
            taken[table] = taken.get(table, 0) + size
        return {
            table: Size(connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0], taken[table])
            for table in TABLES
        }


async def redo_bytes(url: str) -> int | None:
    """What the server has written to its redo log since its start; None where there is none."""
    if url.startswith("sqlite"):
        return None
    connection = await connect(url)
    try:
        async with connection.cursor() as cursor:
            await cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_os_log_written'")
            return int((await cursor.fetchone())[1])
    finally:
        connection.close()


async def removals(url: str, processes: int, jobs: int) -> float:
    """How many jobs a second are removed by so many pruners that never pause, until about ``jobs`` are gone."""
    stores = [Store(database_for(DatabaseURL.parse(url))) for _ in range(processes)]
    removed = 0

    async def prune(store: Store) -> None:
        nonlocal removed
        while removed < jobs:
            count = await store.prune(0.0, PRUNE_LIMIT)
            if not count:
                return
            removed += count

    for store in stores:
        await store.open()
    try:
        begun = time.perf_counter()
        await asyncio.gather(*(prune(store) for store in stores))
        return removed / (time.perf_counter() - begun)
    finally:
        for store in stores:
            await store.close()


@asynccontextmanager
async def database(url: str) -> AsyncIterator[str]:
    """The URL of an empty database: of a file that is then removed, or the one that was given."""
    with tempfile.TemporaryDirectory() as folder:
        found = f"sqlite://{folder}/footprint.db" if url == "sqlite" else url
        if url != "sqlite":
            await empty(url)
        yield found


async def measure(url: str, options: argparse.Namespace) -> None:
    settings: dict[str, Any] = {"SIGNALBOX_WEBHOOK_ALLOW": "127.0.0.1"}
    async with database(url) as own, receiving() as receiver:
        async with serving(own, WEBHOOK_URL=receiver, **settings):
            before = await sizes(own)
        written = await redo_bytes(own)
        async with serving(own, "--slots", "50", WEBHOOK_URL=receiver, **settings) as client:
            await live(client, options.jobs, options.payload_bytes)
        written = None if written is None else ((await redo_bytes(own)) or 0) - written
        after = await sizes(own)
        rates = [await removals(own, processes, options.jobs // 2) for processes in (1, 2)]
    grown = {
        table: Size(after[table].rows - before[table].rows, after[table].bytes - before[table].bytes)
        for table in TABLES
        if after[table].rows - before[table].rows >= options.jobs
    }
    tell(await server_name("sqlite" if own.startswith("sqlite") else own), grown, written, rates, options)


def tell(
    name: str, grown: dict[str, Size], written: int | None, rates: list[float], options: argparse.Namespace
) -> None:
    jobs, per_day, days = options.jobs, options.jobs_per_day, options.retention_days
    print(f"\n{name}\n  table                rows/job  bytes/job   rows/day  GB/day    GB kept for {days:g} days")
    total = Size(sum(each.rows for each in grown.values()), sum(each.bytes for each in grown.values()))
    for table, size in [*sorted(grown.items(), key=lambda each: -each[1].bytes), ("all", total)]:
        rows, taken = size.rows / jobs, size.bytes / jobs
        print(
            f"  {table:20} {rows:8.2f} {taken:10,.0f} {rows * per_day:10.3g} {taken * per_day / GB:7,.1f} "
            f"{taken * per_day * days / GB:10,.0f}"
        )
    if written is not None:
        print(
            f"  redo log: {written / jobs:,.0f} bytes a job, {written / jobs * per_day / DAY_SECONDS / 1e6:,.1f} MB/s "
            f"at {per_day:,.0f} jobs a day"
        )
    one, two = rates
    paused = PRUNE_LIMIT / (PRUNE_LIMIT / one + PAUSE_SECONDS)
    print(
        f"  removed: {one:,.0f} jobs/s by one process, {two:,.0f} by two at once; with its pauses one pruner removes "
        f"{paused:,.0f}; needed: {per_day / DAY_SECONDS:,.0f}",
        flush=True,
    )


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="*", default=["sqlite"])
    parser.add_argument("--jobs", type=int, default=20_000, help="a multiple of 1,000")
    parser.add_argument("--payload-bytes", type=int, default=100)
    parser.add_argument("--jobs-per-day", type=float, default=100e6)
    parser.add_argument("--retention-days", type=float, default=3.0)
    options = parser.parse_args()
    print(
        f"footprint: {options.jobs:,} jobs with payloads of {options.payload_bytes} bytes and one webhook each; "
        f"{options.jobs_per_day:,.0f} jobs a day are {options.jobs_per_day / DAY_SECONDS:,.0f} a second on average; "
        f"{machine()}"
    )
    for url in options.urls:
        await measure(url, options)


if __name__ == "__main__":
    asyncio.run(main())
