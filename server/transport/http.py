"""GraphQL over HTTP: one operation a request, and the page for people who open the URL in a browser.

It chooses status and media type; what is legal is decided in ``requests``, what goes wrong is worded in ``execution``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from server.transport.direct_http import answer_of
from server.transport.execution import Executor
from server.transport.requests import GRAPHQL_RESPONSE, JSON, MEBIBYTE, BadRequest, read_request, wishes
from server.transport.responses import GraphQLResponse
from server.transport.sse import COMPLETE, EVENT_STREAM_HEADERS, EventStreams, next_event

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; img-src 'self' data:; "
        "font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Vary": "Accept",
}

# Only for clients that named the newer media type: the older one promises 200 for every well-formed request.
_STATUS = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403, "INTERNAL": 500, "UNAVAILABLE": 503, "TIMEOUT": 503}


_HEADERS = {
    media_type: (
        (b"content-type", f"{media_type}; charset=utf-8".encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        (b"vary", b"Accept"),
    )
    for media_type in (JSON, GRAPHQL_RESPONSE)
}


@lru_cache(16)
def _lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])


class GraphQLHTTP:
    """The ASGI application behind ``POST /graphql`` and ``GET /graphql``.

    ``context_for`` makes the resolvers' context, or refuses: a ``BadRequest`` answers with its own status and headers,
    a ``SignalboxError`` as an error of the operation. ``page`` returns the HTML for browsers; without it there is none.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        context_for: Callable[[Request], Any],
        page: Callable[[], bytes] | None = None,
        max_body_bytes: int = MEBIBYTE,
        keep_alive_seconds: float = 12.0,
    ) -> None:
        self._executor = executor
        self._context_for = context_for
        self._page = page
        self._max_body_bytes = max_body_bytes
        self.streams = EventStreams(keep_alive_seconds=keep_alive_seconds)

    async def shutdown(self) -> None:
        """End the streams of subscriptions; a server waits for its connections before it stops."""
        await self.streams.shutdown()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> ASGIApp:
        if self._page is not None and _is_browser(request):
            return Response(self._page(), media_type="text/html", headers=PAGE_HEADERS)
        media_type = JSON
        wish: str = "never"
        try:
            accept = tuple([value.decode("latin-1") for name, value in request.scope["headers"] if name == b"accept"])
            wish, media_type = wishes(accept, is_head=request.method == "HEAD")
            context = self._context_for(request)  # first: who may not come in need not be listened to
            asked = await read_request(request, self._max_body_bytes)
            if wish != "never" and self._executor.is_subscription(asked):
                responses = self._executor.subscribe(asked, context)
                return self.streams.stream(responses, readmit=lambda: self._context_for(request))
            outcome = await self._executor.execute(asked, context, allow_mutation=request.method == "POST")
        except BadRequest as error:
            return _encoded(self._executor.refuse(error), media_type, error.status, error.headers)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 (raised by context_for: worded like any other, masked if unknown)
            outcome = self._executor.refuse(error)
        if wish == "always":
            return Response(next_event(outcome) + COMPLETE, headers=EVENT_STREAM_HEADERS)
        status = 200 if outcome.has_data or media_type == JSON else _STATUS.get(outcome.code or "", 400)
        return _encoded(outcome, media_type, status)


def _is_browser(request: Request) -> bool:
    return (
        request.method in ("GET", "HEAD")
        and "query" not in request.query_params
        and any("text/html" in value.lower() for value in request.headers.getlist("accept"))
    )


@dataclass(frozen=True, slots=True)
class _Encoded:
    """An answer that is complete: Starlette's would make its headers anew each time."""

    body: bytes
    status: int
    headers: tuple[tuple[bytes, bytes], ...]

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        answer = answer_of(scope)
        if answer is not None and answer(self.status, _lines(self.headers), self.body):
            return
        length = (b"content-length", b"%d" % len(self.body))
        await send({"type": "http.response.start", "status": self.status, "headers": [length, *self.headers]})
        await send({"type": "http.response.body", "body": self.body})


def _encoded(outcome: GraphQLResponse, media_type: str, status: int, headers: dict[str, str] | None = None) -> _Encoded:
    more = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()]
    return _Encoded(outcome.body, status, (*_HEADERS[media_type], *more) if more else _HEADERS[media_type])
