"""Several processes write to one SQLite file: whoever waits looks often, and gives up in the end."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from eventually import eventually

import engine.store.sqlite
from engine.errors import Unavailable
from engine.store.sqlite import SqliteDatabase
from models.connection import DatabaseURL


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    shutil.copy(sqlite_template, tmp_path / "signalbox.db")
    return f"sqlite://{tmp_path / 'signalbox.db'}"


@pytest.fixture
def other(sqlite_url: str) -> Iterator[sqlite3.Connection]:
    """Another process's connection, which is writing."""
    with closing(sqlite3.connect(DatabaseURL.parse(sqlite_url).database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


@pytest.fixture
async def database(sqlite_url: str) -> Any:
    opened = SqliteDatabase(DatabaseURL.parse(sqlite_url))
    await opened.open()
    yield opened
    await opened.close()


async def write(database: SqliteDatabase) -> None:
    async with database.transaction() as transaction:
        await transaction.execute("DELETE FROM job_event")


async def test_it_looks_often(database: SqliteDatabase, other: sqlite3.Connection) -> None:
    looks: list[str] = []
    await database._connection(0).set_trace_callback(looks.append)
    writing = asyncio.create_task(write(database))
    await eventually(lambda: looks.count("BEGIN IMMEDIATE") >= 20)  # SQLite by itself would stay with the first
    assert not writing.done()
    other.execute("COMMIT")
    await writing
    assert looks[-1] == "COMMIT"


async def test_it_gives_up(
    database: SqliteDatabase, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.store.sqlite, "TURN_SECONDS", 0.2)
    with pytest.raises(Unavailable, match="locked"):
        await write(database)
    other.execute("COMMIT")
    await write(database)


async def test_one_who_stops_waiting_leaves_nothing_behind(database: SqliteDatabase, other: sqlite3.Connection) -> None:
    writing = asyncio.create_task(write(database))
    await asyncio.sleep(0.05)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    other.execute("COMMIT")
    await write(database)
