"""Two servers and a worker that hear of each other over Redis: at once while it is well, later while it is not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pymysql
import pytest
from client import Api, Stream
from eventually import eventually
from launching import Launch
from processes import SAMPLE_TASKS, ServerProcess
from redis_faults import FAULTS, Fault, emptied, never_there
from redis_server import RedisServer
from scraping import scrape

from models.connection import DatabaseURL

LIVE = "signalbox_notifier_live notifier=redis"
LINKS = {"redis-send", "redis-read", "redis-wait"}


@dataclass(slots=True)
class Fleet:
    """Server ``a`` is asked for jobs, server ``b`` is not; both are watched."""

    database: str
    a: Api
    b: Api
    worker: Api
    streams: list[Stream]
    processes: list[ServerProcess]
    ids: list[str] = field(default_factory=list)

    @property
    def everyone(self) -> tuple[Api, ...]:
        return self.a, self.b, self.worker

    async def create(self, count: int) -> None:
        for _ in range(count):
            job = await self.a.create("simulate", "id", payload={"seconds": 0}, run=True)
            self.ids.append(job["id"])

    async def are_live(self) -> bool:
        return {(await scrape(each))[LIVE] for each in self.everyone} == {1.0}

    def history(self) -> list[tuple[int, str]]:
        """The log as the database has it: (seq, status) in order."""
        url = DatabaseURL.parse(self.database)
        connection = pymysql.connect(
            host=url.host, port=url.port, user=url.user, password=url.password, database=url.database
        )
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute("SELECT seq, to_status FROM job_event ORDER BY seq")
            return list(cursor.fetchall())

    async def all_was_done_and_seen(self) -> None:
        """Each job has run once to its end, and each watcher saw each event once and in order."""
        expected = [status for _ in self.ids for status in ("QUEUED", "RUNNING", "COMPLETED")]
        seen = [
            [(int(each["cursor"]), each["to"]) for each in [*stream.seen, *(await self._rest(stream, len(expected)))]]
            for stream in self.streams
        ]
        log = await asyncio.to_thread(self.history)
        assert sorted(status for _, status in log) == sorted(expected)
        assert seen == [log, log]

    async def _rest(self, stream: Stream, count: int) -> list[dict[str, Any]]:
        already = list(stream.seen)
        while len(stream.seen) < count:
            await stream.next(30.0)
        rest, stream.seen = stream.seen[len(already) :], already
        return rest


@pytest.fixture
def fleet_on(request: pytest.FixtureRequest, launch: Launch, session: aiohttp.ClientSession) -> Any:
    """Starts a fleet on a MariaDB database of its own, with a REDIS_URL."""
    database: str = request.getfixturevalue("servers").get("mariadb").create()

    @asynccontextmanager
    async def fleet(redis_url: str) -> AsyncIterator[Fleet]:
        settings = {"DATABASE_URL": database, "REDIS_URL": redis_url, "SIGNALBOX_UNKNOWN_TASK": "simulate"}
        tasks = ("--tasks", str(SAMPLE_TASKS))
        serve = ("serve", "--port", "0", "--no-worker", *tasks)
        work = ("worker", "--slots", "5", "--metrics-port", "0", *tasks)
        processes = [launch(*command, is_ready=False, **settings) for command in (serve, serve, work)]
        await asyncio.gather(*(asyncio.to_thread(each.await_ready) for each in processes))
        a, b, worker = (Api(session, each.url) for each in processes)
        async with AsyncExitStack() as stack:
            streams = [await stack.enter_async_context(each.watch("id", after="0")) for each in (a, b)]
            yield Fleet(database, a, b, worker, streams, processes)

    return fleet


@pytest.mark.mariadb
async def test_hints_reach_everyone(fleet_on: Any, redis_server: RedisServer) -> None:
    async with fleet_on(redis_server.url) as fleet:
        await eventually(fleet.are_live)
        await fleet.create(30)
        await fleet.all_was_done_and_seen()
        found = await asyncio.gather(*(scrape(each) for each in fleet.everyone))
        sent = [each.get("signalbox_hints_sent_total kind=events", 0) for each in found]
        assert sent[0] > 0, "server a told of what it created"
        assert sent[1] == 0, "server b changed nothing"
        assert sent[2] > 0, "the worker told of what it ran"
        assert found[2]["signalbox_hints_received_total kind=work"] > 0
        assert found[1]["signalbox_hints_received_total kind=events"] > 0
        for each in fleet.everyone:
            # on a busy machine Redis may just have been late: it is warned of then, until the next answer

            async def is_ready_without_warnings(process: Any = each) -> bool:
                return bool(await process.get("/readyz") == (200, {"status": "ready"}))

            await eventually(is_ready_without_warnings)


@pytest.mark.mariadb
@pytest.mark.parametrize("fault", [*FAULTS, emptied, never_there], ids=lambda fault: fault.__name__)
async def test_nothing_is_lost_with_redis(fleet_on: Any, redis_server: RedisServer, fault: Fault) -> None:
    async with fault(redis_server) as (url, strike, mend), fleet_on(url) as fleet:
        if fault is not never_there:
            await eventually(fleet.are_live)
        await fleet.create(10)
        creating = asyncio.create_task(fleet.create(30))
        await strike()
        await creating
        if fault is not emptied:

            async def is_missed() -> bool:
                status, told = await fleet.a.get("/readyz")
                assert (status, told["status"]) == (200, "ready"), told
                return bool(LINKS & told.get("warnings", {}).keys())

            await eventually(is_missed)
            await fleet.create(10)
        await mend()
        await fleet.create(10)
        if fault is not never_there:
            await eventually(fleet.are_live, timeout_seconds=20)
            await fleet.create(10)
        await fleet.all_was_done_and_seen()
    events = [[each.get("event") for each in process.records()] for process in fleet.processes]
    assert ("notifier.lost" in events[0]) == (fault in FAULTS)
    assert all(each.count("notifier.lost") < 10 for each in events), "a line for each loss, and not for each try"
