"""Two servers and four workers on hosts of their own, with a MariaDB and a Redis on another, and a network that breaks.

Clients create through both servers, and subscribers at both follow everything that happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pymysql
from checker import Report, check
from eventually import eventually
from fleet import FAULT_TASKS, SLOTS, in_brief
from following import Change, Subscriber
from history import fetch, read_traces
from load import Client, Load, Unconfirmed
from network import Network
from private_servers import PrivateMariaDB
from processes import ServerProcess
from redis_server import RedisServer
from watch import Watch, connect

SERVERS, WORKERS = ("server-0", "server-1"), ("worker-0", "worker-1", "worker-2", "worker-3")
SUBSCRIBERS = 2
"""At each server."""
KEY = "a-key-of-the-test-hosts-and-of-nobody-else"
LOAD_SECONDS = 3600.0
REST_SECONDS = 180.0
DRAIN_SECONDS = 240.0
AVOIDED_SECONDS = 10.0


@dataclass(slots=True)
class Hosts:
    """What a fault may lay hands on.

    Args:
        seconds: how long one lasts that is for a time.
    """

    network: Network
    redis: RedisServer
    watch: Watch
    chance: random.Random
    seconds: float
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def cut(self, **rules: Any) -> None:
        """Cut something off for ``seconds``."""
        self.network.set(**rules)
        self.watch.excuse()
        await asyncio.sleep(self.seconds)
        self.network.heal()
        self.watch.excuse()


Fault = Callable[[Hosts], Awaitable[None]]


async def nothing(_hosts: Hosts) -> None:
    pass


async def kill_redis(hosts: Hosts) -> None:
    """``kill -9``; it is away, and comes back empty."""
    await asyncio.to_thread(hosts.redis.kill)
    await asyncio.sleep(hosts.seconds / 6)
    await asyncio.to_thread(hosts.redis.start, *REDIS_OPTIONS)


async def pause_redis(hosts: Hosts) -> None:
    await asyncio.to_thread(hosts.redis.pause, hosts.seconds / 2)
    await asyncio.sleep(hosts.seconds / 2)


async def flush_redis(hosts: Hosts) -> None:
    await asyncio.to_thread(hosts.redis.ask, "FLUSHALL")


async def cut_off_a_worker(hosts: Hosts) -> None:
    await hosts.cut(cut=[hosts.chance.choice(WORKERS)])


async def cut_off_a_server(hosts: Hosts) -> None:
    await hosts.cut(cut=[hosts.chance.choice(SERVERS)])


async def cut_off_redis(hosts: Hosts) -> None:
    await hosts.cut(cut_ports=[hosts.redis.port])


async def lose_and_delay(hosts: Hosts) -> None:
    """5 % of all frames are lost, and the others are 100 ms late: a transaction takes seconds."""
    hosts.watch.statements_are_slow = True
    await hosts.cut(loss=0.05, delay=0.1)
    hosts.watch.statements_are_slow = False  # what was under way is excused


REDIS_OPTIONS = ("--bind", "0.0.0.0", "--protected-mode", "no")
FAULTS: dict[str, Fault] = {
    "nothing": nothing,
    "Redis is killed": kill_redis,
    "Redis is paused": pause_redis,
    "Redis is flushed": flush_redis,
    "a worker is cut off": cut_off_a_worker,
    "a server is cut off": cut_off_a_server,
    "Redis is cut off": cut_off_redis,
    "frames are lost and late": lose_and_delay,
}


@dataclass(slots=True)
class Outcome:
    """``faults`` are those of subscribers."""

    report: Report
    events: int
    received: int
    connections: int
    unconfirmed: int
    seconds: float
    faults: Counter[str]
    by_worker: dict[str, int]


class AnyServer(Client):
    """Asks one server or the other; for a while not one that has just failed, like any balancer."""

    def __init__(self, session: aiohttp.ClientSession, urls: list[str], chance: random.Random) -> None:
        super().__init__(session, urls[0])
        self._urls = urls
        self._chance = chance
        self._failed_at: dict[str, float] = {}

    async def ask(self, query: str, **variables: Any) -> Any:
        now = asyncio.get_running_loop().time()
        good = [url for url in self._urls if now - self._failed_at.get(url, -AVOIDED_SECONDS) >= AVOIDED_SECONDS]
        url = self._chance.choice(good or self._urls)
        try:
            return await Client(self.session, url).ask(query, **variables)
        except Unconfirmed:
            self._failed_at[url] = asyncio.get_running_loop().time()
            raise


async def run(fault: str, folder: Path, *, jobs: int, seconds: float, fault_seconds: float, seed: int) -> Outcome:
    """Run ``jobs`` jobs, created over ``seconds`` seconds at the least, and break something when a third of them is."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(Network(*SERVERS, *WORKERS))
        database = PrivateMariaDB(_made(folder / "database"), "--bind-address=0.0.0.0", "--innodb-lock-wait-timeout=5")
        await asyncio.to_thread(database.start)
        stack.callback(database.stop)
        await asyncio.to_thread(database.make_database)
        _let_hosts_in(database)
        redis = RedisServer(folder / "redis")
        await asyncio.to_thread(redis.start, *REDIS_OPTIONS)
        stack.callback(redis.kill)
        network.set(seed=seed)
        here = network.here.address
        settings = {
            "DATABASE_URL": f"mysql://hosts@{here}:{database.port}/signalbox",
            "REDIS_URL": f"redis://{here}:{redis.port}/0",
            "FAULT_TRACES": str(folder / "traces"),
            "SIGNALBOX_API_KEYS": f"test:admin:{KEY}",
            "SIGNALBOX_WEBHOOK_TEST": "true",
            "SIGNALBOX_WEBHOOK_ALLOW": network.subnet,
        }
        async with processes(network, folder, settings) as found:
            servers = [found[name] for name in SERVERS]
            watch = Watch(database.url)
            chance = random.Random(f"{fault} {seed}")
            hosts = Hosts(network, redis, watch, chance, fault_seconds)
            headers = {"Authorization": f"Bearer {KEY}"}
            session = aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0))
            async with session:
                urls = [f"{each.url}/graphql" for each in servers]
                load = Load(
                    AnyServer(session, urls, random.Random(f"servers {seed}")),
                    *(random.Random(f"load {seed}"), jobs, seconds, f"{servers[0].url}/webhook-test"),
                )
                found_changes = await _run(fault, hosts, load, session, urls, database)
            watch.close()
            with contextlib.closing(connect(database.url)) as connection:
                report = check(connection, read_traces(folder / "traces"), load.acknowledged.values())
                by_worker = dict(
                    fetch(connection, "SELECT worker, COUNT(*) FROM job_event WHERE to_status='RUNNING' GROUP BY 1")
                )
            report.violations["I5"] += watch.violations.values()
    events, subscribers, faults = found_changes
    return Outcome(
        report,
        len(events),
        sum(len(each.seen) for each in subscribers),
        sum(each.connections for each in subscribers),
        load.unconfirmed,
        loop.time() - began,
        faults,
        by_worker,
    )


