"""Clients of other makers create a job, run it, watch it, lose their connection and resume, without gap or repeat."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from gql import Client, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.async_transport import AsyncTransport
from gql.transport.exceptions import TransportError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport
from processes import ServerProcess
from requirements import give_up

pytestmark = pytest.mark.clients

LIFE = ["PENDING", "QUEUED", "RUNNING", "COMPLETED"]
EVENT_STREAM = "text/event-stream"
PATIENCE_SECONDS = 30
CREATE = 'mutation { createJob(input: {taskName: "nap", payload: {seconds: 0.3}}) { job { id status } } }'
RUN = "mutation($id: ID!) { runJob(id: $id) { job { id status } } }"
JOB = "query($id: ID!) { job(id: $id) { id status result } }"
WATCH = """subscription($id: ID, $after: String) {
  jobStatusChanged(id: $id, after: $after) { cursor to job { id status } } }"""
Table = Callable[..., None]


def check(table: Table, client: str, transport: str, changes: list[dict[str, Any]], job: dict[str, Any]) -> None:
    """It saw the whole life of the job, each change once."""
    saw = [change["to"] for change in changes]
    table("real clients", client=client, transport=transport, saw=" ".join(saw), job=job["status"])
    assert saw == LIFE
    cursors = [int(change["cursor"]) for change in changes]
    assert cursors == sorted(set(cursors))
    assert (job["status"], job["result"]) == ("COMPLETED", {"slept": 0.3})


@pytest.mark.parametrize(
    ("script", "client", "transport"),
    [
        ("graphql_ws.mjs", "graphql-ws", "websocket"),
        ("apollo.mjs", "@apollo/client", "HTTP, GraphQLWsLink"),
        ("urql.mjs", "@urql/core", "HTTP (GET too), graphql-ws"),
        ("graphql_sse.mjs", "graphql-sse", "HTTP, SSE"),
    ],
)
async def test_clients_of_node(
    request: pytest.FixtureRequest, server: ServerProcess, table: Table, script: str, client: str, transport: str
) -> None:
    node: Callable[..., str] = request.getfixturevalue("node")
    got = json.loads(await asyncio.to_thread(node, script, f"{server.url}/graphql"))
    assert [change["status"] for change in got["seen"]] == LIFE
    assert len(got["ends"]) >= 1, "the connection was not cut"
    check(table, client, transport, got["seen"], got["job"])


@pytest.mark.parametrize("transport", [AIOHTTPTransport, HTTPXAsyncTransport, WebsocketsTransport])
async def test_gql_of_python(server: ServerProcess, table: Table, transport: type[AsyncTransport]) -> None:
    """Watching needs the websocket; all else goes over each transport."""
    url = f"{server.url}/graphql"
    websocket = url.replace("http", "ws", 1)
    changes: list[dict[str, Any]] = []
    over = transport(url=websocket if transport is WebsocketsTransport else url)
    async with asyncio.timeout(PATIENCE_SECONDS), Client(transport=over) as session:

        async def ask(document: str, **variables: Any) -> dict[str, Any]:
            query = gql(document)
            query.variable_values = variables
            return dict(await session.execute(query))

        job_id = (await ask(CREATE))["createJob"]["job"]["id"]
        async with watching(websocket, job_id, "0") as (found, watcher):
            async for change in found:
                changes.append(change)
                if change["to"] == "PENDING":
                    await ask(RUN, id=job_id)
                if change["to"] == "QUEUED":
                    cut(watcher)
                    break
        async with watching(websocket, job_id, changes[-1]["cursor"]) as (found, _):
            async for change in found:
                changes.append(change)
                if change["to"] == "COMPLETED":
                    break
        job = (await ask(JOB, id=job_id))["job"]
    check(table, "gql", f"{transport.__name__}, WebsocketsTransport", changes, job)


@asynccontextmanager
async def watching(
    url: str, job_id: str, after: str
) -> AsyncIterator[tuple[AsyncIterator[dict[str, Any]], WebsocketsTransport]]:
    """The changes of a job, on a connection of their own."""
    transport = WebsocketsTransport(url=url)
    try:
        async with Client(transport=transport) as session:
            query = gql(WATCH)
            query.variable_values = {"id": job_id, "after": after}
            async with aclosing(session.subscribe(query)) as results:
                yield (each["jobStatusChanged"] async for each in results), transport
    except TransportError:
        pass  # it was cut


def cut(transport: WebsocketsTransport) -> None:
    """Without a farewell, as a network does it."""
    transport.adapter.websocket.transport.abort()


async def test_curl(pytestconfig: pytest.Config, server: ServerProcess, table: Table) -> None:
    """GraphQL over SSE needs no library: lines of text, and the cursor of the last one to go on."""
    curl = shutil.which("curl")
    if curl is None:
        give_up(pytestconfig, "curl", "install curl")
    url = f"{server.url}/graphql"

    async def start(query: str, accept: str = "application/json", **variables: Any) -> asyncio.subprocess.Process:
        body = json.dumps({"query": query, "variables": variables})
        headers = ("-H", "Content-Type: application/json", "-H", f"Accept: {accept}")
        return await asyncio.create_subprocess_exec(
            curl, "--silent", "--no-buffer", *headers, "--data", body, url, stdout=asyncio.subprocess.PIPE
        )

    async def ask(query: str, **variables: Any) -> Any:
        output, _ = await (await start(query, **variables)).communicate()
        return json.loads(output)["data"]

    async def watch(job_id: str, after: str, last: str) -> None:
        process = await start(WATCH, EVENT_STREAM, id=job_id, after=after)
        assert process.stdout is not None
        while line := (await process.stdout.readline()).decode():
            if line.startswith("data:") and len(line) > len("data: \n"):
                change = json.loads(line.removeprefix("data:"))["data"]["jobStatusChanged"]
                changes.append(change)
                if change["to"] == "PENDING":
                    await ask(RUN, id=job_id)
                if change["to"] == last:
                    break
        process.kill()
        await process.communicate()

    changes: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        job_id = (await ask(CREATE))["createJob"]["job"]["id"]
        await watch(job_id, "0", "QUEUED")
        await watch(job_id, changes[-1]["cursor"], "COMPLETED")
        job = (await ask(JOB, id=job_id))["job"]
    check(table, "curl", "HTTP, SSE", changes, job)
