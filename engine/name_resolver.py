"""Look-ups of host names for what goes out over HTTP, in threads that nothing else uses.

The loop's default pool is open to whatever tasks give to ``asyncio.to_thread``: were it full, no name could be looked
up. The system's own resolver is asked, so /etc/hosts and search domains count.
"""

from __future__ import annotations

import asyncio
import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from engine.threads import DaemonThreads

MAX_LOOKUPS = 128
"""Look-ups under way at once, each in a thread: names that hang for the system's patience leave room for others. The
connector asks for a name once, however many wait for it."""
NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class NameResolver(AbstractResolver):
    """Resolves names for an aiohttp connector."""

    def __init__(self) -> None:
        self._threads = DaemonThreads("lookup")
        self._places = asyncio.Semaphore(MAX_LOOKUPS)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of ``host``.

        Raises:
            OSError: there are none.
        """
        async with self._places:
            return await asyncio.get_running_loop().run_in_executor(self._threads, look_up, host, port, family)

    async def close(self) -> None:
        """A look-up that is still under way ends by itself, and keeps nobody waiting."""


def look_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    """The addresses of ``host``, as the system has them, with the scope of those that are link-local."""
    found = []
    for each, _kind, protocol, _name, address in socket.getaddrinfo(
        host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    ):
        text = str(address[0])
        if each is socket.AF_INET6:
            if len(address) < 4:  # this Python knows no IPv6
                continue
            if address[3]:
                text = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
        found.append(ResolveResult(hostname=host, host=text, port=port, family=each, proto=protocol, flags=NUMERIC))
    return found
