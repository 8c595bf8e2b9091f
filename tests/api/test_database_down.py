"""The database is down at the start, or goes away while jobs run: clients are told, nothing is lost or done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from client import Api, unique
from eventually import eventually
from launching import Launch
from private_servers import PrivateMariaDB
from processes import SAMPLE_TASKS
from requirements import Missing, give_up

CREATE_ALL = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"
RUN = "mutation { runJob(id: 1) { job { status } } }"
CREATE = 'mutation { createJob(input: {taskName: "nap", payload: {seconds: 0}, run: true}) { job { id } } }'
WELL_AGAIN_SECONDS = 5.0
pytestmark = pytest.mark.mariadb


@pytest.fixture
def mariadb(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[PrivateMariaDB]:
    try:
        database = PrivateMariaDB(tmp_path)
    except Missing as missing:
        give_up(pytestconfig, "MariaDB", str(missing))
    database.start()
    try:
        database.make_database()
        yield database
    finally:
        database.stop()


async def seconds_until_well(api: Api) -> float:
    """How long until it is ready, takes a job and runs it."""
    clock = asyncio.get_running_loop().time
    began = clock()

    async def is_ready() -> bool:
        return (await api.get("/readyz"))[0] == 200

    async def created() -> Any:
        _status, answer = await api.post(CREATE)
        return answer["data"]

    await eventually(is_ready, timeout_seconds=20)
    job = (await eventually(created, timeout_seconds=20))["createJob"]["job"]
    await api.job_in(job["id"], "COMPLETED", timeout_seconds=20)
    return clock() - began


async def assert_unavailable(api: Api) -> None:
    """Every kind of operation says so, in time; the process is alive and not ready."""
    async with asyncio.timeout(8):
        refusals = await asyncio.gather(
            *(api.error(query) for query in (CREATE, RUN, "{ jobs { totalCount } }", "{ jobStats { total } }"))
        )
    assert {refusal["code"] for refusal in refusals} == {"UNAVAILABLE"}
    status, readiness = await api.get("/readyz")
    assert status == 503
    assert "database" in readiness["problems"]
    assert (await api.get("/healthz"))[0] == 200


async def test_down_at_the_start(mariadb: PrivateMariaDB, launch: Launch, api_of: Any) -> None:
    mariadb.stop()
    server = launch("serve", "--port", "0", "--tasks", str(SAMPLE_TASKS), DATABASE_URL=mariadb.url)
    api: Api = api_of(server)
    await assert_unavailable(api)
    async with api.watch() as early:
        assert (await early.refusal())["code"] == "UNAVAILABLE"
    mariadb.start()
    assert await seconds_until_well(api) < WELL_AGAIN_SECONDS
    assert server.records()[-1]["level"] == "info"


async def test_gone_while_jobs_run(mariadb: PrivateMariaDB, launch: Launch, api_of: Any, tmp_path: Path) -> None:
    """Killed twice in the middle of 400 jobs. Each is run to its end once, and its subscriber sees its whole life."""
    server = launch("serve", "--port", "0", "--tasks", str(SAMPLE_TASKS), DATABASE_URL=mariadb.url)
    api: Api = api_of(server)
    tag, notes = unique("outage"), tmp_path / "notes"
    payload = {"file": str(notes), "seconds": 0.03}
    inputs = [{"taskName": "note", "payload": payload, "tags": [tag], "run": True}] * 400

    def done() -> int:
        return notes.read_text().count("\n") if notes.exists() else 0

    async with api.watch(after="0", tag=tag) as stream:
        jobs = (await api.data(CREATE_ALL, inputs=inputs))["createJobs"]["jobs"]
        await eventually(lambda: done() >= 100)
        mariadb.kill()
        await assert_unavailable(api)
        mariadb.start()
        assert await seconds_until_well(api) < WELL_AGAIN_SECONDS
        await eventually(lambda: done() >= 200)
        mariadb.kill()
        mariadb.start()
        assert await seconds_until_well(api) < WELL_AGAIN_SECONDS
        for job in jobs:
            await api.job_in(job["id"], "COMPLETED", timeout_seconds=20)
        changes = [await stream.next() for _ in range(1200)]
    assert sorted(notes.read_text().split(), key=int) == [job["id"] for job in jobs]
    cursors = [int(change["cursor"]) for change in changes]
    assert cursors == sorted(set(cursors))
    lives: dict[str, list[str]] = {}
    for change in changes:
        lives.setdefault(change["job"]["id"], []).append(change["to"])
    assert lives == {job["id"]: ["QUEUED", "RUNNING", "COMPLETED"] for job in jobs}
