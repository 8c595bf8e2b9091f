"""What can happen to Redis: each is a way to reach one, something that breaks it, and something that mends it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from proxy import Proxy
from redis_server import RedisServer

Act = Callable[[], Awaitable[None]]
Fault = Callable[[RedisServer], AbstractAsyncContextManager[tuple[str, Act, Act]]]


@asynccontextmanager
async def killed(redis: RedisServer) -> AsyncIterator[tuple[str, Act, Act]]:
    """``kill -9``; another, empty one comes in its place."""
    yield redis.url, _in_thread(redis.kill), _in_thread(redis.start)


@asynccontextmanager
async def paused(redis: RedisServer) -> AsyncIterator[tuple[str, Act, Act]]:
    """It answers nobody for 3 s, and then goes on by itself."""
    yield redis.url, _in_thread(lambda: redis.pause(3.0)), _nothing


@asynccontextmanager
async def emptied(redis: RedisServer) -> AsyncIterator[tuple[str, Act, Act]]:
    """Nothing of what was in it is there any more."""
    yield redis.url, _in_thread(lambda: redis.ask("FLUSHALL")), _nothing


@asynccontextmanager
async def never_there(_redis: RedisServer) -> AsyncIterator[tuple[str, Act, Act]]:
    """A port that accepts connections, and answers nobody."""
    with socket.create_server(("127.0.0.1", 0)) as hole:
        yield f"redis://127.0.0.1:{hole.getsockname()[1]}/0", _nothing, _nothing


@asynccontextmanager
async def full(redis: RedisServer) -> AsyncIterator[tuple[str, Act, Act]]:
    """It takes no writes. Everything else works."""
    limit = ("CONFIG", "SET", "maxmemory")
    yield redis.url, _in_thread(lambda: redis.ask(*limit, "1")), _in_thread(lambda: redis.ask(*limit, "0"))


@asynccontextmanager
async def read_only(redis: RedisServer) -> AsyncIterator[tuple[str, Act, Act]]:
    """It has become a replica that takes no writes, as after a failover."""
    await asyncio.to_thread(redis.ask, "CONFIG", "SET", "replica-serve-stale-data", "yes")
    replicate, stop = ("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")
    yield redis.url, _in_thread(lambda: redis.ask(*replicate)), _in_thread(lambda: redis.ask(*stop))


@asynccontextmanager
async def cut_off(redis: RedisServer) -> AsyncIterator[tuple[str, Act, Act]]:
    """The network between is gone: connections stay open, and nothing passes."""
    async with Proxy(redis.port) as proxy:

        async def cut() -> None:
            proxy.open.clear()

        async def mend() -> None:
            proxy.open.set()

        yield f"redis://127.0.0.1:{proxy.port}/0", cut, mend


FAULTS: tuple[Fault, ...] = (killed, paused, full, read_only, cut_off)
"""Those that it must notice."""


def _in_thread(act: Callable[[], object]) -> Act:
    async def run() -> None:
        await asyncio.to_thread(act)

    return run


async def _nothing() -> None:
    """It mends itself."""
