# /// script
# requires-python = ">=3.11"
# dependencies = ["saq[redis,hiredis]==0.26.4", "typing_extensions", "uvloop"]
# ///
"""saq on Redis: 100 at a time; a finished job's result is kept for ten minutes."""

from __future__ import annotations

import asyncio

import uvloop
from common import JOBS, URL, Stopwatch
from saq import Job, Queue, Worker

watch = Stopwatch()


async def noop(_context: object) -> None:
    watch.job()


async def main() -> None:
    queue = Queue.from_url(URL)
    await queue.connect()
    for _ in range(JOBS // 100):
        await asyncio.gather(*(queue.enqueue(Job("noop")) for _ in range(100)))
    worker = Worker(queue, [noop], concurrency=100)
    working = asyncio.ensure_future(worker.start())

    async def is_empty() -> bool:
        return await queue.count("incomplete") == 0

    await watch.until(is_empty)
    await worker.stop()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


uvloop.run(main())
