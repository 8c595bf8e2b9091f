"""The task of ``drain.py``, which does nothing, and notes when the first job of its process starts."""

from __future__ import annotations

import os
import time
from pathlib import Path

from signalbox import task

_started = False


@task("noop")
async def noop() -> None:
    global _started
    if not _started:
        _started = True
        Path(os.environ["DRAIN_STARTED"]).write_text(str(time.perf_counter()))
