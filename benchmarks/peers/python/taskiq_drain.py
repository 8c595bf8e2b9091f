# /// script
# requires-python = ">=3.11"
# dependencies = ["taskiq==0.13.0", "taskiq-redis==1.2.4", "uvloop"]
# ///
"""taskiq on a Redis stream, acknowledged after each job: 100 at a time; nothing of a finished job is kept."""

from __future__ import annotations

import asyncio

import uvloop
from common import JOBS, URL, Stopwatch
from redis.asyncio import Redis
from taskiq.api import run_receiver_task
from taskiq_redis import RedisStreamBroker

watch = Stopwatch()
broker = RedisStreamBroker(url=URL)


@broker.task(task_name="noop")
async def noop() -> None:
    watch.job()


async def main() -> None:
    redis = Redis.from_url(URL)
    await broker.startup()
    for _ in range(JOBS // 100):
        await asyncio.gather(*(noop.kiq() for _ in range(100)))
    working = asyncio.ensure_future(run_receiver_task(broker, max_async_tasks=100, max_prefetch=500))

    async def is_empty() -> bool:
        pending = await redis.xpending("taskiq", "taskiq")
        return int(pending["pending"]) == 0

    await watch.until(is_empty)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


uvloop.run(main())
