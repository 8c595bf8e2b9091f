"""The rules of graphql-transport-ws, one by one, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import pytest
from parcels import KNOWN, Server, World
from structlog.testing import LogCapture
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from engine.errors import CursorExpired, NotFound, SignalboxError, SlowConsumer
from server.transport.execution import MASK
from server.transport.requests import BadRequest

Serve = Callable[..., Awaitable[Server]]
PATIENCE_SECONDS = 5


class Client:
    """A socket that speaks in dicts."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, **message: Any) -> None:
        await self.socket.send(orjson.dumps(message).decode())

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            frame = await self.socket.recv()
        assert isinstance(frame, str)
        message: dict[str, Any] = orjson.loads(frame)
        return message

    async def initialise(self) -> None:
        await self.send(type="connection_init")
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(self, operation_id: str, query: str, **members: Any) -> None:
        await self.send(id=operation_id, type="subscribe", payload={"query": query, **members})

    async def closed(self) -> tuple[int, str]:
        """Code and reason, after whatever is still on its way."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.receive()
        return self.socket.close_code or 0, self.socket.close_reason or ""


@contextlib.asynccontextmanager
async def opened(server: Server, **settings: Any) -> AsyncIterator[Client]:
    settings.setdefault("subprotocols", ["graphql-transport-ws"])
    async with connect(server.ws_url, proxy=None, **settings) as socket:
        yield Client(socket)


@contextlib.asynccontextmanager
async def initialised(server: Server) -> AsyncIterator[Client]:
    async with opened(server) as client:
        await client.initialise()
        yield client


async def happens(signal: asyncio.Semaphore) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await signal.acquire()


async def test_the_subprotocol_is_agreed_upon(server: Server) -> None:
    async with opened(server, subprotocols=["graphql-ws", "graphql-transport-ws"]) as client:
        assert client.socket.subprotocol == "graphql-transport-ws"


@pytest.mark.parametrize("subprotocols", [None, ["graphql-ws"]])
async def test_4406_without_the_subprotocol(server: Server, subprotocols: list[str] | None) -> None:
    async with opened(server, subprotocols=subprotocols) as client:
        assert await client.closed() == (4406, "Subprotocol not acceptable")


@pytest.mark.parametrize(
    "message",
    [{}, {"payload": None}, {"payload": {}}, {"payload": {"Authorization": "Bearer x"}}],
)
async def test_init(server: Server, message: dict[str, Any]) -> None:
    async with opened(server) as client:
        await client.send(type="connection_init", **message)
        assert await client.receive() == {"type": "connection_ack"}


async def test_4408_when_no_init_comes(serve: Serve) -> None:
    server = await serve(init_timeout_seconds=0.01)
    async with opened(server) as client:
        await client.send(type="ping")
        assert await client.closed() == (4408, "Connection initialisation timeout")


async def test_no_timeout_after_init(serve: Serve) -> None:
    server = await serve(init_timeout_seconds=0.1, ping_interval_seconds=0.15)
    async with initialised(server) as client:
        assert await client.receive() == {"type": "ping"}
        await client.subscribe("1", "{ hello }")
        assert (await client.receive())["type"] == "next"


async def test_4429_for_a_second_init(server: Server) -> None:
    async with initialised(server) as client:
        await client.send(type="connection_init")
        assert await client.closed() == (4429, "Too many initialisation requests")


async def test_4401_before_the_acknowledgement(server: Server) -> None:
    async with opened(server) as client:
        await client.subscribe("1", 'mutation { write(text: "x") }')
        assert await client.closed() == (4401, "Unauthorized")
    assert server.world.writes == []


async def test_4409_for_an_id_in_use(server: Server) -> None:
    async with initialised(server) as client:
        await client.subscribe("a", "subscription { events }")
        await happens(server.world.opened)
        await client.subscribe("a", "{ hello }")
        assert await client.closed() == (4409, "Subscriber for a already exists")
    await happens(server.world.closed)


INVALID = {
    "no json": "hello",
    "empty": "",
    "number": "1",
    "string": '"x"',
    "array": '[{"type": "ping"}]',
    "null": "null",
    "nan": '{"type": "ping", "payload": {"a": NaN}}',
    "surrogate": '{"type": "complete", "id": "\\ud800"}',
    "deep": "[" * 20_000 + "]" * 20_000,
    "binary": b'{"type": "ping"}',
    "no type": "{}",
    "unknown type": '{"type": "start"}',
    "type of another type": '{"type": ["ping"]}',
    "long type": '{"type": "%s"}' % ("\N{GRINNING FACE}" * 300),
    "ping payload": '{"type": "ping", "payload": 1}',
    "no id": '{"type": "subscribe", "payload": {"query": "{hello}"}}',
    "empty id": '{"type": "subscribe", "id": "", "payload": {"query": "{hello}"}}',
    "number as id": '{"type": "complete", "id": 1}',
    "no payload": '{"type": "subscribe", "id": "1"}',
    "no query": '{"type": "subscribe", "id": "1", "payload": {}}',
    "bad variables": '{"type": "subscribe", "id": "1", "payload": {"query": "{hello}", "variables": []}}',
}


@pytest.mark.parametrize("frame", INVALID.values(), ids=INVALID.keys())
async def test_4400_for_an_invalid_message(server: Server, log: LogCapture, frame: str | bytes) -> None:
    async with initialised(server) as client:
        await client.socket.send(frame)
        code, reason = await client.closed()
    assert code == 4400
    assert 0 < len(reason.encode()) <= 123
    assert [line["log_level"] for line in log.entries] == ["info"]


@pytest.mark.parametrize("is_in_parts", [False, True])
async def test_4400_for_text_that_is_no_utf8(
    server: Server, caplog: pytest.LogCaptureFixture, is_in_parts: bool
) -> None:
    frame = b'{"type": "ping", "payload": {"a": "\xed\xa0\x80"}}'
    async with initialised(server) as client:
        await client.socket.send([frame[:20], frame[20:]] if is_in_parts else frame, text=True)
        assert await client.closed() == (4400, "Messages are text frames in UTF-8")
    assert caplog.records == []


async def test_4400_for_an_invalid_init(server: Server) -> None:
    async with opened(server) as client:
        await client.send(type="connection_init", payload="x")
        assert (await client.closed())[0] == 4400


async def test_1009_for_a_message_too_large(serve: Serve) -> None:
    server = await serve(max_message_bytes=1000)
    async with initialised(server) as client:
        await client.send(type="ping", payload={"a": "\N{GRINNING FACE}" * 200})
        assert await client.receive() == {"type": "pong"}
        await client.send(type="ping", payload={"a": "\N{GRINNING FACE}" * 250})
        assert (await client.closed())[0] == 1009


async def test_4403_when_the_client_is_refused(server: Server) -> None:
    server.world.refusal = BadRequest(401, "UNAUTHENTICATED", "This key is unknown.")
    async with opened(server) as client:
        await client.send(type="connection_init")
        assert await client.closed() == (4403, "This key is unknown.")


async def test_1013_when_admission_breaks(server: Server, log: LogCapture) -> None:
    server.world.refusal = RuntimeError("the password is 1234")
    async with opened(server) as client:
        await client.send(type="connection_init")
        assert await client.closed() == (1013, f"{MASK} (request-1)")
    assert log.entries[0]["request_id"] == "request-1"


async def test_a_refusal_later_ends_the_operation(server: Server) -> None:
    async with initialised(server) as client:
        server.world.refusal = NotFound("This key was revoked.")
        await client.subscribe("1", 'mutation { write(text: "x") }')
        message = await client.receive()
        assert (message["type"], message["payload"][0]["message"]) == ("error", "This key was revoked.")
    assert server.world.writes == []


@pytest.mark.parametrize("is_initialised", [False, True])
async def test_ping_is_answered(server: Server, is_initialised: bool) -> None:
    async with opened(server) as client:
        if is_initialised:
            await client.initialise()
        await client.send(type="ping", payload={"a": 1})
        assert await client.receive() == {"type": "pong"}
        await client.send(type="pong")
        await client.send(type="ping", payload=None)
        assert await client.receive() == {"type": "pong"}


async def test_the_server_pings(serve: Serve) -> None:
    async with initialised(await serve(ping_interval_seconds=0.01)) as client:
        assert [await client.receive() for _ in range(2)] == [{"type": "ping"}] * 2


async def test_query_and_mutation(server: Server) -> None:
    async with initialised(server) as client:
        await client.subscribe("q", "query($n: String!) { hello(name: $n) }", variables={"n": "you"})
        assert await client.receive() == {"id": "q", "type": "next", "payload": {"data": {"hello": "hello you"}}}
        assert await client.receive() == {"id": "q", "type": "complete"}
        await client.subscribe("q", 'mutation { write(text: "x") }')
        assert (await client.receive())["payload"] == {"data": {"write": "x"}}
    assert server.world.writes == ["x"]


async def test_subscription_to_its_end(server: Server) -> None:
    async with initialised(server) as client:
        await client.subscribe('"\N{GRINNING FACE}\\', "subscription { count(to: 3) }")
        messages = [await client.receive() for _ in range(4)]
    assert [message["payload"]["data"]["count"] for message in messages[:3]] == [0, 1, 2]
    assert messages[3] == {"id": '"\N{GRINNING FACE}\\', "type": "complete"}


REFUSED = [
    "{",
    "",
    "{ nothing }",
    "subscription { nothing }",
    "subscription { events count(to: 1) }",
    "subscription($to: Int!) { count(to: $to) }",
    "query($n: String!) { hello(name: $n) }",
    "query A { hello } query B { hello }",
]


@pytest.mark.parametrize("query", REFUSED)
async def test_a_refused_operation_leaves_the_socket_open(server: Server, query: str) -> None:
    async with initialised(server) as client:
        await client.subscribe("1", query)
        message = await client.receive()
        assert (message["id"], message["type"]) == ("1", "error")
        assert message["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        await client.subscribe("1", "{ hello }")
        assert (await client.receive())["type"] == "next"


async def test_an_error_of_a_field_is_part_of_the_result(server: Server) -> None:
    async with initialised(server) as client:
        await client.subscribe("1", '{ known(name: "state") requiredDefect }')
        message = await client.receive()
        assert (message["type"], message["payload"]["data"]) == ("next", None)
        codes = [error["extensions"]["code"] for error in message["payload"]["errors"]]
        assert codes == ["INVALID_STATE", "INTERNAL"]
        assert (await client.receive())["type"] == "complete"


@pytest.mark.parametrize("error", [SlowConsumer(cursor="7"), CursorExpired(), KNOWN["unavailable"]], ids=repr)
async def test_a_source_that_raises_ends_its_operation(server: Server, error: SignalboxError) -> None:
    async with initialised(server) as client:
        await client.subscribe("1", "subscription { events }")
        await server.world.events.put("first")
        assert (await client.receive())["payload"] == {"data": {"events": "first"}}
        await server.world.events.put(error)
        message = await client.receive()
        assert message == {
            "id": "1",
            "type": "error",
            "payload": [{"message": str(error), "extensions": error.extensions}],
        }
        await happens(server.world.closed)
        await client.subscribe("1", "{ hello }")
        assert (await client.receive())["type"] == "next"


async def test_a_source_that_breaks_is_masked(server: Server, log: LogCapture) -> None:
    async with initialised(server) as client:
        await client.subscribe("1", "subscription { events }")
        await server.world.events.put(ValueError("the password is 1234"))
        message = await client.receive()
    assert message["type"] == "error"
    assert message["payload"] == [{"message": MASK, "extensions": {"code": "INTERNAL", "requestId": "request-1"}}]
    assert [line["event"] for line in log.entries] == ["graphql.internal_error"]


async def test_complete_ends_the_source(server: Server) -> None:
    async with initialised(server) as client:
        await client.subscribe("1", "subscription { events }")
        await happens(server.world.opened)
        await client.send(id="1", type="complete")
        await client.send(id="unknown", type="complete")
        await client.send(type="ping")
        assert await client.receive() == {"type": "pong"}
        assert server.world.closed.locked() is False
        await happens(server.world.closed)
        await client.subscribe("1", "{ hello }")
        assert (await client.receive())["id"] == "1"


async def test_complete_cancels_a_query(server: Server) -> None:
    async with initialised(server) as client:
        await client.subscribe("1", "{ endless }")
        await happens(server.world.opened)
        await client.send(id="1", type="complete")
        await happens(server.world.closed)


@pytest.mark.parametrize("is_abrupt", [False, True])
async def test_a_client_that_leaves_ends_its_operations(server: Server, is_abrupt: bool) -> None:
    async with initialised(server) as client:
        for number in range(3):
            await client.subscribe(str(number), "subscription { events }")
        await client.subscribe("query", "{ endless }")
        for _ in range(4):
            await happens(server.world.opened)
        if is_abrupt:
            client.socket.transport.abort()
        else:
            await client.socket.close()
        for _ in range(4):
            await happens(server.world.closed)


async def test_at_most_so_many_operations(serve: Serve) -> None:
    server = await serve(max_operations=2)
    async with initialised(server) as client:
        for operation_id in ("1", "2", "3"):
            await client.subscribe(operation_id, "subscription { events }")
        message = await client.receive()
        assert (message["id"], message["type"]) == ("3", "error")
        assert "at most 2 operations" in message["payload"][0]["message"]
        await client.send(id="1", type="complete")
        await client.subscribe("3", "{ hello }")
        assert (await client.receive())["type"] == "next"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
async def test_403_for_another_origin(server: Server, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with opened(server, origin=origin):
            pass
    assert refused.value.response.status_code == 403


async def test_origins_that_may(serve: Serve) -> None:
    server = await serve(allowed_origins=["https://Jobs.example:8443/"])
    for origin in (None, f"http://127.0.0.1:{server.port}", "https://jobs.example:8443"):
        async with opened(server, origin=origin) as client:
            await client.initialise()


async def test_shutdown_closes_with_1012(server: Server) -> None:
    async with initialised(server) as client, opened(server) as other:
        await client.subscribe("1", "subscription { events }")
        await happens(server.world.opened)
        await server.websocket.shutdown()
        assert server.world.closed.locked() is False
        assert await client.closed() == (1012, "Service restart")
        assert await other.closed() == (1012, "Service restart")
    async with opened(server) as late:
        assert (await late.closed())[0] == 1012


async def test_each_operation_has_its_own_context(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[World] = []
    monkeypatch.setattr(server.websocket, "context_for", lambda *_: made.append(World()) or made[-1])
    async with initialised(server) as client:
        for operation_id in ("1", "2"):
            await client.subscribe(operation_id, 'mutation { write(text: "x") }')
            assert (await client.receive())["type"] == "next"
            assert (await client.receive())["type"] == "complete"
    assert [world.writes for world in made] == [[], ["x"], ["x"]]


async def test_frames_of_many_operations_do_not_mix(server: Server) -> None:
    async with initialised(server) as client:
        for number in range(50):
            await client.subscribe(str(number), "subscription { count(to: 20) }")
        seen: dict[str, list[int]] = {}
        finished = 0
        while finished < 50:
            message = await client.receive()
            if message["type"] == "complete":
                finished += 1
            else:
                seen.setdefault(message["id"], []).append(message["payload"]["data"]["count"])
    assert set(map(tuple, seen.values())) == {tuple(range(20))}
    assert len(seen) == 50


async def _fill(server: Server, client: Client) -> None:
    """Subscribe, and send events until every buffer between the server and a client that does not read is full."""
    server.world.events = asyncio.Queue(maxsize=1)
    await client.initialise()
    await client.subscribe("1", "subscription { events }")
    await happens(server.world.opened)
    with contextlib.suppress(TimeoutError):
        while True:
            await asyncio.wait_for(server.world.events.put("x" * 1_000_000), 0.2)


async def test_a_client_that_does_not_read_cannot_hold_up_a_shutdown(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.transport.websocket.CLOSE_TIMEOUT_SECONDS", 0.05)
    async with opened(server, compression=None) as client:
        await _fill(server, client)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await server.websocket.shutdown()
        assert server.world.closed.locked() is False
        client.socket.transport.abort()


async def test_a_client_that_does_not_read_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.transport.websocket.CLOSE_TIMEOUT_SECONDS", 0.05)
    server = await serve(ping_interval_seconds=0.5)
    async with opened(server, compression=None) as client:
        await _fill(server, client)
        await happens(server.world.closed)
        client.socket.transport.abort()
