"""How soon work is begun, and seen to be done, across processes: createJob on server A, RUNNING on a worker elsewhere,
COMPLETED on a subscriber of server B, with Redis and by polling; and what ten idle workers cost the database.

    python benchmarks/dispatch.py [--jobs N] [--seconds N] [--workers N] DATABASE_URL

Redis is started for it. The database is emptied first; its load is read from /proc, so it must run on this machine, and
nobody else should use it meanwhile. Exits with 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp

from benchmarks.harness import Client, connect, empty, environment, free_port, machine, server_name, serving
from benchmarks.server_counts import server_counts

TASK = """
import time
from signalbox import task

@task("note the time")
async def note_the_time():
    return time.time()
"""
CREATE = 'mutation { createJob(input: {taskName: "note the time", run: true}) { job { id } } }'
WATCH = "subscription { jobStatusChanged(status: [COMPLETED]) { job { id result } } }"
TARGET_MILLISECONDS = {"redis": 15.0, "poll": 300.0}
TARGET_IDLE_PERCENT = 2.0
WARM_UP = 10


@asynccontextmanager
async def redis() -> AsyncIterator[str]:
    """A Redis of our own: its URL."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait(10)


@asynccontextmanager
async def workers(url: str, count: int, tasks: Path, settings: dict[str, str]) -> AsyncIterator[None]:
    """Worker processes that have made themselves known."""
    command = [sys.executable, "-m", "server.cli", "worker", "--tasks", str(tasks)]
    processes = [
        subprocess.Popen(command, env={**environment(url), **settings}, stderr=subprocess.DEVNULL) for _ in range(count)
    ]
    try:
        connection = await connect(url)
        async with asyncio.timeout(120), connection.cursor() as cursor:
            known = 0
            while known < count:
                await asyncio.sleep(0.2)
                await cursor.execute("SELECT COUNT(*) FROM worker")
                [known] = await cursor.fetchone()
        connection.close()
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(60)


async def measure_latency(a: Client, b: Client, jobs: int) -> tuple[list[float], list[float]]:
    """Milliseconds from createJob to RUNNING and to COMPLETED, one job at a time, at moments that suit nobody."""
    running, completed = [], []
    chance = random.Random(1)
    async with b.session.ws_connect(b.url.replace("http", "ws"), protocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init"})
        assert (await socket.receive_json())["type"] == "connection_ack"
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": WATCH}})
        await asyncio.sleep(1.0)
        for number in range(jobs + WARM_UP):
            await asyncio.sleep(chance.uniform(0.02, 0.3))
            start = time.time()
            created = (await a.run(CREATE))["createJob"]["job"]["id"]
            while True:
                message = await socket.receive(timeout=30)
                assert message.type is aiohttp.WSMsgType.TEXT, message
                answer = message.json()
                if answer["type"] == "ping":
                    await socket.send_json({"type": "pong"})
                    continue
                job = answer["payload"]["data"]["jobStatusChanged"]["job"]
                if job["id"] == created:
                    break
            if number >= WARM_UP:
                running.append((job["result"] - start) * 1000)
                completed.append((time.time() - start) * 1000)
    return running, completed


async def measure_load(url: str, seconds: float) -> tuple[float, float]:
    """The database's share of a core, in percent, and the statements a second, while nothing happens."""
    before, start = await server_counts(url), time.monotonic()
    if before.cpu_seconds == 0.0:
        raise SystemExit("The load of the database is read from /proc: it must run on this machine.")
    await asyncio.sleep(seconds)
    took = time.monotonic() - start
    after = await server_counts(url)
    percent = (after.cpu_seconds - before.cpu_seconds) / took * 100
    return percent, (after.statements - before.statements) / took


def percentiles(found: list[float]) -> str:
    found = sorted(found)
    return f"p50 {statistics.median(found):6.1f} ms, p99 {found[int(len(found) * 0.99) - 1]:6.1f} ms"


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--with", dest="kinds", choices=["redis", "poll"], nargs="+", default=["redis", "poll"])
    options = parser.parse_args()
    print(
        f"dispatch: {options.jobs} jobs, {options.workers} idle workers; {machine()}; {await server_name(options.url)}"
    )
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        tasks = Path(folder) / "note_the_time.py"
        tasks.write_text(TASK)
        for kind in options.kinds:
            await empty(options.url)
            async with AsyncExitStack() as stack:
                settings = {"SIGNALBOX_NOTIFIER": kind}
                if kind == "redis":
                    settings["REDIS_URL"] = await stack.enter_async_context(redis())
                serve = ("--no-worker", "--tasks", str(tasks))
                if options.jobs:
                    a = await stack.enter_async_context(serving(options.url, *serve, **settings))
                    b = await stack.enter_async_context(serving(options.url, *serve, **settings))
                    async with workers(options.url, 1, tasks, settings):
                        running, completed = await measure_latency(a, b, options.jobs)
                    print(f"{kind:5}  RUNNING   on a worker:        {percentiles(running)}")
                    print(f"{kind:5}  COMPLETED on another server:  {percentiles(completed)}", flush=True)
                    missed |= statistics.median(completed) > TARGET_MILLISECONDS[kind]
            async with AsyncExitStack() as stack:
                if kind == "redis":
                    settings["REDIS_URL"] = await stack.enter_async_context(redis())
                before, _ = await measure_load(options.url, options.seconds)
                async with workers(options.url, options.workers, tasks, settings):
                    await asyncio.sleep(5)
                    percent, rate = await measure_load(options.url, options.seconds)
            print(
                f"{kind:5}  {options.workers} idle workers: the database uses {percent:.2f} % of a core "
                f"({before:.2f} % without them), {rate:.0f} statements/s",
                flush=True,
            )
            missed |= percent - before > TARGET_IDLE_PERCENT
    return int(missed)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
