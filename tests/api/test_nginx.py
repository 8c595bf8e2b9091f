"""The nginx configuration that is shipped, before real servers: nothing of the API is lost on the way, and servers come
and go behind it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import orjson
import pytest
from client import Api, unique
from eventually import eventually
from launching import Launch
from name_server import NameServer
from nginx import Nginx
from processes import free_port
from requirements import Missing, give_up

FIRST, SECOND = "127.0.0.1", "127.0.0.2"
SUBSCRIPTION = "subscription($tag: String) { jobStatusChanged(tag: $tag) { to job { id } } }"


@pytest.fixture
async def names() -> AsyncIterator[NameServer]:
    """Knows the name ``server``."""
    async with NameServer("server") as opened:
        yield opened


@contextlib.asynccontextmanager
async def proxying(config: pytest.Config, folder: Path, names: NameServer, port: int) -> AsyncIterator[Nginx]:
    try:
        nginx = Nginx(folder, name_server_port=names.port, server_port=port)
    except Missing as missing:
        give_up(config, "nginx", str(missing))
    async with nginx:
        yield nginx


async def test_nothing_is_lost_on_the_way(
    pytestconfig: pytest.Config, tmp_path: Path, launch: Launch, names: NameServer, session: aiohttp.ClientSession
) -> None:
    port = free_port()
    names.addresses = [FIRST]
    async with proxying(pytestconfig, tmp_path / "nginx", names, port) as nginx:
        launch("serve", "--port", str(port))
        api = Api(session, nginx.url)
        tag = unique("proxied")

        async with api.session.ws_connect(
            api.url, protocols=("graphql-transport-ws",), origin=nginx.url
        ) as socket:  # a page of the dashboard has an Origin, which must match the Host that the server is told
            await socket.send_str('{"type": "connection_init"}')
            assert (await socket.receive_json())["type"] == "connection_ack"

        async with api.watch(tag=tag) as stream:
            await stream.is_live(api, tags=[tag])
            async with api.session.post(
                api.url,
                json={"query": SUBSCRIPTION, "variables": {"tag": tag}},
                headers={"accept": "text/event-stream"},
            ) as events:
                assert events.status == 200
                job = await api.create("simulate", payload={"seconds": 0}, tags=[tag], run=True)
                changes = await stream.until(lambda change: change["to"] == "COMPLETED")
                assert [each["to"] for each in changes if each["job"]["id"] == job["id"]][-1] == "COMPLETED"
                # The stream stays open: had nginx kept anything back, it would never come.
                async with asyncio.timeout(10):
                    while b"COMPLETED" not in await events.content.readline():
                        pass

        async with session.get(f"{nginx.url}/", headers={"x-request-id": "mine"}) as page:
            assert (page.status, page.content_type, page.headers["x-request-id"]) == (200, "text/html", "mine")
        async with session.get(f"{nginx.url}/metrics") as answer:
            assert answer.status == 404, "it would be any server's"
        assert await api.get("/readyz") == (200, {"status": "ready"})
        async with session.get(f"{nginx.url}/-/nginx") as answer:
            assert await answer.text() == "alive\n"

        status, refusal = await api.send(orjson.dumps({"query": "#" + "x" * 1_048_576}))
        assert status == 413
        direct = await Api(session, f"http://{FIRST}:{port}").send(orjson.dumps({"query": "#" + "x" * 1_048_576}))
        assert (status, refusal) == direct, "as the server itself says it"

        async with session.get(api.url, params={"query": '{ job(id: "1") { id } } #hush'}) as answer:
            assert answer.status == 200
        await eventually(lambda: nginx.requests[-1]["path"] == "/graphql")
        assert "hush" not in str(nginx.requests)
        assert "mine" in {each["request_id"] for each in nginx.requests}
        assert not [line for line in nginx.errors.splitlines() if "too large body" not in line]


async def test_servers_come_and_go(
    pytestconfig: pytest.Config, tmp_path: Path, launch: Launch, names: NameServer, session: aiohttp.ClientSession
) -> None:
    port = free_port()
    names.addresses = [FIRST]
    async with proxying(pytestconfig, tmp_path / "nginx", names, port) as nginx:
        first = launch("serve", "--port", str(port))
        api = Api(session, nginx.url)
        await api.create("simulate")
        second = launch("serve", "--port", str(port), "--host", SECOND, "--no-worker", in_folder=first.folder)
        addresses = [f"{FIRST}:{port}", f"{SECOND}:{port}"]

        async def taken_by_the_second() -> bool:
            await api.create("simulate")
            return nginx.requests[-1]["server"] == addresses[1]

        names.addresses = [FIRST, SECOND]
        await eventually(taken_by_the_second, timeout_seconds=20.0)

        sockets = [await session.ws_connect(api.url, protocols=("graphql-transport-ws",)) for _ in range(20)]
        for socket in sockets:
            await socket.send_str('{"type": "connection_init"}')
            await socket.receive_json()
        held = {server: Api(session, server.url) for server in (first, second)}
        counts = {server: await _sockets(direct) for server, direct in held.items()}
        assert sum(counts.values()) == 20
        assert all(counts.values()), "both have some"

        # It is stopped while the name server still gives its address: every request is answered all the same.
        stopping = asyncio.create_task(asyncio.to_thread(first.stop))
        for _ in range(20):
            await api.create("simulate")
        await stopping
        for _ in range(20):
            await api.create("simulate")
        codes = await _farewells(sockets, counts[first])
        assert codes == [1012] * counts[first], "clients are told to come back"
        assert await _sockets(held[second]) == counts[second]

        names.addresses = [SECOND]

        async def is_forgotten() -> bool:
            await api.create("simulate")
            return nginx.requests[-1]["server"] == addresses[1]

        await eventually(is_forgotten, timeout_seconds=20.0)
        for socket in sockets:
            await socket.close()


async def _sockets(api: Api) -> int:
    async with api.session.get(f"{api.base}/metrics") as answer:
        [line] = [line for line in (await answer.text()).splitlines() if line.startswith("signalbox_websockets ")]
    return int(float(line.split()[1]))


async def _farewells(sockets: list[aiohttp.ClientWebSocketResponse], count: int) -> list[int]:
    """The codes with which so many of the sockets are closed from the other side."""
    waiting = [asyncio.create_task(_farewell(socket)) for socket in sockets]
    codes = [await done for _, done in zip(range(count), asyncio.as_completed(waiting), strict=False)]
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    return codes


async def _farewell(socket: aiohttp.ClientWebSocketResponse) -> int:
    while (message := await socket.receive()).type is not aiohttp.WSMsgType.CLOSE:
        pass
    return int(message.data)
