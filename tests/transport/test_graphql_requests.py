"""What a client may send, without a server."""

from __future__ import annotations

import pytest

from server.transport.requests import (
    GRAPHQL_RESPONSE,
    JSON,
    BadRequest,
    GraphQLRequest,
    is_same_host,
    negotiate,
    parse_json,
)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ([], JSON),
        ([""], JSON),
        (["*/*"], JSON),
        (["application/*"], JSON),
        ([JSON], JSON),
        ([GRAPHQL_RESPONSE], GRAPHQL_RESPONSE),
        ([f"{GRAPHQL_RESPONSE}; charset=utf-8"], GRAPHQL_RESPONSE),
        ([f"{GRAPHQL_RESPONSE}, {JSON}"], GRAPHQL_RESPONSE),
        ([JSON, GRAPHQL_RESPONSE], GRAPHQL_RESPONSE),
        ([f"{JSON}, {GRAPHQL_RESPONSE};q=0.9"], JSON),
        ([f"{GRAPHQL_RESPONSE};q=0.5, */*;q=0.1"], GRAPHQL_RESPONSE),
        ([f"{JSON}, */*"], JSON),
        ([f"{JSON};q=0, */*"], GRAPHQL_RESPONSE),
        (["APPLICATION/JSON; Q=0.5"], JSON),
        (["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], JSON),
        ([f"text/plain;q=nonsense, {JSON}"], JSON),
    ],
)
def test_negotiate(accept: list[str], media_type: str) -> None:
    assert negotiate(accept) == media_type


@pytest.mark.parametrize("accept", ["text/plain", "image/*", f"{JSON};q=0", "*/*;q=0", "text/event-stream"])
def test_not_acceptable(accept: str) -> None:
    with pytest.raises(BadRequest) as refused:
        negotiate([accept])
    assert refused.value.status == 406


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"n": 36893488147419103232}', {"n": 2**65}),
        ('"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
        ('"\\\\ud800"', "\\ud800"),
        ("-0.0", 0.0),
    ],
)
def test_json(text: str, value: object) -> None:
    assert parse_json(text) == value
    assert parse_json(text.encode()) == value


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"{",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e400",
        b'"\xff"',
        b"\xff\xfe1\x00",
        b'\xef\xbb\xbf{"query": "{hello}"}',
        b'"\\ud800"',
        b'{"\\udfff": 1}',
        b"[" * 20_000 + b"]" * 20_000,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b"1" * 5_000,
        b"'single'",
    ],
    ids=lambda source: source[:12],
)
def test_not_json(source: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_json(source)
    assert (refused.value.status, refused.value.code) == (400, "BAD_USER_INPUT")


def test_request() -> None:
    value = {"query": "{a}", "variables": {"b": 1}, "operationName": None, "extensions": {}, "unknown": 1}
    assert GraphQLRequest.from_json(value) == GraphQLRequest("{a}", {"b": 1}, None, {})


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        "x",
        True,
        [],
        [{"query": "{a}"}],
        {},
        {"query": None},
        {"query": 1},
        {"query": ["{a}"]},
        {"query": "{a}", "variables": []},
        {"query": "{a}", "variables": "{}"},
        {"query": "{a}", "variables": 0},
        {"query": "{a}", "operationName": False},
        {"query": "{a}", "extensions": "x"},
    ],
    ids=repr,
)
def test_no_request(value: object) -> None:
    with pytest.raises(BadRequest) as refused:
        GraphQLRequest.from_json(value)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        ("http://localhost:8000", "localhost:8000", True),
        ("http://LOCALHOST:8000", "localhost:8000", True),
        ("https://jobs.example.com", "jobs.example.com", True),
        ("https://jobs.example.com", "jobs.example.com:443", True),
        ("http://jobs.example.com:80", "jobs.example.com", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://localhost:8001", "localhost:8000", False),
        ("http://evil.example", "jobs.example.com", False),
        ("http://jobs.example.com@evil.example", "jobs.example.com", False),
        ("null", "jobs.example.com", False),
        ("file://", "", False),
        ("http://:80", "", False),
        ("http://[", "localhost", False),
        ("", "localhost", False),
    ],
)
def test_same_host(origin: str, host: str, expected: bool) -> None:
    assert is_same_host(origin, host) is expected
