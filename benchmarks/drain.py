"""How fast a worker drains jobs that do nothing and were all put in before: ours, and other queues, in turn.

    python benchmarks/drain.py [--jobs N] [--runs N] [--slots N] [--workers N] [--peers NAME,...] [--no-peers] [--bare]
        [--postgres URL] [--redis URL] [DATABASE_URL ...]

Without a URL: SQLite. A database that is given is emptied first. The clock runs from the first job's start until the
store says that none is left; putting the jobs in and starting the worker is not counted, though what a database server
did at that start is in its statements and CPU. Ours keeps the job, its result and a row for each change of its status
for good; what a peer keeps is said in the first lines of its script in ``benchmarks/peers``. A peer on PostgreSQL or
Redis is left out where its URL is not given; Redis is emptied. With ``--bare`` each database server shows in turn what
it can do at most: ``benchmarks/bare_drain.py``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.bare_drain import bare
from benchmarks.harness import ROOT, connect, empty, environment, machine, server_name, serving
from benchmarks.server_counts import server_counts

PEERS = Path(__file__).parent / "peers"
UV = ROOT / ".tooling" / "bin" / "uv"
CREATE = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"
UNFINISHED = (
    "SELECT EXISTS (SELECT 1 FROM jobs WHERE status='QUEUED') OR EXISTS (SELECT 1 FROM jobs WHERE status='RUNNING') "
    "OR EXISTS (SELECT 1 FROM jobs WHERE status='PARKED')"
)
NEWEST = "SELECT COALESCE(MAX(seq), 0) FROM job_event"
"""Asked until all events can be there: it costs the store nothing, where to look for what is QUEUED means to step over
all that was a moment ago."""
COUNTS = (
    "SELECT (SELECT COUNT(*) FROM jobs WHERE status='COMPLETED'), "
    "(SELECT COUNT(DISTINCT job_id) FROM job_event WHERE to_status='COMPLETED'), "
    "(SELECT COUNT(*) FROM job_event)"
)
"""Of each job: that it was created QUEUED, claimed, and completed."""
EVENTS = 3
Ask = Callable[[str], Awaitable[tuple[int, ...]]]


@dataclass(frozen=True)
class Peer:
    """Another queue: the script that drains it, and where it keeps its jobs."""

    script: str
    store: str


PYTHON_PEERS = {
    "pgqueuer": Peer("pgqueuer_drain.py", "postgres"),
    "procrastinate": Peer("procrastinate_drain.py", "postgres"),
    "taskiq": Peer("taskiq_drain.py", "redis"),
    "saq": Peer("saq_drain.py", "redis"),
    "celery": Peer("celery_drain.py", "redis"),
}
NODE_PEERS = {"bullmq": Peer("drain.mjs", "redis")}


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[Ask]:
    """A way to ask a database for one row."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite://"))

        async def ask(query: str) -> tuple[int, ...]:
            row: tuple[int, ...] = connection.execute(query).fetchone()
            return row

        try:
            yield ask
        finally:
            connection.close()
        return
    server = await connect(url)

    async def ask_server(query: str) -> tuple[int, ...]:
        async with server.cursor() as cursor:
            await cursor.execute(query)
            row: tuple[int, ...] = await cursor.fetchone()
            return row

    try:
        yield ask_server
    finally:
        server.close()


@dataclass(frozen=True)
class Drained:
    """How a drain of ours went; ``server`` says what a database server had to do for it."""

    rate: float
    server: str | None = None


