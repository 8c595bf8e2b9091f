"""What the peers' scripts share: they are given a URL and a number of jobs, and say how many seconds those took.

The clock runs from the first job's start until the store says that none is left; putting the jobs in and starting the
worker is not counted. Ours is measured alike.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable

URL, JOBS = sys.argv[1], int(sys.argv[2])


class Stopwatch:
    """Started by the first job."""

    def __init__(self) -> None:
        self.started: float | None = None
        self.count = 0

    def job(self) -> None:
        if self.started is None:
            self.started = time.perf_counter()
        self.count += 1

    async def until(self, is_empty: Callable[[], Awaitable[bool]]) -> None:
        """Wait until every job has run and the store is empty, then tell."""
        while self.count < JOBS or not await is_empty():
            await asyncio.sleep(0.01)
        assert self.started is not None
        found = {"jobs": self.count, "seconds": time.perf_counter() - self.started}
        os.write(1, f"{json.dumps(found)}\n".encode())  # past whatever has replaced sys.stdout
