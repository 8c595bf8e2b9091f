"""The task of ``drain.py`` and ``limits.py``: it does nothing, and notes when the first job of its process starts."""

from __future__ import annotations

import os
import time
from pathlib import Path

from signalbox import task

_started = False
_per_key = os.environ.get("DRAIN_PER_KEY")


@task("noop", max_concurrency_per_key=int(_per_key) if _per_key else None)
async def noop() -> None:
    global _started
    if not _started:
        _started = True
        Path(os.environ["DRAIN_STARTED"]).write_text(str(time.perf_counter()))
