"""The table that ends a run of the faults; its rows travel with the reports, for tests may run in several processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from checker import INVARIANTS
from columns import aligned
from scenario import Outcome

PROPERTY = "fault"
HEADINGS = ("fault", "database", "seed", "acts", "jobs", "executions", "duplicates", "rescued", *INVARIANTS, "seconds")


class FaultTable:
    """Gathers the outcomes, and prints them in the order of faults, databases and seeds."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, ...]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self._rows += [tuple(value) for name, value in report.user_properties if name == PROPERTY]  # type: ignore[arg-type]

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._rows:
            terminalreporter.section("faults x invariants (violations)")
            for line in lines(self._rows):
                terminalreporter.write_line(line)


def lines(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """One for each run, under a heading."""
    return aligned([HEADINGS, *sorted(rows, key=_order)])


def _order(row: tuple[str, ...]) -> tuple[int, str, str, int]:
    number = row[0].split(" ")[0].removeprefix("F")
    return (int(number), row[0], row[1], int(row[2]))


def row_of(outcome: Outcome) -> tuple[str, ...]:
    report = outcome.report
    counts = (outcome.seed, outcome.acts, report.jobs, report.executions, report.duplicates, report.rescued)
    return (
        outcome.fault,
        outcome.database,
        *map(str, counts),
        *(str(count) for count in report.counts.values()),
        f"{outcome.seconds:.0f}",
    )
