"""GraphQL over server-sent events, distinct connections mode: each subscription is a response of its own.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md

Failure handling: whatever ends a stream (its client, a shutdown, the source, a client that does not read), its source
is cancelled and awaited before the ASGI call returns. At a shutdown a stream ends without ``complete``: clients connect
again, and go on after the last cursor they have seen.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Collection

import structlog
from starlette.types import Receive, Scope, Send

from server.transport.responses import GraphQLResponse

log = structlog.get_logger("signalbox.graphql")

EVENT_STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "Vary": "Accept",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}
# With a data line, though it is empty: browsers drop an event without any.
COMPLETE = b"event: complete\ndata:\n\n"
COMMENT = b":\n\n"
END_TIMEOUT_SECONDS = 1.0


def next_event(response: GraphQLResponse) -> bytes:
    """A response as the event ``next``. Stored JSON may have line breaks, each of which begins a data line."""
    return b"event: next\n" + b"".join(b"data: " + line + b"\n" for line in response.body.splitlines()) + b"\n"


class EventStreams:
    """The open streams of a server."""

    def __init__(self, *, keep_alive_seconds: float = 12.0) -> None:
        self.keep_alive_seconds = keep_alive_seconds
        self.is_shut_down = False
        self._streams: set[EventStream] = set()

    def stream(
        self, responses: AsyncGenerator[GraphQLResponse, None], *, readmit: Callable[[], object] = lambda: None
    ) -> EventStream:
        """The HTTP response that carries ``responses``. ``readmit`` raises once its client would not be admitted."""
        return EventStream(self, responses, readmit)

    def add(self, stream: EventStream) -> None:
        self._streams.add(stream)

    def discard(self, stream: EventStream) -> None:
        self._streams.discard(stream)

    async def shutdown(self) -> None:
        """End every stream, and wait until its source has ended."""
        self.is_shut_down = True
        await self._end(tuple(self._streams))

    async def readmit(self) -> None:
        """End the streams of clients that would not be admitted now, and wait until their sources have ended."""
        refused = [stream for stream in self._streams if not stream.is_admitted()]
        if refused:
            log.info("stream.closed", streams=len(refused), reason="no longer admitted")
        await self._end(refused)

    async def _end(self, streams: Collection[EventStream]) -> None:
        for stream in streams:
            stream.is_closing.set()
        await asyncio.gather(*(stream.ended.wait() for stream in streams))


class EventStream:
    """One client's stream, an ASGI application."""

    def __init__(
        self,
        streams: EventStreams,
        responses: AsyncGenerator[GraphQLResponse, None],
        readmit: Callable[[], object],
    ) -> None:
        self.ended = asyncio.Event()
        self.is_closing = asyncio.Event()
        self._readmit = readmit
        self._streams = streams
        self._responses = responses
        self._sending = asyncio.Lock()

    def is_admitted(self) -> bool:
        """Whether its client may still have it."""
        try:
            self._readmit()
        except Exception:  # noqa: BLE001 (whatever it is, the client is told when it connects again)
            return False
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._streams.add(self)
        if self._streams.is_shut_down:
            self.is_closing.set()
        headers = [(name.lower().encode(), value.encode()) for name, value in EVENT_STREAM_HEADERS.items()]
        tasks: list[asyncio.Task[object]] = []
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            works = (self._carry(send), self._keep_alive(send), _is_gone(receive), self.is_closing.wait())
            tasks += [asyncio.create_task(work) for work in works]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._responses.aclose()
            self._streams.discard(self)
            self.ended.set()
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(END_TIMEOUT_SECONDS):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _carry(self, send: Send) -> None:
        async with contextlib.aclosing(self._responses) as responses:
            async for response in responses:
                await self._send(send, next_event(response))
                if not response.has_data:
                    break
        await self._send(send, COMPLETE)

    async def _keep_alive(self, send: Send) -> None:
        """Comments at an interval, the first at once. A client for which one finds no room in time does not read."""
        interval = self._streams.keep_alive_seconds
        try:
            while True:
                async with asyncio.timeout(interval):
                    await self._send(send, COMMENT)
                await asyncio.sleep(interval)
        except TimeoutError:
            log.info("stream.stalled")

    async def _send(self, send: Send, text: bytes) -> None:
        async with self._sending:
            await send({"type": "http.response.body", "body": text, "more_body": True})


async def _is_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
