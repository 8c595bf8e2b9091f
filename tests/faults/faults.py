"""What is done to a run: each fault goes on from the start of the load to its end, and counts what it did.

All chances are taken from the run's seed. What depends on the machine's own pace, as which statement a kill meets,
is not: a seed repeats what is done, not what comes of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pymysql
from fleet import Fleet
from grounds import Ground
from history import fetch
from load import Client
from proxy import Proxy
from watch import ERRORS, NOW, Watch, connect

from models.connection import DatabaseURL

LONGER_THAN_A_LOCK_WAIT = 5.5
LONGER_THAN_A_TRANSACTION_MS = 1500
BEFORE_LOCKS_ARE_LET_GO = 3.5
"""MariaDB ends a transaction whose session has been silent for 5 s."""


@dataclass(slots=True)
class Scene:
    """What a fault may lay hands on.

    Args:
        is_long: whether a fault may take its time.
    """

    chance: random.Random
    fleet: Fleet
    ground: Ground
    watch: Watch
    proxy: Proxy | None = None
    is_long: bool = True
    acts: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def pause(self, seconds: float) -> bool:
        """Wait; False once the load is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.over.wait()
        return not self.over.is_set()

    @property
    def url(self) -> str:
        return self.ground.url

    def one_of_the_workers(self) -> int:
        return self.chance.randrange(len(self.fleet.workers))


PAUSED = ("work", "work in a thread", "break")
Fault = Callable[[Scene], Awaitable[None]]


async def kill_workers(scene: Scene) -> None:
    """F1: ``kill -9`` of a random worker, at least every 2 s."""
    while await scene.pause(scene.chance.uniform(0.3, 1.5)):
        await scene.fleet.kill(scene.one_of_the_workers())
        scene.acts += 1


async def crash_at_points(scene: Scene) -> None:
    """F1 too: workers that kill themselves at named points of a transaction; another takes the place of each."""
    while await scene.pause(0.2):
        scene.acts += await asyncio.to_thread(scene.fleet.revive)
    scene.fleet.extra_tasks = None  # the last ones must see the work to its end
    for number in range(len(scene.fleet.workers)):
        await scene.fleet.kill(number)


async def freeze_workers(scene: Scene) -> None:
    """F2: SIGSTOP for longer than the lease, then SIGCONT: they go on with jobs that are others' by now."""
    while await scene.pause(scene.chance.uniform(0.3, 0.8)):
        frozen = scene.chance.sample(scene.fleet.workers, 2)
        for worker in frozen:
            worker.signal(signal.SIGSTOP)
        try:
            seconds = scene.fleet.lease_seconds + scene.chance.uniform(2.5, 3.5)
            await asyncio.sleep(BEFORE_LOCKS_ARE_LET_GO)
            if await asyncio.to_thread(_are_locks_held, scene):
                scene.watch.excuse()
            await asyncio.sleep(seconds - BEFORE_LOCKS_ARE_LET_GO)
        finally:
            for worker in frozen:
                worker.signal(signal.SIGCONT)
        scene.acts += len(frozen)


def _are_locks_held(scene: Scene) -> bool:
    """Whether a process was frozen in the middle of a transaction: what it has locked is nobody's to rescue. In SQLite
    that is all there is, and a rescuer that found it so lets two heartbeats pass before it rescues again."""
    with contextlib.closing(connect(scene.url)) as own:
        if scene.ground.database == "sqlite":
            return not _gets_its_turn(own)
        found = fetch(own, "SELECT 1 FROM information_schema.innodb_trx WHERE trx_started < NOW() - INTERVAL 2 SECOND")
    return bool(found)


def _gets_its_turn(own: Any) -> bool:
    """Whether the file can be written to, by somebody who waits for longer than a transaction takes."""
    own.execute(f"PRAGMA busy_timeout={LONGER_THAN_A_TRANSACTION_MS}")
    try:
        own.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    own.execute("ROLLBACK")
    return True


async def crash_database(scene: Scene) -> None:
    """F3: ``kill -9`` of the database under load, and its restart."""
    private = scene.ground.private
    assert private is not None
    while await scene.pause(scene.chance.uniform(1.5, 3.0)):
        await asyncio.to_thread(private.kill)
        await asyncio.sleep(scene.chance.uniform(0.0, 0.5))
        await asyncio.to_thread(private.start)
        scene.acts += 1


async def kill_connections(scene: Scene) -> None:
    """F4: KILL CONNECTION of a random one of the pools' connections, and now and then of all."""
    while await scene.pause(scene.chance.uniform(0.1, 0.5)):
        is_for_all = scene.chance.random() < 0.2
        scene.acts += await asyncio.to_thread(_kill_connections, scene, is_for_all)


def _kill_connections(scene: Scene, is_for_all: bool) -> int:
    with contextlib.closing(connect(scene.url)) as own, own.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM information_schema.processlist WHERE db=DATABASE() AND id<>CONNECTION_ID() ORDER BY id"
        )
        ids = [row[0] for row in cursor.fetchall()]
        chosen = ids if is_for_all else ids and [scene.chance.choice(ids)]
        for connection_id in chosen:
            with contextlib.suppress(pymysql.err.MySQLError):  # it has ended by itself
                cursor.execute(f"KILL CONNECTION {connection_id}")
    return len(chosen)


