"""A MariaDB of one test's own, which may be killed and started again."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pymysql
from processes import free_port
from requirements import Missing

from models.connection import DatabaseURL
from models.migrate import migrate

START_SECONDS = 60.0
SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


class PrivateMariaDB:
    """``kill`` loses no transaction that was committed: the log is handed to the system at every COMMIT.

    Raises:
        Missing: MariaDB is not installed.
    """

    def __init__(self, folder: Path) -> None:
        daemon, install = shutil.which("mariadbd", path=SBIN), shutil.which("mariadb-install-db", path=SBIN)
        if daemon is None or install is None:
            raise Missing("install mariadb-server")
        self._as_root = ["--user=root"] if os.geteuid() == 0 else []
        self._folder = folder
        self._daemon = daemon
        self._data = f"--datadir={folder}/data"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        subprocess.run(
            [install, "--no-defaults", self._data, "--auth-root-authentication-method=normal", *self._as_root],
            check=True,
            capture_output=True,
        )

    @property
    def url(self) -> str:
        return f"mysql://root@127.0.0.1:{self.port}/signalbox"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ("--skip-name-resolve", "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self._daemon, "--no-defaults", self._data, f"--port={self.port}", "--bind-address=127.0.0.1"),
                    *(f"--socket={self._folder}/socket", f"--pid-file={self._folder}/pid", *options, *self._as_root),
                ],
                stdout=log,
                stderr=log,
            )
        waited = 0.0
        while not self._answers():
            try:
                self._process.wait(0.05)
            except subprocess.TimeoutExpired:
                waited += 0.05
            if waited > START_SECONDS or self._process.poll() is not None:
                raise RuntimeError((self._folder / "log").read_text(errors="replace")[-2000:])

    def _answers(self) -> bool:
        try:
            pymysql.connect(host="127.0.0.1", port=self.port, user="root", connect_timeout=5).close()
        except pymysql.err.OperationalError:
            return False
        return True

    def make_database(self) -> None:
        """Create the database of ``url``, migrated."""
        connection = pymysql.connect(host="127.0.0.1", port=self.port, user="root")
        try:
            with connection.cursor() as cursor:
                cursor.execute("CREATE DATABASE signalbox")
        finally:
            connection.close()
        asyncio.run(migrate(DatabaseURL.parse(self.url)))

    def kill(self) -> None:
        """End it as a crash does."""
        self._end(is_crash=True)

    def stop(self) -> None:
        self._end(is_crash=False)

    def _end(self, *, is_crash: bool) -> None:
        if self._process is not None:
            if is_crash:
                self._process.kill()
            else:
                self._process.terminate()
            self._process.wait(START_SECONDS)
            self._process = None
