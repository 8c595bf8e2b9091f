"""Where runs take place: an empty database for each, on servers of the session's own that may be broken.

Every server is started when it is first asked for. Faults that fill the disk get one whose data are on a small disk.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from databases import MYSQL_VARIABLE, Server
from private_servers import PrivateMariaDB, PrivateMySQL, PrivateServer
from small_disk import SmallDisk

from models.connection import DatabaseURL

MEGABYTES = {"sqlite": 96, "mariadb": 256, "mysql": 384}


@dataclass(frozen=True, slots=True)
class Ground:
    """A migrated database with nothing in it, and what may be done to what is below it."""

    database: str
    url: str
    private: PrivateServer | None = None
    disk: SmallDisk | None = None


class Grounds:
    """Close it at the session's end.

    Args:
        folder: where servers keep their data.
        sqlite_template: a migrated SQLite file.
        given: the server that the environment names, for faults that leave servers alone.
    """

    def __init__(self, folder: Path, sqlite_template: Path, given: Callable[[str], Server]) -> None:
        self._folder = folder
        self._sqlite_template = sqlite_template
        self._given = given
        self._stack = ExitStack()
        self._servers: dict[Path, PrivateServer] = {}
        self._emptied: dict[PrivateServer, Server] = {}
        self._disks: dict[str, SmallDisk] = {}

    @contextlib.contextmanager
    def lend(self, database: str, fault: str) -> Iterator[Ground]:
        """A ground for one run.

        Raises:
            Missing: there is no such server here.
        """
        disk = self._disk(database) if fault.startswith("F9") else None
        if database == "sqlite":
            with self._file(disk) as path:
                yield Ground(database, f"sqlite://{path}", None, disk)
            return
        private = self._private(database, disk, is_a_must=fault.startswith(("F3", "F9")))
        if private is not None and disk is not None:  # tables must grow to meet a full disk: they are new
            with contextlib.closing(Server(self._url(private))) as server:
                yield Ground(database, server.create(), private, disk)
            return
        if private is None:
            server = self._given(database)
        else:
            server = self._emptied.setdefault(private, Server(self._url(private)))
        empty = server.empty()
        server.disconnect()
        yield Ground(database, empty, private)

    @staticmethod
    def _url(private: PrivateServer) -> DatabaseURL:
        return DatabaseURL("mysql", "", "127.0.0.1", private.port, "root")

    def _disk(self, database: str) -> SmallDisk:
        if database not in self._disks:
            disk = SmallDisk(self._folder / f"{database}-disk", MEGABYTES[database])
            self._disks[database] = self._stack.enter_context(disk)
        return self._disks[database]

    @contextlib.contextmanager
    def _file(self, disk: SmallDisk | None) -> Iterator[Path]:
        """A copy of the template, that is gone afterwards."""
        folder = (disk.folder if disk else self._folder) / "sqlite"
        folder.mkdir()
        try:
            yield Path(shutil.copy(self._sqlite_template, folder / "signalbox.db"))
        finally:
            shutil.rmtree(folder)

    def _private(self, database: str, disk: SmallDisk | None, *, is_a_must: bool) -> PrivateServer | None:
        folder = disk.folder if disk else self._folder / database
        if folder not in self._servers:
            if database == "mysql" and not is_a_must and os.environ.get(MYSQL_VARIABLE):
                return None  # there is one already, and it stays alive
            self._servers[folder] = self._start(database, folder, disk is not None)
        return self._servers[folder]

    def _start(self, database: str, folder: Path, is_disk_small: bool) -> PrivateServer:
        folder.mkdir(exist_ok=True)
        # with a binary log, MySQL meets a full disk by looking again every 60 s: too slow a fault for a test
        options = ("--skip-log-bin",) if is_disk_small else ()
        server = (PrivateMariaDB if database == "mariadb" else PrivateMySQL)(folder, *options)
        self._stack.callback(server.stop)
        server.start()
        return server

    def close(self) -> None:
        self._stack.close()
