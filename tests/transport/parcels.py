"""A small schema with an error of each kind, and what a test holds of a running server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import strawberry
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig

from engine import errors
from server.transport.execution import Executor
from server.transport.http import GraphQLHTTP
from server.transport.websocket import GraphQLWebSocket

KNOWN = {
    "input": errors.InvalidInput("first is 0", field="first"),
    "state": errors.InvalidState("it runs", status="RUNNING"),
    "missing": errors.NotFound(),
    "unavailable": errors.Unavailable(),
    "slow": errors.SlowConsumer(cursor="7"),
    "expired": errors.CursorExpired(),
}


@dataclass
class World:
    """What the test steers and what the schema's resolvers did: the context of every operation."""

    events: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    writes: list[str] = field(default_factory=list)
    opened: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    closed: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    refusal: Exception | None = None

    def context(self, *_: object) -> World:
        if self.refusal is not None:
            raise self.refusal
        return self


Info = strawberry.Info[World, None]


def _parse_even(value: object) -> int:
    if value == "broken":
        raise KeyError("a defect in the scalar")
    if value == "engine":
        raise errors.InvalidInput("the engine refuses it", field="size")
    if not isinstance(value, int) or value % 2:
        raise ValueError("not even")
    return value


class Even:
    """A number that is even."""


EVEN = strawberry.scalar(name="Even", serialize=int, parse_value=_parse_even)


@strawberry.input
class Parcel:
    name: str
    size: Even | None = None


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"hello {name}"

    @strawberry.field
    def echo(self, value: JSON) -> str:
        return repr(value)

    @strawberry.field
    def parcel(self, parcel: Parcel) -> str:
        return parcel.name

    @strawberry.field
    def stored(self) -> JSON:
        return orjson.Fragment(b'{"big":36893488147419103232}')

    @strawberry.field
    def not_json(self) -> JSON:
        return 2**65

    @strawberry.field
    def known(self, name: str) -> str | None:
        raise KNOWN[name]

    @strawberry.field
    def defect(self) -> str | None:
        raise RuntimeError("the password is 1234")

    @strawberry.field
    def required_defect(self) -> str:
        raise ValueError("the password is 1234")

    @strawberry.field
    def not_an_int(self) -> int | None:
        return "x1234"  # type: ignore[return-value]

    @strawberry.field
    async def endless(self, info: Info) -> str:
        info.context.opened.release()
        try:
            await asyncio.Event().wait()
        finally:
            info.context.closed.release()
        return "never"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def write(self, info: Info, text: str) -> str:
        info.context.writes.append(text)
        return text


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def events(self, info: Info) -> AsyncGenerator[str, None]:
        info.context.opened.release()
        try:
            while (event := await info.context.events.get()) is not None:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            # Cleaning up takes a turn of the loop, as it does with a database.
            await asyncio.get_running_loop().run_in_executor(None, int)
            info.context.closed.release()

    @strawberry.subscription
    async def count(self, to: int) -> AsyncGenerator[int, None]:
        for number in range(to):
            yield number


def make_schema(**settings: Any) -> strawberry.Schema:
    config = StrawberryConfig(scalar_map={Even: EVEN})
    return strawberry.Schema(Query, Mutation, Subscription, config=config, **settings)


@dataclass
class Server:
    """A running server; ``world`` is what its resolvers see."""

    port: int
    world: World
    executor: Executor
    http: GraphQLHTTP
    websocket: GraphQLWebSocket
    client: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/graphql"

    async def post(self, query: str, *, accept: str | None = None, **members: Any) -> tuple[int, Any]:
        """Status and decoded body of one operation."""
        headers = {"accept": accept} if accept else {}
        async with self.client.post(self.url, json={"query": query, **members}, headers=headers) as response:
            return response.status, orjson.loads(await response.read())
