"""GraphQL over HTTP: one operation a request, and the page for people who open the URL in a browser.

Clients that accept an event stream get subscriptions as one, and everything if they accept nothing else.

It chooses status and media type; what is legal is decided in ``requests``, what goes wrong is worded in ``execution``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.transport.execution import Executor, method_not_allowed
from server.transport.requests import JSON, MEBIBYTE, BadRequest, accepts_stream, negotiate, read_request
from server.transport.responses import GraphQLResponse
from server.transport.sse import EventStreams, Responses

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
_STATUS = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403, "INTERNAL": 500, "UNAVAILABLE": 503}


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
        streams: EventStreams | None = None,
    ) -> None:
        self._executor = executor
        self._context_for = context_for
        self._page = page
        self._max_body_bytes = max_body_bytes
        self.streams = streams or EventStreams()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except ClientDisconnect:
            return
        if isinstance(answer, Response):
            await answer(scope, receive, send)
        else:
            await self.streams.respond(answer, receive, send)

    async def _answer(self, request: Request) -> Response | Responses:
        if self._page is not None and _is_browser(request):
            return Response(self._page(), media_type="text/html", headers=PAGE_HEADERS)
        accept = request.headers.getlist("accept")
        is_streamable = accepts_stream(accept)
        media_type = JSON
        try:
            try:
                media_type = negotiate(accept)
                is_stream = False
            except BadRequest:
                if not is_streamable:
                    raise
                is_stream = True
            asked = await read_request(request, self._max_body_bytes)
            context = self._context_for(request)
            may_mutate = request.method == "POST"
            kind = self._executor.kind_of(asked) if is_streamable else None
            if is_streamable and (is_stream or kind is OperationType.SUBSCRIPTION):
                if kind is OperationType.MUTATION and not may_mutate:
                    raise method_not_allowed()
                return functools.partial(self._executor.subscribe, asked, context)
            outcome = await self._executor.execute(asked, context, allow_mutation=may_mutate)
        except BadRequest as error:
            return _encoded(self._executor.refuse(error), media_type, error.status, error.headers)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 (raised by context_for: worded like any other, masked if unknown)
            outcome = self._executor.refuse(error)
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
