"""GraphQL over server-sent events, in distinct connections: one operation a request, its responses as a stream.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md

Failure handling: when the client leaves, or the server stops, the operation is cancelled and awaited before the ASGI
call returns. A stream that the server ends has no ``complete``, so that clients know to connect again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

import structlog
from starlette.types import Receive, Send

from server.transport.requests import EVENT_STREAM
from server.transport.responses import GraphQLResponse

log = structlog.get_logger("signalbox.graphql")

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
        self._streams: dict[asyncio.Task[None], Callable[[], object]] = {}
        self._is_shut_down = False

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._streams)

    async def respond(
        self, responses: Responses, receive: Receive, send: Send, *, readmit: Callable[[], object] = lambda: None
    ) -> None:
        """Stream what an operation answers, until it ends, or the client or the server does.

        ``readmit`` raises when the client would not be admitted any more.
        """
        await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        sending = asyncio.Lock()
        loop = asyncio.get_running_loop()
        stream = loop.create_task(_pump(responses, sending, send))
        others = [loop.create_task(_until_gone(receive)), loop.create_task(self._keep_alive(sending, send))]
        self._streams[stream] = readmit
        try:
            if self._is_shut_down:
                stream.cancel()
            await asyncio.wait((stream, *others), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streams.pop(stream, None)
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

    async def readmit(self) -> None:
        """End the streams of clients that would not be admitted now, and wait until their operations have ended."""
        refused = []
        for stream, readmit in self._streams.items():
            try:
                readmit()
            except Exception:  # noqa: BLE001 (whatever it is, the client is told when it connects again)
                refused.append(stream)
        for stream in refused:
            stream.cancel()
        if refused:
            log.info("stream.closed", streams=len(refused), reason="no longer admitted")
            await asyncio.wait(refused)

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
