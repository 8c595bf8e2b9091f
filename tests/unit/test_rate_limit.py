"""The token bucket of each key."""

from __future__ import annotations

import pytest
from fake_clock import FakeClock

from server.rate_limit import RateLimit, RateLimited


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def limit(clock: FakeClock) -> RateLimit:
    return RateLimit(60, lambda _asked: 1, clock)


def wait_for(limit: RateLimit, cost: int, caller: str = "ci") -> int | None:
    with pytest.raises(RateLimited) as refused:
        limit.take(caller, cost)
    assert (refused.value.status, refused.value.code) == (429, "RATE_LIMITED")
    return refused.value.retry_after_seconds


def test_a_minutes_points_at_once_and_then_as_they_come(limit: RateLimit, clock: FakeClock) -> None:
    limit.take("ci", 60)
    assert wait_for(limit, 1) == 1
    assert wait_for(limit, 30) == 30
    clock.pass_by(29.5)
    assert wait_for(limit, 30) == 1
    clock.pass_by(0.5)
    limit.take("ci", 30)
    assert wait_for(limit, 1) == 1


def test_waiting_as_told_is_enough(clock: FakeClock) -> None:
    limit = RateLimit(7, lambda _asked: 1, clock)
    limit.take("ci", 5)
    for cost in (3, 7, 1, 4):
        clock.pass_by(wait_for(limit, cost) or 0)
        limit.take("ci", cost)


def test_a_refusal_costs_nothing_and_a_long_pause_gains_no_more_than_a_minute(
    limit: RateLimit, clock: FakeClock
) -> None:
    limit.take("ci", 50)
    for _ in range(100):
        wait_for(limit, 11)
    limit.take("ci", 10)
    clock.pass_by(3600)
    limit.take("ci", 60)
    wait_for(limit, 1)


def test_each_key_has_its_own(limit: RateLimit) -> None:
    limit.take("ci", 60)
    limit.take("me", 60)
    wait_for(limit, 1, "me")


def test_what_costs_more_than_there_can_be(limit: RateLimit) -> None:
    """No waiting helps, so none is asked for; and the bucket keeps what it has."""
    assert wait_for(limit, 61) is None
    limit.take("ci", 60)


def test_what_clients_are_told() -> None:
    refused = RateLimited("wait", 3)
    assert refused.headers == {"Retry-After": "3"}
    assert refused.extensions == {"code": "RATE_LIMITED", "retryAfterSeconds": 3}
    assert RateLimited("never", None).headers == {}
