"""A clock that is set by hand, and databases that go by it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from engine.errors import Unavailable
from engine.store.database import Transaction, to_text
from engine.store.store import Store


class FakeClock:
    """Time stands still until ``pass_by``."""

    def __init__(self) -> None:
        self._now = datetime(2026, 2, 5, 15, 0, tzinfo=UTC)
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def pass_by(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds


def set_database_clock(store: Store, clock: FakeClock, crashes: Callable[[], bool] = lambda: False) -> Store:
    """Have ``store``'s database go by ``clock``, on whatever server it is.

    Args:
        crashes: whether a transaction is lost just before its COMMIT.
    """
    begin = store.database.transaction

    @asynccontextmanager
    async def transaction() -> AsyncIterator[Transaction]:
        async with begin() as begun:
            begun.now, begun.now_text = clock.now(), to_text(clock.now())
            yield begun
            if crashes():
                raise Unavailable("crashed before COMMIT, as the test wants")

    async def now() -> datetime:
        return clock.now()

    store.database.transaction, store.database.now = transaction, now
    return store
