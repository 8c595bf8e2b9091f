"""uvicorn's websocket, with a way to write a text frame at once, without a coroutine for each.

ASGI's ``send`` costs more than the write itself, and an event that goes to a thousand sockets is a thousand sends. The
application finds ``write_text`` under ``EXTENSION`` in the scope; where it is missing, or says False, ``send`` serves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from starlette.types import Scope
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

EXTENSION = "signalbox.write_text"
WriteText = Callable[[bytes, bytes, bytes], bool]
"""Writes one text message that is given in three parts; False if it must be sent by ``send``."""

FINAL_TEXT = b"\x81"
"""The first byte of an unfragmented text frame (RFC 6455, section 5.2)."""


class DirectWebSocketProtocol(WebSocketsSansIOProtocol):
    """A websocket of uvicorn's that can be written to at once."""

    async def run_asgi(self) -> None:
        extensions = self.scope.get("extensions") or {}
        self.scope["extensions"] = {**extensions, EXTENSION: self.write_text}  # type: ignore[dict-item]
        await super().run_asgi()

    async def send(self, message: ASGISendEvent) -> None:
        """A client that has left during the handshake is gone. uvicorn would answer it with a refusal, and the library
        below raises at the second end of one connection. What is set here, it sets itself a moment later."""
        if not self.handshake_complete and self.transport.is_closing():
            self.handshake_complete = self.disconnected = True
            raise ClientDisconnected
        await super().send(message)

    def send_receive_event_to_app(self) -> None:
        """A text that is no UTF-8 reaches the application as what it is, bytes; uvicorn would break off with an error
        in the log, for what a client did."""
        if self.curr_msg_data_type == "text" and not _is_utf8(self.frames):
            self.curr_msg_data_type = "bytes"
        super().send_receive_event_to_app()

    def write_text(self, head: bytes, body: bytes, tail: bytes) -> bool:
        """Write a text message, unless the client does not read, compresses, or is leaving."""
        is_open = self.handshake_complete and not self.close_sent and not self.disconnected
        if not is_open or self.conn.extensions or not self.writable.is_set() or self.transport.is_closing():
            return False
        length = len(head) + len(body) + len(tail)
        self.transport.write(b"".join((FINAL_TEXT, _length(length), head, body, tail)))
        return True


def _is_utf8(frames: Sequence[bytes]) -> bool:
    try:
        str(frames[0] if len(frames) == 1 else b"".join(frames), "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _length(length: int) -> bytes:
    if length < 126:
        return length.to_bytes(1, "big")
    return b"\x7e" + length.to_bytes(2, "big") if length < 65_536 else b"\x7f" + length.to_bytes(8, "big")


def write_text_of(scope: Scope) -> WriteText | None:
    """The direct way to the client of this websocket, if its server has one."""
    return cast("WriteText | None", (scope.get("extensions") or {}).get(EXTENSION))
