"""Workers on the test's store; each is stopped after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from bench import Bench

from engine.store.store import Store
from engine.worker import Worker


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
async def make_worker(store: Store, bench: Bench) -> AsyncIterator[Callable[..., Worker]]:
    made: list[Worker] = []

    def make(given: Store = store, **options: Any) -> Worker:
        worker = Worker(given, bench.registry(), **({"slots": 4, "grace_seconds": 0.0} | options))
        made.append(worker)
        worker.start()
        return worker

    yield make
    bench.thread_gate.set()
    for worker in made:
        if worker.is_running:
            await worker.stop()
