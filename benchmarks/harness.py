"""What every benchmark needs: a server of its own on a fresh database, and a client."""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

TABLES = (
    *("job_tag", "job_event", "job_log", "webhook_try", "webhook_delivery", "webhook_endpoint", "webhook_circuit"),
    *("schedule_firing", "schedule", "worker", "task_limit", "task", "jobs"),
    *("throughput_cursor", "throughput_minute", "throughput_removed"),
)
ROOT = Path(__file__).parents[1]


def machine() -> str:
    """What it ran on."""
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Client:
    """GraphQL over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, port: int, pid: int = 0) -> None:
        self.session = session
        self.pid = pid
        self.port = port
        self.url = f"http://127.0.0.1:{port}/graphql"

    async def run(self, query: str, **variables: Any) -> Any:
        """The operation's data; raises on any error."""
        answer = await self.try_to_run(query, **variables)
        if answer.get("errors"):
            raise RuntimeError(answer["errors"])
        return answer["data"]

    async def try_to_run(self, query: str, **variables: Any) -> dict[str, Any]:
        """The whole answer, errors and all."""
        async with self.session.post(self.url, json={"query": query, "variables": variables}) as response:
            answer: dict[str, Any] = await response.json()
        return answer


def environment(database_url: str) -> dict[str, str]:
    """What a process of the product needs to run on a database, and none of this process's settings. It finds its
    modules compiled, as an installed one does."""
    return {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith("SIGNALBOX_") and name != "PYTHONDONTWRITEBYTECODE"
        },
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": database_url,
        "SIGNALBOX_LOG_FORMAT": "json",
    }


@asynccontextmanager
async def serving(database_url: str, *arguments: str, **settings: str) -> AsyncIterator[Client]:
    """A server process with its embedded worker on ``database_url`` (``sqlite`` means a file that is then removed)."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite://{folder}/bench.db" if database_url == "sqlite" else database_url
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "serve", "--migrate", "--port", str(port), *arguments],
            cwd=folder,
            env={**environment(url), **settings},
            stderr=(Path(folder) / "log").open("wb"),
        )
        try:
            async with aiohttp.ClientSession() as session:
                for _ in range(1500):
                    try:
                        async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
                            if response.status == 200:
                                break
                    except aiohttp.ClientConnectionError:
                        pass
                    if process.poll() is not None:
                        raise RuntimeError((Path(folder) / "log").read_text())
                    await asyncio.sleep(0.02)
                else:
                    raise RuntimeError((Path(folder) / "log").read_text())
                yield Client(session, port, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def connect(database_url: str) -> Any:
    """A connection to a MySQL database that a benchmark is given."""
    import aiomysql

    from models.connection import DatabaseURL

    url = DatabaseURL.parse(database_url)
    return await aiomysql.connect(
        host=url.host, port=url.port, user=url.user, password=url.password, db=url.database, autocommit=True
    )


async def server_name(database_url: str) -> str:
    """What answers at a URL, with its version."""
    if database_url == "sqlite":
        return f"SQLite {sqlite3.sqlite_version}"
    connection = await connect(database_url)
    try:
        async with connection.cursor() as cursor:
            await cursor.execute("SELECT VERSION()")
            [version] = await cursor.fetchone()
    finally:
        connection.close()
    number, _, kind = version.partition("-")
    return f"{'MariaDB' if 'MariaDB' in kind else 'MySQL'} {number}"


async def empty(database_url: str) -> None:
    """Remove every job from a MySQL database that a benchmark is given."""
    if database_url == "sqlite":
        return
    from models.connection import DatabaseURL
    from models.migrate import migrate

    await migrate(DatabaseURL.parse(database_url))
    connection = await connect(database_url)
    try:
        async with connection.cursor() as cursor:
            for table in TABLES:
                await cursor.execute(f"TRUNCATE TABLE {table}")
    finally:
        connection.close()
