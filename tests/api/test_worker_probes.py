"""What a worker tells those who watch over it, at a port of its own."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import Any

import aiohttp
from client import Api
from eventually import eventually
from launching import Launch
from processes import SAMPLE_TASKS, ServerProcess, free_port
from scraping import scrape

FIRST_SECONDS = 30.0


async def test_a_worker_tells_how_it_is(launch: Launch, api_of: Any, session: aiohttp.ClientSession) -> None:
    server = launch("serve", "--port", "0", "--no-worker")
    arguments = ("worker", "--slots", "3", "--metrics-port", "0", "--tasks", str(SAMPLE_TASKS))
    worker = launch(*arguments, in_folder=server.folder)
    assert worker.ready["url"] == f"{worker.url}/metrics"
    api, probes = api_of(server), Api(session, worker.url)
    job = await api.create("simulate", payload={"seconds": 0}, run=True)
    await api.job_in(job["id"], "COMPLETED", timeout_seconds=FIRST_SECONDS)

    assert await probes.get("/healthz") == (200, {"status": "alive"})
    assert await probes.get("/readyz") == (200, {"status": "ready"})
    found = await scrape(probes)
    assert found["signalbox_worker_slots"] == 3
    assert found["signalbox_attempts_total task=simulate to=COMPLETED"] == 1
    assert found["signalbox_jobs status=QUEUED"] == 0
    assert found["signalbox_loop_up loop=worker"] == found["signalbox_loop_up loop=heartbeat"] == 1
    assert not {name for name in found if "websocket" in name or "subscriber" in name or "event_lag" in name}
    for path in ("/graphql", "/", "/webhook-test"):
        async with session.get(f"{worker.url}{path}") as response:
            assert response.status == 404
    assert (await scrape(api))["signalbox_websockets"] == 0, "a server's metrics are what they were"


async def test_it_can_be_watched_while_it_drains(launch: Launch, api_of: Any, session: aiohttp.ClientSession) -> None:
    server = launch("serve", "--port", "0", "--no-worker")
    worker = launch("worker", "--metrics-port", "0", in_folder=server.folder)
    api, probes = api_of(server), Api(session, worker.url)
    job = await api.create("simulate", payload={"seconds": 2}, run=True)
    await api.job_in(job["id"], "RUNNING", timeout_seconds=FIRST_SECONDS)
    worker.signal(signal.SIGTERM)
    await asyncio.to_thread(worker.wait_for, "worker.draining")
    assert (await scrape(probes))["signalbox_worker_running"] == 1
    status, told = await probes.get("/readyz")
    assert (status, told["problems"]) == (503, {"worker": "the loop has ended"})

    async def is_refused() -> bool:
        """Asked until the very end, it neither answers with an error of ours nor stays for those who ask."""
        try:
            async with session.get(f"{worker.url}/metrics") as response:
                assert response.status == 200
        except aiohttp.ClientError:
            return True
        return False

    await eventually(is_refused, timeout_seconds=FIRST_SECONDS)
    assert await asyncio.to_thread(worker.wait) == 0
    assert (await api.job(job["id"]))["status"] == "COMPLETED"


def test_a_port_that_is_taken(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        worker = launch("worker", "--metrics-port", port, is_ready=False)
        assert worker.wait() == 1
    last = worker.lines[-1]
    assert last.startswith(f"signalbox: The metrics cannot be served at 127.0.0.1, port {port}: Address already in use")
    assert "--metrics-port" in last
    assert "Traceback" not in worker.log
    worker.was_killed = True  # so that the end that was looked at here is not looked at again


async def test_an_address_that_is_not_here(launch: Launch) -> None:
    worker = launch("worker", "--metrics-port", "0", "--metrics-host", "192.0.2.1", is_ready=False)
    assert worker.wait() == 1
    assert "at 192.0.2.1, port 0: Cannot assign requested address" in worker.lines[-1]
    worker.was_killed = True


async def test_the_settings(launch: Launch, session: aiohttp.ClientSession) -> None:
    """They are for workers: a server with the same environment serves its own, and takes no further port."""
    port = free_port()
    settings = {"SIGNALBOX_METRICS_PORT": str(port), "SIGNALBOX_METRICS_HOST": "::1"}
    worker = launch("worker", **settings)
    assert worker.url == f"http://[::1]:{port}"
    assert await Api(session, worker.url).get("/healthz") == (200, {"status": "alive"})
    server = launch("serve", "--port", "0", "--no-worker", **settings)
    assert await Api(session, server.url).get("/healthz") == (200, {"status": "alive"})


def test_none_without_a_port(launch: Launch) -> None:
    worker: ServerProcess = launch("worker", SIGNALBOX_METRICS_PORT="")
    assert "url" not in worker.ready
