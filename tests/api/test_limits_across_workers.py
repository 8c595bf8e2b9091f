"""Limits of a task hold over the workers of several processes, and people are told what waits for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from client import Api
from eventually import eventually
from launching import Launch

TASKS = """
import asyncio, os
from signalbox import task

@task("guarded", max_concurrency=3, max_concurrency_per_key=1, rate_limit="1000/s")
async def guarded(folder: str, name: str) -> int:
    # how many are in there with this one
    place = os.path.join(folder, name)
    open(place, "x").close()
    found = len(os.listdir(folder))
    while not os.path.exists(folder + " is open"):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.02)
    os.remove(place)
    return found
"""
LIMITS = "{ tasks { name maxConcurrency maxConcurrencyPerKey rateLimit } }"
CREATE = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"


def open_up(folder: Path) -> None:
    """Let those end that are in there."""
    Path(f"{folder} is open").touch()


async def test_two_workers(launch: Launch, api_of: Any, own_url: str, tmp_path: Path) -> None:
    tasks = tmp_path / "guarded_tasks.py"
    tasks.write_text(TASKS)
    inside = tmp_path / "inside"
    inside.mkdir()
    settings = {"DATABASE_URL": own_url}
    api: Api = api_of(launch("serve", "--port", "0", "--no-worker", **settings))
    for _ in range(2):
        launch("worker", "--slots", "10", "--tasks", str(tasks), **settings)

    async def limits() -> Any:
        found = [task for task in (await api.data(LIMITS))["tasks"] if task["name"] == "guarded"]
        return found[0] if found else None

    await eventually(limits, timeout_seconds=20.0)
    assert await limits() == {"name": "guarded", "maxConcurrency": 3, "maxConcurrencyPerKey": 1, "rateLimit": "1000/s"}
    inputs = [
        {
            "taskName": "guarded",
            "payload": {"folder": str(inside), "name": str(number)},
            "concurrencyKey": f"tenant {number % 5}",
            "run": True,
        }
        for number in range(60)
    ]
    ids = [job["id"] for job in (await api.data(CREATE, inputs=inputs))["createJobs"]["jobs"]]

    async def is_told() -> bool:
        return "may run at once" in ((await api.job(ids[-1], "waitingFor"))["waitingFor"] or "")

    await eventually(is_told, timeout_seconds=20.0)
    open_up(inside)
    jobs = [await api.job_in(job_id, "COMPLETED", fields="result attempt") for job_id in ids]
    assert {job["attempt"] for job in jobs} == {1}
    assert max(job["result"] for job in jobs) <= 3
