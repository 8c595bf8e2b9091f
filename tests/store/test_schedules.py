"""Schedules on three databases: one job for each firing, however many servers fire, and whatever becomes of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from databases import OpenStore
from fake_clock import FakeClock, set_database_clock
from makers import claim, everything, fetch_job, rows_of

from engine.errors import Conflict, NotFound, Unavailable
from engine.records import Finish, JobRecord, NewSchedule, ScheduleRecord, TaskRecord
from engine.states import Trigger
from engine.store.database import from_text, to_text
from engine.store.schedule_writes import ScheduleChange
from engine.store.store import Store
from models.enums import JobPriority, JobStatus, MisfirePolicy, OverlapPolicy

MINUTE, HOUR = 60.0, 3600.0


@pytest.fixture
def clock() -> FakeClock:
    """It is 15:00:00 on the fifth of February 2026."""
    return FakeClock()


@pytest.fixture
async def store(open_store: OpenStore, clock: FakeClock) -> Store:
    return set_database_clock(await open_store(), clock)


async def make(store: Store, name: str = "nightly", **fields: Any) -> ScheduleRecord:
    given = {
        "task_name": "report",
        "payload_text": '{"day":1}',
        "priority": JobPriority.HIGH,
        "cron": "* * * * *",
        "timezone": "UTC",
        "overlap": OverlapPolicy.ALLOW,
        "misfire": MisfirePolicy.RUN_ONCE,
    }
    return await store.schedules.create(NewSchedule(name=name, **(given | fields)))


async def fire(store: Store) -> int:
    return await store.schedules.fire_due(lambda _name: (5, 9.0))


async def jobs_of(store: Store) -> list[tuple[int, str]]:
    """(schedule, firing time) of each job, in order."""
    rows = await store.database.fetch("SELECT schedule_id, scheduled_for FROM jobs ORDER BY id")
    return [(schedule_id, f"{from_text(scheduled_for):%H:%M}") for schedule_id, scheduled_for in rows]


async def firings_of(store: Store) -> list[tuple[str, int | None]]:
    rows = await store.database.fetch("SELECT fire_at, job_id FROM schedule_firing ORDER BY fire_at")
    return [(f"{from_text(fire_at):%H:%M}", job_id) for fire_at, job_id in rows]


async def kept(store: Store) -> dict[str, Any]:
    """All that a refusal must leave as it is."""
    more = {table: await rows_of(store, table) for table in ("schedule", "schedule_firing")}
    return await everything(store) | more


async def found(store: Store, schedule: ScheduleRecord) -> ScheduleRecord:
    record = await store.schedules.get(schedule.id)
    assert record is not None
    return record


async def complete(store: Store) -> None:
    [claimed] = await claim(store)
    assert await store.finish(Finish.completed(claimed, None))


def at(clock: FakeClock, text: str) -> datetime:
    hour, minute = text.split(":")
    return clock.now().replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)


async def test_what_a_firing_leaves(store: Store, clock: FakeClock) -> None:
    schedule = await make(store, payload_text='{"to":"é 🚀 %s"}')
    assert schedule == await found(store, schedule)
    assert (schedule.next_run_at, schedule.last_run_at, schedule.paused) == (at(clock, "15:01"), None, False)
    assert await store.schedules.seconds_to_next() == MINUTE
    clock.pass_by(MINUTE + 0.25)
    assert await store.schedules.seconds_to_next() == 0.0
    assert await fire(store) == 1
    [(job_id,)] = await store.database.fetch("SELECT id FROM jobs")
    job = await fetch_job(store, job_id)
    assert (job.status, job.task_name, job.payload_text) == (JobStatus.QUEUED, "report", '{"to":"é 🚀 %s"}')
    assert (job.priority, job.max_attempts, job.timeout_seconds) == (JobPriority.HIGH, 5, 9.0)
    assert (job.schedule_id, job.created_at, job.run_at) == (schedule.id, clock.now(), clock.now())
    [event] = (await store.reads.events_of([job_id]))[job_id]
    assert (event.from_, event.to) == (None, JobStatus.QUEUED)
    assert await firings_of(store) == [("15:01", job_id)]
    expected = replace(schedule, next_run_at=at(clock, "15:02"), last_run_at=at(clock, "15:01"), last_job_id=job_id)
    assert await found(store, schedule) == expected
    [claimed] = await claim(store)
    assert (claimed.id, claimed.scheduled_for) == (job_id, at(clock, "15:01"))


async def test_nothing_is_due(store: Store, clock: FakeClock) -> None:
    assert await store.schedules.seconds_to_next() is None
    await make(store)
    clock.pass_by(MINUTE - 0.001)
    before = await kept(store)
    assert await fire(store) == 0
    assert await kept(store) == before


async def test_two_servers_race_and_each_firing_is_one(store: Store, open_store: OpenStore, clock: FakeClock) -> None:
    other = set_database_clock(await open_store(), clock)
    schedules = [await make(store, f"schedule {index}") for index in range(40)]
    for _ in range(5):
        clock.pass_by(MINUTE)
        for _ in range(2):
            await asyncio.gather(fire(store), fire(other), fire(store), fire(other))
        while await fire(store):
            pass
    times = ["15:01", "15:02", "15:03", "15:04", "15:05"]
    expected = Counter((schedule.id, time) for schedule in schedules for time in times)
    assert Counter(await jobs_of(store)) == expected
    assert len(await firings_of(store)) == len(expected)


async def test_a_server_that_is_lost_before_its_commit(store: Store, open_store: OpenStore, clock: FakeClock) -> None:
    dying = set_database_clock(await open_store(), clock, crashes=lambda: True)
    schedule = await make(store)
    clock.pass_by(MINUTE)
    before = await kept(store)
    with pytest.raises(Unavailable):
        await fire(dying)
    assert await kept(store) == before
    assert await fire(store) == 1
    assert await jobs_of(store) == [(schedule.id, "15:01")]


async def test_more_than_fits_one_transaction(store: Store, clock: FakeClock) -> None:
    for index in range(3):
        await make(store, f"schedule {index}", misfire=MisfirePolicy.RUN_ALL)
    clock.pass_by(601 * MINUTE)
    assert await fire(store) == 2
    assert await fire(store) == 1
    assert await fire(store) == 0
    times = Counter(await jobs_of(store))
    assert (len(await firings_of(store)), set(times.values())) == (3 * 601, {1})


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (MisfirePolicy.RUN_ONCE, ["16:55", "17:00"]),
        (MisfirePolicy.RUN_ALL, [f"{15 + n // 12}:{n % 12 * 5:02}" for n in range(1, 25)]),
        (MisfirePolicy.SKIP, ["17:00"]),
    ],
)
async def test_no_server_ran_for_two_hours(
    store: Store, clock: FakeClock, policy: MisfirePolicy, expected: list[str]
) -> None:
    schedule = await make(store, cron="*/5 * * * *", misfire=policy)
    clock.pass_by(2 * HOUR + 1)
    assert await fire(store) == 1
    assert [time for _, time in await jobs_of(store)] == expected
    after = await found(store, schedule)
    assert (after.next_run_at, after.last_run_at) == (at(clock, "17:05"), at(clock, "17:00"))
    assert await fire(store) == 0


async def test_overlap_is_skipped_until_the_last_job_has_ended(store: Store, clock: FakeClock) -> None:
    schedule = await make(store, overlap=OverlapPolicy.SKIP)
    clock.pass_by(MINUTE)
    await fire(store)
    [(job_id,)] = await store.database.fetch("SELECT id FROM jobs")
    clock.pass_by(MINUTE)
    await fire(store)  # it is QUEUED
    await claim(store)
    clock.pass_by(MINUTE)
    await fire(store)  # it is RUNNING
    assert await firings_of(store) == [("15:01", job_id), ("15:02", None), ("15:03", None)]
    skipped = await found(store, schedule)
    assert (skipped.last_job_id, skipped.last_run_at) == (job_id, at(clock, "15:01"))
    assert skipped.next_run_at == at(clock, "15:04")


@pytest.mark.parametrize("end", ["completed", "cancelled", "deleted"])
async def test_a_job_that_has_ended_holds_up_nothing(store: Store, clock: FakeClock, end: str) -> None:
    schedule = await make(store, overlap=OverlapPolicy.SKIP)
    clock.pass_by(MINUTE)
    await fire(store)
    [(job_id,)] = await store.database.fetch("SELECT id FROM jobs")
    if end == "completed":
        await complete(store)
    else:
        await store.change_job(job_id, Trigger.CANCEL)
    if end == "deleted":
        await store.delete_job(job_id)
    clock.pass_by(MINUTE)
    await fire(store)
    assert (schedule.id, "15:02") in await jobs_of(store)


async def test_a_backlog_does_not_overlap_itself(store: Store, clock: FakeClock) -> None:
    await make(store, overlap=OverlapPolicy.SKIP, misfire=MisfirePolicy.RUN_ALL)
    clock.pass_by(3 * MINUTE)
    await fire(store)
    assert [time for _, time in await jobs_of(store)] == ["15:01"]
    assert [time for time, _ in await firings_of(store)] == ["15:01", "15:02", "15:03"]


async def test_a_pause_misses_nothing(store: Store, clock: FakeClock) -> None:
    schedule = await make(store, misfire=MisfirePolicy.RUN_ALL)
    paused = await store.schedules.change(ScheduleChange(schedule.id, {"paused": True}))
    assert paused == replace(schedule, paused=True, next_run_at=None)
    assert await found(store, schedule) == paused
    clock.pass_by(10 * MINUTE + 30)
    assert (await fire(store), await store.schedules.seconds_to_next()) == (0, None)
    resumed = await store.schedules.change(ScheduleChange(schedule.id, {"paused": False}))
    assert (resumed.paused, resumed.next_run_at) == (False, at(clock, "15:11"))
    assert await store.schedules.change(ScheduleChange(schedule.id, {"paused": False})) == resumed
    clock.pass_by(30)
    await fire(store)
    assert await jobs_of(store) == [(schedule.id, "15:11")]


async def test_an_update(store: Store, clock: FakeClock) -> None:
    schedule = await make(store, cron="0 9 * * *")
    same_time = {"payload_text": None, "priority": JobPriority.LOW, "overlap": OverlapPolicy.SKIP}
    changed = await store.schedules.change(ScheduleChange(schedule.id, same_time))
    assert changed == replace(schedule, **same_time)
    assert await found(store, schedule) == changed
    tokyo = await store.schedules.change(ScheduleChange(schedule.id, {"timezone": "Asia/Tokyo"}))
    assert f"{tokyo.next_run_at:%d %H:%M}" == "06 00:00"
    sooner = await store.schedules.change(ScheduleChange(schedule.id, {"cron": "@hourly", "timezone": "UTC"}))
    assert sooner.next_run_at == at(clock, "16:00")
    assert await found(store, schedule) == sooner


async def test_another_rule_does_not_fire_again_what_was_fired(store: Store, clock: FakeClock) -> None:
    """Nor does a clock that is set back."""
    schedule = await make(store)
    clock.pass_by(MINUTE)
    await fire(store)
    clock.pass_by(-30)
    await store.schedules.change(ScheduleChange(schedule.id, {"cron": "*/1 * * * *"}))
    clock.pass_by(30)
    assert await fire(store) == 1
    assert await jobs_of(store) == [(schedule.id, "15:01")]
    assert (await found(store, schedule)).next_run_at == at(clock, "15:02")


async def test_a_trigger(store: Store, clock: FakeClock) -> None:
    schedule = await make(store, cron="0 9 * * *", overlap=OverlapPolicy.SKIP)
    await store.schedules.change(ScheduleChange(schedule.id, {"paused": True}))
    clock.pass_by(1.5)
    jobs: list[JobRecord] = await asyncio.gather(
        *(store.schedules.trigger(schedule.id, lambda _name: None) for _ in range(2))
    )
    assert {(job.status, job.schedule_id, job.max_attempts) for job in jobs} == {(JobStatus.QUEUED, schedule.id, 3)}
    assert [claimed.scheduled_for for claimed in await claim(store, 5)] == [clock.now()] * 2
    after = await found(store, schedule)
    assert (after.last_job_id, after.last_run_at, after.paused) == (max(job.id for job in jobs), clock.now(), True)
    assert await firings_of(store) == []


async def test_a_deleted_schedule_leaves_its_jobs(store: Store, clock: FakeClock) -> None:
    schedule, other = await make(store), await make(store, "other")
    clock.pass_by(MINUTE)
    await fire(store)
    assert await store.schedules.delete(schedule.id) == schedule.id
    assert len(await jobs_of(store)) == 2
    assert [record.id for record in await store.schedules.all()] == [other.id]
    assert len(await firings_of(store)) == 1
    again = await make(store)
    assert again.id > other.id


async def test_schedules_that_are_not_there(store: Store) -> None:
    before = await kept(store)
    for unknown in (7, 2**63):
        for call in (
            store.schedules.change(ScheduleChange(unknown, {"paused": True})),
            store.schedules.trigger(unknown, lambda _name: None),
            store.schedules.delete(unknown),
        ):
            with pytest.raises(NotFound, match=f"There is no schedule {unknown}"):
                await call
        assert await store.schedules.get(unknown) is None
    assert await kept(store) == before


async def test_names_are_unique(store: Store, open_store: OpenStore, clock: FakeClock) -> None:
    other = set_database_clock(await open_store(), clock)
    outcomes = await asyncio.gather(
        *(make(each, "same") for each in (store, other, store, other)), return_exceptions=True
    )
    [made] = [each for each in outcomes if isinstance(each, ScheduleRecord)]
    conflicts = [each for each in outcomes if isinstance(each, Conflict)]
    assert len(conflicts) == 3
    assert f"schedule {made.id} is named 'same' already" in str(conflicts[0])
    await make(store, "Same")
    assert [record.name for record in await store.schedules.all()] in (["Same", "same"], ["same", "Same"])


async def test_limits_of_a_task_that_another_process_declared(store: Store, clock: FakeClock) -> None:
    await store.declare_tasks([TaskRecord("report", None, None, 7, 11.5)])
    await make(store)
    clock.pass_by(MINUTE)
    await store.schedules.fire_due(lambda _name: None)
    [claimed] = await claim(store)
    assert (claimed.max_attempts, claimed.timeout_seconds) == (7, 11.5)


async def test_a_rule_that_this_server_cannot_read_holds_up_no_other(
    store: Store, open_store: OpenStore, clock: FakeClock
) -> None:
    broken, sound = await make(store, "broken"), await make(store, "sound")
    async with store.database.transaction() as transaction:
        await transaction.execute(f"UPDATE schedule SET timezone='Mars/Olympus' WHERE id={broken.id}")
    for time in ("15:01", "15:02"):
        clock.pass_by(MINUTE)
        assert await fire(store) == 1
        assert await fire(store) == 0
        assert (await jobs_of(store))[-1] == (sound.id, time)
    assert (await found(store, broken)).next_run_at == at(clock, "15:01")
    await store.schedules.change(ScheduleChange(broken.id, {"paused": True}))
    await store.schedules.change(ScheduleChange(broken.id, {"paused": False, "timezone": "UTC"}))
    clock.pass_by(MINUTE)
    assert await fire(store) == 2


async def test_times_are_kept_to_the_microsecond(store: Store, clock: FakeClock) -> None:
    clock.pass_by(0.123456)
    schedule = await make(store)
    assert to_text((await found(store, schedule)).created_at) == "2026-02-05 15:00:00.123456"
