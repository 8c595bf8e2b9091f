"""``kill -9`` of the server at random while jobs complete: every delivery reaches its end, under one id.

A small form runs always; the whole one, of 5,000 completions, for those who ask with -m faults.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.web
import pytest
from processes import ServerProcess, free_port

CREATE = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"
ENDPOINT = "mutation($url: String!) { createWebhookEndpoint(input: {url: $url}) { endpoint { id } } }"
WAITING = (
    "SELECT (SELECT COUNT(*) FROM jobs WHERE status='COMPLETED'), "
    "(SELECT COUNT(*) FROM webhook_delivery WHERE status='PENDING')"
)


class Receivers:
    """One that answers, and one that is slow; the third is a port that nobody listens on."""

    def __init__(self) -> None:
        self.bodies: dict[str, dict[str, set[bytes]]] = {"quick": defaultdict(set), "slow": defaultdict(set)}
        self._runner = aiohttp.web.ServerRunner(aiohttp.web.Server(self._answer))

    async def _answer(self, request: aiohttp.web.BaseRequest) -> aiohttp.web.Response:
        name = request.path.strip("/")
        body = await request.read()
        if name == "slow":
            await asyncio.sleep(0.05)
        self.bodies[name][request.headers["webhook-id"]].add(body)
        return aiohttp.web.Response()

    async def __aenter__(self) -> str:
        await self._runner.setup()
        await aiohttp.web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


def query(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path, timeout=30)) as file:
        return file.execute(sql).fetchall()


async def create(url: str, count: int) -> None:
    for start in range(0, count, 250):
        inputs = [{"taskName": "simulate", "payload": {"seconds": 0}, "run": True}] * min(250, count - start)
        await ask(url, CREATE, inputs=inputs)


async def ask(base: str, text: str, **variables: Any) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{base}/graphql", json={"query": text, "variables": variables}) as response,
    ):
        answer = await response.json()
        assert "errors" not in answer, answer


@pytest.mark.parametrize(
    ("jobs", "kills"), [(150, 2), pytest.param(5000, 12, marks=[pytest.mark.faults, pytest.mark.slow])]
)
async def test_every_delivery_reaches_its_end(tmp_path: Path, jobs: int, kills: int) -> None:
    chance = random.Random(20260205)
    receivers = Receivers()
    settings = {
        "DATABASE_URL": f"sqlite://{tmp_path}/signalbox.db",
        "SIGNALBOX_UNKNOWN_TASK": "simulate",
        "SIGNALBOX_WEBHOOK_ALLOW": "127.0.0.1",
        "SIGNALBOX_WEBHOOK_RETRIES": "0.5s,1s",
    }
    database = tmp_path / "signalbox.db"
    port = free_port()
    server = ServerProcess(tmp_path, ["serve", "--port", str(port), "--grace", "2"], settings)
    async with receivers as base:
        await asyncio.to_thread(server.start)
        try:
            for address in (f"{base}/quick", f"{base}/slow", f"http://127.0.0.1:{free_port()}/dead"):
                await ask(server.url, ENDPOINT, url=address)
            await create(server.url, jobs)
            for _ in range(kills):
                await asyncio.sleep(chance.uniform(0.2, 1.5))
                server.kill()
                await asyncio.to_thread(server.start)
            async with asyncio.timeout(60 + jobs / 20):
                while query(database, WAITING) != [(jobs, 0)]:  # noqa: ASYNC110 - another process ends it
                    await asyncio.sleep(0.3)
        finally:
            server.stop()
    rows = query(
        database,
        "SELECT jobs.id, message_id, url, body, webhook_delivery.status FROM jobs "
        "LEFT JOIN webhook_delivery ON job_id=jobs.id",
    )
    assert len(rows) == 3 * jobs  # no completed job without its deliveries, and none with one too many
    assert len({message_id for _job, message_id, *_ in rows}) == 3 * jobs
    for _job, message_id, url, body, status in rows:
        name = url.rpartition("/")[2]
        assert status == ("FAILED" if name == "dead" else "DELIVERED"), url
        if name != "dead":
            assert receivers.bodies[name].pop(message_id) == {body}
    assert receivers.bodies == {"quick": {}, "slow": {}}  # nothing came under an id that is not on record
