"""A Redis of one test's own, in a temporary folder and on a free port: it may be killed, paused, emptied and filled."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import redis
from processes import free_port
from requirements import Missing

START_SECONDS = 30.0


class RedisServer:
    """``redis-server`` or ``valkey-server``, whichever is installed.

    Raises:
        Missing: neither is.
    """

    def __init__(self, folder: Path) -> None:
        found = shutil.which("redis-server") or shutil.which("valkey-server")
        if found is None:
            raise Missing("install redis-server or valkey-server")
        self._daemon = found
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self._has_tls = False

    @property
    def url(self) -> str:
        return f"rediss://localhost:{self.port}/0" if self._has_tls else f"redis://127.0.0.1:{self.port}/0"

    def start_with_tls(self, certificate: Path, key: Path) -> None:
        """Start it, to be reached with TLS alone."""
        self._has_tls = True
        self.start(
            *("--tls-port", str(self.port), "--port", "0", "--tls-auth-clients", "no"),
            *("--tls-cert-file", str(certificate), "--tls-key-file", str(key)),
        )

    def start(self, *options: str) -> None:
        """Start it, empty, and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [self._daemon, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--save", "", "--appendonly", "no", *options], stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError((self._folder / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def ask(self, *command: Any) -> Any:
        """Its answer to a command."""
        with redis.Redis(port=self.port, protocol=2, decode_responses=True) as client:
            return client.execute_command(*command)

    def kill(self) -> None:
        """``kill -9``."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(START_SECONDS)
            self._process = None

    def pause(self, seconds: float) -> None:
        """Have it answer nobody for so long."""
        self.ask("CLIENT", "PAUSE", int(seconds * 1000), "ALL")
