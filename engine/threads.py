"""Threads for plain functions: one for each call, and none that outlives the process's wish to end.

A thread cannot be killed. In a pool, one that never returns takes a place for ever, and the interpreter waits for it at
exit; a daemon thread of its own does neither.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DaemonThreads(Executor):
    """Starts a daemon thread for each call. How many there are is the caller's to limit."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._numbers = itertools.count(1)

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **options: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = function(*arguments, **options)
            except BaseException as error:  # noqa: BLE001 - it belongs to the caller
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=call, name=f"{self._name}-{next(self._numbers)}", daemon=True).start()
        return future
