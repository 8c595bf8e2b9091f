"""The one way out over HTTP, for webhooks and tasks. It refuses addresses inside the operator's network.

The check sits where a socket is made for an address, after DNS and for every attempt, so nothing lies between check and
use: no second look-up, no literal in a spelling that a check of names would miss. Pooled connections were checked
when they were dialled. Redirects are handed back, not followed; proxies of the environment are ignored.

An operator may name a proxy that everything goes through. It looks names up, so only it can see where a name leads: an
address that is written out, and a name of the machine itself, are still refused here; all else is for it to refuse.
"""

from __future__ import annotations

import asyncio
import io
import re
import socket
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from types import MappingProxyType
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from engine.addresses import is_public, read_address
from engine.errors import ConfigurationError
from engine.name_resolver import NameResolver

ALLOW_SETTING = "SIGNALBOX_WEBHOOK_ALLOW"
PROXY_SETTING = "SIGNALBOX_HTTP_PROXY"
LARGE_BODY_BYTES = 1 << 20
IDLE_SECONDS = 1.5
"""How long an unused connection is kept: many servers close theirs after 2 to 5 s, and a request that crosses such a
close is lost."""
MAX_STALE_CONNECTIONS = 3
FRAMING_HEADERS = frozenset({"connection", "content-length", "transfer-encoding", "upgrade"})
NO_HEADERS: Mapping[str, str] = MappingProxyType({})

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token (RFC 9110, 5.6.2)
_HOST_NAME = re.compile(r"(?=.{1,253}\.?$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?", re.IGNORECASE)
_ENDS_IN_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)\.?", re.IGNORECASE)


class HttpErrorCode(StrEnum):
    """Why there is no response."""

    REFUSED = "REFUSED"
    TIMEOUT = "TIMEOUT"
    UNREACHABLE = "UNREACHABLE"
    INVALID_URL = "INVALID_URL"


