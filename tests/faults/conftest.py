"""Grounds for the faults, how many seeds there are, and the table at the end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grounds import Grounds
from table import FaultTable

FIRST_SEED_VARIABLE, SEEDS_VARIABLE = "SIGNALBOX_TEST_FAULT_SEED", "SIGNALBOX_TEST_FAULT_SEEDS"


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(FaultTable())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        first, count = (int(os.environ.get(name, "1")) for name in (FIRST_SEED_VARIABLE, SEEDS_VARIABLE))
        metafunc.parametrize("seed", range(first, first + count))


@pytest.fixture(scope="session")
def grounds(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, servers: Any) -> Iterator[Grounds]:
    with contextlib.closing(Grounds(tmp_path_factory.mktemp("grounds"), sqlite_template, servers.get)) as opened:
        yield opened
