"""The data folder of a new MariaDB: made once for all processes of a test run, and copied.

To make one takes seconds of a core, and those that were made side by side failed now and then.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from requirements import Missing

SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
SHARED_VARIABLE = "SIGNALBOX_TEST_SHARED"
"""Names the folder that all processes of a run share."""


def share_folder() -> Path:
    """Make the folder that this process and those it starts share; whoever does removes it."""
    folder = Path(tempfile.mkdtemp(prefix="signalbox-tests-"))
    os.environ[SHARED_VARIABLE] = str(folder)
    return folder


def fill_data_folder(data: Path) -> None:
    """Make ``data``, for a root without a password.

    Raises:
        Missing: MariaDB is not installed.
    """
    install = shutil.which("mariadb-install-db", path=SBIN)
    if install is None:
        raise Missing("install mariadb-server")
    shared = Path(os.environ[SHARED_VARIABLE])
    template = shared / "mariadb"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            part = shared / "mariadb.part"
            shutil.rmtree(part, ignore_errors=True)
            made = subprocess.run(
                [
                    *(install, "--no-defaults", f"--datadir={part}", "--auth-root-authentication-method=normal"),
                    *("--skip-test-db", *(["--user=root"] if os.geteuid() == 0 else [])),
                ],
                capture_output=True,
                text=True,
            )
            if made.returncode != 0:
                raise RuntimeError(f"mariadb-install-db failed:\n{made.stdout}\n{made.stderr}")
            part.rename(template)
    shutil.copytree(template, data)
