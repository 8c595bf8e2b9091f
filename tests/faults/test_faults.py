"""Nothing is lost and nothing is finished twice, whatever happens to workers, the database and the network.

A few hundred jobs under some of the faults in every run of the tests; all of it with ``make faults``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from databases import ALL_DATABASES
from faults import FAULTS, ON_SQLITE
from grounds import Grounds
from requirements import Missing, give_up
from scenario import Outcome, run
from table import PROPERTY, row_of
from versions import NoHistory

JOBS = int(os.environ.get("SIGNALBOX_TEST_FAULT_JOBS", "5000"))
SECONDS = 1.5
"""Jobs come faster than they can be done: whatever is killed has its hands full. Changes of them go on for 3 s more."""
SHORT = (
    ("F1 kill workers", "mariadb"),
    ("F4 kill connections", "mysql"),
    ("F5 disturb network", "mariadb"),
    ("F9 fill disk", "sqlite"),
    ("F10 roll workers", "sqlite"),
    ("F11 end jobs by hand", "mariadb"),
    ("F12 pause tasks", "mysql"),
    ("F13 upgrade", "mariadb"),
)
Run = Callable[..., Outcome]


def on_databases(*pairs: tuple[str, str]) -> pytest.MarkDecorator:
    params = [pytest.param(fault, database, marks=getattr(pytest.mark, database)) for fault, database in pairs]
    return pytest.mark.parametrize(("fault", "database"), params)


@pytest.fixture
def run_on(
    pytestconfig: pytest.Config,
    record_property: Callable[[str, object], None],
    grounds: Grounds,
    tmp_path: Path,
) -> Run:
    """Runs a fault on a database, and puts the outcome into the table."""

    def run_one(fault: str, database: str, seed: int, *, jobs: int, seconds: float, is_long: bool) -> Outcome:
        print(f"{fault} on {database}, seed {seed}")
        try:
            with grounds.lend(database, fault) as ground:
                outcome = asyncio.run(run(fault, ground, seed, tmp_path, jobs=jobs, seconds=seconds, is_long=is_long))
        except NoHistory as unknown:  # in a copy without its history, which is no fault of the machine's
            pytest.skip(str(unknown))
        except Missing as missing:
            give_up(pytestconfig, f"{fault} on {database}", str(missing))
        record_property(PROPERTY, row_of(outcome))
        return outcome

    return run_one


def assert_sound(outcome: Outcome) -> None:
    assert outcome.acts > 0, "the fault never came"
    assert not any(outcome.report.counts.values()), outcome.report.text


@on_databases(*SHORT)
def test_some_faults(run_on: Run, fault: str, database: str) -> None:
    assert_sound(run_on(fault, database, 1, jobs=300, seconds=0.5, is_long=False))


@pytest.mark.faults
@on_databases(
    *((fault, database) for fault in FAULTS for database in ALL_DATABASES if database != "sqlite" or fault in ON_SQLITE)
)
def test_all_faults(run_on: Run, fault: str, database: str, seed: int) -> None:
    assert_sound(run_on(fault, database, seed, jobs=JOBS, seconds=SECONDS, is_long=True))
