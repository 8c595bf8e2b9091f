"""Schedules over HTTP, on every kind of database: what each field answers, changes and refuses; and that they fire."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from client import Api, unique
from eventually import eventually
from launching import Launch
from processes import SAMPLE_TASKS

from engine.store.database import to_text
from engine.store.store import Store, database_for
from models.connection import DatabaseURL

ALL = (
    """id name taskName payload priority cron timezone overlap misfire paused nextRunAt lastRunAt nextRuns createdAt"""
)
CREATE = "mutation($input: CreateScheduleInput!) { createSchedule(input: $input) { schedule { %s } } }"
UPDATE = "mutation($input: UpdateScheduleInput!) { updateSchedule(input: $input) { schedule { %s } } }"
SCHEDULE = "query($id: ID!) { schedule(id: $id) { %s } }"
TRIGGER = "mutation($id: ID!) { triggerSchedule(id: $id) { job { id status schedule { id name } } } }"
DELETE = "mutation($id: ID!) { deleteSchedule(id: $id) { id } }"
FIRED = '{ jobs(taskName: "firing time") { nodes { id status result schedule { id } } } }'


async def create(api: Api, fields: str = ALL, **given: Any) -> dict[str, Any]:
    given = {"name": unique("schedule"), "taskName": "simulate", "cron": "0 3 * * *"} | given
    schedule: dict[str, Any] = (await api.data(CREATE % fields, input=given))["createSchedule"]["schedule"]
    return schedule


async def get(api: Api, schedule_id: str, fields: str = ALL) -> dict[str, Any] | None:
    schedule: dict[str, Any] | None = (await api.data(SCHEDULE % fields, id=schedule_id))["schedule"]
    return schedule


async def change(api: Api, mutation: str, schedule_id: str) -> dict[str, Any]:
    query = f"mutation($id: ID!) {{ {mutation}(id: $id) {{ schedule {{ {ALL} }} }} }}"
    schedule: dict[str, Any] = (await api.data(query, id=schedule_id))[mutation]["schedule"]
    return schedule


async def test_create_takes_every_argument(api: Api) -> None:
    given = {
        "name": unique("ärger"),
        "taskName": "simulate",
        "payload": {"a": [1, None]},
        "priority": "HIGH",
        "cron": "30 2 * * 1-5",
        "timezone": "Europe/Berlin",
        "overlap": "SKIP",
        "misfire": "RUN_ALL",
    }
    schedule = await create(api, **given)
    assert {name: schedule[name] for name in given} == given
    assert await get(api, schedule["id"], "payloadText") == {"payloadText": '{"a":[1,null]}'}
    assert (schedule["paused"], schedule["lastRunAt"]) == (False, None)
    assert (len(schedule["nextRuns"]), schedule["nextRuns"][0]) == (5, schedule["nextRunAt"])
    assert await get(api, schedule["id"]) == schedule
    listed = (await api.data(f"{{ schedules {{ {ALL} }} }}"))["schedules"]
    assert schedule in listed


async def test_what_is_not_given(api: Api) -> None:
    schedule = await create(api, cron="@daily")
    assert (schedule["payload"], schedule["priority"], schedule["timezone"]) == (None, "MEDIUM", "UTC")
    assert (schedule["overlap"], schedule["misfire"]) == ("ALLOW", "RUN_ONCE")
    assert schedule["nextRunAt"].endswith("T00:00:00.000Z")


async def test_next_runs(api: Api) -> None:
    schedule = await create(api, f"{ALL} some: nextRuns(first: 100) five: nextRuns(first: null)")
    days = [datetime.fromisoformat(each) for each in schedule["some"]]
    assert days == [days[0] + timedelta(days=n) for n in range(100)]
    assert schedule["five"] == schedule["some"][:5]
    for first in (0, 101):
        for field in (f"nextRuns(first: {first})", f"lastFirings(first: {first}) {{ at }}"):
            error = await api.error(SCHEDULE % field, id=schedule["id"])
            assert (error["code"], error["field"]) == ("BAD_USER_INPUT", "first")


async def test_a_rule_is_previewed(sqlite_api: Api) -> None:
    query = 'query($cron: String!, $zone: String! = "UTC") { nextRuns(cron: $cron, timezone: $zone, first: 3) }'
    days = [datetime.fromisoformat(each) for each in (await sqlite_api.data(query, cron="30 2 * * *"))["nextRuns"]]
    assert [(each.hour, each.minute) for each in days] == [(2, 30)] * 3
    assert [each - days[0] for each in days] == [timedelta(days=n) for n in range(3)]
    [there, *_] = (await sqlite_api.data(query, cron="30 2 * * *", zone="Asia/Kolkata"))["nextRuns"]
    assert there[11:16] == "21:00"
    for given, field in (({"cron": "* * *"}, "cron"), ({"cron": "@daily", "zone": "Mars/Olympus"}, "timezone")):
        error = await sqlite_api.error(query, **given)
        assert (error["code"], error["field"]) == ("BAD_USER_INPUT", field)
    error = await sqlite_api.error('{ nextRuns(cron: "@daily", first: 101) }')
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", "first")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"taskName": ""}, "taskName"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"cron": "60 * * * *"}, "cron"),
        ({"cron": "* * * * * *"}, "cron"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"taskName": "nap", "payload": {"seconds": "long"}}, "payload.seconds"),
    ],
)
async def test_refusals(sqlite_api: Api, given: dict[str, Any], field: str) -> None:
    name = unique("refused")
    wanted = {"name": name, "taskName": "simulate", "cron": "@daily"} | given
    error = await sqlite_api.error(CREATE % "id", input=wanted)
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", field)
    assert name not in [each["name"] for each in (await sqlite_api.data("{ schedules { name } }"))["schedules"]]


async def test_a_name_is_taken(api: Api) -> None:
    schedule = await create(api)
    wanted = {"name": schedule["name"], "taskName": "simulate", "cron": "@daily"}
    error = await api.error(CREATE % "id", input=wanted)
    assert error["code"] == "CONFLICT"
    assert f"schedule {schedule['id']}" in error["message"]


async def test_an_update_changes_what_it_names(api: Api) -> None:
    schedule = await create(api, payload={"a": 1}, priority="HIGH")

    async def update(**given: Any) -> dict[str, Any]:
        answer = await api.data(UPDATE % ALL, input={"id": schedule["id"], **given})
        updated: dict[str, Any] = answer["updateSchedule"]["schedule"]
        return updated

    assert await update() == schedule
    assert await update(priority="LOW") == schedule | {"priority": "LOW"}
    assert await update(payload=None) == schedule | {"priority": "LOW", "payload": None}
    moved = await update(cron="@hourly", timezone="Asia/Kolkata", overlap="SKIP", misfire="SKIP")
    assert moved["nextRunAt"][14:16] == "30"
    assert (moved["overlap"], moved["misfire"]) == ("SKIP", "SKIP")
    assert await get(api, schedule["id"]) == moved
    for field in ("priority", "cron", "timezone", "overlap", "misfire"):
        error = await api.error(UPDATE % "id", input={"id": schedule["id"], field: None})
        assert (error["code"], error["field"]) == ("BAD_USER_INPUT", field)
    error = await api.error(UPDATE % "id", input={"id": schedule["id"], "cron": "@never", "priority": "HIGH"})
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", "cron")
    assert await get(api, schedule["id"]) == moved


async def test_pause_and_resume(api: Api) -> None:
    schedule = await create(api)
    paused = await change(api, "pauseSchedule", schedule["id"])
    assert paused == schedule | {"paused": True, "nextRunAt": None}
    assert await change(api, "pauseSchedule", schedule["id"]) == paused
    assert await change(api, "resumeSchedule", schedule["id"]) == schedule


async def test_trigger_and_delete(api: Api) -> None:
    schedule = await create(api)
    job = (await api.data(TRIGGER, id=schedule["id"]))["triggerSchedule"]["job"]
    assert job["schedule"] == {"id": schedule["id"], "name": schedule["name"]}
    await api.job_in(job["id"], "COMPLETED")
    after = await get(api, schedule["id"])
    assert after is not None
    assert after["lastRunAt"] is not None
    assert after["nextRunAt"] == schedule["nextRunAt"]
    assert await get(api, schedule["id"], "lastFirings { at }") == {"lastFirings": []}
    assert (await api.data(DELETE, id=schedule["id"]))["deleteSchedule"] == {"id": schedule["id"]}
    assert await get(api, schedule["id"]) is None
    assert (await api.job(job["id"], "status schedule { id }")) == {"status": "COMPLETED", "schedule": None}


async def test_schedules_that_are_not_there(api: Api) -> None:
    assert await get(api, "999999999") is None
    assert await get(api, "9" * 30) is None
    for mutation in ("pauseSchedule", "resumeSchedule"):
        query = f"mutation($id: ID!) {{ {mutation}(id: $id) {{ schedule {{ id }} }} }}"
        assert (await api.error(query, id="999999999"))["code"] == "NOT_FOUND"
    assert (await api.error(TRIGGER, id="999999999"))["code"] == "NOT_FOUND"
    assert (await api.error(DELETE, id="999999999"))["code"] == "NOT_FOUND"
    assert (await api.error(UPDATE % "id", input={"id": "999999999"}))["code"] == "NOT_FOUND"
    error = await api.error(DELETE, id="x")
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", "id")


async def test_of_several_processes_one_fires_and_the_task_knows_when(
    launch: Launch, api_of: Any, own_url: str
) -> None:
    server = launch("serve", "--port", "0", "--tasks", str(SAMPLE_TASKS), DATABASE_URL=own_url)
    launch("worker", "--tasks", str(SAMPLE_TASKS), DATABASE_URL=own_url)
    api: Api = api_of(server)
    schedule = await create(api, taskName="firing time", cron="* * * * *")
    fire_at = datetime.fromisoformat(schedule["nextRunAt"]) - timedelta(minutes=1)
    store = Store(database_for(DatabaseURL.parse(own_url)))
    await store.open()
    async with store.database.transaction() as transaction:
        await transaction.execute(f"UPDATE schedule SET next_run_at='{to_text(fire_at)}' WHERE id={schedule['id']}")
    await store.close()

    async def finished() -> list[dict[str, Any]] | None:
        jobs: list[dict[str, Any]] = (await api.data(FIRED))["jobs"]["nodes"]
        return jobs if jobs and jobs[-1]["status"] == "COMPLETED" else None

    jobs = await eventually(finished, timeout_seconds=20.0)
    assert jobs[-1]["result"] == fire_at.isoformat()
    assert jobs[-1]["schedule"] == {"id": schedule["id"]}
    assert len(jobs) <= 2  # the next minute may have begun
    after = await get(api, schedule["id"])
    assert after is not None
    assert datetime.fromisoformat(after["lastRunAt"]) >= fire_at
    fired = "lastFirings { at job { id status } } one: lastFirings(first: 1) { at }"
    listed = (await api.data(f"{{ schedules {{ id {fired} }} }}"))["schedules"]
    [told] = [each for each in listed if each["id"] == schedule["id"]]
    assert datetime.fromisoformat(told["lastFirings"][-1]["at"]) == fire_at
    assert told["lastFirings"][-1]["job"] == {"id": jobs[-1]["id"], "status": "COMPLETED"}
    assert [each["at"] for each in told["one"]] == [told["lastFirings"][0]["at"]]
