"""A database that goes away: nothing acknowledged is lost, nothing is done twice, and the store is well again after."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import aiomysql
import pymysql
import pytest
from databases import OpenStore
from eventually import eventually
from makers import claim, create, fetch_job, rows_of
from pymysql import err

from engine.clock import SystemClock
from engine.errors import Unavailable
from engine.records import ClaimedJob, Finish, JobRecord
from engine.store.claims import Heartbeat
from engine.store.mysql import MySQLTransaction
from engine.store.store import Store
from models.backends import mysql as mysql_backend
from models.connection import DatabaseURL
from models.enums import JobStatus

on_servers = pytest.mark.parametrize("database_url", ["mariadb", "mysql"], indirect=True)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

OPEN = "SELECT id FROM information_schema.processlist WHERE db=%s"


class HurriedClock(SystemClock):
    """Twenty seconds, or so many, pass in one, so that nobody's patience is long."""

    def __init__(self, seconds: int = 20) -> None:
        self._seconds = seconds

    def monotonic(self) -> float:
        return super().monotonic() * self._seconds


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def nowhere(free_port: int) -> str:
    """The URL of a server that does not answer."""
    return f"mysql://root@127.0.0.1:{free_port}/test"


@on_sqlite
async def test_a_server_that_does_not_answer(open_store: OpenStore, nowhere: str) -> None:
    store = await open_store(nowhere, clock=HurriedClock(4))
    begin = store.database.transaction
    tries = Counter[str]()

    def counted() -> Any:
        tries["transactions"] += 1
        return begin()

    store.database.transaction = counted
    for call in (
        lambda: create(store),
        lambda: store.heartbeat(Heartbeat(1, 1, ((1, 1),), 30.0)),
        lambda: store.heartbeat(Heartbeat(1, 0, (), 30.0)),  # tried once: there is nothing to lose
        lambda: store.register_worker("host", 1, 1),
        lambda: store.reads.stats(),
        lambda: store.reads.job(1),
        lambda: store.database.now(),
        lambda: store.missing_migrations(),
    ):
        with pytest.raises(Unavailable):
            await call()
    patient = tries["transactions"]
    assert patient > 3
    with pytest.raises(Unavailable):
        await claim(store)
    assert tries["transactions"] == patient + 1  # a claim is not patient


@on_sqlite
async def test_patience_is_about_as_long_as_was_said(open_store: OpenStore, nowhere: str) -> None:
    clock = HurriedClock()
    store = await open_store(nowhere, clock=clock)
    before = clock.monotonic()
    with pytest.raises(Unavailable):
        await create(store)
    assert 3.0 <= clock.monotonic() - before < 40.0


@on_sqlite
async def test_a_finish_waits_until_the_store_closes(open_store: OpenStore, store: Store, nowhere: str) -> None:
    await create(store, run=True)
    [job] = await claim(store)
    away = await open_store(nowhere, clock=HurriedClock())
    finish = asyncio.create_task(away.finish(Finish.completed(job, "1")))
    with pytest.raises(Unavailable):
        await create(away)
    assert not finish.done()
    async with asyncio.timeout(5):
        await away.close()
    with pytest.raises(Unavailable):
        await finish


class Connections:
    """Ends connections as an administrator would."""

    def __init__(self, url: str) -> None:
        self._url = DatabaseURL.parse(url)

    def _connect(self) -> pymysql.Connection[pymysql.cursors.Cursor]:
        url = self._url
        return pymysql.connect(host=url.host, port=url.port, user=url.user, password=url.password, autocommit=True)

    def count(self) -> int:
        with contextlib.closing(self._connect()) as admin, admin.cursor() as cursor:
            return cursor.execute(OPEN, (self._url.database,))

    def kill(self) -> int:
        admin = self._connect()
        try:
            with admin.cursor() as cursor:
                cursor.execute(OPEN, (self._url.database,))
                ids = [row[0] for row in cursor.fetchall()]
                for connection_id in ids:
                    try:
                        cursor.execute(f"KILL CONNECTION {connection_id}")
                    except pymysql.MySQLError:  # it has ended by itself
                        continue
        finally:
            admin.close()
        return len(ids)


