"""The scheduler's loop, and a simulated hour of many schedules on servers that come and go.

``SIGNALBOX_TEST_MINUTES=1440`` simulates a whole day; ``SIGNALBOX_TEST_SEED`` repeats a run that went wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets

import pytest
from databases import OpenStore
from eventually import eventually
from fake_clock import FakeClock, set_database_clock

from engine.errors import Unavailable
from engine.fleet import LONGEST_REST_SECONDS
from engine.records import NewSchedule
from engine.scheduler import Scheduler
from engine.store.schedule_writes import ScheduleChange
from engine.store.store import Store
from models.enums import JobPriority, MisfirePolicy, OverlapPolicy

SCHEDULES = 200
MINUTES = int(os.environ.get("SIGNALBOX_TEST_MINUTES", "60"))
CRASHES, REPLACEMENTS = 0.05, 0.1
"""How often a server is lost before a COMMIT, and replaced by a new one, in a minute."""


def limits_of(_name: str) -> tuple[int, float]:
    return (1, 60.0)


def every_minute(name: str) -> NewSchedule:
    return NewSchedule(
        name=name,
        task_name="report",
        payload_text=None,
        priority=JobPriority.MEDIUM,
        cron="* * * * *",
        timezone="Europe/Berlin",
        overlap=OverlapPolicy.ALLOW,
        misfire=MisfirePolicy.RUN_ALL,
    )


async def job_count(store: Store) -> int:
    [(count,)] = await store.database.fetch("SELECT COUNT(*) FROM jobs")
    return int(count)


async def test_a_turn_waits_for_the_next_firing(store: Store) -> None:
    clock = FakeClock()
    set_database_clock(store, clock)
    scheduler = Scheduler(store, limits_of)
    assert await scheduler.run_once() == scheduler.interval_seconds
    await store.schedules.create(every_minute("a"))
    assert await scheduler.run_once() == scheduler.interval_seconds
    clock.pass_by(59.75)
    assert await scheduler.run_once() == 0.25
    assert await job_count(store) == 0
    clock.pass_by(0.25)
    assert await scheduler.run_once() == 0.0
    assert await job_count(store) == 1
    assert await scheduler.run_once() == scheduler.interval_seconds


async def test_a_schedule_made_here_wakes_it(store: Store) -> None:
    """However long it rests because others look too."""
    store.fleet.workers = 1000
    scheduler = Scheduler(store, limits_of)
    scheduler.start()
    await eventually(lambda: scheduler.health.turns == 1)
    assert scheduler.health.next_turn_due is not None
    assert scheduler.health.last_turn is not None
    assert scheduler.health.next_turn_due - scheduler.health.last_turn > LONGEST_REST_SECONDS - 2
    created = await store.schedules.create(every_minute("a"))
    await eventually(lambda: scheduler.health.turns == 2)
    await store.schedules.change(ScheduleChange(created.id, {"paused": True}))
    await eventually(lambda: scheduler.health.turns == 3)
    await scheduler.stop()


@pytest.mark.slow
async def test_servers_come_and_go_and_each_firing_is_one_job(open_store: OpenStore) -> None:
    seed = os.environ.get("SIGNALBOX_TEST_SEED") or secrets.token_hex(4)
    print(f"SIGNALBOX_TEST_SEED={seed}")
    pick = random.Random(seed)
    clock = FakeClock()

    async def server() -> tuple[Store, Scheduler]:
        store = await open_store()
        set_database_clock(store, clock, crashes=lambda: pick.random() < CRASHES)
        return store, Scheduler(store, limits_of)

    watcher = set_database_clock(await open_store(), clock)
    await asyncio.gather(*(watcher.schedules.create(every_minute(f"schedule {n}")) for n in range(SCHEDULES)))
    servers = [await server(), await server()]
    for _ in range(MINUTES):
        clock.pass_by(60)
        running = pick.choice([servers, servers, servers[:1], servers[1:], []])  # at times, none does
        while running and await watcher.schedules.seconds_to_next() == 0.0:
            for outcome in await asyncio.gather(
                *(scheduler.run_once() for _, scheduler in running), return_exceptions=True
            ):
                assert not isinstance(outcome, BaseException) or isinstance(outcome, Unavailable), outcome
        if pick.random() < REPLACEMENTS:
            gone = pick.randrange(2)
            await servers[gone][0].close()
            servers[gone] = await server()
    while await watcher.schedules.seconds_to_next() == 0.0:
        with contextlib.suppress(Unavailable):
            await servers[0][1].run_once()

    wanted = SCHEDULES * MINUTES
    for sql in (
        "SELECT COUNT(*), COUNT(DISTINCT schedule_id), COUNT(DISTINCT scheduled_for) FROM jobs",
        "SELECT COUNT(job_id), COUNT(DISTINCT schedule_id), COUNT(DISTINCT fire_at) FROM schedule_firing",
    ):
        assert await watcher.database.fetch(sql) == [(wanted, SCHEDULES, MINUTES)]
    doubled = "SELECT schedule_id, scheduled_for FROM jobs GROUP BY schedule_id, scheduled_for HAVING COUNT(*) > 1"
    assert await watcher.database.fetch(doubled) == []
    assert await watcher.database.fetch("SELECT COUNT(*) FROM job_event") == [(wanted,)]
