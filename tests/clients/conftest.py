"""A real server for clients of other makers, Node's packages for those that need them, and the tables at the end."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from columns import aligned
from processes import SAMPLE_TASKS, ServerProcess, free_port, like_make_run
from requirements import give_up

FOLDER = Path(__file__).parent
FOUND = pytest.StashKey[dict[str, list[dict[str, str]]]]()
NODE_SECONDS = 120.0
RunScript = Callable[..., str]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FOUND] = {}


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not config.option.markexpr:
        return
    for title, rows in config.stash[FOUND].items():
        terminalreporter.section(title)
        for line in aligned([tuple(rows[0]), *(tuple(row.values()) for row in rows)]):
            terminalreporter.write_line(line)


@pytest.fixture
def table(pytestconfig: pytest.Config) -> Callable[..., None]:
    """Puts a row, its cells by their headings, into the table of this title."""

    def add(title: str, **row: str) -> None:
        pytestconfig.stash[FOUND].setdefault(title, []).append(row)

    return add


@pytest.fixture(scope="session")
def node(pytestconfig: pytest.Config) -> RunScript:
    """Runs a script of this folder with Node; what it wrote to stdout."""
    label = "GraphQL clients of Node"
    command, npm = shutil.which("node"), shutil.which("npm")
    if command is None or npm is None:
        give_up(pytestconfig, label, "install Node 20 or later with npm")
    lock, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        done = subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund", "--prefer-offline"],
            cwd=FOLDER,
            capture_output=True,
            text=True,
            timeout=NODE_SECONDS,
            check=False,
        )
        if done.returncode:
            give_up(pytestconfig, label, f"`npm ci` in tests/clients must succeed: {done.stderr.strip()[-300:]}")

    def run(script: str, *arguments: str) -> str:
        done = subprocess.run(
            [command, str(FOLDER / script), *arguments],
            cwd=FOLDER,
            capture_output=True,
            text=True,
            timeout=NODE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server as users start it, on SQLite."""
    port = free_port()
    process = ServerProcess(
        tmp_path_factory.mktemp("server"),
        ["serve", "--port", str(port), "--tasks", str(SAMPLE_TASKS), "--grace", "2"],
        like_make_run(port),
    ).start()
    yield process
    process.check_its_end()
