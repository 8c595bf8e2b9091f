"""A backup of a running server is restored after more has happened: docs/operations.md says what becomes of it all."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pymysql
import pytest
from client import Api
from launching import SECRET_KEY, Launch, Receiver
from processes import ServerProcess
from requirements import give_up

from models.connection import DatabaseURL

OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
NUMBERS = dict(re.findall(r"<!-- test: (mysql|sqlite) numbers -->\n *```sql\n(.*?)```", OPERATIONS, re.DOTALL))
BEYOND = 1_000_000_000
LEASE_SECONDS = 2.0
SECONDS = 3.0


class Copy:
    """A backup of the database at a URL, made while it is in use."""

    def __init__(self, config: pytest.Config, url: str, folder: Path) -> None:
        self._url = DatabaseURL.parse(url)
        self._file = folder / "backup"
        if self._url.dialect == "sqlite":
            with closing(sqlite3.connect(self._url.database)) as source, closing(sqlite3.connect(self._file)) as target:
                source.backup(target)
            return
        dump = shutil.which("mariadb-dump")
        if dump is None:
            give_up(config, "mariadb-dump", "install mariadb-client")
        command = [dump, "--no-defaults", *self._login, "--single-transaction", self._url.database]
        self._file.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)

    @property
    def _login(self) -> list[str]:
        url = self._url
        secret = [f"--password={url.password}"] if url.password else []
        return [f"--host={url.host}", f"--port={url.port}", f"--user={url.user}", *secret]

    def restore(self) -> None:
        """Put it in the database's place."""
        if self._url.dialect == "sqlite":
            for path in Path(self._url.database).parent.glob(f"{Path(self._url.database).name}-*"):
                path.unlink()
            shutil.copyfile(self._file, self._url.database)
            return
        client = shutil.which("mariadb")
        assert client is not None
        with self._file.open("rb") as dump:
            subprocess.run([client, "--no-defaults", *self._login, self._url.database], stdin=dump, check=True)

    def move_numbers(self) -> None:
        """Step 3, as it is written."""
        url = self._url
        if url.dialect == "sqlite":
            with closing(sqlite3.connect(url.database)) as connection, connection:
                connection.executescript(NUMBERS["sqlite"])
            return
        connection = pymysql.connect(
            host=url.host, port=url.port, user=url.user, password=url.password, database=url.database
        )
        try:
            for statement in filter(str.strip, NUMBERS["mysql"].split(";")):
                connection.cursor().execute(statement)
        finally:
            connection.close()


def serve(launch: Launch, url: str, receiver: Receiver) -> ServerProcess:
    return launch(
        *("serve", "--port", "0", "--lease", str(LEASE_SECONDS)),
        DATABASE_URL=url,
        WEBHOOK_URL=receiver.url,
        SIGNALBOX_WEBHOOK_ALLOW="127.0.0.1",
        SIGNALBOX_SECRET_KEY=SECRET_KEY,
    )


@pytest.mark.parametrize(
    "own_url",
    [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("sqlite", "mariadb", "mysql")],
    indirect=True,
)
async def test_a_restore(
    pytestconfig: pytest.Config, launch: Launch, own_url: str, tmp_path: Path, api_of: Any, receiver: Receiver
) -> None:
    server = serve(launch, own_url, receiver)
    api: Api = api_of(server)
    ended = await api.create("simulate", payload={"seconds": 0}, run=True)
    await api.job_in(ended["id"], "COMPLETED")
    running = await api.create("simulate", payload={"seconds": SECONDS}, run=True)
    await api.job_in(running["id"], "RUNNING")
    old_cursor = await api.last_cursor()

    copy = await asyncio.to_thread(Copy, pytestconfig, own_url, tmp_path)
    lost = await api.create("simulate", payload={"seconds": 0}, run=True, idempotencyKey="lost")
    await api.job_in(lost["id"], "COMPLETED")
    cursor = await api.last_cursor()
    server.kill()
    await asyncio.to_thread(copy.restore)
    copy.move_numbers()

    api = api_of(serve(launch, own_url, receiver))
    assert (await api.job(ended["id"], "status"))["status"] == "COMPLETED"
    assert await api.job(lost["id"], "id") is None
    again = await api.create("simulate", payload={"seconds": 0}, run=True, idempotencyKey="lost")
    assert int(again["id"]) >= BEYOND, "an id that was never given"
    for after in (cursor, old_cursor):  # nothing is skipped, whichever cursor a client comes back with
        async with api.watch(after=after) as stream:
            changes = await stream.until(
                lambda change: (change["job"]["id"], change["to"]) == (again["id"], "COMPLETED")
            )
            assert [each["to"] for each in changes if each["job"]["id"] == again["id"]][-2:] == ["RUNNING", "COMPLETED"]
    job = await api.job_in(running["id"], "COMPLETED", fields="attempt", timeout_seconds=60.0)
    assert job["attempt"] == 2, "it was rescued, and run again"
