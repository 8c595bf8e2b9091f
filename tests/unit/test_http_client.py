"""The guarded way out: which addresses it dials, what of an answer it reads, and how it says no."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from eventually import eventually

from engine.addresses import is_public
from engine.errors import ConfigurationError
from engine.http_client import HttpClient, HttpError, HttpErrorCode, check_url
from engine.name_resolver import NameResolver

LOOPBACK = ("127.0.0.0/8",)

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "192.167.255.255",
    "198.17.255.255",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]
NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:7f00:1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::224.0.0.1",
    "64:ff9b:1::8.8.8.8",
    "64:ff9b:1:7f00:0:100::",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:e000:1::",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:db8::1",
    "3fff::1",
    "100::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "",
    "localhost",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "8.8.8.8:80",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_other_addresses(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "https://example.com:8443/hook?key=value#part",
        "HTTPS://EXAMPLE.COM./",
        "http://münchen.de/ä",
        "http://my_service:8000/",
        "http://127.0.0.1/",
        "http://[::1]:8080/",
        "http://1password.com/",
    ],
)
def test_urls_that_can_be_used(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "http://"),
        ("example.com", "http://"),
        ("//example.com/", "http://"),
        ("ftp://example.com/", "http://"),
        ("file:///etc/passwd", "http://"),
        ("javascript:alert(1)", "http://"),
        ("http://", "http://"),
        ("http:///path", "http://"),
        ("http://:80/", "host and port"),
        ("http://user:hunter2@example.com/", "example.com has a user or password"),
        ("http://hunter2@example.com/", "Authorization header"),
        ("http://:hunter2@example.com/", "Authorization header"),
        ("http://example.com:99999/", "host and port"),
        ("http://example.com:http/", "host and port"),
        ("http://example.com:0/", "no port 0"),
        ("http://[::1/", "host and port"),
        ("http://2130706433/", "usual form"),
        ("http://0x7f.1/", "usual form"),
        ("http://127.1/", "usual form"),
        ("http://017700000001/", "usual form"),
        ("http://127.0.0.1./", "usual form"),
        ("http://a..b/", "not a host name"),
        ("http://" + "a" * 64 + ".com/", "not a host name"),
        ("http://*.example.com/", "not a host name"),
        ("http://example%2ecom/", "not a host name"),
        ("http://exa mple.com/", "percent-encode"),
        ("http://example.com/\r\nHost: other", "percent-encode"),
        ("http://example.com/\ud800", "percent-encode"),
        ("http://example.com\\@other/", "host and port"),
    ],
)
def test_urls_that_cannot_be_used(url: str, reason: str) -> None:
    with pytest.raises(HttpError, match=reason) as refusal:
        check_url(url)
    assert refusal.value.code is HttpErrorCode.INVALID_URL
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "host:8000", "http://host/", "127.1", "*.local", "a b", "10.0.0.0/40"])
def test_an_unusable_entry_of_the_setting(entry: str) -> None:
    with pytest.raises(ConfigurationError, match="SIGNALBOX_WEBHOOK_ALLOW"):
        HttpClient([entry])


class Receiver:
    """A server that notes what reaches it, and can hold its answers back."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.peers: list[Any] = []
        self.go_on = asyncio.Event()
        self.waiting = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        assert request.transport is not None
        self.peers.append(request.transport.get_extra_info("peername"))
        match request.path:
            case "/redirect":
                raise web.HTTPFound("/elsewhere")
            case "/large":
                return web.Response(body=b"x" * 100_000)
            case "/gzip":
                return web.Response(body=gzip.compress(b"0" * 1_000_000), headers={"Content-Encoding": "gzip"})
            case "/twice":
                return web.Response(status=503, headers=[("X-A", "1"), ("x-a", "2"), ("Retry-After", "7")])
            case "/hang":
                self.waiting += 1
                await self.go_on.wait()
            case "/drip":
                response = web.StreamResponse()
                await response.prepare(request)
                await response.write(b"some")
                await self.go_on.wait()
                return response
        return web.Response(text=f"{request.method} {request.path}")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application(client_max_size=8 << 20)
    app.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.port = runner.addresses[0][1]
    yield found
    found.go_on.set()
    await runner.cleanup()


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    """May reach the loopback network."""
    found = HttpClient(LOOPBACK)
    await found.open()
    yield found
    await found.close()


