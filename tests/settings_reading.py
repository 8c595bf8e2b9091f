"""Settings as a file of the deployment gives them, and nothing of this process's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from processes import environment

from server.settings import Settings, read_settings


def settings_from(given: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> Settings:
    """What ``given`` as the environment says, in a folder without a ``.env`` file.

    Raises:
        ConfigurationError: the product would refuse it.
    """
    monkeypatch.chdir(folder)
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return read_settings()
