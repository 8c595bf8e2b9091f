"""What a client may send: media types, body, JSON and the shape of a GraphQL request.

Everything a client can get wrong ends here, as a ``BadRequest`` with its status; nothing else is raised for any input.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NoReturn
from urllib.parse import urlsplit

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request

JSON = "application/json"
GRAPHQL_RESPONSE = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
MEBIBYTE = 1024 * 1024

# Half of a character by itself: legal in JSON, refused by every encoder and database that the string would reach.
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class BadRequest(Exception):
    """The request was refused before anything was executed.

    ``status`` is for HTTP, ``code`` for ``extensions.code``, and ``headers`` go with the HTTP response.
    """

    def __init__(self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    @property
    def extensions(self) -> dict[str, object]:
        """What a GraphQL error carries beside its message."""
        return {"code": self.code}


# Digits in a row, of which 18 are always within 64 bits; and numbers whose exponent makes them infinite.
# It begins with one set of characters for both, by which ``re`` finds its way faster.
_LONG_NUMBER = re.compile(rb"\d(?:\d{18}|[eE])")
SAFE_DEPTH = 200
"""Brackets that any parser nests, whatever calls it."""
REMEMBERED = 100
"""Headers of which it is remembered what they mean."""


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """One operation that a client asks for."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: dict[str, Any] | None = None

    @classmethod
    def from_json(cls, value: object) -> GraphQLRequest:
        """The request in a decoded JSON document. Unknown keys are ignored, as the specification asks."""
        if isinstance(value, list):
            raise _malformed("Batches are not supported; send one operation a request.")
        if not isinstance(value, dict):
            raise _malformed("A GraphQL request is a JSON object.")
        query, operation_name = value.get("query"), value.get("operationName")
        if query is None:
            raise _malformed("`query` is missing.")
        if not isinstance(query, str):
            raise _malformed("`query` must be a string.")
        if operation_name is not None and not isinstance(operation_name, str):
            raise _malformed("`operationName` must be a string or null.")
        return cls(query, _map(value, "variables"), operation_name, _map(value, "extensions"))

    @classmethod
    def from_parameters(cls, parameters: QueryParams) -> GraphQLRequest:
        """The request in the parameters of a URL; one that is empty counts as not given."""
        return cls.from_json(
            {
                "query": parameters.get("query"),
                "operationName": parameters.get("operationName") or None,
                "variables": _json_parameter(parameters, "variables"),
                "extensions": _json_parameter(parameters, "extensions"),
            }
        )


async def read_request(request: Request, max_body_bytes: int) -> GraphQLRequest:
    """The GraphQL request in an HTTP request.

    Raises ``BadRequest``: 405 for other methods than GET, HEAD and POST, 415 for another type than JSON in UTF-8,
    413 for a body beyond ``max_body_bytes``, else 400.
    """
    if request.method in ("GET", "HEAD"):
        return GraphQLRequest.from_parameters(request.query_params)
    if request.method != "POST":
        raise BadRequest(
            405, "METHOD_NOT_ALLOWED", "GraphQL is served by GET and POST.", headers={"Allow": "GET, POST"}
        )
    _check_content_type(next((value for name, value in request.scope["headers"] if name == b"content-type"), b""))
    return GraphQLRequest.from_json(parse_json(await _read_body(request, max_body_bytes)))


def parse_json(source: bytes | str) -> Any:
    """JSON as its specification has it: UTF-8, finite numbers, whole characters, integers exact at any size.

    By orjson, where it means the same: it turns 2**65 into a float, and goes deeper than Python. All else, and whatever
    it refuses, is for the standard library's parser, which says why. Raises ``BadRequest``.
    """
    if isinstance(source, bytes) and not _LONG_NUMBER.search(source) and _depth_bound(source) < SAFE_DEPTH:
        try:
            return orjson.loads(source)
        except orjson.JSONDecodeError:
            pass
    try:
        text = source.decode("utf-8") if isinstance(source, bytes) else source
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        if _SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError:
        raise _malformed("The request is not valid UTF-8.") from None
    except UnicodeEncodeError:
        raise _malformed("The request has a surrogate without its other half.") from None
    except RecursionError:
        raise _malformed("The JSON is nested too deeply.") from None
    except ValueError as error:
        raise _malformed(f"The request is not valid JSON: {error}") from None
    return value


