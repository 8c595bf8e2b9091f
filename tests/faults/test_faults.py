"""Nothing is lost and nothing is finished twice, whatever happens to workers, the database and the network.

A few hundred jobs under some of the faults in every run of the tests; all of it with ``make faults``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from databases import Server
from faults import FAULTS
from nursery import Nursery
from private_servers import PrivateServer
from scenario import Outcome, run
from table import OUTCOMES

from models.connection import DatabaseURL

JOBS = int(os.environ.get("SIGNALBOX_TEST_FAULT_JOBS", "1500"))
SECONDS = 1.5
"""Jobs come faster than they can be done: whatever is killed has its hands full. Changes of them go on for 3 s more."""
SHORT = (
    ("F1 kill workers", "mariadb"),
    ("F4 kill connections", "mysql"),
    ("F5 disturb network", "mariadb"),
    ("F10 roll workers", "mysql"),
)
Run = Callable[..., Coroutine[Any, Any, Outcome]]


@pytest.fixture
def run_on(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Runs a fault on a database, and puts the outcome into the table."""

    nursery: Nursery = request.getfixturevalue("nursery")

    async def run_one(fault: str, database: str, seed: int, *, jobs: int, seconds: float) -> Outcome:
        print(f"{fault} on {database}, seed {seed}")
        private: PrivateServer | None = None
        if database == "mariadb" or fault.startswith("F3"):
            private = request.getfixturevalue("private_servers")(database)
            url = DatabaseURL("mysql", "", "127.0.0.1", private.port, "root")
        else:
            url = request.getfixturevalue("servers").get(database).url
        with contextlib.closing(Server(url)) as server:
            outcome = await run(
                nursery, fault, database, server, seed, tmp_path, jobs=jobs, seconds=seconds, private=private
            )
        request.config.stash[OUTCOMES].append(outcome)
        return outcome

    return run_one


def assert_sound(outcome: Outcome) -> None:
    assert outcome.acts > 0, "the fault never came"
    assert not any(outcome.report.counts.values()), outcome.report.text


@pytest.mark.parametrize(
    ("fault", "database"), [pytest.param(*each, marks=getattr(pytest.mark, each[1])) for each in SHORT]
)
async def test_some_faults(run_on: Run, fault: str, database: str) -> None:
    assert_sound(await run_on(fault, database, 1, jobs=400, seconds=0.5))


@pytest.mark.faults
@pytest.mark.parametrize(
    "database", [pytest.param(each, marks=getattr(pytest.mark, each)) for each in ("mariadb", "mysql")]
)
@pytest.mark.parametrize("fault", FAULTS)
async def test_all_faults(run_on: Run, fault: str, database: str, seed: int) -> None:
    assert_sound(await run_on(fault, database, seed, jobs=JOBS, seconds=SECONDS))
