"""MySQL and MariaDB: many writers, row locks, READ COMMITTED always.

Every statement has a time limit, and a connection that was left in doubt is closed and not handed on
(models/backends/mysql.py). A row of ``jobs`` travels as one value (CONCAT_WS): the driver spends 1.5 us on every
column that it reads, and a job has twenty-two.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NoReturn

import aiomysql
from pymysql import err
from pymysql.converters import escape_string
from tortoise.context import TortoiseContext
from tortoise.exceptions import DBConnectionError

from engine.errors import Unavailable
from engine.records import Finish
from engine.store.database import Collision, CommitUnknown, Database, Row, Transaction, from_text
from engine.store.rows import at_rest
from models.backends.mysql import GuardedMySQLClient
from models.backends.texts import query_texts
from models.connection import STATEMENT_SLOTS, DatabaseURL, tortoise_config
from models.enums import JobPriority, JobStatus
from models.event import JobEvent
from models.job import Job
from models.shapes import Form, Shape

STATEMENT_TIMEOUT_SECONDS = 30.0
STATEMENT_CHARACTERS = 3_000_000
"""Of up to four bytes each: a statement stays below MariaDB's ``max_allowed_packet`` of 16 MiB."""
AHEAD_CHARACTERS = 300_000
"""An insert that is longer is not sent along with another statement, so that the packet stays below that as well."""
INSERT_ROWS = 1000
MAX_SHAPES = 200
"""So many expressions of JSON objects are kept."""
SEPARATOR = "\x1f"
"""Never part of a value: JSON text escapes it, and names and keys with control characters are refused."""

DUPLICATE_KEY = 1062
COLLISIONS = frozenset({1213, 1205, 1020, DUPLICATE_KEY, 3572})
CANNOT_SERVE = frozenset(
    # too many connections, shutting down, disk full, killed, read-only, lost while asking, idle too long
    {1021, 1040, 1053, 1077, 1114, 1152, 1158, 1159, 1160, 1161, 1203, 1226, 1290, 1317, 1836, 1927, 4031}
    | {2002, 2003, 2006, 2013, 2014, 2055}
)
UNREACHABLE = (OSError, EOFError, TimeoutError, DBConnectionError, err.InterfaceError, asyncio.IncompleteReadError)


def _translate(error: Exception) -> Exception:
    if isinstance(error, err.MySQLError) and error.args and error.args[0] in COLLISIONS:
        return Collision(str(error))
    if isinstance(error, UNREACHABLE):
        return Unavailable()
    if isinstance(error, err.MySQLError) and error.args and error.args[0] in CANNOT_SERVE:
        return Unavailable()
    return error


def _raise(error: Exception) -> NoReturn:
    translated = _translate(error)
    if translated is error:
        raise error
    raise translated from error


_NEEDS_ESCAPE = re.compile("[\\x00\n\r\x1a\"'\\\\]").search


def _text(value: str) -> str:
    return f"'{escape_string(value)}'" if _NEEDS_ESCAPE(value) else f"'{value}'"


LITERALS: dict[type, Callable[[Any], str]] = {
    int: repr,
    float: repr,
    bool: lambda value: "1" if value else "0",
    type(None): lambda _value: "NULL",
    str: _text,
    bytes: lambda value: f"x'{value.hex()}'" if value else "''",
    JobStatus: lambda value: f"'{value._value_}'",
}
"""Values of rows that are inserted by the thousand, as SQL: five times as fast as the driver's own."""


