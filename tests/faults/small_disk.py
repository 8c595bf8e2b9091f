"""A disk so small that it can be filled: a tmpfs, with a ballast file that takes whatever is left."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from requirements import Missing

CHUNK = bytes(65_536)


class SmallDisk:
    """Mounted at ``folder`` while it is open; open it with ``with``.

    Raises:
        Missing: this user, or this place, may not mount.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        self._megabytes = megabytes
        self._ballast = folder / "ballast"

    def __enter__(self) -> Self:
        mount = shutil.which("mount")
        if os.geteuid() != 0 or mount is None:
            raise Missing("run as root: a small disk must be mounted")
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [mount, "-t", "tmpfs", "-o", f"size={self._megabytes}m", "tmpfs", str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Missing(f"allow mounting a tmpfs ({done.stderr.strip()})")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self.folder).free

    def fill(self) -> None:
        """Take all that is free now; what is given back later is taken by the next call."""
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            while True:
                os.write(descriptor, CHUNK)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        finally:
            os.close(descriptor)

    def relieve(self) -> None:
        """Give it all back."""
        self._ballast.unlink(missing_ok=True)
