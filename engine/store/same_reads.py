"""Reads that ask the same are made once, when they wait at the same time.

A few are under way at a time; whoever comes later waits, together with those who ask the same. Nobody joins a read that
had begun when it was asked for, so everyone sees what was committed before: a client reads its own writes.

Failure handling: a read that fails fails those who asked for it, and nobody else. One that takes long holds up the
others for ``PATIENCE_SECONDS`` at most. One that nobody waits for any more is cancelled.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Found = TypeVar("Found")
AT_ONCE = 4
"""More would have the database do side by side what it could have done once."""
PATIENCE_SECONDS = 0.25


class _Read(Generic[Found]):
    """One read, and those who wait for it."""

    __slots__ = ("answers", "make", "task")

    def __init__(self, make: Callable[[], Awaitable[Found]]) -> None:
        self.make = make
        self.answers: list[asyncio.Future[Found]] = []
        self.task: asyncio.Task[None] | None = None

    @property
    def is_wanted(self) -> bool:
        return not all(answer.done() for answer in self.answers)


class SameReads(Generic[Found]):
    """Makes reads for callers."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, _Read[Found]] = {}
        self._running: set[_Read[Found]] = set()

    async def get(self, key: Hashable, make: Callable[[], Awaitable[Found]]) -> Found:
        """What ``make`` returns; those of one ``key`` are alike. Raises whatever it does."""
        read = self._waiting.get(key)
        if read is None:
            read = self._waiting[key] = _Read(make)
        answer: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        read.answers.append(answer)
        self._begin()
        try:
            return await answer
        except asyncio.CancelledError:
            if read.task is not None and not read.is_wanted:
                read.task.cancel()
            raise

    def _begin(self) -> None:
        """Begin the reads that have waited for longest, as many as may be under way."""
        while self._waiting and len(self._running) < AT_ONCE:
            read = self._waiting.pop(next(iter(self._waiting)))
            if not read.is_wanted:
                continue
            self._running.add(read)
            # In a context of its own: it serves many, and the first of them may be in a span or a transaction.
            read.task = asyncio.get_running_loop().create_task(self._run(read), context=contextvars.Context())
            # By a callback: a task that is cancelled before its first step runs none of its own code.
            read.task.add_done_callback(functools.partial(self._ended, read))

    def _ended(self, read: _Read[Found], _task: asyncio.Task[None]) -> None:
        self._give_place(read)

    def _give_place(self, read: _Read[Found]) -> None:
        self._running.discard(read)
        self._begin()

    async def _run(self, read: _Read[Found]) -> None:
        patience = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._give_place, read)
        try:
            found = await read.make()
        except Exception as error:  # noqa: BLE001 (it belongs to those who asked)
            for answer in read.answers:
                if not answer.done():
                    answer.set_exception(error)
        except BaseException:
            for answer in read.answers:
                answer.cancel()
            raise
        else:
            for answer in read.answers:
                if not answer.done():
                    answer.set_result(found)
        finally:
            patience.cancel()
