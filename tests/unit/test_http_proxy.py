"""Outbound HTTP through a proxy that the operator named: what it is asked for, and what never reaches it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from engine.errors import ConfigurationError
from engine.http_client import HttpClient, HttpError, HttpErrorCode


class Proxy:
    """It notes what it is asked for, and answers in the place of whoever was meant."""

    def __init__(self) -> None:
        self.port = 0
        self.heads: list[list[str]] = []
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head.decode().strip().split("\r\n"))
                writer.write(self.answer)
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    found = Proxy()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    async with server:
        found.port = server.sockets[0].getsockname()[1]
        yield found


@asynccontextmanager
async def through(proxy: Proxy, *allow: str, user: str = "") -> AsyncIterator[HttpClient]:
    client = HttpClient(allow, proxy=f"http://{user}127.0.0.1:{proxy.port}")
    await client.open()
    try:
        yield client
    finally:
        await client.close()


async def test_the_proxy_is_asked_for_the_whole_url_and_looks_the_name_up(proxy: Proxy) -> None:
    async with through(proxy, user="signalbox:s3cret@") as client:
        answer = await client.request("POST", "http://hooks.test/in?a=%2f", body=b"")
        again = await client.request("POST", "http://hooks.test/in?a=%2f", body=b"")
    assert (answer.status, answer.body, again.status) == (200, b"ok", 200)
    assert proxy.heads[0][0] == "POST http://hooks.test/in?a=%2f HTTP/1.1"
    credentials = base64.b64encode(b"signalbox:s3cret").decode()
    assert f"Proxy-Authorization: Basic {credentials}" in proxy.heads[0]


async def test_https_goes_through_a_tunnel_and_the_receiver_never_sees_the_credentials(proxy: Proxy) -> None:
    proxy.answer = b"HTTP/1.1 403 Not on the list\r\n\r\n"
    async with through(proxy, user="signalbox:s3cret@") as client:
        with pytest.raises(HttpError, match=r"^hooks\.test cannot be reached: the proxy answered 403 Not on") as error:
            await client.request("POST", "https://hooks.test/in", body=b"")
    assert error.value.code is HttpErrorCode.UNREACHABLE
    assert proxy.heads[0][0] == "CONNECT hooks.test:443 HTTP/1.1"
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "localhost",
        "LOCALHOST.",
        "db.localhost",
    ],
)
async def test_what_is_private_without_a_look_up_does_not_reach_the_proxy(proxy: Proxy, host: str) -> None:
    async with through(proxy) as client:
        with pytest.raises(HttpError, match="is not a public address") as error:
            await client.request("GET", f"http://{host}/")
    assert error.value.code is HttpErrorCode.REFUSED
    assert proxy.heads == []


@pytest.mark.parametrize(
    ("allow", "host"),
    [("10.0.0.0/8", "10.1.2.3"), ("localhost", "localhost"), ("::1", "[::1]"), ("fd00::/8", "[fd00::1]")],
)
async def test_what_is_allowed_goes_through_the_proxy_too(proxy: Proxy, allow: str, host: str) -> None:
    async with through(proxy, allow) as client:
        assert (await client.request("GET", f"http://{host}/")).status == 200
    assert proxy.heads[0][0] == f"GET http://{host}/ HTTP/1.1"


async def test_a_proxy_that_is_away(free_tcp_port: int) -> None:
    client = HttpClient(proxy=f"http://127.0.0.1:{free_tcp_port}")
    await client.open()
    try:
        with pytest.raises(
            HttpError, match=rf"the proxy 127\.0\.0\.1:{free_tcp_port} cannot; check SIGNALBOX_HTTP_PROXY"
        ):
            await client.request("GET", "http://hooks.test/")
    finally:
        await client.close()


@pytest.mark.parametrize(
    "proxy",
    ["", "proxy:3128", "https://proxy:3128", "socks5://proxy:1080", "http://", "http://proxy/x", "http://p:99999"],
)
def test_what_is_no_proxy(proxy: str) -> None:
    with pytest.raises(ConfigurationError, match="SIGNALBOX_HTTP_PROXY: it must be as"):
        HttpClient(proxy=proxy)
