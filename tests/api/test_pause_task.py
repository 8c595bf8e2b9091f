"""Pausing tasks over HTTP: on every kind of database, and by one server for the workers of another."""

from __future__ import annotations

from typing import Any

import pytest
from client import Api, unique
from eventually import eventually
from launching import Launch
from processes import SAMPLE_TASKS

PAUSE = "mutation($name: String!) { pauseTask(name: $name) { task { name paused maxAttempts } } }"
RESUME = "mutation($name: String!) { resumeTask(name: $name) { task { name paused maxAttempts } } }"
QUEUED = "query($name: String!) { jobs(status: [QUEUED], taskName: $name) { totalCount nodes { id } } }"
HISTORY = "waitingFor attempt updatedAt events { from to at }"


async def is_known(api: Api, name: str) -> bool:
    return name in {task["name"] for task in (await api.data("{ tasks { name } }"))["tasks"]}


async def paused(api: Api) -> set[str]:
    return {task["name"] for task in (await api.data("{ tasks { name paused } }"))["tasks"] if task["paused"]}


async def test_a_paused_task_waits_and_a_resumed_one_runs(api: Api) -> None:
    await eventually(lambda: is_known(api, "talk"))
    for _ in range(2):
        answer = await api.data(PAUSE, name="talk")
        assert answer["pauseTask"]["task"] == {"name": "talk", "paused": True, "maxAttempts": 3}
    assert await paused(api) == {"talk"}
    held = await api.create("talk", priority="HIGH")
    await api.change("runJob", held["id"])
    doomed = await api.create("talk", run=True)
    other = await api.create(unique("other"), run=True)
    await api.job_in(other["id"], "COMPLETED")
    job = await api.job(held["id"], f"status {HISTORY}")
    assert (job["status"], job["waitingFor"], job["attempt"]) == ("QUEUED", "The task 'talk' is paused.", 0)
    assert job["updatedAt"] == job["events"][-1]["at"]
    listed = (await api.data(QUEUED, name="talk"))["jobs"]
    assert (listed["totalCount"], [each["id"] for each in listed["nodes"]]) == (2, [doomed["id"], held["id"]])
    assert (await api.change("cancelJob", doomed["id"]))["status"] == "CANCELLED"
    for _ in range(2):
        answer = await api.data(RESUME, name="talk")
        assert answer["resumeTask"]["task"] == {"name": "talk", "paused": False, "maxAttempts": 3}
    assert await paused(api) == set()
    job = await api.job_in(held["id"], "COMPLETED", fields=HISTORY)
    assert [(each["from"], each["to"]) for each in job["events"]] == [
        (None, "PENDING"),
        ("PENDING", "QUEUED"),
        ("QUEUED", "RUNNING"),
        ("RUNNING", "COMPLETED"),
    ]
    assert (await api.job(doomed["id"]))["status"] == "CANCELLED"


@pytest.mark.parametrize("mutation", [PAUSE, RESUME])
async def test_a_name_that_no_task_has(api: Api, mutation: str) -> None:
    for name in ("nobody", "", "TALK", "talk "):
        error = await api.error(mutation, name=name)
        assert error["code"] == "NOT_FOUND"
        assert repr(name) in error["message"]
        assert "worker" in error["message"]
    error = await api.error(mutation, name="x" * 256)
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", "name")
    assert await paused(api) == set()


async def test_a_worker_of_another_process(launch: Launch, api_of: Any, own_url: str) -> None:
    """It claims nothing of what was paused elsewhere, whether it was there before or starts anew, and then goes on."""
    settings = {"DATABASE_URL": own_url}
    tasks = ("--tasks", str(SAMPLE_TASKS))
    server = launch("serve", "--port", "0", "--no-worker", **settings)
    launch("worker", "--slots", "2", *tasks, **settings)
    api: Api = api_of(server)
    await eventually(lambda: is_known(api, "note"))
    await api.data(PAUSE, name="note")
    notes = server.folder / "notes"
    slow = [(await api.create("note", payload={"file": str(notes)}, run=True))["id"] for _ in range(3)]
    first = await api.create("in a thread", payload={"text": "a"}, run=True)
    await api.job_in(first["id"], "COMPLETED")
    worker = launch("worker", "--slots", "1", *tasks, **settings)
    second = await api.create("in a thread", payload={"text": "b"}, run=True)
    await api.job_in(second["id"], "COMPLETED")
    assert await paused(api) == {"note"}
    assert {(await api.job(job_id, HISTORY))["waitingFor"] for job_id in slow} == {"The task 'note' is paused."}
    assert not notes.exists()
    worker.kill()
    await api.data(RESUME, name="note")
    for job_id in slow:
        await api.job_in(job_id, "COMPLETED")
    await eventually(lambda: sorted(notes.read_text().split()) == slow)
