"""One id from the request's header to the answer, the log and a masked error."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import orjson
import pytest
import strawberry
import structlog
from parcels import World
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute
from starlette.types import Message
from structlog.testing import LogCapture

from server.request_ids import RequestIds, current_request_id
from server.transport.execution import Executor
from server.transport.http import GraphQLHTTP
from server.transport.websocket import GraphQLWebSocket


@pytest.fixture
def app(schema: strawberry.Schema, log: LogCapture) -> Starlette:
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, log])
    executor = Executor(schema, new_request_id=current_request_id)
    world = World()
    http = GraphQLHTTP(executor, context_for=world.context)
    websocket = GraphQLWebSocket(executor, context_for=world.context)
    routes = [Route("/graphql", http), WebSocketRoute("/graphql", websocket)]
    return Starlette(routes=routes, middleware=[Middleware(RequestIds)])


async def ask(app: Starlette, query: str, request_id: str | None = None) -> tuple[str, dict[str, Any]]:
    """The id in the answer's header, and the answer."""
    headers = [(b"content-type", b"application/json")]
    if request_id is not None:
        headers.append((b"x-request-id", request_id.encode("latin-1")))
    body = orjson.dumps({"query": query})
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": headers,
        "root_path": "",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    found = [value for name, value in sent[0]["headers"] if name == b"x-request-id"]
    assert len(found) == 1
    return found[0].decode(), orjson.loads(sent[1]["body"])


async def test_a_given_id_is_on_the_answer_the_log_and_the_masked_error(app: Starlette, log: LogCapture) -> None:
    answered, answer = await ask(app, "{ defect }", "proxy-7f/1")
    assert answered == "proxy-7f/1"
    assert answer["errors"][0]["extensions"] == {"code": "INTERNAL", "requestId": "proxy-7f/1"}
    [line] = log.entries
    assert (line["event"], line["request_id"]) == ("graphql.internal_error", "proxy-7f/1")


async def test_a_client_error_carries_it_too(app: Starlette, log: LogCapture) -> None:
    answered, _answer = await ask(app, "{ nothing }")
    assert re.fullmatch("[0-9a-f]{16}", answered)
    assert [(each["event"], each["request_id"]) for each in log.entries] == [("graphql.client_error", answered)]


@pytest.mark.parametrize("given", ["", " ", "a b", "a\nb", "é", "x" * 129, '"', "-a", "\x1b[31m"])
async def test_an_id_that_is_not_well_formed_is_replaced(given: str, app: Starlette) -> None:
    answered, _answer = await ask(app, "{ nothing }", given)
    assert re.fullmatch("[0-9a-f]{16}", answered)


async def test_requests_at_the_same_time_keep_their_own(app: Starlette, log: LogCapture) -> None:
    ids = [f"r{number}" for number in range(20)]
    answers = await asyncio.gather(*(ask(app, "{ defect }", each) for each in ids))
    assert [answer["errors"][0]["extensions"]["requestId"] for _id, answer in answers] == ids
    assert sorted(each["request_id"] for each in log.entries) == sorted(ids)
    assert structlog.contextvars.get_contextvars() == {}


async def test_a_socket_has_one_id(app: Starlette) -> None:
    scope = {
        "type": "websocket",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(b"host", b"x"), (b"x-request-id", b"socket-1")],
        "subprotocols": ["graphql-transport-ws"],
        "root_path": "",
        "scheme": "ws",
        "server": ("127.0.0.1", 80),
    }
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    sent: asyncio.Queue[Message] = asyncio.Queue()
    for text in ('{"type":"connection_init"}', '{"id":"1","type":"subscribe","payload":{"query":"{ defect }"}}'):
        incoming.put_nowait({"type": "websocket.receive", "text": text})
    incoming.put_nowait({"type": "websocket.connect"})
    incoming._queue.rotate(1)  # type: ignore[attr-defined]
    serving = asyncio.create_task(app(scope, incoming.get, sent.put))
    accepted = await sent.get()
    assert (b"x-request-id", b"socket-1") in accepted["headers"]
    await sent.get()  # the acknowledgement
    message = orjson.loads((await sent.get())["text"])
    error = (message["payload"]["errors"] if message["type"] == "next" else message["payload"])[0]
    assert error["extensions"]["requestId"] == "socket-1"
    incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await serving
