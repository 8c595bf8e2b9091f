"""How soon work is begun, and seen to be done, across processes: createJob on server A, RUNNING on a worker elsewhere,
COMPLETED on a subscriber of server B, with Redis and by polling; and what ten idle workers cost the database.

    python benchmarks/dispatch.py [--jobs N] [--seconds N] [--workers N] [--pauses SECONDS ...] [--with redis poll]
        DATABASE_URL

Redis is started for it. The database is emptied first; its load is read from /proc, so it must run on this machine, and
nobody else should use it meanwhile. Exits with 1 when a target is missed: the one with Redis holds for the shortest
pauses between jobs. After longer ones a machine shows itself rather than the software: processes that rested find none
of their memory near, on a virtual machine least of all. What that costs a process that does next to nothing is measured
too: a ``SELECT 1`` after such pauses, and another one right behind it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
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
SETTLE_SECONDS = 15.0
"""Until workers have counted each other."""


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


def pauses_up_to(longest: float) -> Iterator[float]:
    """Seconds between jobs, so that they come at moments that suit nobody."""
    chance = random.Random(1)
    while True:
        yield chance.uniform(longest / 10, longest)


async def measure_machine(url: str, count: int, longest: float) -> tuple[float, float]:
    """Medians in milliseconds of a statement that asks for nothing, after a pause, and of one right behind it."""
    took: tuple[list[float], list[float]] = ([], [])
    connection = await connect(url)
    async with connection.cursor() as cursor:
        for pause in itertools.islice(pauses_up_to(longest), count):
            await asyncio.sleep(pause)
            for found in took:
                start = time.perf_counter()
                await cursor.execute("SELECT 1")
                found.append((time.perf_counter() - start) * 1000)
    connection.close()
    return statistics.median(took[0]), statistics.median(took[1])


async def measure_latency(a: Client, b: Client, jobs: int, longest: float) -> tuple[list[float], list[float]]:
    """Milliseconds from createJob to RUNNING and to COMPLETED, one job at a time."""
    running, completed = [], []
    async with b.session.ws_connect(b.url.replace("http", "ws"), protocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init"})
        assert (await socket.receive_json())["type"] == "connection_ack"
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": WATCH}})
        await asyncio.sleep(1.0)
        for number, pause in enumerate(itertools.islice(pauses_up_to(longest), jobs + WARM_UP)):
            await asyncio.sleep(pause)
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
    parser.add_argument(
        "--pauses", type=float, default=[0.05, 0.3], nargs="+", help="longest pauses between jobs, in s"
    )
    parser.add_argument("--with", dest="kinds", choices=["redis", "poll"], nargs="+", default=["redis", "poll"])
    options = parser.parse_args()
    print(
        f"dispatch: {options.jobs} jobs, {options.workers} idle workers; {machine()}; {await server_name(options.url)}"
    )
    for longest in sorted(options.pauses):
        after, behind = await measure_machine(options.url, options.jobs or 50, longest)
        print(
            f"this machine: SELECT 1 after pauses of up to {longest} s {after:.2f} ms, right behind it {behind:.2f} ms"
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
                        for longest in sorted(options.pauses):
                            running, completed = await measure_latency(a, b, options.jobs, longest)
                            print(f"{kind:5}  after pauses of up to {longest} s")
                            print(f"{kind:5}    RUNNING   on a worker:        {percentiles(running)}")
                            print(f"{kind:5}    COMPLETED on another server:  {percentiles(completed)}", flush=True)
                            if kind == "poll" or longest == min(options.pauses):
                                missed |= statistics.median(completed) > TARGET_MILLISECONDS[kind]
            async with AsyncExitStack() as stack:
                if kind == "redis":
                    settings["REDIS_URL"] = await stack.enter_async_context(redis())
                before, _ = await measure_load(options.url, options.seconds)
                async with workers(options.url, options.workers, tasks, settings):
                    await asyncio.sleep(SETTLE_SECONDS)
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
