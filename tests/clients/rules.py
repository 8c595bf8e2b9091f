"""The rules of graphql-transport-ws, each as frames that are sent and what has to come back.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md, and the limits that this server adds to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

PROTOCOL = "graphql-transport-ws"
PATIENCE_SECONDS = 20.0
"""Longer than the server takes to ping, or to lose its patience with a client that does not introduce itself."""


class Next:
    """A step of a rule: wait for one message."""


NEXT = Next()
Step = str | bytes | dict[str, Any] | Next | Callable[[], None]


@dataclass(frozen=True, slots=True)
class Rule:
    """``steps`` are frames to send; ``NEXT`` among them waits for a message, and a function is called. ``expected`` is
    all that has to come, in order, until the socket closes or the server has answered one more ping. ``sent`` says it
    shorter, for people."""

    name: str
    steps: Sequence[Step]
    expected: str
    protocols: Sequence[str] | None = (PROTOCOL,)
    origin: str | None = None
    sent: str = ""

    @property
    def shown(self) -> str:
        """What is sent, for people."""
        return self.sent or ", ".join(filter(None, map(_shown, self.steps))) or "nothing"


INIT: dict[str, Any] = {"type": "connection_init"}
PING = {"type": "ping"}


def subscribe(operation_id: object, query: str = "{ version }", **members: Any) -> dict[str, Any]:
    return {"id": operation_id, "type": "subscribe", "payload": {"query": query, **members}}


def complete(operation_id: object) -> dict[str, Any]:
    return {"id": operation_id, "type": "complete"}


WATCH = 'subscription($after: String) { jobStatusChanged(tag: "%s", after: $after) { to } }'
CREATE = 'mutation { createJob(input: {taskName: "simulate", tags: ["%s"]}) { job { status } } }'
IDLE = WATCH % "of no job"
MANY = 100
MEBIBYTE = 2**20
EMPTY_PING = len('{"type": "ping", "payload": {"a": ""}}')
ACK = "connection_ack"
KEY, REVOKED_KEY = "key-of-the-rules-0123456789", "key-of-the-rules-that-is-revoked"


def begun(*steps: Step) -> tuple[Step, ...]:
    """``steps`` on a socket that the server has admitted."""
    return (INIT, NEXT, *steps)


def init_with(authorization: object, name: str = "Authorization") -> dict[str, Any]:
    """The ``connection_init`` of a client that brings these credentials."""
    return {**INIT, "payload": {name: authorization}}


RULES = (
    # Communication
    Rule("the subprotocol is chosen among several", [INIT], ACK, ("graphql-ws", PROTOCOL), sent="both subprotocols"),
    Rule("another subprotocol", [], "close 4406", ("graphql-ws",), sent="subprotocol graphql-ws"),
    Rule("no subprotocol", [], "close 4406", None, sent="no subprotocol"),
    Rule("a page of another origin", [], "HTTP 403", origin="http://evil.example", sent="Origin: http://evil.example"),
    Rule("an opaque origin", [], "HTTP 403", origin="null", sent="Origin: null"),
    # ConnectionInit, ConnectionAck
    Rule("init", [INIT], ACK),
    Rule("init with a payload", [{**INIT, "payload": {"a": 1}}], ACK),
    Rule("init with a null payload", [{**INIT, "payload": None}], ACK),
    Rule("init with a payload that is no object", [{**INIT, "payload": "x"}], "close 4400"),
    Rule("no init in time", [], "close 4408"),
    Rule("pings do not extend that time", [PING], "pong, close 4408"),
    Rule("a second init", begun(INIT), f"{ACK}, close 4429"),
    Rule("a second init before the acknowledgement", [INIT, INIT], f"{ACK}, close 4429"),
    # Ping, Pong
    Rule("the server pings", begun(NEXT, {"type": "pong"}), f"{ACK}, ping"),
    Rule("a ping", begun(PING), f"{ACK}, pong"),
    Rule("a ping with a payload", begun({**PING, "payload": {"a": 1}}), f"{ACK}, pong"),
    Rule("an unsolicited pong", begun({"type": "pong"}), ACK),
    Rule("a ping with a payload that is no object", begun({**PING, "payload": []}), f"{ACK}, close 4400"),
    # Subscribe
    Rule("subscribe before init", [subscribe("1")], "close 4401"),
    Rule("a query", begun(subscribe("1"), NEXT, NEXT), f"{ACK}, next 1, complete 1"),
    Rule("a mutation", begun(subscribe("1", CREATE % "any"), NEXT, NEXT), f"{ACK}, next 1, complete 1"),
    Rule(
        "a subscription goes on after its cursor",
        begun(
            *(subscribe("1", CREATE % "early"), NEXT, NEXT),
            subscribe("2", WATCH % "early", variables={"after": "0"}),
            NEXT,
        ),
        f"{ACK}, next 1, complete 1, next 2",
        sent="init, a mutation, a subscription",
    ),
    Rule("an id in use", begun(subscribe("1", IDLE), subscribe("1", IDLE)), f"{ACK}, close 4409"),
    Rule("an id in use, by another kind", begun(subscribe("1", IDLE), subscribe("1")), f"{ACK}, close 4409"),
    Rule(
        "an id is free after its operation",
        begun(subscribe("1"), NEXT, NEXT, subscribe("1"), NEXT, NEXT),
        f"{ACK}, next 1, complete 1, next 1, complete 1",
    ),
    Rule(
        "an id is free after an error",
        begun(subscribe("1", "{"), NEXT, subscribe("1"), NEXT, NEXT),
        f"{ACK}, error 1, next 1, complete 1",
    ),
    Rule(
        "an id is free after the client completed it",
        begun(subscribe("1", IDLE), complete("1"), subscribe("1"), NEXT, NEXT),
        f"{ACK}, next 1, complete 1",
    ),
    Rule(
        "100 operations a socket, and not one more",
        begun(*(subscribe(str(number), IDLE) for number in range(MANY + 1)), NEXT),
        f"{ACK}, error {MANY}",
        sent="init, 101 subscriptions",
    ),
    Rule(
        "an operation completed makes room for another",
        begun(*(subscribe(str(number), IDLE) for number in range(MANY)), complete("7"), subscribe("new"), NEXT, NEXT),
        f"{ACK}, next new, complete new",
        sent="init, 100 subscriptions, complete 7, a query",
    ),
    # Error: it ends its operation, and nothing follows
    Rule("a syntax error", begun(subscribe("1", "{"), NEXT), f"{ACK}, error 1"),
    Rule("an empty document", begun(subscribe("1", ""), NEXT), f"{ACK}, error 1"),
    Rule("a validation error", begun(subscribe("1", "{ nothing }"), NEXT), f"{ACK}, error 1"),
    Rule("an error of a subscription", begun(subscribe("1", "subscription { no }"), NEXT), f"{ACK}, error 1"),
    Rule(
        "a variable of the wrong type",
        begun(subscribe("1", IDLE, variables={"after": 1}), NEXT),
        f"{ACK}, error 1",
    ),
    Rule(
        "a cursor that is none",
        begun(subscribe("1", IDLE, variables={"after": "x"}), NEXT),
        f"{ACK}, error 1",
    ),
    Rule(
        "an unknown operation name",
        begun(subscribe("1", "query A { version }", operationName="B"), NEXT),
        f"{ACK}, error 1",
    ),
    Rule(
        "an error of a field is part of the result",
        begun(subscribe("1", 'mutation { runJob(id: "0") { job { id } } }'), NEXT, NEXT),
        f"{ACK}, next 1 with errors, complete 1",
    ),
    # Complete
    Rule(
        "nothing comes after the client completed",
        begun(subscribe("1", WATCH % "late"), complete("1"), subscribe("2", CREATE % "late"), NEXT, NEXT),
        f"{ACK}, next 2, complete 2",
    ),
    Rule("complete of an unknown id", begun(complete("nobody")), ACK),
    Rule(
        "complete of an id that was completed",
        begun(subscribe("1"), NEXT, NEXT, complete("1")),
        f"{ACK}, next 1, complete 1",
    ),
    Rule("complete before init", [complete("1"), INIT], ACK),
    # Invalid messages
    Rule("no JSON", begun("hello"), f"{ACK}, close 4400"),
    Rule("an empty frame", begun(""), f"{ACK}, close 4400"),
    Rule("JSON that is no object", begun("[]"), f"{ACK}, close 4400"),
    Rule("null", begun("null"), f"{ACK}, close 4400"),
    Rule("a binary frame", begun(json.dumps(PING).encode()), f"{ACK}, close 4400"),
    Rule("no type", begun("{}"), f"{ACK}, close 4400"),
    Rule("an unknown type", begun({"type": "start"}), f"{ACK}, close 4400"),
    Rule("a type for clients only to receive", begun({"type": "next", "id": "1"}), f"{ACK}, close 4400"),
    Rule("a type that is no string", begun({"type": ["ping"]}), f"{ACK}, close 4400"),
    Rule("JSON nested 100,000 deep", begun("[" * 100_000), f"{ACK}, close 4400", sent="init, 100,000 times ["),
    Rule("an invalid message before init", ["hello"], "close 4400"),
    Rule(
        "subscribe without id", begun({"type": "subscribe", "payload": {"query": "{ version }"}}), f"{ACK}, close 4400"
    ),
    Rule("subscribe with an empty id", begun(subscribe("")), f"{ACK}, close 4400"),
    Rule("subscribe with a number as id", begun(subscribe(1)), f"{ACK}, close 4400"),
    Rule("subscribe without payload", begun({"type": "subscribe", "id": "1"}), f"{ACK}, close 4400"),
    Rule("subscribe without query", begun({"type": "subscribe", "id": "1", "payload": {}}), f"{ACK}, close 4400"),
    Rule("variables that are no object", begun(subscribe("1", variables=[])), f"{ACK}, close 4400"),
    Rule("extensions that are no object", begun(subscribe("1", extensions="x")), f"{ACK}, close 4400"),
    Rule("an operation name that is no string", begun(subscribe("1", operationName=1)), f"{ACK}, close 4400"),
    Rule("complete without id", begun({"type": "complete"}), f"{ACK}, close 4400"),
    # Size
    Rule(
        "a message of 1 MiB",
        begun(json.dumps({**PING, "payload": {"a": "x" * (MEBIBYTE - EMPTY_PING)}})),
        f"{ACK}, pong",
        sent="init, a ping of 1,048,576 bytes",
    ),
    Rule(
        "a message beyond 1 MiB",
        begun(json.dumps({**PING, "payload": {"a": "x" * (MEBIBYTE - EMPTY_PING + 1)}})),
        f"{ACK}, close 1009",
        sent="init, a ping of 1,048,577 bytes",
    ),
)

KEYED_RULES = (
    Rule("a key", [init_with(f"Bearer {KEY}")], ACK, sent="init with a key"),
    Rule("a key, its header in lower case", [init_with(f"Bearer {KEY}", "authorization")], ACK, sent="init with a key"),
    Rule("no key where one is needed", [INIT], "close 4403"),
    Rule("a null payload where a key is needed", [{**INIT, "payload": None}], "close 4403"),
    Rule("an unknown key", [init_with("Bearer unknown-key-0123456789")], "close 4403"),
    Rule("a key without its scheme", [init_with(KEY)], "close 4403"),
    Rule("credentials of another scheme", [init_with("Basic dXNlcjpwYXNz")], "close 4403"),
    Rule("credentials that are no string", [init_with({"key": KEY})], "close 4403"),
    Rule("subscribe before init where a key is needed", [subscribe("1")], "close 4401"),
    Rule("an operation sent along with a refused init", [INIT, subscribe("1", CREATE % "refused")], "close 4403"),
)
"""For a server that has ``KEY``."""


async def play(rule: Rule, url: str) -> str:
    """What came back from the server at ``url`` (``ws://...``)."""
    try:
        async with connect(
            url, subprotocols=rule.protocols, origin=rule.origin, proxy=None, open_timeout=PATIENCE_SECONDS
        ) as socket:
            return await _Script(socket).play(rule)
    except InvalidStatus as refused:
        return f"HTTP {refused.response.status_code}"


class _Script:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._came: list[str] = []
        self._wants_pings = False

    async def play(self, rule: Rule) -> str:
        self._wants_pings = ", ping" in rule.expected
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                for step in rule.steps:
                    if isinstance(step, Next):
                        self._came.append(await self._receive())
                    elif callable(step):
                        step()
                    else:
                        await self._socket.send(json.dumps(step) if isinstance(step, dict) else step)
                await self._rest(rule.expected.split(", "))
        except TimeoutError:
            self._came.append("nothing more")
        except ConnectionClosed as closed:
            await self._unread()
            self._came.append(f"close {closed.rcvd.code}" if closed.rcvd else "cut off")
        return ", ".join(self._came)

    async def _rest(self, expected: Sequence[str]) -> None:
        while len(self._came) < len(expected):
            self._came.append(await self._receive())
        await self._socket.send(json.dumps(PING))
        while (told := await self._receive()) != "pong":
            self._came.append(told)

    async def _unread(self) -> None:
        """What came before the close, if sending has found out about that first."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                self._came.append(await self._receive())

    async def _receive(self) -> str:
        while True:
            message = json.loads(await self._socket.recv())
            if message["type"] != "ping" or self._wants_pings:
                return _told(message)


def _told(message: dict[str, Any]) -> str:
    told = " ".join(str(message[key]) for key in ("type", "id") if key in message)
    return f"{told} with errors" if message["type"] == "next" and "errors" in message["payload"] else told


def _shown(step: Step) -> str:
    match step:
        case {"type": "connection_init", **rest} if not rest:
            return "init"
        case {"type": "subscribe", "id": str(operation_id), "payload": {"query": str(query), **rest}} if not rest:
            return f"subscribe {operation_id} {query if len(query) < 20 else query.partition('(')[0].split()[0]}"
        case {"type": "subscribe", "id": str(operation_id), "payload": {"query": _, **rest}}:
            return f"subscribe {operation_id} with {json.dumps(rest)}"
        case {"type": "complete", "id": operation_id}:
            return f"complete {operation_id}"
        case dict():
            return json.dumps(step)
        case str() | bytes():
            return repr(step)
        case _:
            return ""
