"""A loop survives what it does, says so, and ends when told."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from eventually import eventually
from fake_clock import FakeClock
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from engine.backoff import retry_delay_seconds
from engine.errors import Unavailable
from engine.fleet import Fleet
from engine.service import (
    APART_SECONDS,
    LATE_SECONDS,
    LONGEST_TURN_SECONDS,
    MOMENTS_SECONDS,
    TOGETHER_SECONDS,
    TOO_SOON_SECONDS,
    Moments,
    Rest,
    Service,
    Turn,
    moments,
)


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


class Idle(Service):
    """A loop that waits as it is told."""

    name = "idle"

    def __init__(self, clock: FakeClock, wait: float | None) -> None:
        super().__init__(clock)
        self.wait = wait

    async def run_once(self) -> float | None:
        return self.wait


async def due_after_a_turn(clock: FakeClock, wait: float | None) -> float:
    """When its second turn is due."""
    loop = Idle(clock, wait)
    loop.start()
    await eventually(lambda: loop.health.next_turn_due is not None)
    await loop.stop()
    assert loop.health.next_turn_due is not None
    return loop.health.next_turn_due


async def test_idle_loops_of_a_process_look_at_the_same_moments() -> None:
    """Whole seconds apart, those that rest for longer at every other one; never later than they wished by more than
    what would be too soon, nor earlier than by the time between two moments."""
    clock = FakeClock()
    moments: dict[float, set[float]] = {MOMENTS_SECONDS: set(), 2 * MOMENTS_SECONDS: set()}
    for passed in (0.0, 0.13, 0.31, 0.77, 0.92):
        clock.pass_by(passed)
        now = clock.monotonic()
        for wait in (None, Rest(1.0), Rest(1.9), Rest(2.0), Rest(2.5), Rest(60.0)):
            due = await due_after_a_turn(clock, wait)
            wished = Idle.interval_seconds if wait is None else wait
            step = MOMENTS_SECONDS if wished < 2 * MOMENTS_SECONDS else 2 * MOMENTS_SECONDS
            assert TOO_SOON_SECONDS <= due - now <= wished + TOO_SOON_SECONDS
            assert due - now > wished - step
            moments[step].add(round(due % step, 6) % step)
    [[short], [long]] = moments.values()
    assert short == round(long % MOMENTS_SECONDS, 6) % MOMENTS_SECONDS


async def test_what_is_due_is_not_kept_waiting() -> None:
    clock = FakeClock()
    for wait in (0.3, 1.0, 7.25):
        assert await due_after_a_turn(clock, wait) == clock.monotonic() + wait


async def test_those_who_share_the_looks_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever each was started: of ten that look every ten seconds, two look every two."""
    clock = FakeClock()
    looks: Counter[float] = Counter()
    for number in range(10):
        monkeypatch.setattr(moments, "place", number / 10)
        clock.pass_by(0.37)
        due = clock.now().timestamp() + await due_after_a_turn(clock, Turn(10.0)) - clock.monotonic()
        assert TOO_SOON_SECONDS <= due - clock.now().timestamp() <= 10.0 + TOO_SOON_SECONDS
        looks[round((due - moments.phase) % 10.0, 3) % 10.0] += 1
    assert looks == dict.fromkeys((0.0, 2.0, 4.0, 6.0, 8.0), 2)


def test_moments_of_processes_that_poll_are_spread_evenly() -> None:
    """So that one of ten looks every quarter of a second, with as few wake-ups as that takes."""
    phases = []
    for place in range(10):
        moments = Moments()
        moments.place = place / 10
        phases.append(moments.phase)
    assert sorted(set(phases)) == [APART_SECONDS * number for number in range(8)]
    alone = Moments()
    assert alone.phase == alone.phase
    assert alone.phase in phases


def test_moments_of_processes_that_tell_each_other_are_the_same() -> None:
    for place in (None, 0.0, 0.3, 0.99):
        moments = Moments()
        moments.place, moments.are_shared = place, True
        assert 0.0 <= moments.phase < TOGETHER_SECONDS


def test_the_more_look_the_less_often_each() -> None:
    fleet = Fleet()
    assert fleet.rest(1.0, 10.0) == 1.0
    for workers, seconds in ((0, 1.0), (1, 1.0), (2, 2.0), (9, 9.0), (10, 10.0), (1000, 10.0)):
        fleet.workers = workers
        assert fleet.rest(1.0, 10.0) == seconds
    assert fleet.rest(1.0, 0.5) == 1.0


def test_backoff_doubles_up_to_an_hour_with_jitter() -> None:
    for attempt, wait in ((1, 15), (2, 30), (3, 60), (8, 1920), (9, 3600), (60, 3600)):
        for _ in range(50):
            assert 0.9 * wait <= retry_delay_seconds(attempt) <= 1.1 * wait
