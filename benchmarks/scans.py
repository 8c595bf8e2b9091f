"""How many rows each statement of the hot path reads for each that it returns or changes, in a table of a million jobs.

    python benchmarks/scans.py [--jobs N] DATABASE_URL [...]

MySQL and MariaDB count the rows that a session reads (Handler_read_*). Every statement of claim, finish, heartbeat,
promotion, rescue, event log and outbox is listed with its counts; the last line gives the worst ratio. Exits with 1
when one reads more than twice what it returns (and more than 10 rows). The database is emptied first.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import TABLES, connect, empty, machine, server_name
from engine.records import Finish, TryResult
from engine.store.claims import ClaimRequest, Heartbeat
from engine.store.deliveries import DueRequest
from engine.store.store import Store, database_for
from engine.store.unit import Unit
from engine.webhooks import Receivers
from models.connection import DatabaseURL
from models.enums import DeliveryStatus

BATCH = 200
ALLOWED_RATIO, ALLOWED_ROWS = 2.0, 10
STATUS = """CASE WHEN n % 100 < 90 THEN 'COMPLETED' WHEN n % 100 < 94 THEN 'QUEUED' WHEN n % 100 < 97 THEN 'SCHEDULED'
    WHEN n % 100 < 99 THEN 'PENDING' ELSE 'FAILED' END"""
FILL = f"""INSERT INTO jobs (task_name, payload, priority, status, attempt, max_attempts, timeout_seconds, created_at,
  updated_at, listed_status, listed_at, run_at, claim_token, lease_until)
SELECT CONCAT('task ', n % 50), '{{"n":1}}', 1 + n % 3, {STATUS},
  0, 3, 60, UTC_TIMESTAMP(6) - INTERVAL 1 DAY, UTC_TIMESTAMP(6) - INTERVAL 1 DAY,
  {STATUS}, UTC_TIMESTAMP(6) - INTERVAL 1 DAY,
  UTC_TIMESTAMP(6) + INTERVAL IF(n % 1000 < 960, -1, 1) HOUR, NULL, NULL
FROM (SELECT a.n * 1000 + b.n AS n FROM numbers a, numbers b) each_number WHERE n < %s"""


@dataclass
class Measured:
    operation: str
    sql: str
    read: int
    rows: int

    @property
    def ratio(self) -> float:
        return self.read / max(1, self.rows)

    @property
    def is_allowed(self) -> bool:
        return self.read <= ALLOWED_ROWS or self.ratio <= ALLOWED_RATIO


class Counting:
    """A transaction whose statements are counted, one by one."""

    def __init__(self, transaction: Any, operation: str, found: list[Measured]) -> None:
        self._transaction = transaction
        self._operation = operation
        self._found = found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        return await self._counted(sql, lambda: self._transaction.fetch(sql, parameters), len)

    async def fetch_many(self, columns: str, source: str) -> Any:
        return await self.fetch(f"SELECT {columns} {source}")

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return int(await self._counted(sql, lambda: self._transaction.execute(sql, parameters), int))

    async def complete(self, rows: Any) -> int:
        return int(await self._counted("UPDATE jobs ... COMPLETED", lambda: self._transaction.complete(rows), int))

    async def _counted(self, sql: str, call: Callable[[], Awaitable[Any]], rows: Callable[[Any], int]) -> Any:
        start, before = await self._reads(), await self._reads()
        answer = await call()
        after = await self._reads()
        # asking for the counts is counted too
        self._found.append(Measured(self._operation, sql, (after - before) - (before - start), rows(answer)))
        return answer

    async def _reads(self) -> int:
        status = await self._transaction.fetch("SHOW SESSION STATUS LIKE 'Handler_read%'")
        return sum(int(count) for _name, count in status)


async def fill(url: str, jobs: int) -> None:
    connection = await connect(url)
    try:
        async with connection.cursor() as cursor:
            await cursor.execute("CREATE TEMPORARY TABLE numbers (n INT PRIMARY KEY)")
            await cursor.execute("INSERT INTO numbers VALUES " + ",".join(f"({n})" for n in range(1000)))
            await cursor.execute("CREATE TEMPORARY TABLE numbers_too AS SELECT n FROM numbers")
            await cursor.execute(FILL.replace("numbers b", "numbers_too b").replace("%s", str(jobs)).replace("%%", "%"))
            await cursor.execute("ANALYZE TABLE jobs")
    finally:
        connection.close()


async def measure(url: str) -> list[Measured]:
    found: list[Measured] = []
    receivers = Receivers("http://127.0.0.1:9/")
    store = Store(database_for(DatabaseURL.parse(url)), outbox=receivers.outbox)
    await store.database.open()

    async def run(operation: str, handler: Any, *requests: Any) -> Any:
        async with store.database.transaction() as transaction:
            unit = Unit(Counting(transaction, operation, found))  # type: ignore[arg-type]
            answers = await handler(unit, list(requests))
            await store._settle(unit)
        return answers

    try:
        for table in TABLES:  # a table that is opened is counted as reading too
            await store.database.fetch(f"SELECT 1 FROM {table} LIMIT 1")
        for _ in range(2):
            [jobs] = await run("claim", store._workers.claim, ClaimRequest(1, "w", BATCH, 30.0))
            claims = tuple((job.id, job.claim_token) for job in jobs)
            await run("heartbeat", store._workers.heartbeat, Heartbeat(1, BATCH, claims, 30.0))
            await run("finish", store._workers.finish, *[Finish.completed(job, f'"{job.id}"') for job in jobs])
        [lost] = await run("claim", store._workers.claim, ClaimRequest(1, "w", BATCH, -1.0))
        assert len(lost) == BATCH
        await run("rescue", store._upkeep.rescue, None)
        await run("promote", store._workers.promote, None)
        [due] = await run("outbox", store._deliveries.claim_due, DueRequest(BATCH, 30.0, BATCH, {}))
        tries = [TryResult(each, DeliveryStatus.DELIVERED, 1, 200, None, None) for each in due]
        await run("outbox", store._deliveries.record_tries, *tries)
    finally:
        await store.database.close()
    return found


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--jobs", type=int, default=1_000_000)
    options = parser.parse_args()
    print(f"rows read by the hot path with {options.jobs:,} jobs; {machine()}")
    is_fine = True
    for url in options.urls:
        await empty(url)
        await fill(url, options.jobs)
        found = await measure(url)
        print(await server_name(url))
        for each in found:
            mark = "" if each.is_allowed else "  <-- more than twice"
            print(
                f"  {each.operation:9} read {each.read:5}  rows {each.rows:5}  {' '.join(each.sql.split())[:70]}{mark}"
            )
        worst = max((each for each in found if each.read > ALLOWED_ROWS), key=lambda each: each.ratio)
        print(f"  worst: {worst.ratio:.2f} rows read for each row returned or changed")
        is_fine = is_fine and all(each.is_allowed for each in found)
    return 0 if is_fine else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
