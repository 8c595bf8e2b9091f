"""A client for tests: GraphQL over HTTP and websockets, as a user's program speaks it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import aiohttp
import orjson
from eventually import eventually

JSON = "application/json"
GRAPHQL_RESPONSE = "application/graphql-response+json"
PATIENCE_SECONDS = 10.0
TERMINAL = ("COMPLETED", "FAILED", "CANCELLED")

CREATE = "mutation($input: CreateJobInput!) { createJob(input: $input) { created job { %s } } }"
JOB = "query($id: ID!) { job(id: $id) { %s } }"
WATCH = """subscription($id: ID, $status: [JobStatus!], $priority: [JobPriority!], $taskName: String, $tag: String,
  $after: String) { jobStatusChanged(id: $id, status: $status, priority: $priority, taskName: $taskName, tag: $tag,
  after: $after) { cursor from to at job { %s } } }"""
BASICS = "id taskName status priority attempt"


def unique(word: str) -> str:
    """A name that no other test uses: tests share a server and its database."""
    return f"{word} {secrets.token_hex(4)}"


class Api:
    """One server's API."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.base = url
        self.url = f"{url}/graphql"

    async def send(self, body: bytes, *, accept: str = JSON) -> tuple[int, dict[str, Any]]:
        """POST bytes as they are: status and decoded answer."""
        headers = {"content-type": JSON, "accept": accept}
        async with self.session.post(self.url, data=io.BytesIO(body), headers=headers) as response:
            assert response.content_type == accept
            return response.status, orjson.loads(await response.read())

    async def post(
        self, query: str, variables: dict[str, Any] | None = None, *, accept: str = JSON
    ) -> tuple[int, dict[str, Any]]:
        """Run an operation: status and decoded answer."""
        return await self.send(orjson.dumps({"query": query, "variables": variables}), accept=accept)

    async def data(self, query: str, **variables: Any) -> Any:
        """Run an operation that must succeed: its data."""
        status, answer = await self.post(query, variables)
        assert (status, answer.get("errors")) == (200, None)
        return answer["data"]

    async def error(self, query: str, **variables: Any) -> dict[str, Any]:
        """Run an operation that must be refused: the extensions of its only error, with the message."""
        _status, answer = await self.post(query, variables)
        assert not any((answer.get("data") or {}).values()), answer
        [error] = answer["errors"]
        return {"message": error["message"], **error["extensions"]}

    async def get(self, path: str) -> tuple[int, Any]:
        """GET a path: status, and the decoded JSON."""
        async with self.session.get(self.base + path) as response:
            return response.status, orjson.loads(await response.read())

    # What many tests do

    async def create(self, task_name: str, fields: str = BASICS, **given: Any) -> dict[str, Any]:
        """Create a job."""
        answer = await self.data(CREATE % fields, input={"taskName": task_name, **given})
        job: dict[str, Any] = answer["createJob"]["job"]
        return job

    async def job(self, job_id: str, fields: str = BASICS) -> dict[str, Any]:
        job: dict[str, Any] = (await self.data(JOB % fields, id=job_id))["job"]
        return job

    async def change(self, mutation: str, job_id: str, fields: str = BASICS) -> dict[str, Any]:
        """Run, cancel or retry a job."""
        answer = await self.data(f"mutation($id: ID!) {{ {mutation}(id: $id) {{ job {{ {fields} }} }} }}", id=job_id)
        job: dict[str, Any] = answer[mutation]["job"]
        return job

    async def job_in(
        self, job_id: str, *status: str, fields: str = BASICS, timeout_seconds: float = PATIENCE_SECONDS
    ) -> dict[str, Any]:
        """The job, once it has one of these statuses (any terminal one, if none is given)."""

        async def found() -> dict[str, Any] | None:
            job = await self.job(job_id, f"status error {{ code message }} {fields}")
            return job if job["status"] in (status or TERMINAL) else None

        job: dict[str, Any] = await eventually(
            found, timeout_seconds=timeout_seconds, message=f"job {job_id} is not {status or TERMINAL}"
        )
        return job

    async def deliveries(self, job_id: str) -> list[dict[str, Any]]:
        fields = "id event status url nextTryAt createdAt tries { at durationMs responseStatus error } job { id }"
        job = await self.job(job_id, f"deliveries {{ {fields} }}")
        found: list[dict[str, Any]] = job["deliveries"]
        return found

    async def webhooks(self, job_id: str) -> list[dict[str, Any]]:
        """What ``/webhook-test`` received about a job, once something has come."""

        async def found() -> list[dict[str, Any]]:
            _status, received = await self.get("/webhook-test")
            return [each for each in received["received"] if each["body"]["jobId"] == int(job_id)]

        arrived: list[dict[str, Any]] = await eventually(found, timeout_seconds=PATIENCE_SECONDS)
        return arrived

    async def workers(self, count: int) -> list[dict[str, Any]]:
        """The workers, once there are so many."""

        async def found() -> list[dict[str, Any]] | None:
            workers: list[dict[str, Any]] = (await self.data("{ workers { id pid slots running } }"))["workers"]
            return [workers] if len(workers) == count else None

        [workers] = await eventually(found, timeout_seconds=PATIENCE_SECONDS)
        return list(workers)

    async def last_cursor(self) -> str:
        """A cursor at the end of the log, or close to it."""
        job = await self.create("simulate", "id")
        return str((await self.job(job["id"], "events { cursor }"))["events"][-1]["cursor"])

    @contextlib.asynccontextmanager
    async def socket(self) -> AsyncIterator[Socket]:
        """A websocket that the server has admitted."""
        async with self.session.ws_connect(self.url, protocols=("graphql-transport-ws",)) as websocket:
            assert websocket.protocol == "graphql-transport-ws"
            socket = Socket(websocket)
            await socket.send(type="connection_init")
            assert await socket.receive() == {"type": "connection_ack"}
            yield socket

    @contextlib.asynccontextmanager
    async def watch(self, fields: str = BASICS, **arguments: Any) -> AsyncIterator[Stream]:
        """Subscribe to ``jobStatusChanged`` on a websocket of its own."""
        async with self.socket() as socket:
            yield await socket.subscribe(WATCH % fields, **arguments)


