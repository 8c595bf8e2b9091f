"""Workers that take some tasks: each job is run by one that takes it, and people are told what it waits for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from client import Api
from eventually import eventually
from launching import Launch

TASKS = """
import os
from signalbox import task

@task("mail")
async def mail() -> int:
    return os.getpid()

@task("report")
async def report() -> int:
    return os.getpid()
"""
CREATE = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"
WAITS = "It waits for a worker that takes the task 'report'."


async def test_two_workers(launch: Launch, api_of: Any, own_url: str, tmp_path: Path) -> None:
    tasks = tmp_path / "own_tasks.py"
    tasks.write_text(TASKS)
    settings = {"DATABASE_URL": own_url}
    own = ["--tasks", str(tasks)]
    api: Api = api_of(launch("serve", "--port", "0", *own, "--only", "mail", **settings))

    async def create(task_name: str, count: int) -> list[str]:
        inputs = [{"taskName": task_name, "run": True}] * count
        return [job["id"] for job in (await api.data(CREATE, inputs=inputs))["createJobs"]["jobs"]]

    reports = await create("report", 30)
    mails = await create("mail", 30)
    of_mail = [await api.job_in(job_id, "COMPLETED", fields="result") for job_id in mails]

    async def is_told() -> bool:
        return bool((await api.job(reports[0], "waitingFor"))["waitingFor"] == WAITS)

    await eventually(is_told)
    launch("worker", *own, "--only", "report", **settings)
    of_report = [await api.job_in(job_id, "COMPLETED", fields="result") for job_id in reports]
    [first], [second] = {job["result"] for job in of_mail}, {job["result"] for job in of_report}
    assert first != second
    later = [await api.job_in(job_id, "COMPLETED", fields="result") for job_id in await create("report", 5)]
    assert {job["result"] for job in later} == {second}


async def test_a_worker_leaves_tasks_that_it_does_not_know(
    launch: Launch, api_of: Any, own_url: str, tmp_path: Path
) -> None:
    tasks = tmp_path / "own_tasks.py"
    tasks.write_text(TASKS)
    settings = {"DATABASE_URL": own_url}
    api: Api = api_of(launch("serve", "--port", "0", **settings))  # with a worker that knows neither
    launch("worker", "--tasks", str(tasks), **settings)

    async def create() -> list[str] | None:
        _status, answer = await api.post(CREATE, {"inputs": [{"taskName": "report", "run": True}] * 20})
        return [job["id"] for job in answer["data"]["createJobs"]["jobs"]] if answer.get("data") else None

    found: list[str] = []

    async def is_known() -> bool:
        found.extend(await create() or [])
        return bool(found)

    await eventually(is_known, timeout_seconds=20.0)
    jobs = [await api.job_in(job_id, "COMPLETED", fields="result") for job_id in found]
    assert len({job["result"] for job in jobs}) == 1