class HttpError(Exception):
    """There is no response; ``code`` says why, the message names the host and what can be done."""

    def __init__(self, code: HttpErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What a server answered.

    Attributes:
        headers: names in lower case; values of repeated ones joined by ``, ``.
        body: as it was sent, not decompressed; its beginning alone if ``is_truncated``.
        duration_ms: from before the look-up of the name to the last byte read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_truncated: bool
    duration_ms: int


@dataclass(slots=True)
class _Dial:
    """What the socket factory knows of the request it dials for, and what it tells back."""

    is_allowed_by_name: bool
    refused: list[str] = field(default_factory=list)
    has_dialled: bool = False


_dial: ContextVar[_Dial] = ContextVar("_dial")


class HttpClient:
    """Sends requests to public addresses, and to those that are allowed.

    Args:
        allow: networks (CIDR), addresses and host names that may be reached although they are not public. A host name
            permits whatever it resolves to.
        timeout_seconds: for a whole exchange: look-up, connection, request, reading the answer.
        max_response_bytes: no more of a body is read.
        proxy: ``http://user:password@host:port`` of the HTTP proxy that every request goes through; it may be private.

    Raises:
        ConfigurationError: an entry of ``allow`` is neither, or ``proxy`` is not such a URL.
    """

    def __init__(
        self,
        allow: Sequence[str] = (),
        *,
        timeout_seconds: float = 15.0,
        max_response_bytes: int = 16_384,
        proxy: str | None = None,
    ) -> None:
        self._networks, self._names = _read_allow(allow)
        self._proxy = None if proxy is None else _read_proxy(proxy)
        self._timeout_seconds = timeout_seconds
        self._max_response_bytes = max_response_bytes
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Be ready for requests, in the running loop."""
        if self._session is not None:
            return
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                socket_factory=self._make_socket,
                resolver=NameResolver(),
                keepalive_timeout=IDLE_SECONDS,
                limit=0,  # callers have limits of their own: here, a slow URL would hold up another on its host
            ),
            timeout=aiohttp.ClientTimeout(total=None),  # `request` has its own; aiohttp's rounds up to whole seconds
            headers={"User-Agent": "Signalbox", "Accept-Encoding": "identity"},
            skip_auto_headers=("Content-Type",),
            auto_decompress=False,  # 16 KiB of gzip may be 16 MiB of zeros
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            read_bufsize=65_536,
        )

    async def close(self) -> None:
        """Close every connection. Requests under way end with UNREACHABLE."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | None = None,
        timeout_seconds: float | None = None,
        is_repeatable: bool = False,
    ) -> HttpResponse:
        """Send one request and read the answer, whatever its status.

        Args:
            headers: go over the client's own.
            timeout_seconds: for this exchange, instead of the client's.
            is_repeatable: the receiver knows a request that it has had before. One that went into a kept connection,
                which the other side was just closing, is then sent again through a new one.

        Raises:
            HttpError: there is no answer.
            ValueError: the method or a header cannot be sent; those that frame the message are the client's.
            RuntimeError: the client is not open.
        """
        session = self._session
        if session is None:
            raise RuntimeError("the HTTP client is not open")
        target = _parse(url)
        for name in headers:
            check_header_name(name)
        host = target.raw_host or ""
        dial = _Dial(self._proxy is not None or _bare(host) in self._names)
        if self._proxy is not None:
            self._check_before_proxy(host)
        token = _dial.set(dial)
        limit = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        try:
            async with asyncio.timeout(limit):
                for _ in range(MAX_STALE_CONNECTIONS if is_repeatable else 0):
                    try:
                        return await self._exchange(session, method, target, headers, body)
                    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                        if dial.has_dialled or session.closed or isinstance(error, aiohttp.ClientConnectorError):
                            raise
                return await self._exchange(session, method, target, headers, body)
        except TimeoutError:
            raise HttpError(HttpErrorCode.TIMEOUT, f"{host} did not answer in full within {limit:g} s.") from None
        except (aiohttp.InvalidURL, UnicodeError) as error:
            raise HttpError(HttpErrorCode.INVALID_URL, f"{host!r} cannot be used as a host: {error}") from None
        except aiohttp.ClientError as error:
            if dial.refused and not dial.has_dialled:
                address = dial.refused[0]
                raise _refused(host if host == address else f"{host} (at {address})") from None
            raise HttpError(HttpErrorCode.UNREACHABLE, _unreachable(host, error)) from error
        finally:
            _dial.reset(token)

    async def _exchange(
        self, session: aiohttp.ClientSession, method: str, url: URL, headers: Mapping[str, str], body: bytes | None
    ) -> HttpResponse:
        clock = asyncio.get_running_loop().time
        started = clock()
        data = io.BytesIO(body) if body is not None and len(body) >= LARGE_BODY_BYTES else body
        async with session.request(
            method, url, headers=headers, data=data, allow_redirects=False, proxy=self._proxy
        ) as response:
            read = bytearray()
            while len(read) <= self._max_response_bytes and (chunk := await response.content.readany()):
                read += chunk
            is_truncated = len(read) > self._max_response_bytes
            if is_truncated:
                response.close()  # not back into the pool: the rest is still to come
            fields: dict[str, str] = {}
            for name, value in response.headers.items():
                key = name.lower()
                fields[key] = f"{fields[key]}, {value}" if key in fields else value
            kept = bytes(read[: self._max_response_bytes])
            return HttpResponse(response.status, fields, kept, is_truncated, round((clock() - started) * 1000))

    def _make_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        dial = _dial.get()
        if not (dial.is_allowed_by_name or is_public(address[0]) or self._is_in_allowed_network(address[0])):
            dial.refused.append(address[0])
            raise OSError(f"{address[0]} is not a public address")
        dial.has_dialled = True
        return socket.socket(family, kind, protocol)

    def _check_before_proxy(self, host: str) -> None:
        """Refuse what would lead into the proxy's own network, as far as that can be told without a look-up."""
        name = _bare(host)
        is_address = read_address(host) is not None
        is_private = not is_public(host) if is_address else name == "localhost" or name.endswith(".localhost")
        if is_private and name not in self._names and not self._is_in_allowed_network(host):
            raise _refused(host)

    def _is_in_allowed_network(self, text: str) -> bool:
        address = read_address(text)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped  # the kernel dials this one
        return address is not None and any(address in network for network in self._networks)


