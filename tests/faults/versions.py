"""The version of before, as the repository has it, for upgrades under load."""

from __future__ import annotations

import atexit
import functools
import io
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
VARIABLE = "SIGNALBOX_TEST_UPGRADE_FROM"
# the release before, once there is one
BEFORE = "58554dd55d8212ae2544a6ab935875df27344530"
PARTS = ("engine", "models", "playground", "resolvers", "schema", "server", "signalbox", "tasks")


class NoHistory(Exception):
    """The repository does not have that version; the message says why."""


@functools.cache
def sources_of_before() -> Path:
    """A folder with the product as it was at the revision of ``SIGNALBOX_TEST_UPGRADE_FROM``.

    Raises:
        NoHistory: it cannot be had here.
    """
    revision = os.environ.get(VARIABLE) or BEFORE
    try:
        archive = subprocess.run(
            ["git", "archive", "--format=zip", revision, *PARTS], cwd=ROOT, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoHistory(f"git has no {revision} here: {error}") from error
    folder = Path(tempfile.mkdtemp(prefix="signalbox-before-"))
    atexit.register(shutil.rmtree, folder)
    with zipfile.ZipFile(io.BytesIO(archive.stdout)) as packed:
        packed.extractall(folder)
    return folder
