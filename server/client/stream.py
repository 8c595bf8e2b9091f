"""Live changes over ``graphql-transport-ws``, for as long as it takes.

Failure handling: a socket that ends or falls silent is opened again, with growing pauses and jitter, and each
subscription goes on after the last cursor it was given, so that no change is missed or told twice. When the server's
log no longer reaches back so far, what is watched is read afresh and the user is told so. The first connection must
succeed: a wrong URL is an error at once, and not a reason to try for ever.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from server.client.api import Api, ClientError, Refused, not_ours, refusal, wants_key, why_unreachable
from server.client.documents import WATCH

PROTOCOL = "graphql-transport-ws"
SILENCE_SECONDS = 25.0
"""Servers ping more often than this; after it we ask, and after it again the socket counts as dead."""
ACK_SECONDS = 10.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 10.0
MAX_MESSAGE_BYTES = 64 * 2**20
FATAL = frozenset({4400, 4401, 4403, 4406, 4409, 4429})
"""Close codes after which the same would happen again."""
COME_AGAIN = frozenset({"UNAVAILABLE", "SLOW_CONSUMER", "RATE_LIMITED"})

Change = Mapping[str, Any]
Reread = Callable[["Subscription"], Awaitable[Sequence[Change]]]
"""Reads what a subscription is about afresh, and moves its cursor; what is to be told in place of what was missed."""


@dataclass(slots=True)
class Subscription:
    """One ``jobStatusChanged``; ``cursor`` is that of the last change seen."""

    variables: dict[str, Any]
    cursor: str | None = None

    def is_new(self, change: Change) -> bool:
        """Whether ``change`` was not seen before; then it is the last one seen."""
        if self.cursor is not None and int(change["cursor"]) <= int(self.cursor):
            return False
        self.cursor = change["cursor"]
        return True


class Lost(Exception):
    """The connection, or a subscription, ended in a way that another try can mend."""


@dataclass(slots=True)
class Stream:
    """The changes of ``subscriptions`` (at most 100), in order within each.

    ``say`` gets sentences for the user about the connection.
    """

    api: Api
    subscriptions: Sequence[Subscription]
    reread: Reread
    say: Callable[[str], None]
    was_connected: bool = False
    _failures: int = field(default=0, init=False)

    async def changes(self) -> AsyncGenerator[Change, None]:
        """Every change, until the caller has enough.

        Raises:
            ClientError: the server refuses, or cannot be reached the first time.
        """
        while True:
            try:
                async with await self._open() as socket:
                    async for change in self._converse(socket):
                        yield change
            except (Lost, aiohttp.ClientError, TimeoutError, OSError) as error:
                why = str(error) if isinstance(error, Lost) else why_unreachable(self.api.address, error)
                if not self.was_connected:
                    raise ClientError(why) from None
                pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**self._failures) * random.uniform(0.5, 1)  # noqa: S311
                if self._failures == 0:
                    self.say(f"{why} Trying again.")
                self._failures = min(self._failures + 1, 10)
                await asyncio.sleep(pause)

    async def _open(self) -> aiohttp.ClientWebSocketResponse:
        address = self.api.address
        try:
            async with asyncio.timeout(ACK_SECONDS):
                return await self.api.session.ws_connect(
                    address.url, protocols=(PROTOCOL,), max_msg_size=MAX_MESSAGE_BYTES, autoping=True
                )
        except aiohttp.WSServerHandshakeError as error:
            if error.status >= 500 or error.status == 429:
                raise Lost(f"{address.shown} is not available now (HTTP {error.status}).") from None
            if error.status in (401, 403):
                raise ClientError(wants_key(address)) from None
            raise ClientError(not_ours(address, f"HTTP {error.status} to a websocket")) from None

    async def _converse(self, socket: aiohttp.ClientWebSocketResponse) -> AsyncGenerator[Change, None]:
        key = self.api.address.api_key
        await _send(socket, {"type": "connection_init", "payload": {"Authorization": f"Bearer {key}"} if key else {}})
        message = await self._receive(socket, ACK_SECONDS)
        if message.get("type") != "connection_ack":
            raise ClientError(not_ours(self.api.address, "no connection_ack"))
        if self.was_connected and self._failures:
            self.say("Connected again.")
        self.was_connected = True
        for number in range(len(self.subscriptions)):
            await self._subscribe(socket, number)
        while True:
            message = await self._receive(socket, SILENCE_SECONDS)
            match message.get("type"):
                case "next":
                    subscription, payload = self.subscriptions[int(message["id"])], message["payload"]
                    if payload.get("errors"):
                        raise refusal(payload["errors"], self.api.address)
                    self._failures = 0
                    change = payload["data"]["jobStatusChanged"]
                    if subscription.is_new(change):
                        yield change
                case "error":
                    for change in await self._ended(int(message["id"]), message["payload"]):
                        yield change
                    await self._subscribe(socket, int(message["id"]))
                case "complete":
                    raise Lost("The server ended the subscription.")

    async def _ended(self, number: int, errors: Any) -> Sequence[Change]:
        """A subscription ended with an error: what to tell before it is begun again."""
        error = refusal(errors, self.api.address)
        code = error.code if isinstance(error, Refused) else ""
        if code in COME_AGAIN:
            raise Lost(str(error))
        if code != "CURSOR_EXPIRED":
            raise error
        self.say("The server's log no longer reaches back so far: some changes were missed. Reading afresh.")
        return await self.reread(self.subscriptions[number])

    async def _subscribe(self, socket: aiohttp.ClientWebSocketResponse, number: int) -> None:
        subscription = self.subscriptions[number]
        variables = {**subscription.variables, "after": subscription.cursor}
        payload = {"query": WATCH, "variables": variables}
        await _send(socket, {"type": "subscribe", "id": str(number), "payload": payload})

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse, silence_seconds: float) -> dict[str, Any]:
        """The next message that is neither ping nor pong."""
        has_asked = False
        while True:
            try:
                frame = await socket.receive(silence_seconds)
            except TimeoutError:
                if has_asked:
                    raise Lost("The server has fallen silent.") from None
                has_asked = True
                await _send(socket, {"type": "ping"})
                continue
            has_asked = False
            if frame.type is not aiohttp.WSMsgType.TEXT:
                raise self._closed(socket, frame)
            try:
                message = orjson.loads(frame.data)
            except orjson.JSONDecodeError:
                message = None
            if not isinstance(message, dict):
                raise ClientError(not_ours(self.api.address, "a message that is no JSON object"))
            if message.get("type") == "ping":
                await _send(socket, {"type": "pong"})
            elif message.get("type") != "pong":
                return message

    def _closed(self, socket: aiohttp.ClientWebSocketResponse, frame: aiohttp.WSMessage) -> Exception:
        code = socket.close_code
        reason = frame.extra if isinstance(frame.extra, str) else ""
        if code in (4401, 4403):
            return ClientError(f"{wants_key(self.api.address)} {reason}".strip())
        if code in FATAL:
            return ClientError(f"{self.api.address.shown} closed the connection: {reason or 'no reason'} ({code}).")
        return Lost(f"The connection was lost ({f'{code} {reason}'.strip() if code else 'no farewell'}).")


async def _send(socket: aiohttp.ClientWebSocketResponse, message: Mapping[str, Any]) -> None:
    await socket.send_str(orjson.dumps(message).decode())
