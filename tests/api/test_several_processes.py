"""``serve --processes N``: servers that share a port, are started again when they die, and end together."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable
from typing import Any

from client import Api
from eventually import eventually
from launching import Launch
from processes import SAMPLE_TASKS, ServerProcess

from server.processes import own_command

WORKERS = "{ workers { id slots } }"


def pids(server: ServerProcess, since: int = 0) -> list[int]:
    """The processes that it has started."""
    return [each["pid"] for each in server.records(since) if each.get("event") == "processes.started"]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def _is(wanted: object, asked: Awaitable[object]) -> bool:
    return await asked == wanted


async def ready(server: ServerProcess, count: int) -> None:
    await eventually(
        lambda: len([each for each in server.records() if each.get("event") == "signalbox.ready"]) >= count,
        timeout_seconds=30,
    )


async def test_they_share_a_port_and_the_work(launch: Launch, api_of: Any) -> None:
    server = launch("serve", "--port", "0", "--processes", "3", "--slots", "2", "--tasks", str(SAMPLE_TASKS))
    await ready(server, 3)
    api: Api = api_of(server)
    assert {each["url"] for each in server.records() if each.get("event") == "signalbox.ready"} == {server.ready["url"]}

    async def slots() -> list[int]:
        return [each["slots"] for each in (await api.data(WORKERS))["workers"]]

    await eventually(lambda: _is([2, 2, 2], slots()))
    jobs = [await api.create("nap", payload={"seconds": 0.01}, run=True) for _ in range(12)]
    for job in jobs:
        await api.job_in(job["id"], "COMPLETED")
    started = pids(server)
    server.signal(signal.SIGTERM)
    assert await asyncio.to_thread(server.wait) == 0
    assert not any(map(is_alive, started))


async def test_one_that_is_killed_is_started_again(launch: Launch, api_of: Any) -> None:
    server = launch("serve", "--port", "0", "--processes", "2", "--tasks", str(SAMPLE_TASKS))
    await ready(server, 2)
    api: Api = api_of(server)
    known = len(server.lines)
    [first, _second] = pids(server)
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: len(pids(server, known)) == 1, timeout_seconds=20)
    died = server.wait_for("processes.died", since=known)
    assert (died["code"], died["process"]) == (-9, 1)
    await ready(server, 3)
    for _ in range(8):
        job = await api.create("nap", payload={"seconds": 0}, run=True)
        await api.job_in(job["id"], "COMPLETED")


async def test_a_second_signal_ends_the_grace_of_each(launch: Launch, api_of: Any) -> None:
    server = launch(
        "serve", "--port", "0", "--processes", "2", "--slots", "1", "--grace", "60", "--tasks", str(SAMPLE_TASKS)
    )
    await ready(server, 2)
    api: Api = api_of(server)
    jobs = [await api.create("nap", payload={"seconds": 60}, run=True) for _ in range(2)]
    for job in jobs:
        await api.job_in(job["id"], "RUNNING")
    server.signal(signal.SIGINT)
    await eventually(lambda: server.log.count("worker.draining") == 2)
    server.signal(signal.SIGINT)
    assert await asyncio.to_thread(server.wait, 20) == 0


def test_a_port_that_is_taken(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        server = launch("serve", "--port", port, "--processes", "2", is_ready=False)
        assert server.wait() == 1
        assert f"127.0.0.1:{port} cannot be listened on" in server.log
    server.was_killed = True  # its code is no 0


def test_what_fails_in_each_ends_all(launch: Launch) -> None:
    """A setting that no process can start with is told once, not again and again."""
    server = launch(
        "serve",
        "--port",
        "0",
        "--processes",
        "2",
        is_ready=False,
        DATABASE_URL="mysql://nobody@127.0.0.1:1/none",
        SIGNALBOX_SECRET_KEY="short",
    )
    assert server.wait() == 1
    server.was_killed = True


def test_the_command_of_each(monkeypatch: Any) -> None:
    monkeypatch.setattr(
        "sys.argv", ["signalbox", "serve", "--processes", "4", "--slots=3", "--processes=2", "--grace", "1"]
    )
    assert own_command("--processes")[2:] == ["server.cli", "serve", "--slots=3", "--grace", "1"]
