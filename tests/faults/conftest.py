"""Databases for the faults, how many seeds there are, and the table at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from nursery import Nursery
from private_servers import PrivateMariaDB, PrivateMySQL, PrivateServer
from requirements import Missing, give_up
from table import OUTCOMES, lines

SEEDS_VARIABLE = "SIGNALBOX_TEST_FAULT_SEEDS"


def pytest_configure(config: pytest.Config) -> None:
    config.stash[OUTCOMES] = []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(1, 1 + int(os.environ.get(SEEDS_VARIABLE, "1"))))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    outcomes = config.stash[OUTCOMES]
    if outcomes:
        terminalreporter.section("faults x invariants (violations)")
        for line in lines(outcomes):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    with Nursery() as opened:
        yield opened


@pytest.fixture(scope="session")
def private_servers(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Callable[[str], PrivateServer]]:
    """Servers of the faults' own, by the name of their kind: their users kill them."""
    started: dict[str, PrivateServer] = {}

    def get(name: str) -> PrivateServer:
        if name not in started:
            make = PrivateMariaDB if name == "mariadb" else PrivateMySQL
            try:
                server = make(tmp_path_factory.mktemp(name))
            except Missing as missing:
                give_up(pytestconfig, f"{name} that may be killed", str(missing))
            started[name] = server
            server.start()
        return started[name]

    yield get
    for server in started.values():
        server.stop()
