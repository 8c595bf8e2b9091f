"""Limits as tasks declare them."""

from __future__ import annotations

import pytest

from engine.errors import ConfigurationError
from engine.limits import StartRate
from engine.registry import Task


@pytest.mark.parametrize(
    ("text", "count", "seconds", "burst"),
    [
        ("10/s", 10, 1.0, 10),
        ("60/min", 60, 60.0, 1),
        ("600 / minute", 600, 60.0, 10),
        ("1000/hour", 1000, 3600.0, 1),
        ("1/d", 1, 86_400.0, 1),
        (" 7200/h ", 7200, 3600.0, 2),
    ],
)
def test_a_rate(text: str, count: int, seconds: float, burst: int) -> None:
    rate = StartRate.parse(text)
    assert (rate.count, rate.seconds, rate.burst) == (count, seconds, burst)
    assert rate.interval == seconds / count


@pytest.mark.parametrize("text", ["", "10", "10/", "/s", "0/s", "-1/s", "1.5/s", "10/week", "1000001/s", "10/S", "٣/s"])
def test_no_rate(text: str) -> None:
    with pytest.raises(ConfigurationError, match="as in 10/s, 60/min"):
        StartRate.parse(text)


async def nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_concurrency": 0}, "task 't': max_concurrency is 0; it must be 1 to 1,000,000, or left out for no limit"),
        ({"max_concurrency_per_key": -1}, "task 't': max_concurrency_per_key is -1"),
        ({"rate_limit": "often"}, "task 't': the rate limit 'often' is not a number"),
    ],
)
def test_limits_that_cannot_be_kept(limits: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message.replace("(", r"\(")):
        Task.declare("t", nothing, max_attempts=1, timeout_seconds=1.0, **limits)  # type: ignore[arg-type]
