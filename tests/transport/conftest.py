"""A small schema behind a real server on a loopback port, and a log that keeps what was written."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import pytest
import strawberry
import structlog
import uvicorn
from parcels import Server, World, make_schema
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from structlog.testing import LogCapture

from server.transport.direct import DirectWebSocketProtocol
from server.transport.direct_http import DirectHTTPProtocol
from server.transport.execution import Executor
from server.transport.http import GraphQLHTTP
from server.transport.websocket import GraphQLWebSocket


@pytest.fixture(scope="session")
def schema() -> strawberry.Schema:
    return make_schema()


@pytest.fixture
def executor(schema: strawberry.Schema) -> Executor:
    numbers = itertools.count(1)
    return Executor(schema, new_request_id=lambda: f"request-{next(numbers)}")


@pytest.fixture(autouse=True)
def log() -> Iterator[LogCapture]:
    """Every line that the transport logs while the test runs."""
    capture = LogCapture()
    structlog.configure(processors=[capture])
    yield capture
    structlog.reset_defaults()


@pytest.fixture
async def serve(executor: Executor) -> AsyncIterator[Callable[..., Any]]:
    """Start a server with settings of its websocket; all end with the test, and none may leave a task."""
    async with contextlib.AsyncExitStack() as stack:
        before = asyncio.all_tasks()

        async def start(http: dict[str, Any] | None = None, **settings: Any) -> Server:
            world = World()
            websocket = GraphQLWebSocket(executor, context_for=world.context, **settings)
            page = b"<!doctype html><title>page</title>"
            over_http = GraphQLHTTP(executor, context_for=world.context, page=lambda: page, **(http or {}))
            app = Starlette(routes=[Route("/graphql", over_http), WebSocketRoute("/graphql", websocket)])
            config = uvicorn.Config(
                app, lifespan="off", log_config=None, http=DirectHTTPProtocol, ws=DirectWebSocketProtocol
            )
            config.load()
            server = uvicorn.Server(config)
            server.lifespan = config.lifespan_class(config)
            listener = socket.create_server(("127.0.0.1", 0))
            await server.startup(sockets=[listener])
            stack.push_async_callback(server.shutdown, sockets=[listener])
            client = await stack.enter_async_context(aiohttp.ClientSession())
            return Server(listener.getsockname()[1], world, executor, over_http, websocket, client)

        yield start
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}


@pytest.fixture
async def server(serve: Callable[..., Any]) -> Server:
    running: Server = await serve()
    return running