async def request_with(allow: list[str], url: str) -> int:
    client = HttpClient(allow)
    await client.open()
    try:
        return (await client.request("GET", url)).status
    finally:
        await client.close()


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    async def resolve(self: NameResolver, host: str, port: int = 0, family: Any = 0) -> list[dict[str, Any]]:
        return [
            {"hostname": host, "host": each, "port": port, "family": family, "proto": 0, "flags": 0}
            for each in addresses
        ]

    monkeypatch.setattr(NameResolver, "resolve", resolve)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST", "[::ffff:127.0.0.1]", "１２７.0.0.1", "0.0.0.0"]
)
async def test_a_private_address_is_refused(receiver: Receiver, host: str) -> None:
    with pytest.raises(HttpError, match=r"not a public address.*SIGNALBOX_WEBHOOK_ALLOW") as refusal:
        await request_with([], f"http://{host}:{receiver.port}/")
    assert refusal.value.code is HttpErrorCode.REFUSED
    assert receiver.requests == []


async def test_a_public_name_with_a_private_address_is_refused(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, "127.0.0.1", "127.0.0.2")
    with pytest.raises(
        HttpError, match=r"rebind\.example\.com \(at 127\.0\.0\.[12]\) is not a public address"
    ) as refusal:
        await request_with([], f"http://rebind.example.com:{receiver.port}/")
    assert refusal.value.code is HttpErrorCode.REFUSED
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("127.0.0.0/8", "127.0.0.1"),
        ("127.0.0.1", "localhost"),
        ("127.0.0.0/8", "[::ffff:127.0.0.1]"),
        ("localhost", "localhost"),
        ("LocalHost.", "localhost"),
        ("localhost", "LOCALHOST"),
    ],
)
async def test_what_the_setting_allows(receiver: Receiver, allowed: str, host: str) -> None:
    assert await request_with(["192.168.0.0/16", allowed], f"http://{host}:{receiver.port}/") == 200


@pytest.mark.parametrize("allowed", ["localhost", "127.0.0.2", "10.0.0.0/8", "::1", "host"])
async def test_what_it_does_not_allow(receiver: Receiver, allowed: str) -> None:
    with pytest.raises(HttpError) as refusal:
        await request_with([allowed], f"http://127.0.0.1:{receiver.port}/")
    assert refusal.value.code is HttpErrorCode.REFUSED
    assert receiver.requests == []


async def test_an_allowed_name_may_resolve_to_anything(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "127.0.0.1")
    for host in ("hooks.internal", "Hooks.Internal", "hooks.internal."):
        assert await request_with(["hooks.internal"], f"http://{host}:{receiver.port}/") == 200
    with pytest.raises(HttpError):
        await request_with(["hooks.internal"], f"http://sub.hooks.internal:{receiver.port}/")


async def test_of_several_addresses_the_permitted_one_is_dialled(
    receiver: Receiver, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, "10.0.0.1", "127.0.0.1")
    assert (await client.request("GET", f"http://mixed.example.com:{receiver.port}/")).status == 200


async def test_unreachable_is_not_refused_while_one_address_was_permitted(
    client: HttpClient, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, "10.0.0.1", "127.0.0.1")
    with pytest.raises(HttpError, match=r"mixed\.example\.com") as error:
        await client.request("GET", f"http://mixed.example.com:{free_port}/")
    assert error.value.code is HttpErrorCode.UNREACHABLE


async def test_an_exchange(receiver: Receiver, client: HttpClient) -> None:
    response = await client.request(
        "PUT", f"http://127.0.0.1:{receiver.port}/a%20b?c=%2F", headers={"X-Test": "ä"}, body=b"\x00\xff"
    )
    assert (response.status, response.body, response.is_truncated) == (200, b"PUT /a b", False)
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.duration_ms >= 0
    [request] = receiver.requests
    assert receiver.bodies == [b"\x00\xff"]
    assert request.raw_path == "/a%20b?c=%2F"
    assert request.headers["User-Agent"] == "Signalbox"
    assert request.headers["Accept-Encoding"] == "identity"
    assert "Content-Type" not in request.headers


