"""A loop survives what it does, says so, and ends when told."""

from __future__ import annotations

import asyncio

from eventually import eventually
from fake_clock import FakeClock
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from engine.backoff import retry_delay_seconds
from engine.errors import Unavailable
from engine.service import LATE_SECONDS, LONGEST_TURN_SECONDS, Service


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


class Stuck(Service):
    """A loop whose turn does not end before it is let on."""

    name = "stuck"

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()

    async def run_once(self) -> float | None:
        self.begun.set()
        await self.gate.wait()
        return 3600.0


async def test_a_turn_that_hangs_and_one_that_is_late_are_seen() -> None:
    clock = FakeClock()
    loop = Stuck(clock)
    assert loop.problem == "the loop has ended"
    loop.start()
    await loop.begun.wait()
    clock.pass_by(LONGEST_TURN_SECONDS)
    assert loop.problem is None
    clock.pass_by(5)
    assert loop.problem == "a turn has been under way for 95 s"
    loop.gate.set()
    await eventually(lambda: loop.health.turns)
    assert loop.problem is None
    clock.pass_by(3600 * 0.9)  # a long interval is no problem
    assert loop.problem is None
    clock.pass_by(3600 * 0.2 + LATE_SECONDS)
    assert loop.problem is not None
    assert loop.problem.startswith("the next turn is ")
    await loop.stop()
    assert loop.problem == "the loop has ended"


def test_backoff_doubles_up_to_an_hour_with_jitter() -> None:
    for attempt, wait in ((1, 15), (2, 30), (3, 60), (8, 1920), (9, 3600), (60, 3600)):
        for _ in range(50):
            assert 0.9 * wait <= retry_delay_seconds(attempt) <= 1.1 * wait
