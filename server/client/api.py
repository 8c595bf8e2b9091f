"""GraphQL over HTTP as the client speaks it, and one clear sentence for whatever can go wrong."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from server.client.address import KEY_NAME, Address
from server.version import VERSION

TIMEOUT_SECONDS = 60.0
CONNECT_SECONDS = 10.0
ACCEPT = "application/graphql-response+json, application/json;q=0.9"


class ClientError(Exception):
    """What the user is told; the command ends with exit code 1."""


class Refused(ClientError):
    """The server understood and said no: ``code`` is ``extensions.code``."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Api:
    """One server's API. Use ``opened``."""

    def __init__(self, session: aiohttp.ClientSession, address: Address) -> None:
        self.session = session
        self.address = address

    @classmethod
    @asynccontextmanager
    async def opened(cls, address: Address) -> AsyncIterator[Api]:
        headers = {"User-Agent": f"signalbox-jobs/{VERSION}"}
        if address.api_key is not None:
            headers["Authorization"] = f"Bearer {address.api_key}"
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, sock_connect=CONNECT_SECONDS)
        async with aiohttp.ClientSession(
            headers=headers, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            yield cls(session, address)

    async def run(self, document: str, **variables: Any) -> dict[str, Any]:
        """The data of one operation. An ``orjson.Fragment`` among the variables goes as it is.

        Raises:
            ClientError
        """
        body = orjson.dumps({"query": document, "variables": variables})
        headers = {"Content-Type": "application/json", "Accept": ACCEPT}
        try:
            async with self.session.post(
                self.address.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return read_answer(self.address, response, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ClientError(why_unreachable(self.address, error)) from None


def read_answer(address: Address, response: aiohttp.ClientResponse, body: bytes) -> dict[str, Any]:
    """The data in an answer.

    Raises:
        ClientError: it is a refusal, or no answer of a Signalbox.
    """
    if 300 <= response.status < 400:
        raise ClientError(f"{address.shown} sends on to {response.headers.get('Location', 'nowhere')}: use that URL.")
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if isinstance(answer, dict):
        if errors := answer.get("errors"):
            raise refusal(errors, address)
        if isinstance(data := answer.get("data"), dict):
            return data
    if response.status in (401, 403):
        raise ClientError(wants_key(address))
    if response.status in (502, 503, 504):
        raise ClientError(f"{address.shown} is not available now (HTTP {response.status}).")
    raise ClientError(not_ours(address, f"HTTP {response.status}, {response.content_type}"))


def refusal(errors: Any, address: Address) -> ClientError:
    """What the errors of an operation mean; the first is told."""
    error = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(error, Mapping):
        return ClientError(not_ours(address, "errors that are no GraphQL"))
    extensions = error.get("extensions")
    extensions = extensions if isinstance(extensions, Mapping) else {}
    code = str(extensions.get("code", ""))
    message = str(error.get("message", ""))
    if code == "UNAUTHENTICATED":
        return Refused(wants_key(address), code)
    if request_id := extensions.get("requestId"):
        message = f"{message} (request id {request_id})"
    elif code and code != "BAD_USER_INPUT":
        message = f"{message} ({code})"
    if len(errors) > 1:
        message = f"{message} (and {len(errors) - 1} more)"
    return Refused(message, code)


def wants_key(address: Address) -> str:
    if address.api_key is None:
        return f"{address.shown} wants an API key: set {KEY_NAME}, or give --api-key."
    return f"{address.shown} does not accept this API key."


def not_ours(address: Address, what: str) -> str:
    return f"{address.shown} does not answer as a Signalbox does ({what}); is the URL right?"


def why_unreachable(address: Address, error: BaseException) -> str:
    """Why there was no answer."""
    if isinstance(error, (asyncio.TimeoutError, aiohttp.ServerTimeoutError)):
        return f"{address.shown} does not answer."
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"{address.shown} has a certificate that cannot be trusted: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"{address.shown} cannot be found: there is no such host."
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = os.strerror(error.os_error.errno) if error.os_error.errno else str(error.os_error)
        return f"{address.shown} cannot be reached: {reason}. Is `signalbox serve` running there?"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return f"{address.shown} ended the connection without an answer."
    return f"{address.shown} cannot be talked to: {type(error).__name__}: {error}"