class Socket:
    """A websocket of graphql-transport-ws."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self.websocket = websocket
        self._numbers = itertools.count(1)

    async def send(self, **message: Any) -> None:
        await self.websocket.send_str(orjson.dumps(message).decode())

    async def receive(self, timeout_seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The next message that is no ping."""
        while True:
            frame = await self.websocket.receive(timeout_seconds)
            assert frame.type is aiohttp.WSMsgType.TEXT, f"{frame.type.name} {frame.data} {frame.extra}"
            message: dict[str, Any] = orjson.loads(frame.data)
            if message["type"] != "ping":
                return message
            await self.send(type="pong")

    async def subscribe(self, query: str, **variables: Any) -> Stream:
        operation_id = str(next(self._numbers))
        await self.send(id=operation_id, type="subscribe", payload={"query": query, "variables": variables})
        return Stream(self, operation_id)


class Stream:
    """The changes that one subscription yields."""

    def __init__(self, socket: Socket, operation_id: str) -> None:
        self.socket = socket
        self.id = operation_id
        self.seen: list[dict[str, Any]] = []

    async def next(self, timeout_seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The next change."""
        message = await self.socket.receive(timeout_seconds)
        assert (message["type"], message["id"]) == ("next", self.id), message
        change: dict[str, Any] = message["payload"]["data"]["jobStatusChanged"]
        self.seen.append(change)
        return change

    async def until(
        self, is_last: Callable[[dict[str, Any]], bool], timeout_seconds: float = 30.0
    ) -> list[dict[str, Any]]:
        """The changes up to the first for which ``is_last`` is true."""
        found = []
        async with asyncio.timeout(timeout_seconds):
            while not found or not is_last(found[-1]):
                found.append(await self.next(timeout_seconds))
        return found

    async def refusal(self) -> dict[str, Any]:
        """The extensions of the error that the operation ended with."""
        message = await self.socket.receive()
        assert (message["type"], message["id"]) == ("error", self.id), message
        [error] = message["payload"]
        extensions: dict[str, Any] = error["extensions"]
        return extensions

    async def is_live(self, api: Api, **probe: Any) -> Self:
        """Wait until changes arrive: what happens before the server has begun to watch is not for this stream."""
        pending = asyncio.ensure_future(self.next())
        while not pending.done():
            await api.create("simulate", "id", **probe)
            await asyncio.wait([pending], timeout=0.05)
        await pending
        return self
