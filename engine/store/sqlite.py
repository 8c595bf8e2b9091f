"""SQLite: one writer, one reader, one file.

A write begins with BEGIN IMMEDIATE (a deferred one fails at once when another process has written meanwhile), under
a lock of its own, for Tortoise's client has one connection. Statements run in that connection's thread: when the
waiting task is cancelled, the statement is awaited first and then rolled back, so that nobody finds the connection
inside a transaction.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NoReturn, cast

import aiosqlite
import orjson
from tortoise.backends.sqlite.client import SqliteClient
from tortoise.context import TortoiseContext

from engine.clock import Clock, SystemClock
from engine.errors import Unavailable
from engine.records import Finish
from engine.store.database import Collision, Database, Row, Transaction, to_text
from engine.store.rows import at_rest
from models.connection import DatabaseURL, tortoise_config
from models.enums import JobStatus

MAX_PARAMETERS = 30_000
"""SQLite allows 32,766 in a statement."""
MAX_ROWS = 500
TURN_SECONDS = 10.0
"""So long a writer waits for those of other processes."""
LOOK_MILLISECONDS = 20
"""So long SQLite waits by itself, and looks at 1, 3, 8 and 18 ms. It has no queue: whoever waits for longer looks ten
times a second, and where several processes write without a pause one of them finds them at it for many seconds."""
CANNOT_SERVE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)


def _translate(error: sqlite3.Error) -> Exception:
    """What ``error`` means: an error that repeating the statement would only repeat is left as it is."""
    code = getattr(error, "sqlite_errorcode", 0)  # an extended code: the kind is in its low byte
    if code == sqlite3.SQLITE_CONSTRAINT_UNIQUE:
        return Collision(str(error))
    if code & 0xFF in CANNOT_SERVE:
        return Unavailable(f"The database cannot be used now: {error}. Nothing was changed.")
    return error


def _raise(error: sqlite3.Error) -> NoReturn:
    translated = _translate(error)
    if translated is error:
        raise error
    raise translated from error


class SqliteTransaction(Transaction):
    """A BEGIN IMMEDIATE ... COMMIT on the one writing connection."""

    def __init__(self, connection: aiosqlite.Connection, clock: Clock) -> None:
        self._connection = connection
        self._ahead: list[tuple[str, list[Row]]] = []
        self.now = clock.now()
        self.now_text = to_text(self.now)

    def ahead(self, sql: str) -> list[Row]:
        rows: list[Row] = []
        self._ahead.append((sql, rows))
        return rows

    async def _run_ahead(self) -> None:
        ahead, self._ahead = self._ahead, []
        for sql, rows in ahead:
            rows.extend(await self.fetch(sql))

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        await self._run_ahead()
        rows = await self._connection.execute_fetchall(sql.replace("%s", "?"), parameters)
        return cast(list[Row], rows)

    async def fetch_many(self, columns: str, source: str) -> list[Sequence[Any]]:
        """As one value: Python's module gives the interpreter's lock away for every row, and each time waits for it
        as long as other code runs."""
        [(text,)] = await self.fetch(f"SELECT group_concat(one) FROM (SELECT json_array({columns}) AS one {source})")
        return cast(list[Sequence[Any]], orjson.loads(f"[{text or ''}]"))

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        await self._run_ahead()
        cursor = await self._connection.execute(sql.replace("%s", "?"), parameters)
        return cursor.rowcount  # left open: to close it would be one more turn of the connection's thread

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[int]:
        found = await self.fetch(f"SELECT seq FROM sqlite_sequence WHERE name = '{table}'")
        last = found[0][0] if found else 0
        head = f"INSERT INTO {table} ({','.join(columns)}) VALUES "
        for chunk in _chunks(rows, len(columns)):
            await self.execute(head + _marks(len(columns), len(chunk)), [value for row in chunk for value in row])
        return list(range(last + 1, last + 1 + len(rows)))

    async def insert_ahead(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[int]:
        return await self.insert(table, columns, rows)

    def chosen(self, texts: Mapping[int, str | None]) -> str:
        """By halves: a row is looked for among a thousand with ten comparisons."""
        ids = sorted(texts)
        quoted = ["NULL" if texts[row_id] is None else f"'{texts[row_id]}'" for row_id in ids]

        def one_of(first: int, end: int) -> str:
            if end - first == 1:
                return quoted[first]
            middle = (first + end) // 2
            return f"CASE WHEN id<{ids[middle]} THEN {one_of(first, middle)} ELSE {one_of(middle, end)} END"

        return one_of(0, len(ids))

    async def complete(self, finishes: Sequence[Finish]) -> int:
        changed = 0
        rows = [(each.job.id, each.job.claim_token, each.result_text) for each in finishes]
        for chunk in _chunks(rows, 3):
            changed += await self.execute(
                f"UPDATE jobs SET {at_rest(JobStatus.COMPLETED, self.now_text)}, result=done.column3, "
                "progress=CASE WHEN progress IS NULL THEN NULL ELSE 1.0 END, claim_token=NULL, lease_until=NULL, "
                f"finished_at='{self.now_text}' "
                f"FROM (VALUES {_marks(3, len(chunk))}) AS done WHERE jobs.id=done.column1 "
                "AND jobs.claim_token=done.column2 AND jobs.status='RUNNING'",
                [value for row in chunk for value in row],
            )
        return changed


async def _begin(connection: aiosqlite.Connection) -> None:
    """Begin to write, when it is this process's turn."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + TURN_SECONDS
    while True:
        try:
            await connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or loop.time() > deadline:
                raise
        else:
            return


