"""Brings a database up to date, from one process at a time, and says what is still to be applied.

MySQL's DDL is not atomic, so two processes that migrate together could leave a table half made: a named lock of the
server holds the second one back (a lock file does on SQLite).
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import tempfile
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiomysql
from tortoise.context import TortoiseContext
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.loader import MigrationLoader
from tortoise.migrations.recorder import MigrationRecorder

from models.connection import DatabaseURL, tortoise_config

LOCK_SECONDS = 60
Fetch = Callable[[str], Awaitable[Sequence[Any]]]


async def migrate(url: DatabaseURL) -> list[str]:
    """Apply every migration that the database lacks; the names of those applied, in order.

    Raises:
        TimeoutError: another process has been migrating for a minute.
        tortoise.exceptions.DBConnectionError: the database cannot be reached.
    """
    config = tortoise_config(url)
    async with _only_one(url), TortoiseContext() as context:
        await context.init(config=config)
        executor = MigrationExecutor(context.connections.get("default"), config["apps"])
        applied: list[str] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", aiomysql.Warning)  # "Table 'tortoise_migrations' already exists"
            await executor.migrate(
                progress=lambda action, _app, name: applied.append(name) if action == "apply_done" else None
            )
        return applied


async def missing(url: DatabaseURL, fetch: Fetch) -> list[str]:
    """The names of the migrations that the database lacks; nothing is changed.

    Args:
        fetch: runs a SELECT and gives its rows.
    """
    loader = MigrationLoader(tortoise_config(url)["apps"], MigrationRecorder(None), load=False)
    await loader.build_graph()
    exists = (
        "SELECT name FROM sqlite_master WHERE name='tortoise_migrations'"
        if url.dialect == "sqlite"
        else "SHOW TABLES LIKE 'tortoise_migrations'"
    )
    applied: set[str] = set()
    if await fetch(exists):
        applied = {row[0] for row in await fetch("SELECT name FROM tortoise_migrations")}
    return sorted(key.name for key in loader.graph.nodes if key.name not in applied)


@asynccontextmanager
async def _only_one(url: DatabaseURL) -> AsyncIterator[None]:
    if url.dialect == "sqlite":
        digest = hashlib.sha256(os.path.abspath(url.database).encode()).hexdigest()[:16]  # noqa: ASYNC240 - no I/O
        descriptor = os.open(f"{tempfile.gettempdir()}/signalbox-migrate-{digest}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            async with asyncio.timeout(LOCK_SECONDS):
                await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
        return
    connection = await aiomysql.connect(
        host=url.host, port=url.port, user=url.user, password=url.password, db=url.database, connect_timeout=5
    )
    try:
        async with connection.cursor() as cursor:
            await cursor.execute("SELECT GET_LOCK(CONCAT('signalbox.migrate.', DATABASE()), %s)", (LOCK_SECONDS,))
            (taken,) = await cursor.fetchone()
        if taken != 1:
            raise TimeoutError(f"another process has been migrating {url.display} for {LOCK_SECONDS} s")
        yield
    finally:
        connection.close()
