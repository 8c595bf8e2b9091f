"""uvicorn's HTTP, with a way to write a whole answer at once.

ASGI takes an answer in two messages, each of which goes through every layer and is written by itself; uvicorn looks at
every header anew. The application finds ``answer`` under ``EXTENSION`` in the scope; where it is missing, or says
False, ``send`` serves. A layer that adds headers wraps it, and one that must see what is sent takes it out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from server.transport.leaving import LeavingHTTPProtocol

EXTENSION = "signalbox.answer"
Answer = Callable[[int, bytes, bytes], bool]
"""Writes an answer, given its status, its headers as lines but for Content-Length, and its body; False if it must be
sent by ``send``."""


class DirectHTTPProtocol(LeavingHTTPProtocol):
    """HTTP/1.1 whose answers can be written at once."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        extensions = cycle.scope.get("extensions") or {}
        cycle.scope["extensions"] = {**extensions, EXTENSION: partial(_answer, cycle)}  # type: ignore[dict-item]
        super()._start_asgi_task(cycle, app)


def answer_of(scope: Scope) -> Answer | None:
    """The direct way to the client of this request, if its server has one."""
    return cast("Answer | None", (scope.get("extensions") or {}).get(EXTENSION))


def with_header(scope: Scope, line: bytes) -> None:
    """Have a header in whatever is answered at once."""
    answer = answer_of(scope)
    if answer is not None:
        scope["extensions"][EXTENSION] = lambda status, head, body: answer(status, head + line, body)


def without_answer(scope: Scope) -> None:
    """Have everything go through ``send``."""
    if answer_of(scope) is not None:
        del scope["extensions"][EXTENSION]


def _answer(cycle: RequestResponseCycle, status: int, head: bytes, body: bytes) -> bool:
    """Write, unless the client is leaving, does not read, or wants the connection closed after this."""
    is_plain = cycle.keep_alive and not cycle.access_log and cycle.scope["method"] != "HEAD"
    if not is_plain or cycle.disconnected or cycle.response_started or cycle.flow.write_paused:
        return False
    defaults = b"".join([b"%b: %b\r\n" % header for header in cycle.default_headers])
    length = b"content-length: %d\r\n\r\n" % len(body)
    cycle.response_started = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(b"".join((STATUS_LINE[status], defaults, head, length, body)))
    cycle.response_complete = True
    cycle.message_event.set()
    cycle.on_response()
    # Otherwise the request would hold itself, and all that came with it, until the collector comes.
    cast("dict[str, Any]", cycle.scope["extensions"]).pop(EXTENSION, None)
    return True
