"""Forks processes of the product from one that has its modules loaded: a start costs milliseconds, not seconds.

Run as a script it is that process: it reads one request a line, and tells of each process that it forked and of each
that has ended. Nothing but imports happens before a fork: what a child does is what ``signalbox`` does.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

CLONE_NEWNET = 0x40000000


@functools.cache
def the_nursery() -> Nursery:
    """The one of this process, opened when it is first asked for."""
    opened = contextlib.ExitStack()
    atexit.register(opened.close)
    return opened.enter_context(Nursery())


class Nursery:
    """The parent of processes; open it with ``with``."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._pids: dict[int, int] = {}
        self._codes: dict[int, int] = {}
        self._requests = 0
        self._parent: subprocess.Popen[str] | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._parent = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        parent = self._parent
        assert parent is not None
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.close()
        parent.wait()
        self._reader.join()
        parent.stdout.close()

    def _read(self) -> None:
        assert self._parent is not None
        assert self._parent.stdout is not None
        for line in self._parent.stdout:
            told = json.loads(line)
            with self._condition:
                if "request" in told:
                    self._pids[told["request"]] = told["pid"]
                    self._codes.pop(told["pid"], None)  # one of before had the same number
                else:
                    self._codes[told["pid"]] = told["code"]
                self._condition.notify_all()

    def fork(
        self, folder: Path, arguments: Sequence[str], settings: Mapping[str, str], namespace: str | None = None
    ) -> Child:
        """Run ``signalbox ARGUMENTS`` in ``folder``, with ``settings`` as its whole environment, and in the network
        ``namespace`` if one is given."""
        assert self._parent is not None
        assert self._parent.stdin is not None
        with tempfile.TemporaryDirectory() as own, self._condition:
            output = Path(own) / "output"
            os.mkfifo(output)
            self._requests += 1
            number = self._requests
            request = {"request": number, "folder": str(folder), "arguments": list(arguments), "settings": settings}
            request["namespace"] = namespace
            self._parent.stdin.write(json.dumps({**request, "output": str(output)}) + "\n")
            self._parent.stdin.flush()
            self._condition.wait_for(lambda: number in self._pids)
            return Child(self, self._pids[number], output.open())

    def code_of(self, pid: int, timeout_seconds: float | None) -> int | None:
        """The exit code, once the process has ended; None if it has not by then."""
        with self._condition:
            self._condition.wait_for(lambda: pid in self._codes, timeout_seconds)
            return self._codes.get(pid)


class Child:
    """As much of ``subprocess.Popen`` as ``ServerProcess`` asks for."""

    def __init__(self, nursery: Nursery, pid: int, stdout: IO[str]) -> None:
        self.pid = pid
        self.stdout = stdout
        self._nursery = nursery

    def poll(self) -> int | None:
        return self._nursery.code_of(self.pid, 0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._nursery.code_of(self.pid, timeout)
        if code is None:
            raise subprocess.TimeoutExpired("signalbox", timeout or 0)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, number)


def _serve_requests() -> None:
    from server import cli

    tell = os.dup(1)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: _reap(tell))
    while line := sys.stdin.readline():
        request = json.loads(line)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        pid = os.fork()
        if pid == 0:
            _become(request)
            cli.main()
            sys.exit(0)
        os.write(tell, (json.dumps({"request": request["request"], "pid": pid}) + "\n").encode())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])


def _become(request: dict[str, Any]) -> None:
    """What a new process is given by whoever starts it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    if request["namespace"] is not None:
        _enter(Path("/run/netns") / request["namespace"])
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["settings"])
    nothing, output = os.open(os.devnull, os.O_RDONLY), os.open(request["output"], os.O_WRONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.closerange(3, 64)
    sys.argv = ["signalbox", *request["arguments"]]


def _enter(namespace: Path) -> None:
    descriptor = os.open(namespace, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f"setns {namespace}")
    os.close(descriptor)


def _reap(tell: int) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        os.write(tell, (json.dumps({"pid": pid, "code": os.waitstatus_to_exitcode(status)}) + "\n").encode())


if __name__ == "__main__":
    _serve_requests()
