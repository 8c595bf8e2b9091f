"""What a dialect must offer: reads, and one kind of transaction that is safe to lose.

Failure handling: everything that a driver raises leaves here as one of three. ``Unavailable``: the server cannot be
reached (nothing is known to have been written). ``Collision``: the server refused this transaction because of
another (deadlock, lock wait, a unique key taken meanwhile): do it again. ``CommitUnknown``: the connection was lost
while COMMIT was under way: look before doing it again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

from engine.errors import Unavailable
from engine.records import Finish
from models.connection import DatabaseURL
from models.shapes import Shape

Row = tuple[Any, ...]


class Collision(Exception):
    """Another transaction was in the way; the same work can be tried again."""


class CommitUnknown(Unavailable):
    """The connection was lost while COMMIT was under way."""


def to_text(moment: datetime) -> str:
    """An instant as every table stores it: UTC, microseconds, no zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def from_text(text: str) -> datetime:
    """The instant that a table's text means."""
    return datetime.fromisoformat(text + "+00:00")


class Transaction(ABC):
    """One transaction. Statements are written with ``%s``; ``now`` is the database's clock at its start."""

    now: datetime
    now_text: str
    increment: int = 1
    """By how much one generated key is higher than that before it."""
    for_update: str = ""
    skip_locked: str = ""

    @abstractmethod
    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The rows that ``sql`` yields."""

    async def fetch_many(self, columns: str, source: str) -> list[Sequence[Any]]:
        """The rows of ``SELECT columns source``, for hundreds of them; the columns are numbers and text."""
        return list(await self.fetch(f"SELECT {columns} {source}"))

    @abstractmethod
    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run ``sql``; the number of rows it changed."""

    @abstractmethod
    def ahead(self, sql: str) -> list[Row]:
        """Have ``sql``, which has no ``%``, run just before the next statement, and sent along with it: that saves a
        round trip. Its rows, if it yields any, are in the list when the next statement has been run."""

    async def fetch_each(self, statements: Sequence[str]) -> list[list[Row]]:
        """The rows of each of these statements, which are sent together."""
        found = [self.ahead(sql) for sql in statements[:-1]]
        return [*found, await self.fetch(statements[-1])]

    @abstractmethod
    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[int]:
        """Insert ``rows``; their generated keys, in order."""

    @abstractmethod
    async def insert_ahead(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[int]:
        """``insert``, sent along with the next statement where that is possible; COMMIT is one. That has no ``%s``. The
        last of the keys are in the list when it has been run."""

    @abstractmethod
    def chosen(self, texts: Mapping[int, str | None]) -> str:
        """For an UPDATE of these rows and no others: the text of each, by its id. Texts need no escape."""

    @abstractmethod
    async def complete(self, finishes: Sequence[Finish]) -> int:
        """Mark each job COMPLETED that is RUNNING under its claim, with its result; how many were."""


class Database(ABC):
    """A connected database."""

    dialect: str
    url: DatabaseURL
    lane_width: int = 1
    """How many transactions of one lane are worth having under way at once."""
    begins_free: bool = False
    """Whether a transaction that has only begun holds nothing that others wait for."""
    hole_grace_seconds: float = 0.0
    """How long an event's number may be taken before its row is there to be seen, or locked."""

    ordered_join: str
    """JOIN, with its left side read first."""

    @abstractmethod
    def by_index(self, name: str) -> str:
        """After a table's name: read it by this index alone. A list's order is an index's, whatever statistics say."""

    @abstractmethod
    def distinct(self, table: str, column: str, index: str, after: str = "", before: str | None = None) -> str:
        """The statement that reads which texts a column has, of those after ``after`` and before ``before``, with one
        look-up in an index, which begins with it, for each. The bounds need no escape."""

    @abstractmethod
    def packed(self, columns: Sequence[str], *expressions: str, table: str = "jobs") -> str:
        """The select list of these columns of ``table`` and of ``expressions`` that are never NULL, as the dialect
        reads them best; see ``writes.unpack``."""

    def as_json(self, shape: Shape) -> str | None:
        """The expression that makes a JSON object of a row of ``jobs``; None where this process does it as fast."""
        return None

    @abstractmethod
    async def open(self) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that commits at the end of the block and rolls back when it raises."""

    @abstractmethod
    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Read, outside any transaction, what is committed now."""

    @abstractmethod
    async def fetch_packed(
        self,
        columns: Sequence[str],
        source: str,
        parameters: Sequence[Any] = (),
        *,
        table: str = "jobs",
        expressions: Sequence[str] = (),
    ) -> list[Sequence[Any]]:
        """Read these columns of ``table``, and these expressions, from ``source``, what follows a select list; see
        ``packed``."""

    @abstractmethod
    async def now(self) -> datetime:
        """The database's clock."""

    @abstractmethod
    def ago(self, seconds: float) -> str:
        """The expression of the instant ``seconds`` before now, by the database's clock."""

    @abstractmethod
    async def execute(self, sql: str) -> int:
        """Run ``sql`` as a transaction of its own, one that may be run twice; the number of rows it changed."""

    @property
    @abstractmethod
    def connections(self) -> tuple[int, int]:
        """How many connections are in use, and how many there may be."""

    @abstractmethod
    async def is_hole_open(self, first_seq: int, last_seq: int) -> bool:
        """Whether a transaction that is still under way may yet fill events ``first_seq`` to ``last_seq``."""

    @abstractmethod
    async def last_event_given(self) -> int:
        """The highest event number that was ever used, although its row may be gone; 0 when there was none."""
