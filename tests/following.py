"""A subscriber that follows all changes of status over one connection after another, and writes down what it sees."""

from __future__ import annotations

import asyncio
import itertools
import random
from array import array
from collections import Counter
from collections.abc import Sequence

import aiohttp
import orjson

WATCH = """subscription($after: String, $status: [JobStatus!]) {
  jobStatusChanged(after: $after, status: $status) { cursor from to job { id } } }"""
CONNECTION_SECONDS = 3.0
"""How long a connection lasts, in the mean, of one who is not patient."""
RETRY_SECONDS = 0.1
NEVER = 1e9
HEARTBEAT_SECONDS = 16.0
Change = tuple[int, str | None, str]
"""The job, and its status before and after."""


class Subscriber:
    """Keeps the number of each change that it saw; what was in it goes to ``changes``, which all share.

    Args:
        urls: of servers, one of which it chooses for each connection.
        seed: what its chances follow from.
        status: it asks for changes to these alone; None for all.
    """

    def __init__(
        self, session: aiohttp.ClientSession, urls: Sequence[str], seed: str, status: list[str] | None = None
    ) -> None:
        self.status = status
        self.seen = array("q")
        self.cursor = "0"
        self.connections = 0
        self.ends: Counter[str] = Counter()
        self.is_patient = False
        self._session = session
        self._urls = urls
        self._random = random.Random(seed)

    async def follow(self, changes: dict[int, Change], faults: Counter[str]) -> None:
        """Watch, over one connection after another, until cancelled."""
        while True:
            try:
                await self._connect(changes, faults)
            except (aiohttp.ClientError, aiohttp.WSMessageTypeError, ConnectionError, TimeoutError) as error:
                self.ends[type(error).__name__] += 1
                await asyncio.sleep(RETRY_SECONDS)

    async def _connect(self, changes: dict[int, Change], faults: Counter[str]) -> None:
        url = self._random.choice(self._urls)
        # who never leaves by itself must ask whether the server is there: of a connection that has ended while the
        # network was cut it may never hear
        heartbeat = HEARTBEAT_SECONDS if self.is_patient else None
        connecting = self._session.ws_connect(url, protocols=("graphql-transport-ws",), heartbeat=heartbeat)
        async with connecting as socket:
            self.connections += 1
            await socket.send_str('{"type":"connection_init"}')
            variables = {"after": self.cursor, "status": self.status}
            subscribe = {"id": "1", "type": "subscribe", "payload": {"query": WATCH, "variables": variables}}
            assert (await socket.receive_json())["type"] == "connection_ack"
            await socket.send_str(orjson.dumps(subscribe).decode())
            lasts = NEVER if self.is_patient else self._random.expovariate(1 / CONNECTION_SECONDS)
            try:
                async with asyncio.timeout(lasts):
                    self.ends[await self._read(socket, changes, faults)] += 1
            except TimeoutError:
                if self._random.random() < 0.5:
                    self.ends["cut by the client"] += 1
                    assert socket._response.connection is not None
                    assert socket._response.connection.transport is not None
                    socket._response.connection.transport.abort()
                else:
                    self.ends["closed by the client"] += 1

    async def _read(
        self, socket: aiohttp.ClientWebSocketResponse, changes: dict[int, Change], faults: Counter[str]
    ) -> str:
        """What ended it."""
        async for frame in socket:
            if frame.type is aiohttp.WSMsgType.ERROR:  # no answer to a heartbeat
                return type(frame.data).__name__
            message = orjson.loads(frame.data)
            if message["type"] == "next":
                change = message["payload"]["data"]["jobStatusChanged"]
                self.cursor = change["cursor"]
                seq = int(self.cursor)
                self.seen.append(seq)
                told = (int(change["job"]["id"]), change["from"], change["to"])
                if changes.setdefault(seq, told) != told:
                    faults["told differently"] += 1
            elif message["type"] == "ping":
                await socket.send_str('{"type":"pong"}')
            else:
                code: str = message["payload"][0]["extensions"]["code"]
                if code not in ("SLOW_CONSUMER", "UNAVAILABLE"):
                    faults[code] += 1
                return code
        return f"close {socket.close_code}"

    def check(self, expected: Sequence[int], faults: Counter[str]) -> None:
        """Compare with the numbers of all events that are for it, in order."""
        seen = list(self.seen)
        if seen == list(expected):
            return
        faults["missed"] += len(set(expected) - set(seen))
        faults["unknown"] += len(set(seen) - set(expected))
        faults["repeated"] += len(seen) - len(set(seen))
        faults["out of order"] += sum(1 for one, other in itertools.pairwise(seen) if other < one)
