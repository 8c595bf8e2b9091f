"""One id for each request: taken from ``X-Request-Id`` or made, on every log line of the request, and in its answer."""

from __future__ import annotations

import random
import re

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.transport.direct_http import with_header

HEADER = "X-Request-Id"
_RAW_HEADER = HEADER.lower().encode("latin-1")
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}")
_NAME = "request_id"


def new_request_id() -> str:
    return f"{random.getrandbits(64):016x}"


def current_request_id() -> str:
    """The id of the request that this runs for; a new one outside of any."""
    found = structlog.contextvars.get_contextvars().get(_NAME)
    return found if isinstance(found, str) else new_request_id()


class RequestIds:
    """ASGI middleware. A socket has one id for as long as it is open.

    A header that is not well-formed is not an error: it is replaced, for what it says would go into the log.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = _given(scope) or new_request_id()
        with_header(scope, f"{HEADER.lower()}: {request_id}\r\n".encode("latin-1"))
        header = (_RAW_HEADER, request_id.encode("latin-1"))

        async def send_with_id(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                others = [each for each in message.get("headers", ()) if each[0].lower() != _RAW_HEADER]
                message["headers"] = [*others, header]
            await send(message)

        tokens = structlog.contextvars.bind_contextvars(**{_NAME: request_id})
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            structlog.contextvars.reset_contextvars(**tokens)


def _given(scope: Scope) -> str | None:
    """The client's id, if it is well-formed."""
    for name, value in scope["headers"]:
        if name == _RAW_HEADER:
            text: str = value.decode("latin-1")
            return text if _WELL_FORMED.fullmatch(text) else None
    return None
