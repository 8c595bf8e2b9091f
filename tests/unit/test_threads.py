"""A thread for each call: it answers like any executor's, and holds up neither its neighbours nor the process."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from engine.threads import DaemonThreads

A_CALL_THAT_NEVER_RETURNS = """
import threading
from engine.threads import DaemonThreads
started = threading.Event()
DaemonThreads("task").submit(lambda: (started.set(), threading.Event().wait()))
started.wait()
"""


def test_results_and_errors() -> None:
    threads = DaemonThreads("task")
    assert threads.submit(pow, 2, 5, mod=7).result(5) == 4
    assert threads.submit(lambda: threading.current_thread().name).result(5).startswith("task-")
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 / 0).result(5)
    with pytest.raises(SystemExit):
        threads.submit(sys.exit, 3).result(5)


def test_one_that_never_returns_holds_up_no_other() -> None:
    threads, gate = DaemonThreads("task"), threading.Event()
    stuck = [threads.submit(gate.wait, 30) for _ in range(20)]
    assert threads.submit(lambda: "done").result(5) == "done"
    assert not any(each.done() for each in stuck)
    gate.set()
    assert all(each.result(5) for each in stuck)


def test_the_process_may_end() -> None:
    subprocess.run([sys.executable, "-c", A_CALL_THAT_NEVER_RETURNS], check=True, timeout=10)
