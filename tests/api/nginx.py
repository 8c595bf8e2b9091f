"""nginx with the configuration that is shipped, as a process of a test's own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

from eventually import eventually
from processes import free_port
from requirements import Missing

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx.conf"
SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
STOP_SECONDS = 10.0


class Nginx:
    """Runs until the ``with`` block is left.

    Args:
        folder: what it writes goes there; it is made.
        name_server_port: at 127.0.0.1, in place of Docker's name server.
        server_port: where the servers listen, in place of 8000.

    Raises:
        Missing: it is not installed.
    """

    def __init__(self, folder: Path, *, name_server_port: int, server_port: int) -> None:
        binary = shutil.which("nginx", path=SBIN)
        if binary is None:
            raise Missing("install nginx-light")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        text = CONFIGURATION.read_text()
        for ours, theirs in (
            ("worker_processes auto;", "worker_processes 1;"),  # each has what it has looked up to itself
            ("/tmp/", f"{folder}/"),
            ("/dev/stdout", f"{folder}/access.log"),
            ("resolver 127.0.0.11 ", f"resolver 127.0.0.1:{name_server_port} "),
            ("http://server:8000", f"http://server:{server_port}"),
            ("listen 8080;", f"listen 127.0.0.1:{port};"),
        ):
            assert ours in text, f"{CONFIGURATION.name} has no {ours!r} any more"
            text = text.replace(ours, theirs)
        folder.mkdir()
        (folder / "nginx.conf").write_text(text)
        directives = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
        self._command = [binary, "-c", f"{folder}/nginx.conf", "-p", str(folder), "-e", "stderr", "-g", directives]

    async def __aenter__(self) -> Self:
        process = self._process = self._start()
        listens = self._folder / "nginx.pid"
        await eventually(lambda: listens.exists() or process.poll() is not None)
        assert process.poll() is None, self.errors
        return self

    def _start(self) -> subprocess.Popen[bytes]:
        with (self._folder / "error.log").open("wb") as log:
            return subprocess.Popen(self._command, stderr=log)

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        await asyncio.to_thread(self._process.wait, STOP_SECONDS)

    @property
    def errors(self) -> str:
        """What it complained of."""
        return (self._folder / "error.log").read_text()

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The requests that have ended, as it logged them."""
        # without what comes after the last line's end: a line that is being written may be there in part
        lines = (self._folder / "access.log").read_text().rpartition("\n")[0].splitlines()
        return [json.loads(line) for line in lines]
