"""How fast a MySQL server can drain jobs at all: the statements of a queue that keeps its history, and nothing else.

What ``drain.py`` reaches says as much of the machine as of the product: the same server does twice as much on another
machine, or an hour later on this one. So ``drain.py --bare`` runs this in turn with ours: one row a job with one index,
one row for each change of its status, claims under a token, results of their own; batches of 500, a transaction each,
on two connections that take turns. No lists, limits, webhooks or guards; no jobs are run.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.harness import connect

BATCH = 500
TABLES = {
    "bare_job": (
        "id BIGINT AUTO_INCREMENT PRIMARY KEY, task_name VARCHAR(255) NOT NULL, payload LONGTEXT, "
        "priority SMALLINT NOT NULL, status VARCHAR(10) CHARACTER SET ascii NOT NULL, attempt INT NOT NULL DEFAULT 0, "
        "claim_token BIGINT, lease_until DATETIME(6), result LONGTEXT, created_at DATETIME(6) NOT NULL, "
        "updated_at DATETIME(6) NOT NULL, started_at DATETIME(6), finished_at DATETIME(6), "
        "KEY bare_job_claim (status, priority, id)"
    ),
    "bare_event": (
        "seq BIGINT AUTO_INCREMENT PRIMARY KEY, job_id BIGINT NOT NULL, "
        "from_status VARCHAR(10) CHARACTER SET ascii NOT NULL, to_status VARCHAR(10) CHARACTER SET ascii NOT NULL, "
        "attempt INT NOT NULL, at DATETIME(6) NOT NULL, KEY bare_event_job (job_id, seq)"
    ),
}


class Session:
    """A connection, and the batch that it has claimed."""

    def __init__(self, connection: Any, tokens: itertools.count[int]) -> None:
        self._connection = connection
        self._tokens = tokens
        self._token = 0

    async def run(self, sql: str) -> Sequence[tuple[Any, ...]]:
        async with self._connection.cursor() as cursor:
            await cursor.execute(sql)
            return await cursor.fetchall() if cursor.description else ()

    async def claim(self) -> list[int]:
        self._token = next(self._tokens)
        await self.run("BEGIN")
        rows = await self.run(
            "SELECT id, task_name, payload, attempt FROM bare_job FORCE INDEX (bare_job_claim) WHERE status='QUEUED' "
            f"ORDER BY priority, id LIMIT {BATCH} FOR UPDATE SKIP LOCKED"
        )
        ids = [row[0] for row in rows]
        if ids:
            await self.run(
                f"UPDATE bare_job SET status='RUNNING', attempt=attempt+1, claim_token={self._token}, "
                "lease_until=UTC_TIMESTAMP(6) + INTERVAL 30 SECOND, started_at=UTC_TIMESTAMP(6), "
                f"updated_at=UTC_TIMESTAMP(6) WHERE id IN ({_listed(ids)}) AND status='QUEUED'"
            )
            await self._note(ids, "QUEUED", "RUNNING")
        await self.run("COMMIT")
        return ids

    async def finish(self, ids: list[int]) -> None:
        if not ids:
            return
        results = ",".join(f"""'{{"job":{each}}}'""" for each in ids)
        await self.run("BEGIN")
        await self.run(
            f"UPDATE bare_job SET status='COMPLETED', result=ELT(INTERVAL(id,{_listed(ids)}),{results}), "
            "claim_token=NULL, lease_until=NULL, finished_at=UTC_TIMESTAMP(6), updated_at=UTC_TIMESTAMP(6) "
            f"WHERE id IN ({_listed(ids)}) AND status='RUNNING' AND claim_token={self._token}"
        )
        await self._note(ids, "RUNNING", "COMPLETED")
        await self.run("COMMIT")

    async def _note(self, ids: list[int], source: str, target: str) -> None:
        rows = ",".join(f"({each},'{source}','{target}',1,UTC_TIMESTAMP(6))" for each in ids)
        await self.run(f"INSERT INTO bare_event (job_id, from_status, to_status, attempt, at) VALUES {rows}")


def _listed(ids: list[int]) -> str:
    return ",".join(map(str, sorted(ids)))


async def bare(database_url: str, jobs: int) -> float:
    """Jobs a second; the two tables are made and dropped."""
    tokens = itertools.count(1)
    connections = [await connect(database_url) for _ in range(2)]
    sessions = [Session(each, tokens) for each in connections]
    first, other = sessions
    try:
        await first.run("SET SESSION sql_notes=0")  # the tables need not be there
        for name, columns in TABLES.items():
            await first.run(f"DROP TABLE IF EXISTS {name}")
            await first.run(f"CREATE TABLE {name} ({columns}) ENGINE=InnoDB")
        row = "('noop','{}',2,'QUEUED',UTC_TIMESTAMP(6),UTC_TIMESTAMP(6))"
        for size in [1000] * (jobs // 1000):
            await first.run(
                "INSERT INTO bare_job (task_name, payload, priority, status, created_at, updated_at) "
                f"VALUES {','.join([row] * size)}"
            )
        for each in sessions:
            await each.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        began = time.perf_counter()
        ids = await first.claim()
        while ids:  # one finishes while the other claims the next
            following, _ = await asyncio.gather(other.claim(), first.finish(ids))
            ids, first, other = following, other, first
        seconds = time.perf_counter() - began
        [(left, events)] = await first.run(
            "SELECT (SELECT COUNT(*) FROM bare_job WHERE status<>'COMPLETED'), (SELECT COUNT(*) FROM bare_event)"
        )
        assert (left, events) == (0, 2 * jobs)
        for name in TABLES:
            await first.run(f"DROP TABLE {name}")
    finally:
        for connection in connections:
            connection.close()
    return jobs / seconds
