"""A MySQL client for Tortoise whose pool survives dead connections, cancellations and restarts of the server.

aiomysql's pool never wakes those who wait when a dead connection is released, has no read timeout, and may hand on
a connection whose last reply was never read. So: a semaphore below the pool's size decides who may take one
(nobody ever waits inside the pool), session settings go into ``init_command`` (a SET reaches one connection only),
and whoever leaves with anything but a plain SQL error closes the connection first.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import aiomysql
from pymysql import err
from pymysql.constants import FIELD_TYPE
from pymysql.converters import decoders
from tortoise.backends.mysql.client import MySQLClient
from tortoise.exceptions import DBConnectionError

from models.connection import STATEMENT_SLOTS

ACQUIRE_TIMEOUT_SECONDS = 5.0
LOCK_WAIT_SECONDS = 5
SILENT_TRANSACTION_SECONDS = 5
"""What a process has locked that is frozen, or whose machine is gone, in mid-transaction is let go after that."""
SILENT_CONNECTION_SECONDS = 60
"""The same where the server (MySQL) knows no such limit but for all connections: the pool opens another one."""
USABLE_AFTER = (err.IntegrityError, err.ProgrammingError, err.DataError)

if sys.modules[MySQLClient.__module__].mysql is not aiomysql:
    raise RuntimeError("Tortoise took asyncmy, which is installed beside aiomysql; uninstall asyncmy")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the statements must know of the server that answers them."""

    version: str = ""
    isolation_variable: str = "transaction_isolation"
    auto_increment_increment: int = 1
    can_limit_silence: bool = False


def _was_hung_up_on(connection: aiomysql.Connection) -> bool:
    """Whether the server has ended an idle connection. MySQL says why before it does, so the pool, which looks for the
    end of the stream alone, does not see it: nobody has read those words."""
    reader = connection._reader
    return bool(reader is None or reader.at_eof() or reader._buffer)


@contextmanager
def _hung_up_at_once() -> Iterator[None]:
    """A server that goes away may close a connection as soon as it is open. aiomysql, which wants to set an option of
    its socket then, has no error of the database for that.

    Raises:
        DBConnectionError: this is what happened.
    """
    try:
        yield
    except RuntimeError as error:
        if "socket instance" not in str(error):
            raise
        raise DBConnectionError("The server closed a connection as soon as it was open.") from error


class GuardedConnection:
    """``async with`` it to hold one pooled connection."""

    __slots__ = ("_client", "_connection")

    def __init__(self, client: GuardedMySQLClient) -> None:
        self._client = client
        self._connection: aiomysql.Connection | None = None

    async def __aenter__(self) -> aiomysql.Connection:
        connection = self._client.take_free()
        if connection is not None:
            await self._client.slots.acquire()  # does not wait: one is free
            self._connection = connection
            self._client.in_use += 1
            return connection
        with _hung_up_at_once():
            return await self._acquire()

    async def _acquire(self) -> aiomysql.Connection:
        async with asyncio.timeout(ACQUIRE_TIMEOUT_SECONDS):
            await self._client.ensure_pool()  # before a slot is taken: it needs one itself
        slots = self._client.slots
        await slots.acquire()
        try:
            async with asyncio.timeout(ACQUIRE_TIMEOUT_SECONDS):
                self._connection = await self._client.pool.acquire()
                while _was_hung_up_on(self._connection):
                    self._connection.close()
                    self._client.release(self._connection)
                    self._connection = await self._client.pool.acquire()
        except BaseException:
            slots.release()
            raise
        self._client.in_use += 1
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._client.in_use -= 1
        if error is not None and not isinstance(error, USABLE_AFTER):
            connection.close()
        try:
            self._client.release(connection)
        finally:
            self._client.slots.release()


class GuardedMySQLClient(MySQLClient):
    """Tortoise's client over a guarded pool."""

    def __init__(self, **credentials: Any) -> None:
        super().__init__(**credentials)
        self.slots = asyncio.Semaphore(STATEMENT_SLOTS)
        self.in_use = 0
        self.extra["conv"] = CONVERTERS
        self.server = ServerFacts()

    async def ensure_pool(self) -> None:
        """Open the pool if it is not open."""
        if self._pool is None:
            async with self._pool_init_lock:
                if self._pool is None:
                    await self.create_connection(with_db=True)

    async def create_connection(self, with_db: bool) -> None:
        self.server = await self._ask_server()
        silence = (
            f"idle_transaction_timeout={SILENT_TRANSACTION_SECONDS}"
            if self.server.can_limit_silence
            else f"wait_timeout={SILENT_CONNECTION_SECONDS}"
        )
        self.extra["init_command"] = (
            f"SET SESSION {self.server.isolation_variable}='READ-COMMITTED', time_zone='+00:00', "
            f"innodb_lock_wait_timeout={LOCK_WAIT_SECONDS}, {silence}"
        )
        await super().create_connection(with_db)

    async def _ask_server(self) -> ServerFacts:
        """MariaDB 10 and MySQL 8 name the isolation differently, so one connection asks before the pool opens."""
        connection = await aiomysql.connect(
            host=self.host, port=self.port, user=self.user, password=self.password, connect_timeout=5
        )
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(
                    "SHOW VARIABLES WHERE Variable_name IN "
                    "('transaction_isolation', 'tx_isolation', 'version', 'auto_increment_increment', "
                    "'idle_transaction_timeout')"
                )
                found = dict(await cursor.fetchall())
        finally:
            connection.close()
        return ServerFacts(
            version=found["version"],
            isolation_variable="transaction_isolation" if "transaction_isolation" in found else "tx_isolation",
            auto_increment_increment=int(found["auto_increment_increment"]),
            can_limit_silence="idle_transaction_timeout" in found,
        )

    @property
    def pool(self) -> aiomysql.Pool:
        """The open pool; ``ensure_pool`` first."""
        if self._pool is None:
            raise err.InterfaceError(0, "the pool was closed")
        return self._pool

    def take_free(self) -> aiomysql.Connection | None:
        """A connection that is open and free, where a slot is free too. The one that was used last: it is the least
        likely to have been ended meanwhile, and what the server knows of it is still warm."""
        pool = self._pool
        if pool is None or pool._closing or self.slots.locked():
            return None
        while pool._free:
            connection = pool._free.pop()
            if _was_hung_up_on(connection) or connection._reader.exception():
                connection.close()
                continue
            pool._used.add(connection)
            return connection
        return None

    def release(self, connection: aiomysql.Connection) -> None:
        pool = self._pool
        if pool is None:
            connection.close()
        elif pool._closing or connection in pool._terminated or connection.closed:
            pool.release(connection)
        elif connection.get_transaction_status():
            connection.close()
            pool.release(connection)
        else:  # nobody waits in the pool, and its own way makes a task for each
            pool._used.remove(connection)
            pool._free.append(connection)

    def acquire_connection(self) -> Any:
        return GuardedConnection(self)


CONVERTERS = {**decoders}
"""Times are handed on as text: engine/store/rows.py reads them faster than the driver does."""
for _kind in (FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP):
    CONVERTERS.pop(_kind, None)

client_class = GuardedMySQLClient
