"""What a worker that is alone knows of limits: never of too few that run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

from engine.store.limit_runs import TRUST, LimitRuns
from engine.store.unit import Unit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE, TWO = (cast("Unit", object()) for _ in range(2))


def alone(now: datetime = NOW) -> LimitRuns:
    """Knows of the job 1, under the limits 7 and 12, and of 2, under 7 alone; nothing of 13."""
    runs = LimitRuns()
    runs.forget_unless(is_alone=True, worker_id=5, now=now)
    runs.learn([7, 12], [(1, [7, 12]), (2, [7, 13])])
    return runs


def test_what_it_claims_and_ends() -> None:
    runs = alone()
    assert runs.counts([7, 12, 13]) == {7: 2, 12: 1}
    runs.claimed(3, [7, 12])
    runs.claimed(3, [7, 12])
    runs.claimed(4, [7, 13])
    assert runs.counts([7, 12]) == {7: 4, 12: 2}
    runs.ending(3, ONE)
    assert runs.counts([7, 12]) == {7: 4, 12: 2}
    runs.ended(3, ONE)
    assert runs.counts([7, 12]) == {7: 3, 12: 1}
    runs.waits(1)
    assert runs.counts([7, 12]) == {7: 2, 12: 0}


def test_the_end_of_an_attempt_that_is_known_late() -> None:
    """The job has been claimed again meanwhile, and ends a second time in a transaction that is under way."""
    runs = alone()
    runs.ending(1, ONE)
    runs.waits(1)
    runs.claimed(1, [7, 12])
    runs.ended(1, ONE)
    assert runs.counts([7, 12]) == {7: 2, 12: 1}
    runs.ending(1, TWO)
    runs.ended(1, ONE)
    assert runs.counts([7, 12]) == {7: 2, 12: 1}
    runs.ended(1, TWO)
    assert runs.counts([7, 12]) == {7: 1, 12: 0}


def test_the_end_of_an_attempt_that_was_read_meanwhile() -> None:
    runs = alone()
    runs.ending(1, ONE)
    runs.learn([7, 12], [(1, [7, 12]), (2, [7, 13])])
    assert runs.counts([7, 12]) == {7: 2, 12: 1}
    runs.ended(1, ONE)
    assert runs.counts([7, 12]) == {7: 1, 12: 0}


def test_what_is_not_believed() -> None:
    for is_alone, worker_id, passed in (
        (False, 5, timedelta()),
        (True, 6, timedelta()),
        (True, 5, TRUST + timedelta(microseconds=1)),
        (True, 5, timedelta(microseconds=-1)),
    ):
        runs = alone()
        runs.forget_unless(is_alone=is_alone, worker_id=worker_id, now=NOW + passed)
        assert runs.counts([7, 12]) == {}
    runs = alone()
    runs.forget_unless(is_alone=True, worker_id=5, now=NOW + TRUST)
    assert runs.counts([7, 12]) == {7: 2, 12: 1}
    runs.learn([13], [(2, [7, 13])])  # what is read later does not make the rest any younger
    runs.forget_unless(is_alone=True, worker_id=5, now=NOW + TRUST + timedelta(seconds=1))
    assert runs.counts([7, 12, 13]) == {}
