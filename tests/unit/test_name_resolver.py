"""Look-ups of names: by the system's resolver, in threads of their own, a limited number at once."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from eventually import eventually

from engine import name_resolver
from engine.http_client import HttpClient
from engine.name_resolver import NameResolver


async def test_it_answers_as_the_system_does() -> None:
    [first, *_] = await NameResolver().resolve("localhost", 80)
    assert (first["hostname"], first["port"]) == ("localhost", 80)
    assert first["host"] in ("127.0.0.1", "::1")
    with pytest.raises(socket.gaierror):
        await NameResolver().resolve("nowhere.invalid", 80)


async def test_the_scope_of_a_link_local_address_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    address = ("fe80::1", 80, 0, socket.if_nametoindex("lo"))
    given = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", address)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: given)
    [found] = await NameResolver().resolve("link.test", 80)
    assert found["host"] == "fe80::1%lo"


async def test_a_request_goes_out_while_the_default_pool_is_full() -> None:
    pool, go_on = ThreadPoolExecutor(1), threading.Event()
    asyncio.get_running_loop().set_default_executor(pool)
    stuck = asyncio.create_task(asyncio.to_thread(go_on.wait))
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    client = HttpClient(["localhost"], timeout_seconds=10.0)
    await client.open()
    try:
        response = await client.request("GET", f"http://localhost:{server.sockets[0].getsockname()[1]}/")
        assert response.status == 204
        assert not stuck.done()
    finally:
        go_on.set()
        await stuck
        await client.close()
        server.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


async def test_names_that_hang_have_a_limited_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_resolver, "MAX_LOOKUPS", 3)
    go_on, lock, counts = threading.Event(), threading.Lock(), {"now": 0, "most": 0}

    def hang(*_: Any, **__: Any) -> list[Any]:
        with lock:
            counts["now"] += 1
            counts["most"] = max(counts["most"], counts["now"])
        go_on.wait(10)
        with lock:
            counts["now"] -= 1
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    resolver = NameResolver()
    asked = [asyncio.create_task(resolver.resolve(f"{n}.test")) for n in range(10)]
    await eventually(lambda: counts["now"] == 3)
    go_on.set()
    assert await asyncio.gather(*asked) == [[]] * 10
    assert counts["most"] == 3
