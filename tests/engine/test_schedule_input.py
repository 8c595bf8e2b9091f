"""What clients may ask of schedules: each refusal names the value and the field, and nothing is written."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from fake_clock import FakeClock, set_database_clock

from engine.errors import Conflict, InvalidInput, NotFound
from engine.jobs import Jobs
from engine.registry import Task, TaskRegistry
from engine.schedules import ScheduleInput, Schedules
from engine.store.store import Store
from models.enums import JobPriority, MisfirePolicy, OverlapPolicy


async def email(to: str, count: int = 1) -> None:
    """Send."""


@pytest.fixture
def schedules(store: Store) -> Schedules:
    registry = TaskRegistry([Task.declare("email", email, max_attempts=5, timeout_seconds=9.0)])
    set_database_clock(store, FakeClock())
    return Schedules(store, Jobs(store, registry))


def given(**fields: Any) -> ScheduleInput:
    defaults = {"name": "nightly", "task_name": "email", "payload": {"to": "a"}, "cron": "30 2 * * *"}
    return ScheduleInput(**(defaults | fields))


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "n" * 256}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"task_name": "nobody knows it"}, "taskName"),
        ({"task_name": ""}, "taskName"),
        ({"payload": {}}, "payload.to"),
        ({"payload": {"to": "a", "count": "many"}}, "payload.count"),
        ({"payload": {"to": float("nan")}}, "payload.to"),
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"cron": "every day"}, "cron"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
    ],
)
async def test_refusals(schedules: Schedules, fields: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await schedules.create(given(**fields))
    assert refusal.value.field == place
    assert await schedules.all() == []


async def test_a_name_is_taken(schedules: Schedules) -> None:
    first = await schedules.create(given())
    with pytest.raises(Conflict, match=f"schedule {first.id} is named 'nightly' already"):
        await schedules.create(given(cron="@hourly"))
    assert await schedules.all() == [first]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"cron": "61 * * * *"}, "cron"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"payload": {"from": "b"}}, "payload.to"),
        ({"payload": None}, "payload.to"),
        ({"priority": JobPriority.LOW, "cron": ""}, "cron"),
    ],
)
async def test_updates_that_are_refused(schedules: Schedules, changes: dict[str, Any], place: str) -> None:
    schedule = await schedules.create(given())
    with pytest.raises(InvalidInput) as refusal:
        await schedules.update(schedule.id, changes)
    assert refusal.value.field == place
    assert await schedules.all() == [schedule]


async def test_updates(schedules: Schedules) -> None:
    schedule = await schedules.create(given(timezone="Europe/Berlin"))
    changed = await schedules.update(
        schedule.id,
        {"payload": {"to": "b"}, "overlap": OverlapPolicy.SKIP, "misfire": MisfirePolicy.SKIP, "cron": "@hourly"},
    )
    assert (changed.payload_text, changed.overlap, changed.misfire) == (
        '{"to":"b"}',
        OverlapPolicy.SKIP,
        MisfirePolicy.SKIP,
    )
    assert (changed.name, changed.priority, changed.timezone) == ("nightly", JobPriority.MEDIUM, "Europe/Berlin")
    assert f"{changed.next_run_at:%H:%M}" == "16:00"
    assert await schedules.update(schedule.id, {}) == changed
    with pytest.raises(NotFound, match="999"):
        await schedules.update(999, {"cron": "@daily"})


async def test_next_runs_go_on_from_the_next_one(schedules: Schedules, store: Store) -> None:
    store.clock = FakeClock()
    schedule = await schedules.create(given(timezone="Europe/Berlin", cron="30 2 * * *"))
    runs = schedules.next_runs(schedule, 100)
    assert (len(runs), runs[0]) == (100, schedule.next_run_at)
    assert {later - earlier for earlier, later in itertools.pairwise(runs)} == {
        timedelta(days=1),
        timedelta(hours=23, minutes=30),  # to and from the day on which 03:00 stands for 02:30
    }
    paused = await schedules.pause(schedule.id)
    assert schedules.next_runs(paused, 3) == runs[:3]
    for first in (0, 101, -1):
        with pytest.raises(InvalidInput, match=f"first: {first} is not from 1 to 100"):
            schedules.next_runs(schedule, first)


async def test_a_trigger_takes_the_limits_of_the_task(schedules: Schedules) -> None:
    schedule = await schedules.create(given())
    job = await schedules.trigger(schedule.id)
    assert (job.max_attempts, job.timeout_seconds, job.schedule_id) == (5, 9.0, schedule.id)