@pytest.fixture
def connections(database_url: str) -> Connections:
    return Connections(database_url)


@on_servers
async def test_connections_that_are_killed_between_statements(store: Store, connections: Connections) -> None:
    await create(store)
    for _ in range(3):
        assert connections.kill() > 0
        job = await create(store)
        assert connections.kill() > 0
        await eventually(lambda job=job: readable(store, job))


async def readable(store: Store, job: JobRecord) -> bool:
    try:
        return await store.reads.job(job.id) == job
    except Unavailable:
        return False


@on_servers
async def test_connections_that_are_killed_while_jobs_are_created(store: Store, connections: Connections) -> None:
    acknowledged: list[JobRecord] = []
    attempted = 0

    async def client(name: str) -> None:
        nonlocal attempted
        for index in range(40):
            attempted += 1
            acknowledged.append(await create(store, f"{name}-{index}", run=True))

    clients = [asyncio.create_task(client(f"client {index}")) for index in range(10)]
    kills = 0
    while not all(each.done() for each in clients):
        kills += await asyncio.to_thread(connections.kill)
    await asyncio.gather(*clients)
    assert kills > 0
    assert len(acknowledged) == attempted == 400
    rows = Counter(row[0] for row in await store.database.fetch("SELECT task_name FROM jobs"))
    assert rows == Counter(job.task_name for job in acknowledged)
    read = await store.reads.jobs_by_id([job.id for job in acknowledged])
    assert [read[job.id] for job in acknowledged] == acknowledged
    assert len(await rows_of(store, "job_event")) == 400


class LostAnswer:
    """Loses the answer to the next COMMITs, of which each was done or not, and then the transactions that follow."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[bool] = []
        self.outages = 0
        execute, begin = MySQLTransaction.execute, MySQLTransaction.begin

        async def lose(transaction: MySQLTransaction, sql: str, parameters: Any = ()) -> int:
            if sql == "COMMIT" and self.done:
                if self.done.pop(0):  # and nobody learns of the keys that were given along with it
                    transaction._ahead = [(ahead, lambda _cursor: None) for ahead, _take in transaction._ahead]
                    await execute(transaction, sql, parameters)
                raise err.OperationalError(2013, "Lost connection to MySQL server during query")
            return await execute(transaction, sql, parameters)

        async def refuse(transaction: MySQLTransaction) -> None:
            if not self.done and self.outages:
                self.outages -= 1
                raise err.OperationalError(2006, "MySQL server has gone away")
            await begin(transaction)

        monkeypatch.setattr(MySQLTransaction, "execute", lose)
        monkeypatch.setattr(MySQLTransaction, "begin", refuse)


@pytest.fixture
def lost_answer(monkeypatch: pytest.MonkeyPatch) -> LostAnswer:
    return LostAnswer(monkeypatch)


@on_servers
@pytest.mark.parametrize("outages", [0, 2])
@pytest.mark.parametrize("done", [[True], [False, True]])
async def test_a_commit_whose_answer_is_lost(
    store: Store, lost_answer: LostAnswer, done: list[bool], outages: int
) -> None:
    told: list[int | None] = []
    store.listen(lambda unit: told.extend((unit.first_seq, unit.last_seq)))
    lost_answer.done, lost_answer.outages = list(done), outages
    created = await asyncio.gather(*(create(store, f"task {index}", run=True) for index in range(5)))
    assert [row[0] for row in await store.database.fetch("SELECT task_name FROM jobs ORDER BY id")] == [
        job.task_name for job in created
    ]
    assert len(await rows_of(store, "job_event")) == 5
    lost_answer.done, lost_answer.outages = list(done), outages
    claimed = await eventually(lambda: claimed_when_available(store, 5))
    lost_answer.done, lost_answer.outages = list(done), outages
    accepted = await asyncio.gather(*(store.finish(Finish.completed(job, "1")) for job in claimed))
    assert all(accepted)
    assert {(await fetch_job(store, job.id)).status for job in created} == {JobStatus.COMPLETED}
    seqs = [row[0] for row in await store.database.fetch("SELECT seq FROM job_event ORDER BY seq")]
    assert told == [seqs[0], seqs[4], seqs[5], seqs[9], seqs[10], seqs[14]]


@on_servers
async def test_what_is_locked_by_a_process_that_fell_silent_is_rescued(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was frozen, or its machine is gone, in the middle of a transaction: nobody ends that for it."""
    monkeypatch.setattr(mysql_backend, "SILENT_TRANSACTION_SECONDS", 1)
    monkeypatch.setattr(mysql_backend, "SILENT_CONNECTION_SECONDS", 1)
    silent, store = await open_store(), await open_store()
    job = await create(store, run=True)
    await claim(store, lease_seconds=-1.0)
    with contextlib.suppress(Unavailable):
        async with silent.database.transaction() as transaction:
            await transaction.fetch(f"SELECT id FROM jobs WHERE id={job.id} FOR UPDATE")
            assert await store.rescue() == []
            await eventually(store.rescue, timeout_seconds=10)
    assert (await fetch_job(store, job.id)).status is JobStatus.QUEUED


