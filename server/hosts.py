"""Whether a request is meant for this server: its ``Host``, where nothing else keeps strangers out.

Without API keys whoever reaches the server is an admin, so it listens on loopback. A page in a browser on the same
machine reaches loopback too, if its own name is made to resolve to 127.0.0.1 once it was loaded (DNS rebinding): what
it sends then is of the same origin for the browser, and looks like a page of ours but for the name in ``Host``. So a
name must be one that is known here. An address always is: no name was resolved to get to it, and the browser asks us
before it lets a page of another origin send JSON there (CORS). With keys there is nothing to check: it has none.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection

import structlog
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

log = structlog.get_logger("signalbox.access")

ANY = "*"
SETTING = "SIGNALBOX_ALLOWED_HOSTS"
LONGEST_SHOWN = 100
MOST_SEEN = 100
"""So many hosts that were found to be known are remembered as they were sent."""

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^\[\]:]*)(?::\d*)?")


class KnownHosts:
    """ASGI middleware: refuses requests and handshakes for other hosts with 403.

    Args:
        hosts: the names that are known beside loopback's; ``*`` for all.
        is_open: whether everyone may come in, asked for each request.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], is_open: Callable[[], bool]) -> None:
        self._app = app
        self._names = frozenset(each.lower().rstrip(".") for each in hosts)
        self._is_open = is_open
        self._seen: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or ANY in self._names or not self._is_open():
            await self._app(scope, receive, send)
            return
        # A browser always sends one; what sends none is no browser.
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if self._seen.issuperset(hosts):
            await self._app(scope, receive, send)
            return
        strange = [each for each in Headers(scope=scope).getlist("host") if not self._is_known(each)]
        if not strange:
            if len(self._seen) < MOST_SEEN:
                self._seen.update(hosts)
            await self._app(scope, receive, send)
            return
        host = strange[0][:LONGEST_SHOWN]
        log.info("host.refused", host=host)
        message = (
            f"This server is not known as {host!r}. Without API keys it answers to loopback's names, to addresses and "
            f"to --host alone: name others in {SETTING}, or set SIGNALBOX_API_KEYS."
        )
        response = JSONResponse({"errors": [{"message": message, "extensions": {"code": "FORBIDDEN"}}]}, 403)
        if scope["type"] == "http":
            await response(scope, receive, send)
        else:
            await WebSocket(scope, receive, send).send_denial_response(response)

    def _is_known(self, host: str) -> bool:
        found = _HOST.fullmatch(host.strip().lower())
        if found is None:
            return False
        name = found["name"].rstrip(".")
        return _is_address(name.strip("[]")) or _is_loopback(name) or name in self._names


def _is_loopback(name: str) -> bool:
    """Browsers resolve these to loopback without asking anybody (RFC 6761, section 6.3)."""
    return name == "localhost" or name.endswith(".localhost")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
