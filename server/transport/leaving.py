"""uvicorn's HTTP, for clients that leave without waiting for their answers.

Of several requests that a client has sent ahead, uvicorn tells only the last one that the client is gone; the one that
is being answered would then write to a closed connection, and leave a traceback for what is no error.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class LeavingHTTPProtocol(HttpToolsProtocol):
    """HTTP/1.1 of uvicorn's that tells the request which is being answered, too, when its client leaves."""

    _answered: RequestResponseCycle | None = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        self.pipeline.clear()
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()
        super().connection_lost(exc)
