"""The table that ends a run of the faults."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from checker import INVARIANTS
from columns import aligned
from scenario import Outcome

OUTCOMES = pytest.StashKey[list[Outcome]]()
HEADINGS = ("fault", "database", "seed", "acts", "jobs", "executions", "duplicates", "rescued", *INVARIANTS, "seconds")


def lines(outcomes: Sequence[Outcome]) -> list[str]:
    """One for each run, under a heading."""
    return aligned([HEADINGS, *(_row(each) for each in outcomes)])


def _row(outcome: Outcome) -> tuple[str, ...]:
    report = outcome.report
    counts = (outcome.seed, outcome.acts, report.jobs, report.executions, report.duplicates, report.rescued)
    return (
        outcome.fault,
        outcome.database,
        *map(str, counts),
        *(str(count) for count in report.counts.values()),
        f"{outcome.seconds:.0f}",
    )
