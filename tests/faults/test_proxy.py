"""The proxy forwards, and does what it is told to a connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from proxy import COMMIT, Proxy

ANSWER = b"answer"


class Echo:
    """A server that keeps what it is sent and answers each piece."""

    def __init__(self) -> None:
        self.received = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            while data := await reader.read(1000):
                self.received += data
                writer.write(ANSWER)
                await writer.drain()


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Echo, Proxy]]:
    served = Echo()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    async with Proxy(server.sockets[0].getsockname()[1]) as proxy:
        yield served, proxy
    server.close()
    await server.wait_closed()


@contextlib.asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_it_forwards(echo: tuple[Echo, Proxy]) -> None:
    served, proxy = echo
    async with connected(proxy) as (reader, writer):
        writer.write(b"SELECT 1")
        assert await reader.readexactly(len(ANSWER)) == ANSWER
    assert served.received == b"SELECT 1"


@pytest.mark.parametrize(
    "commit", [b"\x07\x00\x00\x00" + COMMIT[0], b"\x1b\x00\x00\x00\x03INSERT INTO jobs" + COMMIT[1]]
)
async def test_the_answer_to_a_commit_is_lost(echo: tuple[Echo, Proxy], commit: bytes) -> None:
    """The server hears it, the client never learns."""
    served, proxy = echo
    proxy.lose_commit_rate = 1.0
    async with connected(proxy) as (reader, writer):
        writer.write(b"SELECT 1")
        assert await reader.readexactly(len(ANSWER)) == ANSWER
        writer.write(commit)
        assert await reader.read() == b""
    assert served.received.endswith(commit)
    assert (proxy.lost, proxy.dropped) == (1, 0)


async def test_connections_are_dropped(echo: tuple[Echo, Proxy]) -> None:
    served, proxy = echo
    proxy.drop_rate = 1.0
    async with connected(proxy) as (reader, writer):
        writer.write(b"SELECT 1")
        assert await reader.read() == b""
    assert (served.received, proxy.dropped) == (b"", 1)
    proxy.calm()
    async with connected(proxy) as (reader, writer):
        writer.write(b"SELECT 1")
        assert await reader.readexactly(len(ANSWER)) == ANSWER


async def test_nothing_passes_a_black_hole_and_nothing_is_lost(echo: tuple[Echo, Proxy]) -> None:
    served, proxy = echo
    async with connected(proxy) as (reader, writer):
        proxy.open.clear()
        writer.write(b"SELECT 1")
        answer = asyncio.ensure_future(reader.readexactly(len(ANSWER)))
        await asyncio.wait([answer], timeout=0.05)
        assert (answer.done(), served.received) == (False, b"")
        proxy.open.set()
        assert await answer == ANSWER