async def test_own_headers_go_over_the_clients(receiver: Receiver, client: HttpClient) -> None:
    await client.request("GET", f"http://127.0.0.1:{receiver.port}/", headers={"user-agent": "Signalbox/1.2"})
    assert receiver.requests[0].headers.getall("User-Agent") == ["Signalbox/1.2"]


async def test_a_large_body_goes_out_whole(receiver: Receiver, client: HttpClient) -> None:
    await client.request("POST", f"http://127.0.0.1:{receiver.port}/", body=b"y" * (2 << 20))
    assert receiver.bodies == [b"y" * (2 << 20)]
    assert receiver.requests[0].headers["Content-Length"] == str(2 << 20)


async def test_repeated_headers_are_joined(receiver: Receiver, client: HttpClient) -> None:
    response = await client.request("GET", f"http://127.0.0.1:{receiver.port}/twice")
    assert response.status == 503
    assert response.headers["x-a"] == "1, 2"
    assert response.headers["retry-after"] == "7"


async def test_redirects_are_handed_back(receiver: Receiver, client: HttpClient) -> None:
    response = await client.request("GET", f"http://127.0.0.1:{receiver.port}/redirect")
    assert (response.status, response.headers["location"]) == (302, "/elsewhere")
    assert len(receiver.requests) == 1


async def test_a_long_answer_is_cut_off(receiver: Receiver, client: HttpClient) -> None:
    response = await client.request("GET", f"http://127.0.0.1:{receiver.port}/large")
    assert response.is_truncated
    assert response.body == b"x" * 16_384


async def test_an_answer_is_not_decompressed(receiver: Receiver, client: HttpClient) -> None:
    response = await client.request("GET", f"http://127.0.0.1:{receiver.port}/gzip")
    assert not response.is_truncated
    assert gzip.decompress(response.body) == b"0" * 1_000_000


async def test_connections_are_kept(receiver: Receiver, client: HttpClient) -> None:
    for path in ("one", "two", "large", "three"):
        await client.request("GET", f"http://127.0.0.1:{receiver.port}/{path}")
    first, second, third, fourth = receiver.peers
    assert first == second == third
    assert fourth != third  # the rest of the long answer was never read


@pytest.mark.parametrize("path", ["hang", "drip"])
async def test_the_timeout_covers_the_whole_exchange(receiver: Receiver, client: HttpClient, path: str) -> None:
    with pytest.raises(HttpError, match=r"127\.0\.0\.1 did not answer in full within 0\.05 s") as error:
        await client.request("GET", f"http://127.0.0.1:{receiver.port}/{path}", timeout_seconds=0.05)
    assert error.value.code is HttpErrorCode.TIMEOUT


async def test_cancellation_passes_through(receiver: Receiver, client: HttpClient) -> None:
    request = asyncio.create_task(client.request("GET", f"http://127.0.0.1:{receiver.port}/hang"))
    await eventually(lambda: receiver.waiting)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request


@pytest.mark.parametrize("is_repeatable", [False, True])
async def test_closing_ends_requests_under_way(receiver: Receiver, client: HttpClient, is_repeatable: bool) -> None:
    await client.request("GET", f"http://127.0.0.1:{receiver.port}/")  # its connection is used again
    url = f"http://127.0.0.1:{receiver.port}/hang"
    request = asyncio.create_task(client.request("POST", url, is_repeatable=is_repeatable))
    await eventually(lambda: receiver.waiting)
    await client.close()
    with pytest.raises(HttpError) as error:
        await request
    assert error.value.code is HttpErrorCode.UNREACHABLE


async def test_a_slow_receiver_holds_up_only_itself(
    receiver: Receiver, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, "127.0.0.1")
    url = f"http://shared.example.com:{receiver.port}/hang"
    slow = [asyncio.create_task(client.request("GET", url)) for _ in range(40)]
    await eventually(lambda: receiver.waiting == len(slow))
    assert (await client.request("GET", f"http://shared.example.com:{receiver.port}/")).status == 200
    assert receiver.waiting == len(slow)
    receiver.go_on.set()
    assert [response.status for response in await asyncio.gather(*slow)] == [200] * 40


