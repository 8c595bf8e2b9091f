"""A loop survives what it does, says so, and ends when told."""

from __future__ import annotations

import asyncio

from eventually import eventually
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from engine.backoff import retry_delay_seconds
from engine.errors import Unavailable
from engine.service import Service


class Loop(Service):
    name = "loop"
    interval_seconds = 0.001

    def __init__(self, *outcomes: Exception | None) -> None:
        super().__init__()
        self.outcomes = list(outcomes)
        self.turns = 0

    async def run_once(self) -> float | None:
        self.turns += 1
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome
        return None


async def test_it_goes_on_after_an_exception_and_reports_it() -> None:
    loop = Loop(ValueError("oh"), Unavailable(), Unavailable(), None)
    with capture_logs() as logs:
        loop.start()
        await eventually(lambda: loop.health.turns >= 2)
        await loop.stop()
    assert loop.health.failures == 3
    assert REGISTRY.get_sample_value("signalbox_loop_failures_total", {"loop": Loop.name}) == 3
    assert [each["event"] for each in logs] == ["loop.failed"]
    assert not loop.is_running


async def test_an_outage_is_told_once() -> None:
    loop = Loop(Unavailable(), Unavailable(), Unavailable())
    with capture_logs() as logs:
        loop.start()
        await eventually(lambda: loop.health.turns)
        await loop.stop()
    assert [(each["event"], each["log_level"]) for each in logs] == [("loop.unavailable", "warning")]


async def test_waking_it_does_not_wait_for_the_interval() -> None:
    loop = Loop()
    loop.interval_seconds = 3600
    loop.start()
    await eventually(lambda: loop.turns == 1)
    loop.wake()
    await eventually(lambda: loop.turns == 2)
    await asyncio.wait_for(loop.stop(), 1)


def test_backoff_doubles_up_to_an_hour_with_jitter() -> None:
    for attempt, wait in ((1, 15), (2, 30), (3, 60), (8, 1920), (9, 3600), (60, 3600)):
        for _ in range(50):
            assert 0.9 * wait <= retry_delay_seconds(attempt) <= 1.1 * wait