async def disturb_network(scene: Scene) -> None:
    """F5: delays of 200 ms, dropped connections, a black hole of 10 s, and COMMITs whose answers are lost."""
    assert scene.proxy is not None
    proxy = scene.proxy
    proxy.chance = scene.chance
    proxy.refuse_rate, proxy.drop_rate, proxy.lose_commit_rate = 0.05, 0.002, 0.03
    hole_seconds = 10.0 if scene.is_long else 2.0
    try:
        while await scene.pause(scene.chance.uniform(0.3, 0.8)):
            proxy.delay_seconds = 0.2
            await scene.pause(1.0)
            proxy.delay_seconds = 0.0
            scene.watch.excuse()  # every connection that was dropped made rescuers patient
            if hole_seconds and await scene.pause(0.3):
                proxy.open.clear()
                await asyncio.sleep(hole_seconds)
                proxy.open.set()
                scene.watch.excuse()
                hole_seconds = 0.0
    finally:
        proxy.calm()
        scene.acts += proxy.refused + proxy.dropped + proxy.lost
        scene.watch.excuse()


async def contend_for_locks(scene: Scene) -> None:
    """F7: sessions that lock jobs against the order of the engine's own statements: deadlocks, and lock waits."""
    before = await asyncio.to_thread(_count_conflicts, scene)

    async def contend() -> None:
        while await scene.pause(scene.chance.uniform(0.0, 0.05)):
            is_long = scene.chance.random() < 0.01
            await asyncio.to_thread(_lock_backwards, scene, LONGER_THAN_A_LOCK_WAIT if is_long else 0.005)
            if is_long:
                scene.watch.excuse()

    await asyncio.gather(*(contend() for _ in range(3)))
    scene.acts += await asyncio.to_thread(_count_conflicts, scene) - before


def _lock_backwards(scene: Scene, hold_seconds: float) -> None:
    """Lock some of the live jobs, the last one first, and wait half-way."""
    with contextlib.closing(connect(scene.url)) as own, own.cursor() as cursor:
        cursor.execute("SELECT id FROM jobs WHERE status IN ('QUEUED', 'RUNNING') ORDER BY priority, id LIMIT 40")
        ids = sorted((row[0] for row in cursor.fetchall()), reverse=True)
        own.begin()
        # the heavier transaction wins: with rows of its own, this one is not always the victim
        cursor.execute("CREATE TEMPORARY TABLE IF NOT EXISTS ballast (n INT) ENGINE=InnoDB")
        cursor.execute("INSERT INTO ballast VALUES " + ",".join(["(1)"] * scene.chance.choice([1, 400])))
        with contextlib.suppress(pymysql.err.OperationalError):
            for number, job_id in enumerate(ids):
                if number == len(ids) // 2:
                    cursor.execute(f"DO SLEEP({hold_seconds})")
                cursor.execute(f"SELECT id FROM jobs WHERE id={job_id} FOR UPDATE")
        own.rollback()


def _count_conflicts(scene: Scene) -> int:
    """Deadlocks and lock waits that ran out, as the server counts them."""
    with contextlib.closing(connect(scene.url)) as own, own.cursor() as cursor:
        cursor.execute(
            "SELECT SUM(count) FROM information_schema.innodb_metrics WHERE name IN ('lock_deadlocks', 'lock_timeouts')"
        )
        [(count,)] = cursor.fetchall()
    return int(count)


async def roll_workers(scene: Scene) -> None:
    """F10: SIGTERM to every worker in turn, again and again."""
    number = 0
    while await scene.pause(scene.chance.uniform(0.2, 0.8)):
        await scene.fleet.roll(number % len(scene.fleet.workers))
        number += 1
        scene.acts += 1


async def fill_disk(scene: Scene) -> None:
    """F9: the disk is full for some seconds, again and again; a database that ends of it is started again."""
    disk, private = scene.ground.disk, scene.ground.private
    assert disk is not None
    loop = asyncio.get_running_loop()
    while await scene.pause(scene.chance.uniform(0.1, 0.5)):
        until = loop.time() + scene.chance.uniform(1.5, 3.0)
        try:
            while loop.time() < until:
                await asyncio.to_thread(disk.fill)  # also what was given back meanwhile
                await asyncio.sleep(0.02)
        finally:
            disk.relieve()
        if private is not None and not private.is_running:
            await asyncio.to_thread(private.start)
        scene.watch.excuse()
    scene.acts += sum(
        record.get("event") == "store.unavailable" for each in scene.fleet.everyone for record in each.records()
    )


async def end_jobs_by_hand(scene: Scene) -> None:
    """F11: servers that take no lock where SKIP LOCKED is asked for, workers that are killed, and an operator who ends
    jobs with statements of his own: claim tokens stay, only the status tells that nobody holds them any more."""

    async def end() -> None:
        while await scene.pause(scene.chance.uniform(0.02, 0.1)):
            scene.acts += await asyncio.to_thread(_end_by_hand, scene)

    async with asyncio.TaskGroup() as both:
        both.create_task(end())
        both.create_task(kill_workers(scene))


