"""The servers that tests run on: MariaDB and MySQL, each given by its URL, or started.

The URLs come from the environment. Their users must be allowed to create databases, and nothing but databases of our
own names is touched. Without a URL, MariaDB is started from ``mariadbd`` for the session.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pymysql
from mariadb_data import SBIN, fill_data_folder
from requirements import Missing

from engine.store.database import to_text
from engine.store.mysql import MySQLDatabase
from engine.store.sqlite import SqliteDatabase
from engine.store.store import Store
from models.connection import STATEMENT_SLOTS, DatabaseURL
from models.migrate import migrate

MARIADB_VARIABLE = "SIGNALBOX_TEST_MARIADB_URL"
MYSQL_VARIABLE = "SIGNALBOX_TEST_MYSQL_URL"
START_SECONDS = 60.0
TABLES = (
    *("job_tag", "job_event", "job_log", "webhook_try", "webhook_delivery", "webhook_endpoint", "webhook_circuit"),
    *("throughput_minute", "throughput_cursor", "throughput_removed"),
    *("schedule_firing", "schedule", "worker", "task_limit", "task", "jobs"),
)
OpenStore = Callable[..., Awaitable[Store]]
"""Opens a store on the test's database, or on the URL that it is given."""


@dataclass(slots=True)
class Server:
    """A MySQL or MariaDB server on which tests make databases of their own."""

    url: DatabaseURL
    _made: list[str] = field(default_factory=list)
    _shared: str | None = None
    _administrator: pymysql.Connection | None = None

    def execute(self, *statements: str) -> None:
        """Run ``statements`` outside any database."""
        if self._administrator is None:
            self._administrator = pymysql.connect(
                host=self.url.host,
                port=self.url.port,
                user=self.url.user,
                password=self.url.password,
                autocommit=True,
                connect_timeout=5,
            )
        with self._administrator.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def create(self, *, is_migrated: bool = True) -> str:
        """A new database: its URL."""
        name = f"signalbox_test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        self._made.append(name)
        if is_migrated:
            asyncio.run(migrate(replace(self.url, database=name)))
        return self.url_of(name)

    def empty(self) -> str:
        """The URL of the session's database, with nothing in its tables."""
        if self._shared is None:
            self._shared = self.create()
            return self._shared
        name = DatabaseURL.parse(self._shared).database
        self.execute(*(f"DELETE FROM {name}.{table}" for table in TABLES))
        return self._shared

    def url_of(self, name: str) -> str:
        secret = f":{self.url.password}" if self.url.password else ""
        return f"mysql://{self.url.user}{secret}@{self.url.host}:{self.url.port}/{name}"

    def close(self) -> None:
        """Drop what was made."""
        if self._made:
            self.execute(*(f"DROP DATABASE IF EXISTS {name}" for name in self._made))
        self.disconnect()

    def disconnect(self) -> None:
        """Keep no connection until the next statement: the server is about to be killed, say."""
        if self._administrator is not None:
            administrator, self._administrator = self._administrator, None
            administrator.close()


@contextlib.contextmanager
def given_server(variable: str) -> Iterator[Server]:
    """The server that the environment variable names.

    Raises:
        Missing: it is not set.
    """
    url = os.environ.get(variable)
    if not url:
        raise Missing(f"set {variable}")
    server = Server(DatabaseURL.parse(url))
    try:
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def started_mariadb() -> Iterator[Server]:
    """A MariaDB of our own in a temporary folder, on a free port of the loopback.

    Raises:
        Missing: MariaDB is not installed.
    """
    daemon = shutil.which("mariadbd", path=SBIN)
    if daemon is None:
        raise Missing(f"set {MARIADB_VARIABLE}, or install mariadb-server")
    folder = Path(tempfile.mkdtemp(prefix="signalbox-mariadb-"))
    as_root = ["--user=root"] if os.geteuid() == 0 else []
    try:
        fill_data_folder(folder / "data")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            [
                daemon,
                "--no-defaults",
                f"--datadir={folder}/data",
                f"--socket={folder}/socket",
                f"--pid-file={folder}/pid",
                f"--port={port}",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=64M",
                *as_root,
            ],
            stdout=log,
            stderr=log,
        )
        try:
            server = Server(DatabaseURL("mysql", "", "127.0.0.1", port, "root"))
            yield _answering(server, process, folder / "log")
            server.close()
        finally:
            process.terminate()
            process.wait(START_SECONDS)
            log.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answering(server: Server, process: subprocess.Popen[bytes], log: Path) -> Server:
    waited = 0.0
    while waited < START_SECONDS:
        try:
            server.execute("SELECT 1")
        except pymysql.err.OperationalError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
                break
            waited += 0.1
        else:
            return server
    raise RuntimeError(f"mariadbd did not start:\n{log.read_text(errors='replace')[-2000:]}")


@contextlib.contextmanager
def mariadb() -> Iterator[Server]:
    """The MariaDB that is given, or one that is started."""
    source = given_server(MARIADB_VARIABLE) if os.environ.get(MARIADB_VARIABLE) else started_mariadb()
    with source as server:
        yield server


@contextlib.contextmanager
def mysql() -> Iterator[Server]:
    """The MySQL that is given."""
    with given_server(MYSQL_VARIABLE) as server:
        yield server


SERVERS: dict[str, tuple[str, Callable[[], contextlib.AbstractContextManager[Server]]]] = {
    "mariadb": ("MariaDB", mariadb),
    "mysql": ("MySQL", mysql),
}
ALL_DATABASES = ("sqlite", *SERVERS)


def checked_out(store: Store) -> bool:
    """Whether a connection of ``store`` is in use or inside a transaction."""
    database = store.database
    if isinstance(database, SqliteDatabase):
        clients = database._clients or ()
        return any(client._connection is not None and client._connection.in_transaction for client in clients)
    assert isinstance(database, MySQLDatabase)
    client = database._client
    if client is None:
        return False
    in_use = 0 if client._pool is None else client._pool.size - client._pool.freesize
    return in_use > 0 or client.slots._value != STATEMENT_SLOTS


async def age(store: Store, table: str, column: str, where: str, seconds: float) -> None:
    """Set a time back, as if so long had passed."""
    async with store.database.transaction() as transaction:
        then = to_text(transaction.now - timedelta(seconds=seconds))
        assert await transaction.execute(f"UPDATE {table} SET {column}=%s WHERE {where}", (then,)) > 0
