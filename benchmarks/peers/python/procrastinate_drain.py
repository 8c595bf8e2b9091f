# /// script
# requires-python = ">=3.11"
# dependencies = ["procrastinate==3.10.0", "psycopg[binary,pool]", "uvloop"]
# ///
"""procrastinate on PostgreSQL: 100 at a time; rows and events are kept."""

from __future__ import annotations

import asyncio
import contextlib

import procrastinate
import uvloop
from common import JOBS, URL, Stopwatch

watch = Stopwatch()
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=URL, min_size=4, max_size=10))


@app.task(name="noop")
async def noop() -> None:
    watch.job()


async def main() -> None:
    async with app.open_async():
        with contextlib.suppress(procrastinate.exceptions.ConnectorException):  # it is there
            await app.schema_manager.apply_schema_async()
        await app.connector.execute_query_async("TRUNCATE procrastinate_jobs CASCADE")
        for _ in range(JOBS // 1000):
            await noop.batch_defer_async(*[{}] * 1000)
        working = asyncio.ensure_future(app.run_worker_async(concurrency=100, install_signal_handlers=False))

        async def is_empty() -> bool:
            row = await app.connector.execute_query_one_async(
                "SELECT NOT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing')) AS empty"
            )
            return bool(row["empty"])

        await watch.until(is_empty)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


uvloop.run(main())