async def _run(
    fault: str, hosts: Hosts, load: Load, session: aiohttp.ClientSession, urls: list[str], database: PrivateMariaDB
) -> tuple[dict[int, Change], list[Subscriber], Counter[str]]:
    """The load and the fault; every event, and what subscribers saw of them."""
    faults: Counter[str] = Counter()
    changes: dict[int, Change] = {}
    subscribers = [Subscriber(session, [url], f"{url} {number}") for url in urls for number in range(SUBSCRIBERS)]
    for each in subscribers:
        each.is_patient = True
    following = [asyncio.create_task(each.follow(changes, faults)) for each in subscribers]
    has_ended = asyncio.Event()
    watching = asyncio.create_task(hosts.watch.until_at_rest(has_ended, REST_SECONDS))
    breaking = asyncio.create_task(_break(fault, hosts, load))
    try:
        await load.run()
        hosts.over.set()
        await breaking
        has_ended.set()
        await watching
        with contextlib.closing(connect(database.url)) as connection:
            sql = "SELECT seq, job_id, from_status, to_status FROM job_event ORDER BY seq"
            events = {seq: (job, before, after) for seq, job, before, after in fetch(connection, sql)}
        last = max(events)
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while any(int(each.cursor) < last for each in subscribers):
                    for task in following:
                        if task.done():
                            task.result()
                    await asyncio.sleep(0.1)
                await asyncio.sleep(1)  # for what should not come
        except TimeoutError:
            faults["did not come to the end"] += 1
    finally:
        hosts.over.set()
        has_ended.set()
        for task in (*following, breaking, watching):
            task.cancel()
        await asyncio.wait([*following, breaking, watching])
    for each in subscribers:
        each.check(list(events), faults)
    faults["not as in the table"] += sum(1 for seq, told in changes.items() if events.get(seq) != told)
    return events, subscribers, +faults


async def _break(fault: str, hosts: Hosts, load: Load) -> None:
    a_third = load.jobs / 3
    await eventually(lambda: len(load.acknowledged) > a_third or hosts.over.is_set(), timeout_seconds=LOAD_SECONDS)
    await FAULTS[fault](hosts)


@contextlib.asynccontextmanager
async def processes(
    network: Network, folder: Path, settings: dict[str, str]
) -> AsyncIterator[dict[str, ServerProcess]]:
    """The servers and workers; each must end well. What they have logged is in ``folder`` then."""
    tasks = ("--tasks", str(FAULT_TASKS))
    started: dict[str, ServerProcess] = {}
    for name in (*SERVERS, *WORKERS):
        host = network.hosts[name]
        if name in SERVERS:
            arguments = ("serve", "--host", host.address, "--port", "8000", "--no-worker", "--grace", "1", *tasks)
        else:
            arguments = ("worker", "--slots", str(SLOTS), "--grace", "5", "--lease", "5", *tasks)
        started[name] = ServerProcess(folder / name, arguments, settings, host.namespace).spawn()
    try:
        await asyncio.gather(*(asyncio.to_thread(each.await_ready) for each in started.values()))
        yield started
    except BaseException:
        for each in started.values():
            await asyncio.to_thread(each.kill)
        raise
    finally:
        for name, each in started.items():
            (folder / f"{name}.log").write_text("\n".join(each.lines))
    ends = await asyncio.gather(
        *(asyncio.to_thread(each.check_its_end) for each in started.values()), return_exceptions=True
    )
    failures = [f"{name}: {in_brief(str(end))}" for name, end in zip(started, ends, strict=True) if end is not None]
    assert not failures, "\n".join(failures)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _let_hosts_in(database: PrivateMariaDB) -> None:
    connection = pymysql.connect(host="127.0.0.1", port=database.port, user="root")
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("CREATE USER hosts@'%'")
        cursor.execute("GRANT ALL ON *.* TO hosts@'%'")
