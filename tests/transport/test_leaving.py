"""Clients that leave while the first of several requests is being answered."""

from __future__ import annotations

import asyncio
import socket

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from server.transport.direct import EXTENSION, DirectWebSocketProtocol
from server.transport.leaving import LeavingHTTPProtocol

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def test_the_request_that_is_answered_is_told() -> None:
    began, was_told = asyncio.Event(), asyncio.Event()
    asked: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["path"])
        began.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        was_told.set()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"for nobody"})

    config = uvicorn.Config(app, lifespan="off", log_config=None, http=LeavingHTTPProtocol, timeout_graceful_shutdown=1)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    listener = socket.create_server(("127.0.0.1", 0))
    await server.startup(sockets=[listener])
    try:
        _reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(REQUEST * 3)
        async with asyncio.timeout(5):
            await began.wait()
            writer.transport.abort()
            await was_told.wait()
    finally:
        await server.shutdown(sockets=[listener])
    assert asked == ["/"], "requests were begun for a client that had left"


async def test_a_client_that_leaves_during_the_handshake_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    """Neither accepted nor refused, and no error: both would be a second end of a connection that has had one."""
    told: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        scope["extensions"][EXTENSION].__self__.transport.close()
        found = []
        for message in ({"type": "websocket.accept"}, {"type": "websocket.close", "code": 1012}):
            try:
                await send(message)
            except OSError as error:
                found.append(type(error).__name__)
        told.set_result(found)

    config = uvicorn.Config(app, lifespan="off", log_config=None, ws=DirectWebSocketProtocol)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    listener = socket.create_server(("127.0.0.1", 0))
    await server.startup(sockets=[listener])
    try:
        _reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(HANDSHAKE)
        async with asyncio.timeout(5):
            assert await told == ["ClientDisconnected"] * 2
        writer.close()
    finally:
        await server.shutdown(sockets=[listener])
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
