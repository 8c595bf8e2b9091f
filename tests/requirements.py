"""What some tests need and not every machine has: a missing one is named in the last lines, or fails, as in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

REQUIRE_VARIABLE = "SIGNALBOX_TEST_REQUIRE"
NOT_TESTED = pytest.StashKey[dict[str, str]]()


class Missing(Exception):
    """Something that cannot be tested on here; the message says what would bring it."""


def give_up(config: pytest.Config, label: str, remedy: str) -> NoReturn:
    """End the test for want of something: a failure where everything is required, else a skip."""
    config.stash[NOT_TESTED][label] = remedy
    end = pytest.fail if os.environ.get(REQUIRE_VARIABLE) == "1" else pytest.skip
    end(f"no {label} here: {remedy}")