async def ours(url: str, jobs: int, slots: int, workers: int) -> Drained:
    """Drain jobs that were put in before."""
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite://{folder}/bench.db" if url == "sqlite" else url
        await empty(url)
        async with serving(database, "--no-worker", SIGNALBOX_UNKNOWN_TASK="simulate") as client:
            inputs = [{"taskName": "noop", "run": True}] * 1000
            for _ in range(jobs // 1000):
                await client.run(CREATE, inputs=inputs)
        is_server = not database.startswith("sqlite")
        asked = 0
        async with asking(database) as ask:

            async def counted(query: str) -> tuple[int, ...]:
                nonlocal asked
                asked += 1
                return await ask(query)

            before = await server_counts(database) if is_server else None
            seconds = await drained(database, counted, Path(folder), slots, workers, jobs)
            after = await server_counts(database) if is_server else None
            assert await ask(COUNTS) == (jobs, jobs, EVENTS * jobs), await ask(COUNTS)
    if before is None or after is None:
        return Drained(jobs / seconds)
    cpu = (after.cpu_seconds - before.cpu_seconds) / jobs
    return Drained(
        jobs / seconds,
        f"{(after.statements - before.statements - asked) / jobs:.3f} statements and {cpu * 1e6:.0f} us of its CPU a "
        f"job ({cpu * jobs / seconds:.2f} cores), {after.deadlocks - before.deadlocks} deadlocks",
    )


@asynccontextmanager
async def working(
    database: str, folder: Path, slots: int, workers: int, **settings: str
) -> AsyncIterator[Callable[[], float | None]]:
    """Worker processes; what they are left with tells when the first job started, and fails if a process has ended."""
    marks = [folder / f"started-{n}" for n in range(workers)]
    command = [sys.executable, "-m", "server.cli", "worker", "--slots", str(slots)]
    tasks = ["--tasks", str(Path(__file__).parent / "noop_tasks.py")]
    processes = [
        subprocess.Popen(
            [*command, *tasks],
            cwd=folder,
            env={**environment(database), "DRAIN_STARTED": str(mark), **settings},
            stderr=(folder / f"{mark.name}.log").open("wb"),
        )
        for mark in marks
    ]

    def started() -> float | None:
        for process, mark in zip(processes, marks, strict=True):
            if process.poll() is not None:
                raise RuntimeError((folder / f"{mark.name}.log").read_text())
        return min((float(text) for mark in marks if mark.exists() and (text := mark.read_text())), default=None)

    try:
        yield started
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(60)


async def drained(database: str, ask: Ask, folder: Path, slots: int, workers: int, jobs: int, **settings: str) -> float:
    """How many seconds it takes until none of ``jobs`` is left: each is claimed, and completed."""
    last = (await ask(NEWEST))[0] + 2 * jobs
    async with working(database, folder, slots, workers, **settings) as started:
        while (await ask(NEWEST))[0] < last:
            started()
            await asyncio.sleep(0.03)
        while (await ask(UNFINISHED))[0]:
            started()
            await asyncio.sleep(0.005)
        ended = time.perf_counter()  # of one clock for all processes of a machine
        start = started()
        assert start is not None
    return ended - start


async def flush(redis_url: str) -> None:
    """Empty Redis."""
    parts = urlsplit(redis_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 6379)
    writer.write(b"FLUSHALL\r\n")
    answer = await reader.readline()
    writer.close()
    assert answer == b"+OK\r\n", answer


async def peer(name: str, url: str, jobs: int) -> float:
    """Jobs a second."""
    if name in NODE_PEERS:
        folder = PEERS / name
        if not (folder / "node_modules").exists():
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
        command = ["node", NODE_PEERS[name].script]
    else:
        folder = PEERS / "python"
        command = [str(UV), "run", "--quiet", "--no-project", "--python", sys.executable, PYTHON_PEERS[name].script]
    if url.startswith("redis"):
        await flush(url)
    process = await asyncio.create_subprocess_exec(
        *command, url, str(jobs), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, errors = await process.communicate()
    lines = [line for line in output.decode().splitlines() if line.startswith('{"jobs"')]
    if not lines:
        raise RuntimeError(f"{name} did not end: {errors.decode()[-2000:]}")
    found = json.loads(lines[0])
    return float(found["jobs"]) / float(found["seconds"])


def peers_at(options: argparse.Namespace) -> dict[str, str]:
    """The peers that can be measured, and the URL of the store of each."""
    wanted = options.peers.split(",") if options.peers else [*PYTHON_PEERS, *NODE_PEERS]
    found = {}
    for name in wanted:
        url = getattr(options, {**PYTHON_PEERS, **NODE_PEERS}[name].store)
        tool = UV.exists() if name in PYTHON_PEERS else shutil.which("npm") is not None
        if url and tool:
            found[name] = url
        else:
            print(f"{name}: left out, its {'store has no URL' if not url else 'tools are missing'}")
    return found


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="*", default=["sqlite"])
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--slots", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1, help="processes of ours")
    parser.add_argument("--peers", help="names of peers, with commas; all by default")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--bare", action="store_true", help="what the servers can do at most")
    parser.add_argument("--postgres", default=os.environ.get("BENCHMARK_POSTGRES_URL"))
    parser.add_argument("--redis", default=os.environ.get("BENCHMARK_REDIS_URL"))
    options = parser.parse_args()
    peers = {} if options.no_peers else peers_at(options)
    print(f"drain: {options.jobs} jobs put in before, {options.workers} worker processes of ours; {machine()}")
    rates: dict[str, list[float]] = {}
    servers: dict[str, str] = {}
    for _ in range(options.runs):
        for url in options.urls:
            own = f"signalbox on {await server_name(url)}"
            found = await ours(url, options.jobs, options.slots, options.workers)
            rates.setdefault(own, []).append(found.rate)
            if found.server is not None:
                servers[own] = found.server
            if options.bare and found.server is not None:
                rates.setdefault(f"bare statements on {await server_name(url)}", []).append(
                    await bare(url, options.jobs)
                )
        for name, url in peers.items():
            rates.setdefault(name, []).append(await peer(name, url, options.jobs))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    for name, median in medians.items():
        print(f"{name}: {median:,.0f}/s ({', '.join(f'{rate:,.0f}' for rate in rates[name])})")
        if name in servers:
            print(f"  the server in the last run: {servers[name]}")
    for own in [name for name in medians if name.startswith("signalbox")]:
        ratios = ", ".join(f"{name} {medians[own] / medians[name]:.2f}" for name in peers)
        if ratios:
            print(f"  ratios of {own} to: {ratios}")
        if (most := medians.get(own.replace("signalbox", "bare statements"))) is not None:
            print(f"  {own}: {medians[own] / most:.2f} of its server's bare statements")


if __name__ == "__main__":
    asyncio.run(main())
