"""Servers of one test's own, which may be killed and started again: MariaDB, and MySQL where one is pointed out."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path

import pymysql
from mariadb_data import SBIN, fill_data_folder
from processes import free_port
from requirements import Missing

from models.connection import DatabaseURL
from models.migrate import migrate

START_SECONDS = 60.0
MYSQLD_VARIABLE = "SIGNALBOX_TEST_MYSQLD"


class PrivateServer(ABC):
    """``kill`` loses no transaction that was committed: the log is handed to the system at every COMMIT.

    Args:
        options: more of the daemon's.

    Raises:
        Missing: the server is not installed.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._more_options = options
        self._as_root = ["--user=root"] if os.geteuid() == 0 else []
        self._folder = folder
        self._data = f"--datadir={folder}/data"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self._daemon = self._find()
        self._install()

    @abstractmethod
    def _find(self) -> str:
        """The path of the daemon."""

    @abstractmethod
    def _install(self) -> None:
        """Fill the data folder."""

    @property
    @abstractmethod
    def _options(self) -> tuple[str, ...]:
        """What this kind of server is started with."""

    @property
    def url(self) -> str:
        return f"mysql://root@127.0.0.1:{self.port}/signalbox"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ("--skip-name-resolve", "--innodb-flush-log-at-trx-commit=2", *self._options)
        options += self._more_options
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

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

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


class PrivateMariaDB(PrivateServer):
    """Debian's, or whatever ``mariadbd`` is found."""

    _options = ("--innodb-buffer-pool-size=64M",)

    def _find(self) -> str:
        daemon = shutil.which("mariadbd", path=SBIN)
        if daemon is None:
            raise Missing("install mariadb-server")
        return daemon

    def _install(self) -> None:
        fill_data_folder(self._folder / "data")


class PrivateMySQL(PrivateServer):
    """The ``mysqld`` that the environment variable names."""

    @property
    def _options(self) -> tuple[str, ...]:
        return ("--mysqlx=OFF", f"--init-file={self._folder}/init.sql")

    def _find(self) -> str:
        daemon = os.environ.get(MYSQLD_VARIABLE)
        if not daemon:
            raise Missing(f"set {MYSQLD_VARIABLE} to a mysqld that may be killed")
        return daemon

    def _install(self) -> None:
        (self._folder / "init.sql").write_text(
            "CREATE USER IF NOT EXISTS root@'127.0.0.1';\nGRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        subprocess.run(
            [self._daemon, "--no-defaults", "--initialize-insecure", self._data, *self._as_root],
            check=True,
            capture_output=True,
        )