def _row_texts(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Each row as SQL. Column by column: in many, all rows of a batch have one value."""
    columns: list[list[str]] = []
    for values in zip(*rows, strict=True):
        first = values[0]
        if values.count(first) == len(rows):
            columns.append([LITERALS[type(first)](first)] * len(rows))
        else:
            columns.append([LITERALS[type(value)](value) for value in values])
    return [f"({','.join(row)})" for row in zip(*columns, strict=True)]


def _inserts(table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, int]]:
    """The statements that insert ``rows``, none of them too long; how many rows each has."""
    head = f"INSERT INTO {table} ({','.join(columns)}) VALUES "
    values: list[str] = []
    size = 0
    for index, text in enumerate(_row_texts(rows)):
        values.append(text)
        size += len(text)
        if size > STATEMENT_CHARACTERS or len(values) == INSERT_ROWS or index == len(rows) - 1:
            yield head + ",".join(values), len(values)
            values, size = [], 0


REQUIRED = {
    model._meta.db_table: frozenset(name for name, field in model._meta.fields_map.items() if not field.null)
    for model in (Job, JobEvent)
}
"""Columns that are never NULL, by their table."""


def _never_null(table: str, column: str) -> str:
    """CONCAT_WS leaves out what is NULL."""
    return f"{table}.{column}" if column in REQUIRED[table] else f"IFNULL({table}.{column},'')"


def _json_object(shape: Shape) -> str:
    """The object as a CONCAT: a quarter more work for the server than to give the columns, and none for us. It is told
    one collation, for those of columns and of its own functions differ."""
    parts: list[str] = []
    for number, field in enumerate(shape.fields):
        parts.append(_text(("," if number else "{") + f'"{field.key}":'))
        parts.append(_text(f'"{field.text}"') if field.column is None else _json_value(field.column, field.form))
    return f"CONCAT({','.join(parts)},'}}' COLLATE utf8mb4_bin)" if parts else "'{}'"


def _json_value(column: str, form: Form) -> str:
    name = f"jobs.{column}"
    value = {
        Form.ID: f"""'"',{name},'"'""",
        Form.TEXT: f"JSON_QUOTE({name})",
        Form.JSON: name,
        Form.LIST: f"IFNULL({name},'[]')",
        Form.INTEGER: name,
        Form.PRIORITY: f"""'"',ELT({name},{",".join(f"'{each.name}'" for each in JobPriority)}),'"'""",
        Form.STATUS: f"""'"',IF({name}='PARKED','QUEUED',{name}),'"'""",
        Form.MOMENT: f"""'"',REPLACE(LEFT({name},23),' ','T'),'Z"'""",
    }[form]
    if column in REQUIRED[Job._meta.db_table] or form is Form.LIST:
        return value
    return f"IFNULL({f'CONCAT({value})' if ',' in value else value},'null')"


class MySQLTransaction(Transaction):
    for_update = " FOR UPDATE"
    skip_locked = " FOR UPDATE SKIP LOCKED"

    def __init__(self, connection: aiomysql.Connection, increment: int) -> None:
        self._connection = connection
        self.increment = increment
        self._ahead: list[tuple[str, Callable[[aiomysql.Cursor], object]]] = []

    async def begin(self) -> None:
        self.ahead("BEGIN")
        [(self.now_text,)] = await self.fetch("SELECT UTC_TIMESTAMP(6)")
        self.now = from_text(self.now_text)

    def ahead(self, sql: str) -> list[Row]:
        rows: list[Row] = []
        self._ahead.append((sql, lambda cursor: rows.extend(cursor._rows or ())))
        return rows

    async def _run(self, sql: str, parameters: Sequence[Any] = ()) -> aiomysql.Cursor:
        cursor = await self._connection.cursor()
        ahead, self._ahead = self._ahead, []
        if ahead:  # several statements in one packet, which the driver always allows
            sql = "; ".join([*(text for text, _ in ahead), sql])
        async with asyncio.timeout(STATEMENT_TIMEOUT_SECONDS):
            await cursor.execute(sql, parameters or None)
            for _, take in ahead:
                take(cursor)
                await cursor.nextset()
        return cursor

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        cursor = await self._run(sql, parameters)
        return list(cursor._rows or ())

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return int((await self._run(sql, parameters)).rowcount)

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[int]:
        ids: list[int] = []
        for sql, count in _inserts(table, columns, rows):
            self._note_keys(await self._run(sql), count, ids)
        return ids

    async def insert_ahead(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[int]:
        ids: list[int] = []
        *earlier, (last, last_count) = _inserts(table, columns, rows)
        for sql, count in earlier:
            self._note_keys(await self._run(sql), count, ids)
        if len(last) > AHEAD_CHARACTERS:
            self._note_keys(await self._run(last), last_count, ids)
        else:
            self._ahead.append((last, lambda cursor: self._note_keys(cursor, last_count, ids)))
        return ids

    def _note_keys(self, cursor: aiomysql.Cursor, count: int, ids: list[int]) -> None:
        first = cursor.lastrowid
        ids.extend(range(first, first + count * self.increment, self.increment))

    def chosen(self, texts: Mapping[int, str | None]) -> str:
        """By its place in the sorted list, as results are: see ``_completion``."""
        ids = sorted(texts)
        quoted = ["NULL" if texts[row_id] is None else f"'{texts[row_id]}'" for row_id in ids]
        return f"ELT(INTERVAL(id,{','.join(map(str, ids))}),{','.join(quoted)})"

    async def complete(self, finishes: Sequence[Finish]) -> int:
        changed = size = 0
        chunk: list[Finish] = []
        results: list[str] = []
        for index, finish in enumerate(sorted(finishes, key=lambda each: each.job.id)):
            chunk.append(finish)
            results.append(LITERALS[type(finish.result_text)](finish.result_text))
            size += len(results[-1])
            if size > STATEMENT_CHARACTERS or len(chunk) == INSERT_ROWS or index == len(finishes) - 1:
                changed += await self.execute(self._completion(chunk, results))
                chunk, results, size = [], [], 0
        return changed

    def _completion(self, finishes: Sequence[Finish], results: Sequence[str]) -> str:
        """Each job's result by its place in the list, which is sorted: INTERVAL finds it by halves. Twice as fast as a
        join with a table of results."""
        ids = ",".join([str(each.job.id) for each in finishes])
        result = results[0] if len(set(results)) == 1 else f"ELT(INTERVAL(id,{ids}),{','.join(results)})"
        holders: dict[int, list[str]] = {}
        for each in finishes:
            holders.setdefault(each.job.claim_token, []).append(str(each.job.id))
        if len(holders) == 1:
            is_held = f"claim_token={finishes[0].job.claim_token}"
        else:
            is_held = " OR ".join(
                [f"claim_token={token} AND id IN ({','.join(held)})" for token, held in holders.items()]
            )
        return (
            f"UPDATE jobs FORCE INDEX (PRIMARY) SET {at_rest(JobStatus.COMPLETED, self.now_text)}, result={result}, "
            "progress=IF(progress IS NULL, NULL, 1), claim_token=NULL, lease_until=NULL, "
            f"finished_at='{self.now_text}' WHERE id IN ({ids}) AND status='RUNNING' "
            f"AND ({is_held})"
        )


class MySQLDatabase(Database):
    """A MySQL or MariaDB server behind Tortoise's guarded pool."""

    dialect = "mysql"
    hole_grace_seconds = 1.0
    lane_width = 2
    begins_free = True

    def __init__(self, url: DatabaseURL) -> None:
        self.url = url
        self._context: TortoiseContext | None = None
        self._client: GuardedMySQLClient | None = None
        self._shapes: dict[Shape, str] = {}

    ordered_join = "STRAIGHT_JOIN"

    def by_index(self, name: str) -> str:
        return f" FORCE INDEX ({name})"

    def distinct(self, table: str, column: str, index: str, after: str = "", before: str | None = None) -> str:
        end = f" AND {column} < '{before}'" if before is not None else ""
        return f"SELECT DISTINCT {column} FROM {table}{self.by_index(index)} WHERE {column} > '{after}'{end}"

    def packed(self, columns: Sequence[str], *expressions: str, table: str = "jobs") -> str:
        values = ",".join([*(_never_null(table, column) for column in columns), *expressions])
        return f"CONCAT_WS('{SEPARATOR}',{values})"

    def as_json(self, shape: Shape) -> str:
        expression = self._shapes.get(shape)
        if expression is None:
            if len(self._shapes) >= MAX_SHAPES:
                self._shapes.clear()
            expression = self._shapes[shape] = _json_object(shape)
        return expression

    async def open(self) -> None:
        """Set the pool up; it connects when it is first used, so that a database that is down can come later."""
        context = TortoiseContext()
        with context:
            await context.init(config=tortoise_config(self.url))
        self._context = context
        client = context.connections.get("default")
        if not isinstance(client, GuardedMySQLClient):
            raise TypeError(f"Tortoise made a {type(client).__name__}")
        self._client = client

    async def close(self) -> None:
        if self._context is not None:
            context, self._context, self._client = self._context, None, None
            await context.close_connections()

    @property
    def client(self) -> GuardedMySQLClient:
        if self._client is None:
            raise Unavailable("The database is closed.")
        return self._client

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MySQLTransaction]:
        is_committing = False
        try:
            async with self.client.acquire_connection() as connection:
                transaction = MySQLTransaction(connection, self.client.server.auto_increment_increment)
                try:
                    await transaction.begin()
                    yield transaction
                    is_committing = True
                    await transaction.execute("COMMIT")
                except BaseException:
                    connection.close()
                    raise
        except Exception as error:
            translated = _translate(error)
            if is_committing and isinstance(translated, Unavailable):
                raise CommitUnknown from error
            if translated is error:
                raise
            raise translated from error

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        try:
            async with self.client.acquire_connection() as connection, asyncio.timeout(STATEMENT_TIMEOUT_SECONDS):
                cursor = await connection.cursor()
                await cursor.execute(sql, parameters or None)
                return list(cursor._rows or ())
        except Exception as error:  # noqa: BLE001 - it is raised
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
        sql = f"SELECT {self.packed(columns, *expressions, table=table)} {source}"
        try:
            async with self.client.acquire_connection() as connection, asyncio.timeout(STATEMENT_TIMEOUT_SECONDS):
                if parameters:
                    sql %= tuple(map(connection.escape, parameters))
                texts = await query_texts(connection, sql)
        except Exception as error:  # noqa: BLE001 - it is raised
            _raise(error)
        return [text.split(SEPARATOR) for text in texts]

    def ago(self, seconds: float) -> str:
        return f"UTC_TIMESTAMP(6) - INTERVAL {round(seconds * 1e6)} MICROSECOND"

    async def execute(self, sql: str) -> int:
        try:
            async with self.client.acquire_connection() as connection, asyncio.timeout(STATEMENT_TIMEOUT_SECONDS):
                cursor = await connection.cursor()
                return int(await cursor.execute(sql))
        except Exception as error:  # noqa: BLE001 - it is raised
            _raise(error)

    @property
    def connections(self) -> tuple[int, int]:
        return 0 if self._client is None else self._client.in_use, STATEMENT_SLOTS

    async def now(self) -> datetime:
        [(text,)] = await self.fetch("SELECT UTC_TIMESTAMP(6)")
        return from_text(text)

    async def is_hole_open(self, first_seq: int, last_seq: int) -> bool:
        """A row that is inserted and not yet committed is locked; a number that was never used finds no row."""
        try:
            async with self.transaction() as transaction:
                rows = await transaction.fetch(
                    f"SELECT seq FROM job_event WHERE seq BETWEEN {first_seq} AND {last_seq} FOR UPDATE NOWAIT"
                )
        except Collision:
            return True
        return bool(rows)

    async def last_event_given(self) -> int:
        # information_schema has this too, but as it was up to a day ago
        [(_table, statement)] = await self.fetch("SHOW CREATE TABLE job_event")
        found = re.search(r" AUTO_INCREMENT=(\d+)", statement)
        return int(found[1]) - 1 if found else 0
