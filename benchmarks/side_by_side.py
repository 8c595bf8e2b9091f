"""What the benchmarks of the API share: one table of jobs, ours and each peer in turn under wrk, and the table of what
was found. The peers are in ``benchmarks/peers/jobs_api``, and are installed there when they are first needed."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import statistics
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.harness import connect, empty, free_port, machine, server_name, serving

PEERS_FOLDER = Path(__file__).parent / "peers" / "jobs_api"
SCRIPT = Path(__file__).parent / "wrk" / "requests.lua"
OURS = "signalbox"
PEERS = {
    "Apollo Server 5": "apollo",
    "graphql-yoga": "yoga",
    "Express, REST": "express",
    "mercurius, JIT": "mercurius",
}
JOBS = 10_000
CONNECTIONS = 32
STATUSES = ("PENDING", "QUEUED", "COMPLETED", "FAILED")
"""Of the jobs that are there, each with every priority; the script asks for these."""
WARM_UP_SECONDS = 2
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Outcome:
    """What wrk saw."""

    requests_per_second: float
    p99_ms: float
    bytes_a_request: float


def arguments(description: str) -> argparse.Namespace:
    """The options that these benchmarks have in common."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--database", required=True, help="mysql://... of a database that may be emptied")
    parser.add_argument("--processes", type=int, default=1, help="of ours")
    parser.add_argument("--only", nargs="*", default=[], help="these servers alone, by the beginning of their names")
    return parser.parse_args()


async def fill(database: str) -> None:
    """10,000 jobs of every status and priority in our table, and the same in that of the peers."""
    await empty(database)
    connection = await connect(database)
    try:
        async with connection.cursor() as cursor:
            rows = ",".join(
                f'({n},\'simulate\',\'{{"email":"user{n}@example.com","n":{n * 7}}}\',{1 + n % 3},'
                f"'{STATUSES[n // 3 % len(STATUSES)]}',0,3,60,UTC_TIMESTAMP(6),UTC_TIMESTAMP(6),"
                f"'{STATUSES[n // 3 % len(STATUSES)]}',UTC_TIMESTAMP(6))"
                for n in range(1, JOBS + 1)
            )
            await cursor.execute(
                "INSERT INTO jobs (id, task_name, payload, priority, status, attempt, max_attempts, timeout_seconds, "
                f"created_at, updated_at, listed_status, listed_at) VALUES {rows}"
            )
            await cursor.execute("DROP TABLE IF EXISTS peer_jobs")
            await cursor.execute(
                "CREATE TABLE peer_jobs (id BIGINT AUTO_INCREMENT PRIMARY KEY, task_name VARCHAR(255) NOT NULL, "
                "payload LONGTEXT, priority SMALLINT NOT NULL, status VARCHAR(9) NOT NULL, created_at DATETIME(6) "
                "NOT NULL, updated_at DATETIME(6) NOT NULL, INDEX (status, priority, id)) "
                "SELECT id, task_name, payload, priority, status, created_at, updated_at FROM jobs"
            )
            await cursor.execute("ANALYZE TABLE jobs, peer_jobs")
    finally:
        connection.close()


async def durability(database: str) -> str:
    """What a commit waits for, as the server says."""
    connection = await connect(database)
    try:
        async with connection.cursor() as cursor:
            await cursor.execute("SELECT @@innodb_flush_log_at_trx_commit, @@sync_binlog, @@log_bin")
            flush, sync_binlog, log_bin = await cursor.fetchone()
    finally:
        connection.close()
    binlog = f"on, sync_binlog={sync_binlog}" if log_bin else "off"
    return f"innodb_flush_log_at_trx_commit={flush}, binary log {binlog}"


@asynccontextmanager
async def running(name: str, database: str, processes: int) -> AsyncIterator[int]:
    """Ours or a peer, on its port."""
    if name == OURS:
        async with serving(database, "--no-worker", "--processes", str(processes)) as client:
            yield client.port
        return
    port = free_port()
    process = subprocess.Popen(
        ["node", f"{PEERS[name]}.mjs", str(port), database],
        cwd=PEERS_FOLDER,
        env={**os.environ, "NODE_ENV": "production"},
    )
    try:
        async with aiohttp.ClientSession() as session:
            for _ in range(200):
                try:
                    async with session.get(f"http://127.0.0.1:{port}/"):
                        break
                except aiohttp.ClientConnectionError:
                    if process.poll() is not None:
                        raise RuntimeError(f"{name} did not start") from None
                    await asyncio.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


async def load(kind: str, style: str, port: int, seconds: float, *, is_checked: bool = False) -> Outcome:
    """Have wrk ask for ``kind`` on 32 connections; ``is_checked`` looks for errors in every answer."""
    process = await asyncio.create_subprocess_exec(
        *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(SCRIPT)),
        *(f"http://127.0.0.1:{port}", "--", kind, style, "checked" if is_checked else ""),
        stdout=subprocess.PIPE,
    )
    text = (await process.communicate())[0].decode()
    if process.returncode or "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(text)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    total = re.search(r"(\d+) requests in [\d.]+\w+, ([\d.]+)(KB|MB|GB) read", text)
    assert p99
    assert rate
    assert total
    size = float(total[2]) * {"KB": 1024, "MB": 1024**2, "GB": 1024**3}[total[3]] / int(total[1])
    return Outcome(float(rate[1]), float(p99[1]) * _UNITS[p99[2]], size)


async def compare(title: str, kinds: Sequence[str], options: argparse.Namespace) -> None:
    """Measure each kind, ours and every peer in turn, and print the table."""
    for tool in ("wrk", "npm"):
        if shutil.which(tool) is None:
            raise SystemExit(f"This needs {tool}.")
    if not (PEERS_FOLDER / "node_modules").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=PEERS_FOLDER, check=True)
    names = [
        each
        for each in (OURS, *PEERS)
        if not options.only or any(each.lower().startswith(wanted.lower()) for wanted in options.only)
    ]
    print(
        f"{title}: {CONNECTIONS} connections, {JOBS:,} jobs, {options.runs} runs of {options.seconds} s; processes of "
        f"ours: {options.processes}, of the others: 1; {await server_name(options.database)} "
        f"({await durability(options.database)}), {machine()}",
        flush=True,
    )
    found: dict[tuple[str, str], list[Outcome]] = {}
    for _ in range(options.runs):
        for name in names:
            await fill(options.database)
            async with running(name, options.database, options.processes) as port:
                for kind in kinds:
                    style = "rest" if name.startswith("Express") else "graphql"
                    await load(kind, style, port, WARM_UP_SECONDS, is_checked=True)
                    found.setdefault((kind, name), []).append(await load(kind, style, port, options.seconds))
    for kind in kinds:
        ours = (
            statistics.median(each.requests_per_second for each in found.get((kind, OURS), ())) if OURS in names else 0
        )
        for name in names:
            outcomes = found[kind, name]
            rate = statistics.median(each.requests_per_second for each in outcomes)
            runs = ", ".join(f"{each.requests_per_second:,.0f}" for each in outcomes)
            print(
                f"{kind:<7} {name:<16} {rate:>8,.0f}/s ({runs})"
                f"  p99 {statistics.median(each.p99_ms for each in outcomes):.1f} ms"
                f"  {statistics.median(each.bytes_a_request for each in outcomes):,.0f} bytes"
                f"  ours/theirs {ours / rate:.2f}"
            )


def main(title: str, kinds: Sequence[str], description: str) -> None:
    """The command."""
    warnings.filterwarnings("ignore", "Unknown table")
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    asyncio.run(compare(title, kinds, arguments(description)))
