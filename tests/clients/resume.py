"""Subscribers that lose their connection again and again, and go on at any server with their last cursor.

Two servers share a database and run jobs; one of them is restarted half-way. At the end what each subscriber saw is
compared with the table ``job_event``.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pymysql
from following import RETRY_SECONDS, Change, Subscriber
from processes import SAMPLE_TASKS, ServerProcess, free_port

from models.connection import DatabaseURL

CREATE = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"
CREATORS = 8
DRAIN_SECONDS = 240.0


@dataclass(frozen=True, slots=True)
class Plan:
    """``subscribers`` watch everything, and a fifth as many more watch what ends."""

    seconds: float
    jobs: int
    subscribers: int
    seed: int


@dataclass(slots=True)
class Findings:
    """What happened, and in ``faults`` what should not have."""

    events: int = 0
    received: int = 0
    connections: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


async def resume(plan: Plan, database_url: str, folder: Path) -> Findings:
    """Do it on an empty, migrated MySQL or MariaDB."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    findings = Findings()
    changes: dict[int, Change] = {}
    arguments = ["serve", "--tasks", str(SAMPLE_TASKS), "--grace", "2", "--slots", "20"]
    ports = [free_port(), free_port()]
    servers = [
        ServerProcess(folder / str(port), [*arguments, "--port", str(port)], {"DATABASE_URL": database_url})
        for port in ports
    ]
    async with contextlib.AsyncExitStack() as stack:
        for server in servers:
            stack.callback(server.check_its_end)
            server.spawn()
        for server in servers:
            await asyncio.to_thread(server.await_ready)
        urls = [f"http://127.0.0.1:{port}/graphql" for port in ports]
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        wishes = [None] * plan.subscribers + [["COMPLETED", "FAILED", "CANCELLED"]] * (plan.subscribers // 5)
        subscribers = [
            Subscriber(session, urls, f"{plan.seed} {number}", status) for number, status in enumerate(wishes)
        ]
        following = [asyncio.create_task(each.follow(changes, findings.faults)) for each in subscribers]
        try:
            await asyncio.gather(_load(plan, session, urls), _restart(plan, servers[1]))
            for each in subscribers:
                each.is_patient = True
            events = await _settled(database_url, plan.jobs, following)
            last = max(events)
            async with asyncio.timeout(DRAIN_SECONDS):
                while any(int(each.cursor) < last for each in subscribers if each.status is None):
                    _raise_ended(following)
                    await asyncio.sleep(0.1)
                await asyncio.sleep(1)  # for what should not come
        except TimeoutError:
            findings.faults["did not come to the end"] += 1
        finally:
            for task in following:
                task.cancel()
            await asyncio.wait(following)
    for each in subscribers:
        each.check(
            [seq for seq, (_, _, to) in events.items() if each.status is None or to in each.status], findings.faults
        )
        findings.ends += each.ends
        findings.connections += each.connections
        findings.received += len(each.seen)
    findings.faults["not as in the table"] += sum(1 for seq, told in changes.items() if events.get(seq) != told)
    findings.faults = +findings.faults
    findings.events = len(events)
    findings.seconds = loop.time() - began
    return findings


async def _load(plan: Plan, session: aiohttp.ClientSession, urls: Sequence[str]) -> None:
    """Create ``plan.jobs`` jobs over ``plan.seconds`` by several clients at once, so that transactions overlap."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    created = itertools.count()
    chance = random.Random(plan.seed)

    async def create(numbers: list[int]) -> None:
        body = {"query": CREATE, "variables": {"inputs": list(map(_input, numbers))}}
        while True:
            with contextlib.suppress(aiohttp.ClientError):  # the server is being restarted
                async with session.post(chance.choice(urls), json=body) as response:
                    answer = await response.json()
                if "errors" not in answer:
                    return
                assert answer["errors"][0]["extensions"]["code"] == "UNAVAILABLE", answer
            await asyncio.sleep(RETRY_SECONDS)

    async def creator() -> None:
        while True:
            numbers = [number for number in itertools.islice(created, chance.randint(1, 20)) if number < plan.jobs]
            if not numbers:
                return
            await asyncio.sleep(began + plan.seconds * numbers[0] / plan.jobs - loop.time())
            await create(numbers)

    await asyncio.gather(*(creator() for _ in range(CREATORS)))


def _input(number: int) -> dict[str, Any]:
    """A key makes it safe to send again what was not answered."""
    common = {"run": True, "idempotencyKey": str(number)}
    if number % 10 == 0:
        return {**common, "taskName": "fail", "maxAttempts": 1}
    return {**common, "taskName": "nap", "payload": {"seconds": 0}}


async def _restart(plan: Plan, server: ServerProcess) -> None:
    await asyncio.sleep(plan.seconds / 2)
    await asyncio.to_thread(server.check_its_end)
    await asyncio.to_thread(server.start)


async def _settled(database_url: str, jobs: int, following: Sequence[asyncio.Task[None]]) -> dict[int, Change]:
    """All events by their number, once no job is to be done any more."""
    url = DatabaseURL.parse(database_url)
    connection = pymysql.connect(
        host=url.host, port=url.port, user=url.user, password=url.password, database=url.database, autocommit=True
    )
    with contextlib.closing(connection), connection.cursor() as cursor:
        async with asyncio.timeout(DRAIN_SECONDS):
            while True:
                _raise_ended(following)
                cursor.execute("SELECT COUNT(*) FROM jobs WHERE status IN ('COMPLETED', 'FAILED')")
                if cursor.fetchone() == (jobs,):
                    break
                await asyncio.sleep(0.2)
        cursor.execute("SELECT seq, job_id, from_status, to_status FROM job_event ORDER BY seq")
        return {seq: (job, before, after) for seq, job, before, after in cursor.fetchall()}


def _raise_ended(following: Sequence[asyncio.Task[None]]) -> None:
    """A subscriber that breaks is a defect of the test."""
    for task in following:
        if task.done():
            task.result()
