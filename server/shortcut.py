"""The way of nearly every request, past Starlette's router: it would try each route, and wrap what it finds."""

from __future__ import annotations

from starlette._utils import get_route_path
from starlette.types import ASGIApp, Receive, Scope, Send


class Shortcut:
    """ASGI middleware, the innermost: POST requests for ``path`` go straight to ``endpoint``.

    Args:
        endpoint: it raises none of Starlette's own exceptions, for there is nothing here that would answer them.
    """

    def __init__(self, app: ASGIApp, *, path: str, endpoint: ASGIApp) -> None:
        self._app = app
        self._path = path
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_meant = scope["type"] == "http" and scope["method"] == "POST" and get_route_path(scope) == self._path
        await (self._endpoint if is_meant else self._app)(scope, receive, send)