async def test_nobody_listens(client: HttpClient, free_port: int) -> None:
    with pytest.raises(HttpError, match=r"127\.0\.0\.1 cannot be reached") as error:
        await client.request("GET", f"http://127.0.0.1:{free_port}/")
    assert error.value.code is HttpErrorCode.UNREACHABLE


async def test_a_name_that_does_not_resolve(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(NameResolver, "resolve", resolve)
    with pytest.raises(HttpError, match=r"nowhere\.invalid cannot be resolved") as error:
        await client.request("GET", "http://nowhere.invalid/")
    assert error.value.code is HttpErrorCode.UNREACHABLE


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
async def test_an_exchange_that_breaks_off(client: HttpClient, answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(HttpError, match=r"127\.0\.0\.1 broke off") as error:
            await client.request("POST", f"http://127.0.0.1:{port}/", body=b"x")
    assert error.value.code is HttpErrorCode.UNREACHABLE


async def test_a_certificate_that_is_not_valid(client: HttpClient, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed_certificate(tmp_path))
    runner = web.ServerRunner(web.Server(lambda request: web.Response()))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        with pytest.raises(HttpError, match="certificate") as error:
            await client.request("GET", f"https://127.0.0.1:{runner.addresses[0][1]}/")
    finally:
        await runner.cleanup()
    assert error.value.code is HttpErrorCode.UNREACHABLE


async def test_proxies_of_the_environment_are_ignored(
    receiver: Receiver, client: HttpClient, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port}")
    assert (await client.request("GET", f"http://127.0.0.1:{receiver.port}/")).status == 200


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"Content-Length": "5"}),
        ("POST", {"transfer-encoding": "chunked"}),
        ("GET", {"X-A": "1\r\nX-B: 2"}),
        ("GET", {"X A": "1"}),
        ("GET / HTTP/1.1\r\nX: ", {}),
    ],
)
async def test_a_request_that_cannot_be_framed(
    receiver: Receiver, client: HttpClient, method: str, headers: dict[str, str]
) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each says it in its own words
        await client.request(method, f"http://127.0.0.1:{receiver.port}/", headers=headers)
    assert receiver.requests == []


async def test_a_bad_url_is_not_dialled(client: HttpClient) -> None:
    with pytest.raises(HttpError) as error:
        await client.request("GET", "gopher://127.0.0.1/")
    assert error.value.code is HttpErrorCode.INVALID_URL


async def test_it_must_be_open() -> None:
    client = HttpClient()
    with pytest.raises(RuntimeError, match="not open"):
        await client.request("GET", "http://example.com/")
    await client.close()


async def test_it_can_be_opened_again(receiver: Receiver, client: HttpClient) -> None:
    await client.open()
    await client.close()
    await client.close()
    await client.open()
    assert (await client.request("GET", f"http://127.0.0.1:{receiver.port}/")).status == 200


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def self_signed_certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


class ClosesOldConnections:
    """Answers the first request of a connection; the second is read, and its connection closed without a word."""

    def __init__(self) -> None:
        self.requests: list[int] = []
        """How many each connection brought."""

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.requests)
        self.requests.append(0)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
                self.requests[number] += 1
                if self.requests[number] == 2:
                    break
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def closing() -> AsyncIterator[tuple[ClosesOldConnections, str]]:
    found = ClosesOldConnections()
    server = await asyncio.start_server(found.connected, "127.0.0.1", 0)
    yield found, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    server.close()


async def test_what_may_be_repeated_outlives_a_connection_that_was_just_closed(
    client: HttpClient, closing: tuple[ClosesOldConnections, str]
) -> None:
    found, url = closing
    for _ in range(3):
        assert (await client.request("POST", url, body=b"x", is_repeatable=True)).status == 200
    assert found.requests == [2, 2, 1]


async def test_other_requests_are_not_sent_twice(client: HttpClient, closing: tuple[ClosesOldConnections, str]) -> None:
    found, url = closing
    await client.request("POST", url, body=b"x")
    with pytest.raises(HttpError) as failure:
        await client.request("POST", url, body=b"x")
    assert failure.value.code is HttpErrorCode.UNREACHABLE
    assert found.requests == [2]


async def test_one_that_never_answers_is_asked_once(client: HttpClient) -> None:
    asked = 0

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(HttpError):
            await client.request("POST", url, body=b"x", is_repeatable=True)
    assert asked == 1
