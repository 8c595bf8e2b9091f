"""One run: a fleet, a load, a fault, and the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
from checker import Report, check
from faults import EXTRA_TASKS, FAULTS, FROM_BEFORE, LOCKLESS, PADDING, Scene
from fleet import Fleet, Vitals
from grounds import Ground
from history import fetch, read_traces
from load import Client, Load
from proxy import Proxy
from versions import sources_of_before
from watch import Watch, connect

from models.connection import DatabaseURL

REST_SECONDS = 45.0
POOL = 11
"""Connections that a process may keep open once it has needed them."""
MORE_DESCRIPTORS = 5
MORE_MEGABYTES = 100.0


@dataclass(slots=True)
class Outcome:
    """A line of the table."""

    fault: str
    database: str
    seed: int
    acts: int
    seconds: float
    report: Report


@contextlib.asynccontextmanager
async def proxied(url: str, is_needed: bool) -> AsyncIterator[tuple[str, Proxy | None]]:
    """The URL by which processes reach the database."""
    if not is_needed:
        yield url, None
        return
    async with Proxy(DatabaseURL.parse(url).port) as proxy:
        yield url.replace(f":{DatabaseURL.parse(url).port}/", f":{proxy.port}/"), proxy


async def run(
    fault: str,
    ground: Ground,
    seed: int,
    folder: Path,
    *,
    jobs: int,
    seconds: float,
    is_long: bool = True,
) -> Outcome:
    """Run ``jobs`` jobs, created over ``seconds`` seconds, under a fault of ``FAULTS``."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    url = ground.url
    sources = sources_of_before() if fault in FROM_BEFORE else None
    watch = Watch(url)
    has_ended = asyncio.Event()
    async with (
        proxied(url, fault.startswith("F5")) as (fleet_url, proxy),
        Fleet(folder, fleet_url, extra_tasks=EXTRA_TASKS.get(fault), sources=sources) as fleet,
        aiohttp.ClientSession() as session,
    ):
        before = {each.pid: Vitals.of(each.pid) for each in fleet.everyone}
        scene = Scene(random.Random(f"{fault} {seed}"), fleet, ground, watch, proxy, is_long)
        client = Client(session, f"{fleet.server.url}/graphql")
        hook = f"{fleet.server.url}/webhook-test"
        load = Load(client, random.Random(f"load {seed}"), jobs, seconds, hook, PADDING.get(fault, 0))
        watching = asyncio.create_task(watch.until_at_rest(has_ended, REST_SECONDS))
        breaking = asyncio.create_task(FAULTS[fault](scene))
        try:
            await load.run()
        finally:
            scene.over.set()
            await breaking
            has_ended.set()
            await watching
            watch.close()
        after = {each.pid: Vitals.of(each.pid) for each in fleet.everyone if each.pid in before}
        traces = read_traces(fleet.traces)
        with contextlib.closing(connect(url)) as connection:
            report = check(connection, traces, load.acknowledged.values(), are_rows_locked=fault not in LOCKLESS)
            if ground.database != "sqlite":  # whose connections are descriptors
                report.violations["I10"] += await asyncio.to_thread(kept_open, connection, len(fleet.everyone))
        report.violations["I5"] += watch.violations.values()
        report.violations["I10"] += leaks(before, after)
    return Outcome(fault, ground.database, seed, scene.acts, loop.time() - began, report)


def leaks(before: dict[int, Vitals], after: dict[int, Vitals]) -> list[str]:
    """What processes that lived through the run hold beyond what they may."""
    found = []
    for pid, now in after.items():
        then = before[pid]
        allowed = replace(
            then, descriptors=then.descriptors + MORE_DESCRIPTORS, megabytes=then.megabytes + MORE_MEGABYTES
        )
        if now.descriptors > allowed.descriptors or now.megabytes > allowed.megabytes:
            found.append(f"process {pid} went from {then} to {now}")
    return found


def kept_open(connection: Any, processes: int) -> list[str]:
    """What the database still sees of processes that have nothing to do: too many connections, old transactions."""
    [(connections,)] = fetch(connection, "SELECT COUNT(*) FROM information_schema.processlist WHERE db=DATABASE()")
    [(transactions,)] = fetch(
        connection,
        "SELECT COUNT(*) FROM information_schema.innodb_trx JOIN information_schema.processlist "
        "ON id=trx_mysql_thread_id WHERE db=DATABASE() AND trx_started < NOW() - INTERVAL 10 SECOND",
    )
    found = []
    if connections > processes * POOL + 1:
        found.append(f"{connections} connections of {processes} processes")
    if transactions:
        found.append(f"{transactions} transactions are open")
    return found
