"""Several server processes on one port: ``serve --processes N``.

The parent opens the port and starts the others, which take connections from it in turn; it serves nothing itself. Each
is a whole server with its own worker. They know of each other by the database, like servers on several machines.

Failure handling: a process that dies is started again, after a pause that grows when it dies soon. One that ends with
a code for wrong usage or configuration (1 or 2) before it was ready would do so again: then all are stopped. Signals
are handed on, so a second SIGTERM ends the grace period of each.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from engine.errors import ConfigurationError

log = structlog.get_logger("signalbox.processes")

MAX_PROCESSES = 64
LOOK_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0
SOUND_SECONDS = 30.0
"""A process that lived for so long was well; the next pause is short again."""
NEVER_READY = (1, 2)


def listen(host: str, port: int) -> socket.socket:
    """An open port that processes can share.

    Raises:
        ConfigurationError: it is taken, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        shared = socket.socket(family, kind, protocol)
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        shared.bind(address)
        shared.listen(2048)
    except OSError as error:
        raise ConfigurationError(f"{host}:{port} cannot be listened on: {error}") from None
    shared.set_inheritable(True)
    return shared


@dataclass(slots=True, eq=False)
class Child:
    """One place for a process, and the process that has it."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    deaths_in_a_row: int = 0
    due_at: float = 0.0


@dataclass(slots=True, eq=False)
class Processes:
    """Starts processes, keeps their number, and ends them.

    Args:
        command: what each runs.
        shared: the port that they inherit.
        count: how many.
    """

    command: Sequence[str]
    shared: socket.socket
    count: int
    _children: list[Child] = field(init=False)
    _is_stopping: bool = False
    _exit_code: int = 0

    def __post_init__(self) -> None:
        self._children = [Child(number) for number in range(1, self.count + 1)]

    def run(self) -> int:
        """Until a signal ends them all; the exit code."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._hand_on)
        host, port = self.shared.getsockname()[:2]
        log.info("processes.starting", processes=self.count, url=f"http://{host}:{port}/graphql", pid=os.getpid())
        while not (self._is_stopping and all(child.process is None for child in self._children)):
            for child in self._children:
                self._look_after(child)
            time.sleep(LOOK_SECONDS)
        return self._exit_code

    def _look_after(self, child: Child) -> None:
        if child.process is None:
            if not self._is_stopping and time.monotonic() >= child.due_at:
                self._start(child)
            return
        code = child.process.poll()
        if code is None:
            return
        lived = time.monotonic() - child.started_at
        child.process = None
        if self._is_stopping:
            self._exit_code = self._exit_code or abs(code)
            return
        if code in NEVER_READY and child.deaths_in_a_row == 0 and lived < SOUND_SECONDS:
            log.error("processes.cannot_start", process=child.number, code=code)
            self._exit_code = 1
            self._stop(signal.SIGTERM)
            return
        child.deaths_in_a_row = 1 if lived >= SOUND_SECONDS else child.deaths_in_a_row + 1
        pause = min(LONGEST_PAUSE_SECONDS, 0.1 * 2 ** min(child.deaths_in_a_row - 1, 10))
        child.due_at = time.monotonic() + pause
        log.error("processes.died", process=child.number, code=code, lived_seconds=round(lived, 1), pause_seconds=pause)

    def _start(self, child: Child) -> None:
        child.process = subprocess.Popen(  # noqa: S603 - this program, as it was started
            [*self.command, "--fd", str(self.shared.fileno())],
            pass_fds=[self.shared.fileno()],
            process_group=0,  # of its own: a terminal's Ctrl-C reaches it once, through its parent
        )
        child.started_at = time.monotonic()
        log.info("processes.started", process=child.number, pid=child.process.pid)

    def _hand_on(self, number: int, _frame: Any) -> None:
        self._stop(signal.Signals(number))

    def _stop(self, number: signal.Signals) -> None:
        self._is_stopping = True
        for child in self._children:
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(number)


def own_command(argument: str) -> list[str]:
    """This process's command line, without the option that asks for several processes."""
    found: list[str] = []
    given = iter(sys.argv[1:])
    for each in given:
        if each == argument:
            next(given, None)
        elif not each.startswith(f"{argument}="):
            found.append(each)
    return [sys.executable, "-m", "server.cli", *found]