def _chunks(rows: Sequence[Sequence[Any]], width: int) -> Iterator[Sequence[Sequence[Any]]]:
    """Rows for one statement each. Not ``executemany``: it takes the interpreter's lock back for every row, and waits
    for it while other code runs."""
    size = min(MAX_ROWS, MAX_PARAMETERS // width)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _marks(width: int, count: int) -> str:
    row = f"({','.join('?' * width)})"
    return ",".join([row] * count)


class SqliteDatabase(Database):
    """A SQLite file behind two of Tortoise's connections."""

    dialect = "sqlite"

    def __init__(self, url: DatabaseURL, *, clock: Clock | None = None, synchronous: str = "NORMAL") -> None:
        self.url = url
        self._clock = clock or SystemClock()
        self._config = tortoise_config(url, synchronous=synchronous)
        self._context: TortoiseContext | None = None
        self._writing = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._clients: tuple[SqliteClient, SqliteClient] | None = None

    ordered_join = "CROSS JOIN"

    def by_index(self, name: str) -> str:
        return " NOT INDEXED" if name == "PRIMARY" else f" INDEXED BY {name}"

    def distinct(self, table: str, column: str, index: str, after: str = "", before: str | None = None) -> str:
        source = f"SELECT MIN({column}) FROM {table}{self.by_index(index)} WHERE {column} >"
        end = f" AND {column} < '{before}'" if before is not None else ""
        return (
            f"WITH RECURSIVE found(text) AS ({source} '{after}'{end} UNION ALL "
            f"SELECT ({source} found.text{end}) FROM found WHERE text IS NOT NULL) "
            "SELECT text FROM found WHERE text IS NOT NULL"
        )

    def packed(self, columns: Sequence[str], *expressions: str, table: str = "jobs") -> str:
        return ", ".join([*(f"{table}.{column}" for column in columns), *expressions])

    async def open(self) -> None:
        context = TortoiseContext()
        with context:
            await context.init(config=self._config)
        writer = cast(SqliteClient, context.connections.get("default"))
        reader = cast(SqliteClient, context.connections.get("reader"))
        try:
            for client in (writer, reader):
                await client.create_connection(with_db=True)
                if client._connection is not None:
                    client._connection.row_factory = None
            if writer._connection is not None:
                await writer._connection.execute(f"PRAGMA busy_timeout={LOOK_MILLISECONDS}")
        except sqlite3.Error as error:
            await context.close_connections()
            _raise(error)
        self._context = context
        self._clients = (writer, reader)

    async def close(self) -> None:
        if self._context is not None:
            context, self._context, self._clients = self._context, None, None
            await context.close_connections()

    def _connection(self, index: int) -> aiosqlite.Connection:
        connection = self._clients[index]._connection if self._clients else None
        if connection is None:
            raise Unavailable("The database is closed.")
        return connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqliteTransaction]:
        async with self._writing:
            connection = self._connection(0)
            try:
                await _begin(connection)
                yield SqliteTransaction(connection, self._clock)
                await connection.execute("COMMIT")
            except BaseException as error:
                # It waits its turn in the connection's thread, behind a statement whose task was cancelled.
                await asyncio.shield(connection.rollback())
                if isinstance(error, sqlite3.Error):
                    _raise(error)
                raise

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        async with self._reading:
            try:
                rows = await self._connection(1).execute_fetchall(sql.replace("%s", "?"), parameters)
                return cast(list[Row], rows)
            except sqlite3.Error as error:
                _raise(error)

    async def fetch_packed(
        self,
        columns: Sequence[str],
        source: str,
        parameters: Sequence[Any] = (),
        *,
        table: str = "jobs",
        expressions: Sequence[str] = (),
    ) -> list[Sequence[Any]]:
        return list(await self.fetch(f"SELECT {self.packed(columns, *expressions, table=table)} {source}", parameters))

    def ago(self, seconds: float) -> str:
        return f"'{to_text(self._clock.now() - timedelta(seconds=seconds))}'"

    async def execute(self, sql: str) -> int:
        async with self.transaction() as transaction:
            return await transaction.execute(sql)

    @property
    def connections(self) -> tuple[int, int]:
        return self._writing.locked() + self._reading.locked(), 2

    async def now(self) -> datetime:
        return self._clock.now()

    async def is_hole_open(self, first_seq: int, last_seq: int) -> bool:
        return False  # writers take turns, so numbers appear in order

    async def last_event_given(self) -> int:
        rows = await self.fetch("SELECT seq FROM sqlite_sequence WHERE name='job_event'")
        return int(rows[0][0]) if rows else 0
