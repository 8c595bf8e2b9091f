"""How the processes start and stop: signals, exit codes, the log, and what is refused before anything is served."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from client import Api
from eventually import eventually
from launching import Launch
from processes import SAMPLE_TASKS, ServerProcess

NAP = """mutation { createJob(input: {taskName: "nap", payload: {seconds: 30, started: "started"}, run: true}) {
  job { id } } }"""
BLOCKING_TASK = """
import pathlib, threading
from signalbox import task

@task("block")
def block():
    pathlib.Path("started").touch()
    threading.Event().wait(60)
"""
HISTORY = "status attempt startedAt finishedAt events { from to attempt }"
TASKS = ("--tasks", str(SAMPLE_TASKS))


async def napping(api: Api, process: ServerProcess) -> str:
    """The id of a job that is running and will be for long."""
    job_id: str = (await api.data(NAP))["createJob"]["job"]["id"]
    await eventually((process.folder / "started").exists)
    return job_id


async def test_sigterm_drains(launch: Launch, api_of: Any) -> None:
    """Running jobs get their grace and go back to QUEUED; open sockets are told to reconnect; the exit code is 0."""
    server = launch("serve", "--port", "0", "--grace", "0.5", *TASKS)
    api: Api = api_of(server)
    job_id = await napping(api, server)
    short = await api.create("nap", payload={"seconds": 0.2}, run=True)
    await api.job_in(short["id"], "RUNNING")
    async with api.socket() as socket_:
        server.signal(signal.SIGTERM)
        frame = await socket_.websocket.receive(10)
        assert (frame.type, frame.data) == (aiohttp.WSMsgType.CLOSE, 1012)
    assert await asyncio.to_thread(server.wait) == 0
    (server.folder / "started").unlink()

    again: Api = api_of(launch("serve", "--port", "0", "--no-worker", in_folder=server.folder))
    job = await again.job(job_id, HISTORY)
    assert (job["status"], job["attempt"], job["finishedAt"]) == ("QUEUED", 0, None)
    assert [(each["to"], each["attempt"]) for each in job["events"]] == [("QUEUED", 0), ("RUNNING", 1), ("QUEUED", 1)]
    assert (await again.job(short["id"]))["status"] == "COMPLETED"
    assert await again.workers(0) == []


@pytest.mark.parametrize("command", ["serve", "worker"])
async def test_a_second_signal_ends_the_grace(command: str, launch: Launch, api_of: Any) -> None:
    server = launch("serve", "--port", "0", *(TASKS if command == "serve" else ("--no-worker", *TASKS)))
    process = server if command == "serve" else launch("worker", *TASKS, in_folder=server.folder)
    job_id = await napping(api_of(server), server)
    process.signal(signal.SIGTERM)
    assert (await asyncio.to_thread(process.wait_for, "worker.draining"))["running"] == 1
    process.signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 10) == 0
    if command == "worker":
        assert (await api_of(server).job(job_id))["status"] == "QUEUED"


@pytest.mark.parametrize("command", ["serve", "worker"])
async def test_any_number_of_signals_end_it_once(command: str, launch: Launch) -> None:
    """Also those that come when all is done and the interpreter is about to end."""
    process = launch(*(("serve", "--port", "0") if command == "serve" else ("worker",)))

    def signal_until_it_ends() -> int:
        while process.is_running:
            with contextlib.suppress(ProcessLookupError):
                process.signal(signal.SIGTERM)
            time.sleep(0.002)
        return process.wait(10)

    assert await asyncio.to_thread(signal_until_it_ends) == 0


async def test_a_task_in_a_thread_does_not_hold_up_the_end(launch: Launch, api_of: Any, tmp_path: Path) -> None:
    """A thread cannot be interrupted: its job goes back, and the process ends all the same."""
    (tmp_path / "blocking.py").write_text(BLOCKING_TASK)
    server = launch("serve", "--port", "0", "--grace", "0.2", "--tasks", str(tmp_path / "blocking.py"))
    job = await api_of(server).create("block", run=True)
    await eventually((server.folder / "started").exists)
    server.signal(signal.SIGTERM)
    assert await asyncio.to_thread(server.wait, 10) == 0
    again: Api = api_of(launch("serve", "--port", "0", "--no-worker", in_folder=server.folder))
    assert (await again.job(job["id"]))["status"] == "QUEUED"


async def test_ctrl_c(launch: Launch) -> None:
    server, worker = launch(is_ready=False), launch("worker", is_ready=False)
    for process in (server, worker):
        process.await_ready()
        process.signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait) == 0


def test_a_port_that_is_taken(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = launch("serve", "--port", str(taken.getsockname()[1]), is_ready=False)
        assert server.wait() == 1
    assert "address already in use" in server.log
    assert "Traceback" not in server.log
    server.was_killed = True  # so that the end that was looked at here is not looked at again


async def test_paths(launch: Launch, api_of: Any) -> None:
    """What is served beside GraphQL, and under which path, behind a proxy that strips its prefix."""
    server = launch("serve", "--port", "0", SIGNALBOX_ROOT_PATH="/scheduler/")
    api: Api = api_of(server)
    assert server.ready["url"] == f"{server.url}/scheduler/graphql"
    assert await api.get("/healthz") == (200, {"status": "alive"})
    assert await api.get("/readyz") == (200, {"status": "ready"})
    async with api.session.get(f"{api.base}/metrics") as response:
        assert (response.status, response.content_type) == (200, "text/plain")
        assert "process_cpu_seconds_total" in await response.text()
    for path, base in (("/", "./"), ("/jobs", "./"), ("/jobs/7", "../"), ("/schedules", "./")):
        async with api.session.get(f"{api.base}{path}") as response:
            assert (response.status, response.content_type) == (200, "text/html")
            assert "unsafe" not in response.headers["content-security-policy"]
            assert f'<base href="{base}" />' in await response.text()
    async with api.session.get(api.url, headers={"accept": "text/html"}) as response:
        assert response.content_type == "text/html"
        assert "script-src" not in response.headers["content-security-policy"]
        page = await response.text()
    assert "http://" not in page
    assert "https://" not in page
    async with api.session.get(f"{api.base}/webhook-test") as response:
        assert response.status == 404
    async with api.session.get(f"{api.base}/static/graphiql/../../pyproject.toml") as response:
        assert response.status == 404


async def test_the_log_is_json(launch: Launch, api_of: Any) -> None:
    server = launch()
    api: Api = api_of(server)
    await api.data("{ version }")
    server.check_its_end()
    records = server.records()
    assert all({"event", "level", "logger", "timestamp"} <= set(record) for record in records)
    migrated = next(record for record in records if record["event"] == "database.migrated")
    assert migrated["migrations"][0] == "0001_initial"
    assert {"version", "url", "database", "slots", "tasks"} <= set(server.ready)


async def test_an_env_file(launch: Launch, tmp_path: Path) -> None:
    """``.env`` of the working directory is read; the environment goes first."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".env").write_text("DATABASE_URL=sqlite://of-the-file.db\nSIGNALBOX_WEBHOOK_TEST=true\nUNRELATED=1\n")
    server = launch("serve", "--port", "0", in_folder=home, SIGNALBOX_WEBHOOK_TEST="false")
    assert (home / "of-the-file.db").exists()
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/webhook-test") as response,
    ):
        assert response.status == 404


@pytest.fixture
def empty_mariadb(request: pytest.FixtureRequest) -> str:
    """The URL of a MariaDB database without any table."""
    url: str = request.getfixturevalue("servers").get("mariadb").create(is_migrated=False)
    return url


@pytest.mark.mariadb
async def test_mysql_is_migrated_when_told_to(empty_mariadb: str, launch: Launch, api_of: Any) -> None:
    """``serve`` and ``worker`` do not begin on tables that are not theirs; they say what to run."""
    for command in (("serve", "--port", "0"), ("worker",)):
        process = launch(*command, is_ready=False, DATABASE_URL=empty_mariadb)
        assert await asyncio.to_thread(process.wait) == 1
        assert len(process.lines) == 1
        assert "run `signalbox migrate`" in process.lines[0]
        process.was_killed = True
    told = launch("serve", "--port", "0", "--migrate", DATABASE_URL=empty_mariadb)
    assert told.records()[0]["event"] == "database.migrated"

    api: Api = api_of(told)
    assert await api.get("/readyz") == (200, {"status": "ready"})
    assert (await api.create("simulate"))["status"] == "PENDING"
