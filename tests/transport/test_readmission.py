"""Asked again whether clients may still be there: who may not loses the socket and all that runs on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from parcels import Server
from structlog.testing import LogCapture
from test_graphql_websocket import happens, initialised, opened

from engine.errors import NotFound
from server.transport.requests import BadRequest

Serve = Callable[..., Awaitable[Server]]
REVOKED = BadRequest(401, "UNAUTHENTICATED", "This API key was revoked.")


async def test_who_is_refused_now_loses_the_socket(server: Server, log: LogCapture) -> None:
    async with initialised(server) as client:
        await client.subscribe("1", "subscription { events }")
        await happens(server.world.opened)
        server.world.refusal = REVOKED
        await server.websocket.readmit()
        assert server.world.closed._value == 1  # the source was closed before it returned
        server.world.events.put_nowait("too late")
        assert await client.closed() == (4403, "This API key was revoked.")
    assert [line["code"] for line in log.entries if line["event"] == "websocket.closed"] == [4403]


async def test_who_is_admitted_still_notices_nothing(server: Server) -> None:
    async with initialised(server) as client, opened(server) as newcomer:
        await client.subscribe("1", "subscription { events }")
        await happens(server.world.opened)
        await server.websocket.readmit()
        server.world.events.put_nowait("still here")
        assert (await client.receive())["payload"]["data"] == {"events": "still here"}
        await newcomer.initialise()


async def test_a_socket_that_was_not_admitted_yet_is_left_alone(server: Server) -> None:
    async with opened(server) as newcomer:
        server.world.refusal = REVOKED
        await server.websocket.readmit()
        server.world.refusal = None
        await newcomer.initialise()


@pytest.mark.parametrize("defect", [KeyError("a defect"), NotFound("no")])
async def test_a_refusal_of_another_kind(server: Server, defect: Exception) -> None:
    async with initialised(server) as client:
        server.world.refusal = defect
        await server.websocket.readmit()
        code, reason = await client.closed()
        assert code == (1013 if isinstance(defect, KeyError) else 4403)
        assert "a defect" not in reason
