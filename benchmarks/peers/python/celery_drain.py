# /// script
# requires-python = ">=3.11"
# dependencies = ["celery[redis]==5.7.0"]
# ///
"""celery on Redis, acknowledged late: its pool of threads, 10 at a time; nothing of a finished job is kept."""

from __future__ import annotations

import asyncio
import os
import threading

from celery import Celery
from common import JOBS, URL, Stopwatch
from redis import Redis

watch = Stopwatch()
lock = threading.Lock()
app = Celery("drain", broker=URL)
app.conf.update(
    task_ignore_result=True, task_acks_late=True, worker_prefetch_multiplier=50, worker_hijack_root_logger=False
)


@app.task(name="noop")
def noop() -> None:
    with lock:
        watch.job()


def main() -> None:
    with app.pool.acquire(block=True) as connection:
        for _ in range(JOBS):
            noop.apply_async(connection=connection)
    redis = Redis.from_url(URL)

    async def is_empty() -> bool:
        return redis.llen("celery") == 0 and redis.hlen("unacked") == 0

    def look() -> None:
        asyncio.run(watch.until(is_empty))
        os._exit(0)

    threading.Thread(target=look, daemon=True).start()
    app.Worker(pool="threads", concurrency=10, loglevel="ERROR", without_gossip=True, without_mingle=True).start()


main()
