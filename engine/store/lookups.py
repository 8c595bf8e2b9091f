"""Natural batching of reads: what is looked up while a query is under way goes together into the next one.

A lookup never joins a query that had begun when it was asked for, so everyone sees what was committed before: a client
reads its own writes.

Failure handling: a query that fails fails those who are in it, and nobody else. One that takes long holds up nobody who
comes later than ``PATIENCE_SECONDS`` after it began: another is begun beside it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key")
Found = TypeVar("Found")
MAX_BATCH = 500
PATIENCE_SECONDS = 0.25


class Lookups(Generic[Key, Found]):
    """Finds things by their keys.

    Args:
        load: finds those of many keys that there are, in one query.
    """

    def __init__(self, load: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Found]]]) -> None:
        self._load = load
        self._waiting: list[tuple[Key, asyncio.Future[Found | None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = 0
        self._is_held_up = False

    async def get(self, key: Key) -> Found | None:
        """What ``key`` finds; None for nothing. Raises whatever ``load`` does."""
        answer: asyncio.Future[Found | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, answer))
        if not self._running or self._is_held_up:
            self._begin()
        return await answer

    def _begin(self) -> None:
        # In a context of its own: it serves many, and the first of them may be in a span or a transaction.
        task = asyncio.get_running_loop().create_task(self._run(), context=contextvars.Context())
        self._running += 1
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _hold_up(self) -> None:
        """The query under way takes long: who waits for its end goes beside it."""
        self._is_held_up = True
        if self._waiting:
            self._begin()

    async def _run(self) -> None:
        try:
            while self._waiting:
                count = 0
                while count < len(self._waiting) < MAX_BATCH:  # while each turn of the loop brings more
                    count = len(self._waiting)
                    await asyncio.sleep(0)
                if self._waiting:
                    await self._find()
        finally:
            self._running -= 1  # at once: whoever comes after the last look at those who wait begins anew

    async def _find(self) -> None:
        batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
        self._is_held_up = False
        patience = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._hold_up)
        try:
            found = await self._load([key for key, _ in batch])
        except Exception as error:  # noqa: BLE001 (it belongs to those who asked)
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
        except BaseException:
            for _, answer in batch:
                answer.cancel()
            raise
        else:
            for key, answer in batch:
                if not answer.done():
                    answer.set_result(found.get(key))
        finally:
            patience.cancel()
