"""A TCP proxy in front of a server: it delays, drops, holds everything back, and loses the answers to COMMITs."""

from __future__ import annotations

import asyncio
import contextlib
import random
from types import TracebackType
from typing import Self

CHUNK = 65_536
COMMIT = (b"\x03COMMIT", b"; COMMIT")
"""How a packet of the client's ends that commits: the command "query" and this text, or a statement before it."""


class Proxy:
    """Forwards ``port`` of the loopback to ``target``, also of the loopback; open it with ``async with``.

    Attributes:
        delay_seconds: how long each chunk is held, in each direction.
        refuse_rate: the chance of each connection to be ended as soon as it was accepted.
        drop_rate: the chance of each chunk of the client's to find its connection dropped.
        lose_commit_rate: the chance of a COMMIT to be forwarded, and its answer thrown away with the connection.
        open: while it is clear, nothing passes, and nobody is told.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.chance = random.Random(0)
        self.open = asyncio.Event()
        self.calm()
        self.refused = 0
        self.dropped = 0
        self.lost = 0
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()

    def calm(self) -> None:
        """Do no more than forward."""
        self.delay_seconds = self.refuse_rate = self.drop_rate = self.lose_commit_rate = 0.0
        self.open.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for link in list(self._links):
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.get_running_loop().create_task(self._link(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _link(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it or chance does."""
        with contextlib.closing(to_client):
            if self.chance.random() < self.refuse_rate:
                self.refused += 1
                return
            try:
                server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
            except OSError:
                return
            with contextlib.closing(to_server):
                connection = Link(self, client, to_client, server, to_server)
                ways = [asyncio.ensure_future(connection.forward()), asyncio.ensure_future(connection.back())]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)


class Link:
    """The two ways of one connection; the end of either is the end of both."""

    def __init__(
        self,
        proxy: Proxy,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._client, self._to_client = client, to_client
        self._server, self._to_server = server, to_server
        self._loses_answer = False

    async def forward(self) -> None:
        """What the client sends."""
        proxy = self._proxy
        while data := await self._client.read(CHUNK):
            await self._hold()
            if proxy.chance.random() < proxy.drop_rate:
                proxy.dropped += 1
                return
            if data.endswith(COMMIT) and proxy.chance.random() < proxy.lose_commit_rate:
                self._loses_answer = True
            self._to_server.write(data)
            await self._to_server.drain()

    async def back(self) -> None:
        """What the server answers."""
        while data := await self._server.read(CHUNK):
            await self._hold()
            if self._loses_answer:
                self._proxy.lost += 1
                return
            self._to_client.write(data)
            await self._to_client.drain()

    async def _hold(self) -> None:
        if self._proxy.delay_seconds:
            await asyncio.sleep(self._proxy.delay_seconds)
        await self._proxy.open.wait()