def negotiate(accept: Iterable[str]) -> str:
    """The media type to answer with, from the values of the Accept header; 406 where none suits.

    The newer type is used only where it is named: ``*/*`` and no header at all are clients of before it existed.
    """
    ranges = list(_media_ranges(accept))
    if not ranges:
        return JSON
    best = max((GRAPHQL_RESPONSE, JSON), key=lambda media_type: _preference(media_type, ranges))
    if _preference(best, ranges)[0] <= 0:
        raise BadRequest(406, "NOT_ACCEPTABLE", f"Answers come as {GRAPHQL_RESPONSE}, {JSON} or {EVENT_STREAM}.")
    return best


def stream_wish(accept: Iterable[str]) -> Literal["never", "subscriptions", "always"]:
    """For which operations the values of the Accept header ask for server-sent events. The type must be named; beside
    JSON of equal weight, as some clients send it with everything, it is meant for subscriptions."""
    ranges = list(_media_ranges(accept))
    weight, exactness, _ = stream = _preference(EVENT_STREAM, ranges)
    if weight <= 0 or exactness < 2:
        return "never"
    best = max(_preference(media_type, ranges) for media_type in (GRAPHQL_RESPONSE, JSON))
    return "always" if stream[:2] > best[:2] else "subscriptions"


@lru_cache(REMEMBERED)
def wishes(accept: tuple[str, ...], *, is_head: bool) -> tuple[Literal["never", "subscriptions", "always"], str]:
    """``stream_wish`` and ``negotiate`` at once, with what they say of headers of late; 406 as there."""
    wish = "never" if is_head else stream_wish(accept)
    return wish, JSON if wish == "always" else negotiate(accept)


def is_same_host(origin: str, host: str) -> bool:
    """Whether the values of an Origin and a Host header name the same host and port."""
    try:
        scheme, netloc = urlsplit(origin.lower())[:2]
    except ValueError:
        return False
    default_port = {"http": ":80", "https": ":443"}.get(scheme)
    if default_port is None or not netloc or not host:
        return False
    return netloc.removesuffix(default_port) == host.lower().removesuffix(default_port)


def _preference(media_type: str, ranges: list[tuple[str, float]]) -> tuple[float, int, bool]:
    """Weight, how exactly the range names the type, and which of two equals goes first."""
    wildcards = ("*/*", f"{media_type.partition('/')[0]}/*", media_type)
    exactness, weight = max(
        ((wildcards.index(name), weight) for name, weight in ranges if name in wildcards), default=(0, 0.0)
    )
    is_named = exactness == 2
    return weight, exactness, is_named == (media_type == GRAPHQL_RESPONSE)


def _media_ranges(accept: Iterable[str]) -> Iterator[tuple[str, float]]:
    for part in ",".join(accept).split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if not name:
            continue
        weight = next((value for key, _, value in (p.partition("=") for p in parameters) if key.strip() == "q"), "1")
        if re.fullmatch(r"\s*[01](\.\d{0,3})?\s*", weight, re.ASCII):
            yield name, float(weight)


def _check_content_type(content_type: bytes) -> None:
    if not _is_json(content_type):
        raise BadRequest(415, "UNSUPPORTED_MEDIA_TYPE", f"POST takes {JSON} in UTF-8.")


@lru_cache(REMEMBERED)
def _is_json(content_type: bytes) -> bool:
    media_type, *parameters = (piece.strip().lower() for piece in content_type.decode("latin-1").split(";"))
    charsets = [value.strip('" ') for key, _, value in (p.partition("=") for p in parameters) if key == "charset"]
    return media_type == JSON and all(charset in ("utf-8", "utf8") for charset in charsets)


async def _read_body(request: Request, max_body_bytes: int) -> bytes:
    """Counted as it arrives: Content-Length may be missing, and may lie."""
    body = bytearray()
    is_more = True
    while is_more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        is_more = message.get("more_body", False)
        if not is_more and not body and len(chunk) <= max_body_bytes:
            return chunk  # nearly always all of it
        body += chunk
        if len(body) > max_body_bytes:
            raise BadRequest(413, "PAYLOAD_TOO_LARGE", f"A request has at most {max_body_bytes} bytes.")
    return bytes(body)


def _depth_bound(source: bytes) -> int:
    """No less than how deep ``source`` is nested."""
    return source.count(b"[") + source.count(b"{")


def _json_parameter(parameters: QueryParams, name: str) -> Any:
    text = parameters.get(name)
    return parse_json(text) if text else None


def _map(value: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    member = value.get(key)
    if member is not None and not isinstance(member, dict):
        raise _malformed(f"`{key}` must be an object or null.")
    return member


def _malformed(message: str) -> BadRequest:
    return BadRequest(400, "BAD_USER_INPUT", message)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is beyond the range of a double")
    return number
