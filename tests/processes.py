"""Processes of the product for tests: started as users start them, stopped by pid, their log read line by line."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from nursery import Child, the_nursery

READY_EVENTS = {"serve": "signalbox.ready", "worker": "worker.ready"}
START_SECONDS = 60.0
STOP_SECONDS = 60.0
OURS = ("SIGNALBOX_", "DATABASE_URL", "REDIS_URL", "WEBHOOK_", "SMTP_URL", "MAKE", "ARGS")
PORTS = (15_000, 32_000)
"""Below what systems give to outgoing connections."""
SAMPLE_TASKS = Path(__file__).parent / "sample_tasks.py"


def environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without any of the product's settings, and with ``given``."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**inherited, **(given or {})}


def free_port() -> int:
    """A port of the loopback that nobody listens on now, and that the system gives to no outgoing connection: one of
    those could have it before the server does."""
    while True:
        port = random.randrange(*PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def like_make_run(port: int) -> dict[str, str]:
    """The settings of ``make run``."""
    return {
        "SIGNALBOX_UNKNOWN_TASK": "simulate",
        "SIGNALBOX_WEBHOOK_TEST": "true",
        "SIGNALBOX_WEBHOOK_ALLOW": "127.0.0.0/8,::1/128",
        "WEBHOOK_URL": f"http://127.0.0.1:{port}/webhook-test",
    }


class ServerProcess:
    """``signalbox serve`` or ``signalbox worker`` in a folder of its own.

    Args:
        folder: the working directory; made if it is not there.
        arguments: the command and its options, as ``["serve", "--port", "0"]``.
        settings: the product's settings; none of this process's are inherited.
        namespace: the network that it is in; this process's if none is given.
        sources: a folder with another version of the product, which it is then, with this one's libraries.
    """

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str],
        settings: Mapping[str, str] | None = None,
        namespace: str | None = None,
        sources: Path | None = None,
    ) -> None:
        self.folder = folder
        self.arguments = list(arguments)
        self.settings = dict(settings or {})
        self.lines: list[str] = []
        self.namespace = namespace
        self.sources = sources
        self.was_killed = False
        self._arrived = threading.Condition()
        self._ended = False
        self._spawned_at = 0
        self._process: Child | subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self.ready: dict[str, Any] = {}

    def start(self) -> Self:
        """Start it and wait until it says that it is ready."""
        self.spawn()
        self.await_ready()
        return self

    def await_ready(self) -> None:
        """Wait until it says that it is ready, and not only the one before it has said so."""
        event = READY_EVENTS[self.arguments[0]]
        self.ready = self.wait_for(event, since=self._spawned_at, timeout_seconds=START_SECONDS)

    def spawn(self) -> Self:
        """Start it, and wait for nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._spawned_at = len(self.lines)
        self.was_killed = False
        self._process = self._of_another_version() if self.sources is not None else self._forked()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _forked(self) -> Child:
        return the_nursery().fork(self.folder, self.arguments, environment(self.settings), self.namespace)

    def _of_another_version(self) -> subprocess.Popen[str]:
        assert self.namespace is None, "another version runs in this process's network"
        return subprocess.Popen(
            [sys.executable, "-m", "server.cli", *self.arguments],
            cwd=self.folder,
            env={**environment(self.settings), "PYTHONPATH": str(self.sources)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._arrived:
                self.lines.append(line.rstrip("\n"))
                self._arrived.notify_all()
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        """Where it serves, without a path: ``http://127.0.0.1:PORT``."""
        url: str = self.ready["url"]
        return "/".join(url.split("/")[:3])

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def records(self, since: int = 0) -> list[dict[str, Any]]:
        """The lines of its log from number ``since`` on, parsed; a line that is no JSON has it under ``text``."""
        with self._arrived:
            return [_parsed(line) for line in self.lines[since:]]

    def wait_for(
        self,
        event: str,
        *,
        since: int = 0,
        timeout_seconds: float = 10.0,
        where: Callable[[dict[str, Any]], bool] = lambda _record: True,
    ) -> dict[str, Any]:
        """The first line of its log, from number ``since`` on, that tells of ``event``."""

        def found() -> dict[str, Any] | None:
            records = (_parsed(line) for line in self.lines[since:])
            return next((each for each in records if each.get("event") == event and where(each)), None)

        with self._arrived:
            self._arrived.wait_for(lambda: found() is not None or self._ended, timeout_seconds)
            record = found()
        if record is None:
            raise AssertionError(f"no {event} within {timeout_seconds} s:\n{self.log}")
        return record

    @property
    def log(self) -> str:
        with self._arrived:
            return "\n".join(self.lines)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, timeout_seconds: float = STOP_SECONDS) -> int:
        """Its exit code, once it has ended and its log was read to the end."""
        assert self._process is not None
        assert self._reader is not None
        code = self._process.wait(timeout_seconds)
        self._reader.join(timeout_seconds)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> int:
        """Tell it to stop, as a service manager does; its exit code."""
        if self.is_running:
            self.signal(signal.SIGTERM)
        return self.wait(timeout_seconds)

    def kill(self) -> None:
        """End it without any farewell."""
        self.was_killed = True
        self.signal(signal.SIGKILL)
        self.wait()

    def check_its_end(self) -> None:
        """Stop it if it still runs; it must end well and have no traceback in its log."""
        if self._process is None:
            return
        try:
            code = self.stop()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not stop:\n{self.log}") from None
        assert "Traceback" not in self.log, self.log
        assert self.was_killed or code == 0, f"exit code {code}:\n{self.log}"


def _parsed(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {"text": line}
    return record if isinstance(record, dict) else {"text": line}


def run_command(
    folder: Path, *arguments: str, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``signalbox ARGUMENTS`` in ``folder`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *arguments],
        cwd=folder,
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
