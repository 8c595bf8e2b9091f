"""GraphQL over HTTP: one operation a request, and the page for people who open the URL in a browser.

It chooses status and media type; what is legal is decided in ``requests``, what goes wrong is worded in ``execution``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from server.transport.execution import Executor
from server.transport.requests import JSON, MEBIBYTE, BadRequest, negotiate, read_request, stream_wish
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
            accept = request.headers.getlist("accept")
            wish = "never" if request.method == "HEAD" else stream_wish(accept)
            media_type = JSON if wish == "always" else negotiate(accept)
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


def _encoded(outcome: GraphQLResponse, media_type: str, status: int, headers: dict[str, str] | None = None) -> Response:
    fixed = {
        "Content-Type": f"{media_type}; charset=utf-8",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Vary": "Accept",
    }
    return Response(outcome.body, status, headers={**fixed, **(headers or {})})
