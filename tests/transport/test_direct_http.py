"""Answers that are written at once are those that ``send`` would have written."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from parcels import Server
from starlette.types import Receive, Scope, Send

from server.request_ids import RequestIds
from server.transport import direct_http
from server.transport.direct_http import EXTENSION, answer_of, without_answer

QUERY = orjson.dumps({"query": "{ __typename }"})


def request(body: bytes = QUERY, *headers: str, method: str = "POST", path: str = "/graphql") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


async def exchange(port: int, sent: bytes, answers: int = 1) -> list[tuple[bytes, list[bytes], bytes]]:
    """The status line, the sorted headers and the body of each answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    found = []
    for _ in range(answers):
        head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        headers = sorted(each for each in head[1:] if each and not each.startswith(b"date:"))
        length = next(int(each.partition(b":")[2]) for each in headers if each.startswith(b"content-length"))
        is_empty = sent.startswith(b"HEAD")
        found.append((head[0], headers, b"" if is_empty else await reader.readexactly(length)))
    writer.close()
    await writer.wait_closed()
    return found


KINDS = {
    "fine": request(),
    "refused": request(orjson.dumps({"query": "{ nothing }"})),
    "no JSON": request(b"{"),
    "another type": request(QUERY, "Accept: application/graphql-response+json"),
    "closing": request(QUERY, "Connection: close"),
    "no head": request(b"", method="HEAD", path="/graphql?query={__typename}"),
    "got": request(b"", method="GET", path="/graphql?query={__typename}"),
    "not allowed": request(b"", method="GET", path="/graphql?query=mutation{__typename}"),
}


@pytest.mark.parametrize("name", KINDS)
async def test_it_makes_no_difference_how_it_is_written(
    server: Server, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await exchange(server.port, KINDS[name])
    monkeypatch.setattr(direct_http, "_answer", lambda *_: False)
    assert found == await exchange(server.port, KINDS[name])


async def test_requests_that_were_sent_ahead_are_answered_in_order(server: Server) -> None:
    texts = [f"{{ a{number}: __typename }}" for number in range(20)]
    sent = b"".join(request(orjson.dumps({"query": text})) for text in texts)
    answers = await exchange(server.port, sent, len(texts))
    assert [list(orjson.loads(body)["data"]) for _, _, body in answers] == [[f"a{n}"] for n in range(20)]


def scope_with(answers: list[tuple[int, bytes, bytes]]) -> Scope:
    def answer(status: int, head: bytes, body: bytes) -> bool:
        answers.append((status, head, body))
        return True

    return {"type": "http", "headers": [(b"x-request-id", b"mine")], "extensions": {EXTENSION: answer}}


async def test_the_request_id_is_on_what_is_written_at_once() -> None:
    answers: list[tuple[int, bytes, bytes]] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        answer = answer_of(scope)
        assert answer is not None
        assert answer(200, b"a: b\r\n", b"body")

    async def unused() -> None:
        raise AssertionError

    await RequestIds(app)(scope_with(answers), unused, unused)  # type: ignore[arg-type]
    assert answers == [(200, b"a: b\r\nx-request-id: mine\r\n", b"body")]


async def test_whoever_must_see_what_is_sent_takes_the_way_out() -> None:
    scope = scope_with([])
    without_answer(scope)
    assert answer_of(scope) is None
    without_answer(scope)
    assert answer_of({"type": "http"}) is None
