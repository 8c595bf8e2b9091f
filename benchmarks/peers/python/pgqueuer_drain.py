# /// script
# requires-python = ">=3.11"
# dependencies = ["pgqueuer[asyncpg]==1.6.0", "asyncpg==0.31.0", "uvloop"]
# ///
"""pgqueuer on PostgreSQL: batches of 500, the rows deleted when done and a line each kept in its log table."""

from __future__ import annotations

import asyncio

import asyncpg
import uvloop
from common import JOBS, URL, Stopwatch
from pgqueuer import AsyncpgDriver, PgQueuer, Queries


async def main() -> None:
    watch = Stopwatch()
    connection, looking = await asyncpg.connect(URL), await asyncpg.connect(URL)
    queuer = PgQueuer(AsyncpgDriver(connection))
    queries = Queries(queuer.connection)
    if await queries.has_table("pgqueuer"):
        await queries.uninstall()
    await queries.install()

    @queuer.entrypoint("noop")
    async def noop(_job: object) -> None:
        watch.job()

    for _ in range(JOBS // 1000):
        await queries.enqueue(["noop"] * 1000, [None] * 1000, [0] * 1000)
    working = asyncio.ensure_future(queuer.run(batch_size=500))

    async def is_empty() -> bool:
        return await looking.fetchval("SELECT NOT EXISTS (SELECT FROM pgqueuer)")

    await watch.until(is_empty)
    queuer.shutdown.set()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


uvloop.run(main())