def check_url(url: str) -> None:
    """Refuse a URL that no request could be sent to. Whether its address is allowed shows when it is dialled.

    Raises:
        HttpError: INVALID_URL; the message never shows a password.
    """
    _parse(url)


def check_header_name(name: str) -> None:
    """Refuse a header that is no header, or that frames the message (a second frame is how requests are smuggled).

    Raises:
        ValueError: it is one of these.
    """
    if not _HEADER_NAME.fullmatch(name) or name.lower() in FRAMING_HEADERS:
        raise ValueError(f"the header {name[:80]!r} cannot be set")


def _parse(url: str) -> URL:
    """``url``, read by the parser that the client sends with: two would disagree about some host."""
    if any(character <= " " or character == "\x7f" or "\ud800" <= character <= "\udfff" for character in url):
        raise _invalid("it has spaces, control characters or invalid Unicode; percent-encode them")
    try:
        parsed = URL(url)
    except ValueError:
        raise _invalid("it cannot be read; check its host and port") from None
    host = parsed.raw_host
    if parsed.scheme not in ("http", "https") or not host:
        raise _invalid("it must start with http:// or https:// and name a host")
    if parsed.raw_user is not None or parsed.raw_password is not None or "@" in parsed.raw_authority:
        raise _invalid(f"{host} has a user or password before it; send an Authorization header instead")
    if parsed.port == 0:
        raise _invalid(f"{host} has no port 0")
    if read_address(host) is None:
        if _ENDS_IN_NUMBER.fullmatch(host):
            raise _invalid(f"{host} is not an IPv4 address in its usual form, as 203.0.113.7")
        if not _HOST_NAME.fullmatch(host):
            raise _invalid(f"{host[:80]!r} is not a host name")
    if not url.isascii():
        return parsed
    # path and query go out as they are written: a signed URL does not survive requoting
    rest = urlsplit(url)
    authority, path = parsed.raw_authority, rest.path or "/"
    return URL.build(scheme=parsed.scheme, authority=authority, path=path, query_string=rest.query, encoded=True)


def _invalid(reason: str) -> HttpError:
    return HttpError(HttpErrorCode.INVALID_URL, f"The URL cannot be used: {reason}.")


def _refused(where: str) -> HttpError:
    return HttpError(
        HttpErrorCode.REFUSED,
        f"{where} is not a public address; to allow it, add the host or its network to {ALLOW_SETTING}.",
    )


def _unreachable(host: str, error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"{host} cannot be reached: the proxy answered {error.status} {error.message}."
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"{host} cannot be reached: the proxy {error.host}:{error.port} cannot; check {PROXY_SETTING}."
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"The host name {host} cannot be resolved; check its spelling."
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"The TLS certificate of {host} is not valid: {error.certificate_error}."
    if isinstance(error, aiohttp.ClientOSError) and error.strerror:
        return f"{host} cannot be reached: {error.strerror}."
    return f"The exchange with {host} broke off: {type(error).__name__}: {error}."


def _read_allow(allow: Sequence[str]) -> tuple[tuple[IPv4Network | IPv6Network, ...], frozenset[str]]:
    networks: list[IPv4Network | IPv6Network] = []
    names: set[str] = set()
    for entry in allow:
        try:
            networks.append(ip_network(entry.strip("[]")))
            continue
        except ValueError as error:
            name = _bare(entry)
            if not _HOST_NAME.fullmatch(name) or _ENDS_IN_NUMBER.fullmatch(name):
                raise ConfigurationError(
                    f"{ALLOW_SETTING}: {entry!r} is neither a network as 10.0.0.0/8, nor an address, nor a host name "
                    f"without a port ({error})"
                ) from None
        names.add(name)
    return tuple(networks), frozenset(names)


def _read_proxy(proxy: str) -> URL:
    try:
        url = URL(proxy)
    except ValueError:
        url = URL()
    if (
        url.scheme != "http"
        or not url.raw_host
        or url.path not in ("", "/")
        or url.raw_query_string
        or url.raw_fragment
    ):
        raise ConfigurationError(f"{PROXY_SETTING}: it must be as http://user:password@proxy.example.com:3128")
    return url


def _bare(host: str) -> str:
    return host.lower().rstrip(".")
