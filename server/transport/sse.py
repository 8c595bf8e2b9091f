"""GraphQL over server-sent events, in distinct connections: one operation a request, its responses as a stream.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md

Failure handling: when the client leaves, or the server stops, the operation is cancelled and awaited before the ASGI
call returns. A stream that the server ends has no ``complete``, so that clients know to connect again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

from starlette.types import Receive, Send

from server.transport.requests import EVENT_STREAM
from server.transport.responses import GraphQLResponse

KEEP_ALIVE_SECONDS = 12.0
COMPLETE = b"event: complete\ndata:\n\n"
HEADERS = (
    (b"content-type", f"{EVENT_STREAM}; charset=utf-8".encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events back until it has a few kilobytes
    (b"x-content-type-options", b"nosniff"),
    (b"vary", b"Accept"),
)
Responses = Callable[[], AsyncGenerator[GraphQLResponse, None]]


class EventStreams:
    """The streams of one process."""

    def __init__(self, *, keep_alive_seconds: float = KEEP_ALIVE_SECONDS) -> None:
        self.keep_alive_seconds = keep_alive_seconds
        self._streams: set[asyncio.Task[None]] = set()
        self._is_shut_down = False

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._streams)

    async def respond(self, responses: Responses, receive: Receive, send: Send) -> None:
        """Stream what an operation answers, until it ends, or the client or the server does."""
        await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        sending = asyncio.Lock()
        loop = asyncio.get_running_loop()
        stream = loop.create_task(_pump(responses, sending, send))
        others = [loop.create_task(_until_gone(receive)), loop.create_task(self._keep_alive(sending, send))]
        self._streams.add(stream)
        try:
            if self._is_shut_down:
                stream.cancel()
            await asyncio.wait((stream, *others), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streams.discard(stream)
            tasks = (stream, *others)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        with contextlib.suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        for task in tasks:
            if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, OSError):
                raise error

    async def shutdown(self) -> None:
        """End every stream, and wait until their operations have ended."""
        self._is_shut_down = True
        streams = tuple(self._streams)
        for stream in streams:
            stream.cancel()
        if streams:
            await asyncio.wait(streams)

    async def _keep_alive(self, sending: asyncio.Lock, send: Send) -> None:
        """A comment now and then: proxies close what is silent, and a client that is gone is found by it."""
        while True:
            await asyncio.sleep(self.keep_alive_seconds)
            await _write(b":\n\n", sending, send)


async def _pump(responses: Responses, sending: asyncio.Lock, send: Send) -> None:
    async with contextlib.aclosing(responses()) as stream:
        async for response in stream:
            # JSON has no line breaks, so one line of data is enough.
            await _write(b"event: next\ndata: " + response.body + b"\n\n", sending, send)
            if not response.has_data:
                break
    await _write(COMPLETE, sending, send)


async def _write(chunk: bytes, sending: asyncio.Lock, send: Send) -> None:
    async with sending:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
