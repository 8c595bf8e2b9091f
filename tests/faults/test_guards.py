"""The guards that the promise stands on, taken out one at a time in a copy of the product: its tests must fail.

For those who ask with -m guards (make guards), but for one: a guard is named by its very text, and whoever changes that
line is told so by any run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from requirements import REQUIRE_VARIABLE

ROOT = Path(__file__).parents[2]
COPIED = ("engine", "models", "playground", "resolvers", "schema", "server", "signalbox", "tasks", "tests")
TESTS_FAILED = 1
SURROUNDINGS = {"SIGNALBOX_TEST_FAULT_JOBS": "5000", "COLUMNS": "200", REQUIRE_VARIABLE: "0"}


@dataclass(frozen=True, slots=True)
class Change:
    """Text of a file that is taken out, and what stands there instead."""

    path: str
    text: str
    instead: str = ""


GUARDS = {
    "claim token": (
        Change(
            "engine/store/claims.py",
            "if holders.get(finish.job.id) == finish.job.claim_token:",
            "if finish.job.id in holders:",
        ),
        Change("engine/store/sqlite.py", "AND jobs.claim_token=done.column2 "),
        Change("engine/store/mysql.py", """ "\n            f"AND ({is_held})"\n""", '"\n'),
    ),
    "status": (
        Change("engine/store/claims.py", """ AND status='RUNNING'"\n            f"{transaction.for_update}\"""", '"'),
        Change("engine/store/claims.py", "WHERE id={finish.job.id} AND status='RUNNING'", "WHERE id={finish.job.id}"),
        Change("engine/store/sqlite.py", " AND jobs.status='RUNNING'"),
        Change("engine/store/mysql.py", "WHERE id IN ({ids}) AND status='RUNNING' ", "WHERE id IN ({ids}) "),
    ),
    "event insert": (
        Change(
            "engine/store/unit.py",
            'await self.transaction.insert_ahead("job_event", *without_empty(EVENT_COLUMNS, self._events))',
            "list(range(1, 1 + len(self._events)))",
        ),
    ),
}
SUITES = {
    "store and engine": ("tests/store", "tests/engine", "-k", "sqlite"),
    "F2": ("tests/faults/test_faults.py", "-m", "faults", "-k", "F2 and mariadb"),
    "F11": ("tests/faults/test_faults.py", "-m", "faults", "-k", "F11 and mariadb"),
    "F10": ("tests/faults/test_faults.py", "-m", "faults", "-k", "F10 and mariadb"),
}


def copied(folder: Path) -> Path:
    """The product and its tests."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def take_out(folder: Path, change: Change) -> None:
    path = folder / change.path
    assert is_there(folder, change)
    path.write_text(path.read_text().replace(change.text, change.instead))


def is_there(folder: Path, change: Change) -> bool:
    assert (folder / change.path).read_text().count(change.text) == 1, f"{change.path} has not one {change.text!r}"
    return True


def failures(folder: Path, suite: str) -> list[str]:
    """The tests that failed, and why."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *SUITES[suite]],
        cwd=folder,
        env={**os.environ, **SURROUNDINGS, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    failed = re.findall(r"^FAILED (.*)", run.stdout, re.MULTILINE)
    assert run.returncode == (TESTS_FAILED if failed else 0), run.stdout + run.stderr
    return failed


@pytest.mark.parametrize("guard", GUARDS)
def test_each_guard_is_where_it_is_said_to_be(guard: str) -> None:
    assert all(is_there(ROOT, change) for change in GUARDS[guard])


@pytest.mark.guards
@pytest.mark.parametrize(
    ("guard", "suite"),
    [
        ("claim token", "store and engine"),
        ("claim token", "F2"),
        ("status", "store and engine"),
        ("status", "F11"),
        ("event insert", "store and engine"),
        ("event insert", "F10"),
    ],
)
def test_without_a_guard_tests_fail(capsys: pytest.CaptureFixture[str], tmp_path: Path, guard: str, suite: str) -> None:
    folder = copied(tmp_path)
    for change in GUARDS[guard]:
        take_out(folder, change)
    failed = failures(folder, suite)
    with capsys.disabled():
        print(f"\nwithout the {guard}, {suite}: {', '.join(failed) or 'nothing failed'}")
    assert failed


@pytest.mark.guards
@pytest.mark.parametrize("suite", SUITES)
def test_with_all_guards_they_pass(tmp_path: Path, suite: str) -> None:
    assert failures(copied(tmp_path), suite) == []