def _end_by_hand(scene: Scene) -> int:
    """Cancel some of the live jobs, with their events; how many."""
    dialect = DatabaseURL.parse(scene.url).dialect
    begin, lock, mark = ("BEGIN IMMEDIATE", "", "?") if dialect == "sqlite" else ("BEGIN", " FOR UPDATE", "%s")
    ended = 0
    with contextlib.suppress(*ERRORS), contextlib.closing(connect(scene.url)) as own:
        live = fetch(own, "SELECT id FROM jobs WHERE status='RUNNING'")
        live += fetch(own, "SELECT id FROM jobs WHERE status='QUEUED' ORDER BY priority, id LIMIT 5")
        cursor = own.cursor()
        for (job_id,) in scene.chance.sample(live, min(2, len(live))):
            cursor.execute(begin)
            [(status, attempt)] = fetch(own, f"SELECT status, attempt FROM jobs WHERE id={job_id}{lock}")
            if status in ("QUEUED", "RUNNING"):
                [(now,)] = fetch(own, NOW[dialect])
                values = (job_id, status, attempt, now)
                cursor.execute(
                    "INSERT INTO job_event (job_id, from_status, to_status, attempt, at) "
                    f"VALUES ({mark}, {mark}, 'CANCELLED', {mark}, {mark})",
                    values,
                )
                cursor.execute(f"UPDATE jobs SET status='CANCELLED', finished_at={mark} WHERE id={job_id}", (now,))
                ended += 1
            cursor.execute("COMMIT")
    return ended


async def pause_tasks(scene: Scene) -> None:
    """F12: an operator pauses tasks and resumes them, and workers are killed meanwhile; in the end all are resumed."""
    mutation = "mutation($name: String!) { %s(name: $name) { task { paused } } }"

    async def change(mutation_name: str, name: str) -> None:
        answer = await client.ask(mutation % mutation_name, name=name)
        assert answer[mutation_name]["task"]["paused"] is (mutation_name == "pauseTask")

    async def pause_and_resume() -> None:
        while await scene.pause(scene.chance.uniform(0.1, 0.5)):
            await change("pauseTask", name := scene.chance.choice(PAUSED))
            scene.acts += 1
            await scene.pause(scene.chance.uniform(0.2, 1.5))
            if scene.chance.random() < 0.8:
                await change("resumeTask", name)

    async with aiohttp.ClientSession() as session:
        client = Client(session, f"{scene.fleet.server.url}/graphql")
        async with asyncio.TaskGroup() as both:
            both.create_task(pause_and_resume())
            both.create_task(kill_workers(scene))
        for name in PAUSED:
            await change("resumeTask", name)


async def upgrade(scene: Scene) -> None:
    """F13: a rolling upgrade: workers and the server of the version before are replaced one after another, some of them
    go back to it, and all are of this version in the end."""
    before = scene.fleet.sources
    for sources in (None, before, None):
        scene.fleet.sources = sources
        numbers = list(range(len(scene.fleet.workers)))
        scene.chance.shuffle(numbers)
        for number in numbers if sources is None else numbers[1:]:
            await scene.pause(scene.chance.uniform(0.1, 0.5))
            await scene.fleet.roll(number)
            scene.acts += 1
        if scene.chance.random() < 0.5 or sources is None:
            await scene.fleet.roll_server()
            scene.acts += 1


EXTRA_TASKS = {
    "F1 crash at points": Path(__file__).parent / "tasks_crashing.py",
    "F6 skew clocks": Path(__file__).parent / "tasks_skewed.py",
    "F11 end jobs by hand": Path(__file__).parent / "tasks_lockless.py",
}
LOCKLESS = frozenset({"F11 end jobs by hand"})
"""On servers that lock no row for SKIP LOCKED, on which limits are not exact (docs/adr/0009)."""
FROM_BEFORE = frozenset({"F13 upgrade"})
"""They begin with processes of the version before."""
PADDING = {"F9 fill disk": 4000}
"""Characters that jobs carry so that tables grow."""
FAULTS: dict[str, Fault] = {
    "F1 kill workers": kill_workers,
    "F1 crash at points": crash_at_points,
    "F2 freeze workers": freeze_workers,
    "F3 crash database": crash_database,
    "F4 kill connections": kill_connections,
    "F5 disturb network": disturb_network,
    "F6 skew clocks": kill_workers,
    "F7 contend for locks": contend_for_locks,
    "F9 fill disk": fill_disk,
    "F10 roll workers": roll_workers,
    "F11 end jobs by hand": end_jobs_by_hand,
    "F12 pause tasks": pause_tasks,
    "F13 upgrade": upgrade,
}
ON_SQLITE = frozenset(
    {
        *("F1 kill workers", "F2 freeze workers", "F9 fill disk", "F10 roll workers", "F11 end jobs by hand"),
        *("F12 pause tasks", "F13 upgrade"),
    }
)
"""It has no server to kill, no connections to cut, no locks of rows, and no clock but the machine's."""
