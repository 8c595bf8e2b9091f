"""Limits behind one timer: each ends its own task, in time, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from engine.time_limits import TimeLimits


async def test_each_limit_ends_its_own_task() -> None:
    limits = TimeLimits()
    loop = asyncio.get_running_loop()

    async def run(seconds: float) -> float:
        started = loop.time()
        with pytest.raises(TimeoutError), limits.of(seconds):
            await asyncio.sleep(60)
        return loop.time() - started

    wanted = (0.3, 0.05, 0.15, 0.05)
    took = await asyncio.gather(*map(run, wanted))
    assert all(took[each] >= seconds for each, seconds in enumerate(wanted))
    assert sorted(range(4), key=lambda each: took[each])[2:] == [2, 0]


async def test_what_ends_in_time_is_left_alone() -> None:
    limits = TimeLimits()
    with limits.of(0.02) as limit:
        pass
    with limits.of(60):
        await asyncio.sleep(0.05)  # the timer of the first rings, and finds nothing
    assert not limit.is_expired
    assert not asyncio.current_task().cancelling()  # type: ignore[union-attr]


async def test_a_limit_within_a_limit() -> None:
    limits = TimeLimits()
    with limits.of(60) as outer, pytest.raises(TimeoutError), limits.of(0.02):
        await asyncio.sleep(60)
    assert not outer.is_expired
    inner = limits.of(60)
    with pytest.raises(TimeoutError), limits.of(0.02), inner:
        await asyncio.sleep(60)
    assert not inner.is_expired


async def test_cancellation_from_outside_stays_one() -> None:
    limits = TimeLimits()

    async def run() -> None:
        with limits.of(60):
            await asyncio.sleep(60)

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancellation_from_outside_at_the_same_moment_wins() -> None:
    limits = TimeLimits()

    async def run() -> None:
        with limits.of(0.02):
            await asyncio.sleep(60)

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    [limit] = limits._limits
    limit.expire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_code_that_swallows_the_interruption_is_told_that_time_ran_out() -> None:
    limits = TimeLimits()
    with limits.of(0.02) as limit, contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(60)
    assert limit.is_expired


def test_outside_a_task() -> None:
    with pytest.raises(RuntimeError), TimeLimits().of(1.0):
        pass
