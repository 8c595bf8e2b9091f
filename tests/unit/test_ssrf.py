"""The SSRF table: every way to write, name or reach an address inside the network is refused, and nothing is sent."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from engine.http_client import HttpClient, HttpError, HttpErrorCode
from engine.name_resolver import NameResolver

LITERALS = [
    "127.0.0.1",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "017700000001",
    "0177.0.0.1",
    "127.0.0.1.",
    "127.000.000.001",
    "0",
    "0.0.0.0",
    "0.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::]",
    "[2001:0:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[::1%25lo]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[2001:db8::1]",
    "localhost",
    "LOCALHOST",
    "１２７.０.０.１",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "user@127.0.0.1",
    "example.com@127.0.0.1",
    "127.0.0.1#@example.com",
    "127.0.0.1\\@example.com",
    "127.0.0.1%00.example.com",
    "127.0.0.1%2e",
]
NAMES = {
    "localhost.": "127.0.0.1",
    "localhost.localdomain.": "::1",
    "metadata.google.internal": "169.254.169.254",
    "loopback.example": "127.0.0.1",
    "mapped.example": "::ffff:127.0.0.1",
    "nat64.example": "64:ff9b::7f00:1",
    "sixtofour.example": "2002:7f00:1::",
    "teredo.example": "2001:0:7f00:1::1",
    "linklocal.example": "fe80::1%1",
    "xn--mnchen-3ya.example": "10.0.0.1",
}
SCHEMES = ["gopher", "file", "ftp", "dict", "unix", "ws", "data", "javascript"]


class Listener:
    """A server on every loopback address; it notes each connection, even one that sends nothing."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    it = Listener()

    class Counting(web.Server):
        def __call__(self) -> Any:
            it.connections += 1
            return super().__call__()

    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path == "/redirect":
            return web.Response(status=302, headers={"Location": f"http://127.0.0.1:{it.port}/inside"})
        return web.Response(text=request.path)

    runner = web.ServerRunner(Counting(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    it.port = runner.addresses[0][1]
    if socket.has_ipv6:
        with contextlib.suppress(OSError):  # no IPv6 on this machine
            await web.TCPSite(runner, "::1", it.port).start()
    yield it
    await runner.cleanup()


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    """May reach nothing but public addresses."""
    found = HttpClient()
    await found.open()
    yield found
    await found.close()


async def refusal(client: HttpClient, url: str) -> HttpErrorCode:
    with pytest.raises(HttpError) as error:
        await client.request("POST", url, body=b"secret", timeout_seconds=5.0)
    return error.value.code


def resolve(monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[str]]) -> list[str]:
    """Have names resolve to the next of their addresses; the names that were asked for."""
    asked: list[str] = []

    async def answer(_self: Any, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        asked.append(host)
        address = answers.get(host, answers.get(f"{host}.", [])).pop(0)
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [{"hostname": host, "host": address, "port": port, "family": kind, "proto": 0, "flags": flags}]

    monkeypatch.setattr(NameResolver, "resolve", answer)
    return asked


def test_the_table_is_long_enough() -> None:
    assert len(set(LITERALS)) + len(NAMES) + len(SCHEMES) >= 70


@pytest.mark.parametrize("host", LITERALS)
async def test_a_literal(listener: Listener, client: HttpClient, host: str) -> None:
    code = await refusal(client, f"http://{host}:{listener.port}/")
    assert code in (HttpErrorCode.REFUSED, HttpErrorCode.INVALID_URL)
    assert listener.connections == 0


@pytest.mark.parametrize("name", NAMES)
async def test_a_name(listener: Listener, client: HttpClient, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolve(monkeypatch, {name: [NAMES[name]]})
    assert await refusal(client, f"http://{name}:{listener.port}/") is HttpErrorCode.REFUSED
    assert [each.rstrip(".") for each in asked] == [name.rstrip(".")]
    assert listener.connections == 0


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_another_scheme(listener: Listener, client: HttpClient, scheme: str) -> None:
    assert await refusal(client, f"{scheme}://127.0.0.1:{listener.port}/") is HttpErrorCode.INVALID_URL
    assert listener.connections == 0


async def test_a_name_that_is_public_first_and_private_then(
    listener: Listener, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: the look-up of a check and that of the dial would differ; here the dialled address is the checked."""
    asked = resolve(monkeypatch, {"rebind.example": ["192.0.2.1", "127.0.0.1"]})
    monkeypatch.setattr("engine.http_client.is_public", lambda address: address == "192.0.2.1")
    dialled: list[Any] = []

    def no_network(*arguments: Any) -> socket.socket:
        dialled.append(arguments)
        raise OSError("the test has no network")

    with monkeypatch.context() as patch:
        patch.setattr("engine.http_client.socket.socket", no_network)
        url = f"http://rebind.example:{listener.port}/"
        assert await refusal(client, url) is HttpErrorCode.UNREACHABLE
    assert len(dialled) == 1  # the public one was let through to the dial
    session = client._session
    assert session is not None
    session.connector.clear_dns_cache()  # type: ignore[union-attr]
    assert await refusal(client, url) is HttpErrorCode.REFUSED
    assert asked == ["rebind.example"] * 2
    assert listener.connections == 0


async def test_a_redirect_is_not_followed(listener: Listener) -> None:
    client = HttpClient(["127.0.0.1"])
    await client.open()
    try:
        response = await client.request("POST", f"http://127.0.0.1:{listener.port}/redirect", body=b"x")
        assert (response.status, listener.connections) == (302, 1)
        assert (await client.request("GET", f"http://127.0.0.1:{listener.port}/ok")).body == b"/ok"
    finally:
        await client.close()


@pytest.mark.parametrize("allow", ["127.0.0.0/8", "127.0.0.1", "inside.example"])
async def test_what_is_allowed_works(listener: Listener, allow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, {"inside.example": ["127.0.0.1"]})
    client = HttpClient([allow])
    await client.open()
    try:
        response = await client.request("GET", f"http://inside.example:{listener.port}/ok")
        assert (response.status, response.body) == (200, b"/ok")
    finally:
        await client.close()