@on_servers
async def test_connections_that_are_closed_as_soon_as_they_are_open(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is being killed does that; uvloop's transport has no socket any more then."""
    store = await open_store()

    def find_no_socket(_connection: aiomysql.Connection) -> None:
        raise RuntimeError("Transport does not expose socket instance")

    with monkeypatch.context() as patch:
        patch.setattr(aiomysql.Connection, "_set_keep_alive", find_no_socket)
        with pytest.raises(Unavailable):
            await store.database.now()
    await store.database.now()


@on_servers
async def test_connections_that_were_idle_for_too_long(
    open_store: OpenStore, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_backend, "SILENT_CONNECTION_SECONDS", 1)
    store = await open_store()
    job = await create(store)
    if not store.database.client.server.can_limit_silence:
        await eventually(lambda: connections.count() == 0, timeout_seconds=10)
        await asyncio.sleep(0.2)  # until it has arrived that they are gone
    assert await store.reads.job(job.id) == job


async def claimed_when_available(store: Store, limit: int) -> list[ClaimedJob]:
    """A claim that was not committed is not repeated: its worker asks again."""
    try:
        return await claim(store, limit)
    except Unavailable:
        return []


@on_servers
async def test_a_caller_who_cannot_wait_is_told_that_it_is_not_known(
    open_store: OpenStore, lost_answer: LostAnswer
) -> None:
    store = await open_store(clock=HurriedClock())
    lost_answer.done, lost_answer.outages = [True], 5
    with pytest.raises(Unavailable, match="not known"):
        await create(store)
    await eventually(lambda: lost_answer.outages == 0)
    await create(store, "next")
    assert len(await rows_of(store, "jobs")) == 2


@on_sqlite
async def test_another_process_holds_the_file(open_store: OpenStore, database_url: str) -> None:
    """A writer waits for another one's transaction; nothing fails."""
    first, second = await open_store(), await open_store()
    began, end = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with first.database.transaction() as transaction:
            await transaction.execute("UPDATE worker SET running=0")
            began.set()
            await end.wait()

    holder = asyncio.create_task(hold())
    await began.wait()
    writer = asyncio.create_task(create(second))
    assert await second.reads.stats()  # readers do not wait
    assert not writer.done()
    end.set()
    await holder
    assert (await writer).status is JobStatus.PENDING


@on_sqlite
async def test_a_folder_that_is_not_there(open_store: OpenStore, tmp_path: Path) -> None:
    threads = set(threading.enumerate())
    with pytest.raises(Unavailable):
        await open_store(f"sqlite://{tmp_path}/missing/file.db")
    await eventually(lambda: set(threading.enumerate()) <= threads)
