"""The examples, run by a server as users run them: real mail, the server's own API, a real HTTP API."""

from __future__ import annotations

import asyncio
import csv
import email.policy
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from email import message_from_bytes
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session
from eventually import eventually
from processes import ServerProcess, free_port, like_make_run

EXAMPLES = Path(__file__).parents[1] / "examples" / "tasks.py"
PERIOD = {"start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00+02:00"}
FIELDS = "status result error { message } logs { nodes { message } }"


@dataclass
class World:
    """What the tasks meet: a mail server, an API, and the server that runs them."""

    folder: Path
    letters: list[Envelope] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    url: str = ""

    async def handle_RCPT(  # the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.letters.append(envelope)
        return "250 OK"

    async def answer(self, _request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(self.items, status=self.status)

    async def ask(self, query: str, **variables: Any) -> Any:
        body = {"query": query, "variables": variables}
        async with aiohttp.ClientSession() as session, session.post(f"{self.url}/graphql", json=body) as response:
            answer = await response.json()
            assert "errors" not in answer, answer
            return answer["data"]

    async def create(self, *inputs: dict[str, Any]) -> list[str]:
        query = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"
        created = (await self.ask(query, inputs=inputs))["createJobs"]["jobs"]
        return [job["id"] for job in created]

    async def run(self, task_name: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run a job; what it is like after its first attempt."""
        [job_id] = await self.create({"taskName": task_name, "payload": payload, "run": True})

        async def ended() -> dict[str, Any] | None:
            job = (await self.ask(f"query($id: ID!) {{ job(id: $id) {{ {FIELDS} }} }}", id=job_id))["job"]
            return job if job["status"] in ("COMPLETED", "FAILED", "SCHEDULED") else None

        job: dict[str, Any] = await eventually(ended, timeout_seconds=15)
        return job


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    found = World(tmp_path)
    loop = asyncio.get_running_loop()
    mail = await loop.create_server(lambda: SMTP(found, hostname="localhost", loop=loop), "127.0.0.1", 0)
    api = web.ServerRunner(web.Server(found.answer))
    await api.setup()
    await web.TCPSite(api, "127.0.0.1", 0).start()
    port = free_port()
    settings = {
        **like_make_run(port),
        "SMTP_URL": f"smtp://127.0.0.1:{mail.sockets[0].getsockname()[1]}",
        "API_URL": f"http://127.0.0.1:{port}/graphql",
        "ITEMS_URL": "http://{}:{}/items".format(*api.addresses[0][:2]),
    }
    server = ServerProcess(tmp_path, ["serve", "--port", str(port), "--tasks", str(EXAMPLES), "--grace", "2"], settings)
    await asyncio.to_thread(server.start)
    found.url = server.url
    yield found
    await asyncio.to_thread(server.check_its_end)
    await api.cleanup()
    mail.close()
    await mail.wait_closed()


async def test_an_email(world: World) -> None:
    job = await world.run("Send Test Email", {"email": "a@example.com", "subject": "Grüße"})
    assert (job["status"], job["result"]) == ("COMPLETED", {"sent": True})
    assert job["logs"]["nodes"] == [{"message": "sent to a@example.com"}]
    [letter] = world.letters
    assert letter.rcpt_tos == ["a@example.com"]
    assert isinstance(letter.content, bytes)
    message = message_from_bytes(letter.content, policy=email.policy.default)
    assert (message["To"], message["Subject"], message["From"]) == ("a@example.com", "Grüße", "signalbox@example.com")

    refused = await world.run("Send Test Email", {"email": "nobody@example.com"})
    assert (refused["status"], refused["error"]["message"]) == (
        "FAILED",
        "nobody@example.com was refused: no such user",
    )
    forged = await world.run("Send Test Email", {"email": "a@example.com", "subject": "x\r\nBcc: b@example.com"})
    assert forged["status"] == "FAILED"
    assert len(world.letters) == 1


async def test_a_report(world: World) -> None:
    hostile = ["<script>alert(1)</script>", "=1+2", "+1", "-1", "@SUM(A1)", 'a "quoted", name', "plain"]
    await world.create(*({"taskName": name} for name in hostile), *({"taskName": "many"} for _ in range(120)))
    job = await world.run("Render Report", PERIOD)
    assert job["status"] == "COMPLETED", job
    assert job["result"]["jobs"] == 128
    with (world.folder / job["result"]["csv"]).open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][:3] == ["id", "taskName", "status"]
    names = [row[1] for row in rows[1:]]
    assert (names[0], names.count("many")) == ("Render Report", 120)
    assert names[:-8:-1] == [f"'{name}" if name[0] in "=+-@" else name for name in hostile]
    page = (world.folder / job["result"]["html"]).read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("<tr>") == 129

    empty = await world.run("Render Report", {**PERIOD, "end": "2020-01-02T00:00:00Z"})
    assert empty["result"]["jobs"] == 0


async def test_a_sync(world: World) -> None:
    world.items = [{"id": 1, "name": "rail", "price": 2.5}, {"id": 2, "name": "'); DROP TABLE items; --", "price": 1}]
    for changed in (2, 0):
        assert (await world.run("Sync Items"))["result"] == {"items": 2, "changed": changed}
    world.items[0]["price"] = 3
    assert (await world.run("Sync Items"))["result"] == {"items": 2, "changed": 1}
    with closing(sqlite3.connect(world.folder / "items.db")) as file:
        rows = file.execute("SELECT id, name, price FROM items ORDER BY id").fetchall()
    assert rows == [(1, "rail", 3.0), (2, "'); DROP TABLE items; --", 1.0)]

    world.status = 503
    assert (await world.run("Sync Items"))["status"] == "SCHEDULED"
    world.status = 404
    assert (await world.run("Sync Items"))["status"] == "FAILED"
    world.status, world.items = 200, [{"id": 1, "name": "rail", "price": 9}, {"id": "x"}]
    assert (await world.run("Sync Items"))["status"] == "SCHEDULED"
    with closing(sqlite3.connect(world.folder / "items.db")) as file:
        assert file.execute("SELECT id, name, price FROM items ORDER BY id").fetchall() == rows
