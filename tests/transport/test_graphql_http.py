"""GraphQL over HTTP against a real server: statuses, media types, bad input, errors, and the page."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import orjson
import pytest
from parcels import KNOWN, Server, make_schema
from strawberry.extensions import SchemaExtension
from structlog.testing import LogCapture

from engine.errors import ConfigurationError, NotFound, SignalboxError
from server.transport.execution import MASK, Executor
from server.transport.requests import GRAPHQL_RESPONSE, JSON, BadRequest

CONTENT_TYPE = {"content-type": JSON}


async def test_query(server: Server) -> None:
    async with server.client.post(server.url, json={"query": "{ hello }"}) as response:
        assert (response.status, await response.json()) == (200, {"data": {"hello": "hello world"}})
        assert response.headers["content-type"] == "application/json; charset=utf-8"
        assert response.headers["vary"] == "Accept"


async def test_query_by_get(server: Server) -> None:
    parameters = {
        "query": "query A($n: String!) { hello(name: $n) } query B { __typename }",
        "variables": '{"n": "\N{GRINNING FACE}"}',
        "operationName": "A",
    }
    async with server.client.get(server.url, params=parameters, headers={"accept": GRAPHQL_RESPONSE}) as response:
        assert (response.status, response.content_type) == (200, GRAPHQL_RESPONSE)
        assert orjson.loads(await response.read()) == {"data": {"hello": "hello \N{GRINNING FACE}"}}


async def test_integers_keep_their_digits(server: Server) -> None:
    _, body = await server.post("query($v: JSON!) { echo(value: $v) }", variables={"v": 2**65})
    assert body == {"data": {"echo": str(2**65)}}
    async with server.client.post(server.url, json={"query": "{ stored }"}) as response:
        assert await response.read() == b'{"data":{"stored":{"big":36893488147419103232}}}'


BAD_BODIES = {
    "number": b"1",
    "string": b'"x"',
    "null": b"null",
    "batch": b'[{"query": "{hello}"}]',
    "empty": b"",
    "no query": b"{}",
    "nan": b'{"query": "{hello}", "variables": {"a": NaN}}',
    "overflow": b'{"query": "{hello}", "variables": {"a": 1e999}}',
    "utf8": b'{"query": "\xff\xfe"}',
    "surrogate": b'{"query": "{hello}", "operationName": "\\ud800"}',
    "deep": b"[" * 20_000 + b"]" * 20_000,
    "deep object": b'{"query":' * 20_000 + b"1" + b"}" * 20_000,
}


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE])
@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
async def test_bad_bodies(server: Server, log: LogCapture, body: bytes, accept: str) -> None:
    async with server.client.post(server.url, data=body, headers={**CONTENT_TYPE, "accept": accept}) as response:
        assert (response.status, response.content_type) == (400, accept)
        answer = orjson.loads(await response.read())
    assert "data" not in answer
    assert answer["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}
    assert log.entries == [
        {"event": "graphql.client_error", "log_level": "info", "code": "BAD_USER_INPUT", "errors": 1}
    ]


async def test_variables_nested_as_deep_as_json_allows(server: Server) -> None:
    body = b'{"query": "query($v: JSON!) { echo(value: $v) }", "variables": {"v": %b}}'
    for depth in (60, 300, 900):
        nested = b"[" * depth + b"]" * depth
        async with server.client.post(server.url, data=body % nested, headers=CONTENT_TYPE) as response:
            assert response.status in (200, 400)


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/graphql", "multipart/form-data; boundary=x", "application/json; charset=latin1"],
)
async def test_unsupported_media_type(server: Server, content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}
    skipped = [] if content_type else ["content-type"]
    body = b'{"query": "mutation { write(text: 1) }"}'
    async with server.client.post(
        server.url, data=body, headers=headers, skip_auto_headers=skipped, allow_redirects=False
    ) as response:
        assert response.status == 415
    assert server.world.writes == []


@pytest.mark.parametrize("content_type", ["application/json", 'APPLICATION/JSON; charset="UTF-8"'])
async def test_supported_media_type(server: Server, content_type: str) -> None:
    async with server.client.post(
        server.url, data=b'{"query": "{hello}"}', headers={"content-type": content_type}
    ) as response:
        assert response.status == 200


async def test_not_acceptable(server: Server) -> None:
    assert (await server.post('mutation { write(text: "x") }', accept="text/plain"))[0] == 406
    assert server.world.writes == []


async def _pieces(count: int) -> Any:
    for _ in range(count):
        yield b" " * 65_536


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_too_large(server: Server, is_chunked: bool) -> None:
    data = _pieces(32) if is_chunked else io.BytesIO(b" " * 2_097_152)
    async with server.client.post(server.url, data=data, headers=CONTENT_TYPE) as response:
        answer = orjson.loads(await response.read())
    assert (response.status, answer["errors"][0]["extensions"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_body_that_never_comes_is_no_error(server: Server, log: LogCapture) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await server.post("{ hello }"))[0] == 200
    assert log.entries == []


async def test_mutation_by_get(server: Server) -> None:
    async with server.client.get(server.url, params={"query": 'mutation { write(text: "x") }'}) as response:
        assert (response.status, response.headers["allow"]) == (405, "POST")
    assert server.world.writes == []
    assert await server.post('mutation { write(text: "x") }') == (200, {"data": {"write": "x"}})
    assert server.world.writes == ["x"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods(server: Server, method: str) -> None:
    async with server.client.request(method, server.url, json={"query": "{hello}"}) as response:
        assert (response.status, response.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    "parameters",
    [{}, {"query": "{hello}", "variables": "[]"}, {"query": "{hello}", "variables": "{"}, {"variables": "{}"}],
    ids=str,
)
async def test_bad_parameters(server: Server, parameters: dict[str, str]) -> None:
    async with server.client.get(server.url, params=parameters) as response:
        assert response.status == 400


async def test_subscription_needs_a_websocket(server: Server) -> None:
    status, answer = await server.post("subscription { events }")
    assert status == 400
    assert "graphql-transport-ws" in answer["errors"][0]["message"]


REFUSED: list[tuple[str, dict[str, Any], str | None]] = [
    ("", {}, None),
    ("{", {}, None),
    ("{ nothing }", {}, None),
    ("{" * 500 + "}" * 500, {}, None),
    ("query A { hello } query B { hello }", {}, None),
    ("{ hello }", {"operationName": "Missing"}, None),
    ("{ hello(nam: 1) }", {}, "nam"),
    ("{ known }", {}, "name"),
    ("query($id: ID!) { __typename }", {"variables": {"id": None}}, None),
    ("query($n: String!) { hello(name: $n) }", {}, "n"),
    ("query($p: Parcel!) { parcel(parcel: $p) }", {"variables": {"p": {"name": 1}}}, "name"),
    ("query($p: Parcel!) { parcel(parcel: $p) }", {"variables": {"p": {}}}, "name"),
    ("query($p: Parcel!) { parcel(parcel: $p) }", {"variables": {"p": {"name": "", "colour": 1}}}, "colour"),
    ("query($p: Parcel!) { parcel(parcel: $p) }", {"variables": {"p": {"name": "", "size": 3}}}, "size"),
    ("query($p: Parcel!) { parcel(parcel: $p) }", {"variables": {"p": {"name": "", "size": "engine"}}}, "size"),
]


@pytest.mark.parametrize(("query", "members", "field"), REFUSED, ids=lambda value: str(value)[:40])
async def test_refused_operations(
    server: Server, log: LogCapture, query: str, members: dict[str, Any], field: str | None
) -> None:
    """Well formed, and still not to be executed: 200 in the old media type, 400 in the new one, never any data."""
    status, answer = await server.post(query, accept=JSON, **members)
    assert (status, "data" in answer) == (200, False)
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    if field:
        assert answer["errors"][0]["extensions"]["field"] == field
    assert [(line["event"], line["log_level"]) for line in log.entries] == [("graphql.client_error", "info")]
    assert await server.post(query, accept=GRAPHQL_RESPONSE, **members) == (400, answer)


async def test_null_for_an_argument_with_a_default(server: Server) -> None:
    _, answer = await server.post('query($n: String = "x") { hello(name: $n) }', variables={"n": None})
    assert answer["data"] is None
    assert answer["errors"][0]["path"] == ["hello"]
    assert answer["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "name"}


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE])
@pytest.mark.parametrize("name", KNOWN)
async def test_known_errors(server: Server, log: LogCapture, name: str, accept: str) -> None:
    error = KNOWN[name]
    status, answer = await server.post(f'{{ hello known(name: "{name}") }}', accept=accept)
    assert (status, answer["data"]) == (200, {"hello": "hello world", "known": None})
    [worded] = answer["errors"]
    assert worded["message"] == str(error)
    assert worded["extensions"] == error.extensions
    assert (worded["path"], worded["locations"]) == (["known"], [{"line": 1, "column": 9}])
    assert log.entries == [{"event": "graphql.client_error", "log_level": "info", "code": error.code, "errors": 1}]


@pytest.mark.parametrize("query", ["{ defect }", "{ requiredDefect }", "{ notAnInt }", "{ notJson }"])
async def test_defects_are_masked(
    server: Server, log: LogCapture, capfd: pytest.CaptureFixture[str], query: str
) -> None:
    status, answer = await server.post(query)
    assert (status, "data" in answer) == (200, True)
    [worded] = answer["errors"]
    assert (worded["message"], worded["extensions"]) == (MASK, {"code": "INTERNAL", "requestId": "request-1"})
    assert "1234" not in json.dumps(answer)
    [line] = log.entries
    assert (line["event"], line["log_level"]) == ("graphql.internal_error", "error")
    assert line["request_id"] == "request-1"
    assert isinstance(line["exc_info"], Exception)
    assert capfd.readouterr() == ("", "")


async def test_one_defect_in_many_fields_is_logged_once(server: Server, log: LogCapture) -> None:
    _, answer = await server.post("{ a: defect b: defect }")
    assert {error["extensions"]["requestId"] for error in answer["errors"]} == {"request-1"}
    assert len(log.entries) == 1


async def test_a_defect_in_a_scalar_is_masked(server: Server) -> None:
    variables = {"p": {"name": "", "size": "broken"}}
    status, answer = await server.post(
        "query($p: Parcel!) { parcel(parcel: $p) }", variables=variables, accept=GRAPHQL_RESPONSE
    )
    assert (status, answer["errors"][0]["extensions"]["code"]) == (500, "INTERNAL")


@pytest.mark.parametrize(
    ("refusal", "old", "new"),
    [
        (BadRequest(401, "UNAUTHENTICATED", "Who are you?", headers={"WWW-Authenticate": "Bearer"}), 401, 401),
        (NotFound(), 200, 400),
        (KNOWN["unavailable"], 200, 503),
        (RuntimeError("the password is 1234"), 200, 500),
    ],
    ids=repr,
)
async def test_context_refuses(server: Server, refusal: Exception, old: int, new: int) -> None:
    server.world.refusal = refusal
    status, answer = await server.post('mutation { write(text: "x") }')
    assert (status, "data" in answer) == (old, False)
    assert (await server.post("{ hello }", accept=GRAPHQL_RESPONSE))[0] == new
    code = refusal.code if isinstance(refusal, SignalboxError | BadRequest) else "INTERNAL"
    assert answer["errors"][0]["extensions"]["code"] == code
    assert server.world.writes == []
    async with server.client.get(server.url, params={"query": "{hello}"}) as response:
        assert response.headers.get("www-authenticate") == ("Bearer" if old == 401 else None)


BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def test_page(server: Server) -> None:
    async with server.client.get(server.url, headers=BROWSER) as response:
        assert (response.status, response.content_type) == (200, "text/html")
        assert b"<title>page</title>" in await response.read()
        assert response.headers["content-security-policy"].startswith("default-src 'self'; ")
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["cache-control"] == "no-cache"
    async with server.client.get(server.url, headers=BROWSER, params={"query": "{hello}"}) as response:
        assert (response.status, response.content_type) == (200, JSON)


def test_a_schema_with_extensions_is_not_accepted() -> None:
    extended = make_schema(extensions=[SchemaExtension])
    with pytest.raises(ConfigurationError):
        Executor(extended, new_request_id=lambda: "")
