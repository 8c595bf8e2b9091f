"""Which firings a schedule has when it comes to its turn: those on time, and what its policy makes of those missed."""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.cron import CronRule
from models.enums import MisfirePolicy

ON_TIME = timedelta(seconds=60)
"""A firing that is older when its turn comes was missed: no server ran, or none could reach the database."""
MISSED_TO_RUN = {MisfirePolicy.RUN_ALL: 1000, MisfirePolicy.RUN_ONCE: 1, MisfirePolicy.SKIP: 0}
ON_TIME_AT_MOST = 2  # a rule fires at most once a minute


def firings(rule: CronRule, next_run_at: datetime, now: datetime, policy: MisfirePolicy) -> list[datetime]:
    """The firings to make at ``now``, oldest first.

    RUN_ONCE takes the latest of those that were missed, RUN_ALL the latest thousand. Policies do not touch what is
    on time.
    """
    on_time_since = max(next_run_at, now - ON_TIME)
    missed: list[datetime] = []
    if MISSED_TO_RUN[policy]:
        missed = rule.latest(next_run_at, on_time_since - timedelta(microseconds=1), MISSED_TO_RUN[policy])
    return missed + rule.latest(on_time_since, now, ON_TIME_AT_MOST)
