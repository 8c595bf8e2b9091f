"""A reverse proxy as people put before the server: it takes a path prefix away, and passes websockets on."""

from __future__ import annotations

import asyncio
from typing import Self

import aiohttp
from aiohttp import web

PER_HOP = {"connection", "content-length", "content-encoding", "date", "server", "transfer-encoding"}


class Proxy:
    """``url`` + ``prefix`` is ``target``. What is asked for outside the prefix is kept in ``astray``."""

    def __init__(self, target: str, prefix: str) -> None:
        self._target = target
        self._prefix = prefix
        self._runner = web.ServerRunner(web.Server(self._pass_on), shutdown_timeout=5)
        self.astray: list[str] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(auto_decompress=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()  # first: whoever is passed on to the server dials through the session
        await self._session.close()
        await asyncio.sleep(0.05)  # its connections are closed by then

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        if not request.path.startswith(f"{self._prefix}/"):
            self.astray.append(request.path)
            return web.Response(status=404)
        target = self._target + request.raw_path.removeprefix(self._prefix)
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await self._socket(request, target)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in PER_HOP}
        async with self._session.request(
            request.method, target, headers=headers, data=await request.read(), allow_redirects=False
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in PER_HOP}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())

    async def _socket(self, request: web.BaseRequest, target: str) -> web.StreamResponse:
        protocols = [each.strip() for each in request.headers.get("sec-websocket-protocol", "").split(",")]
        near = web.WebSocketResponse(protocols=protocols)
        await near.prepare(request)
        headers = {"Origin": request.headers.get("Origin", ""), "Host": request.headers["Host"]}
        async with self._session.ws_connect(target, protocols=protocols, headers=headers) as far:
            ways = {asyncio.ensure_future(_flow(near, far)), asyncio.ensure_future(_flow(far, near))}
            _done, left = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in left:
                way.cancel()
            await asyncio.wait(ways)
        await near.close()
        return near


Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _flow(source: Socket, sink: Socket) -> None:
    async for message in source:
        await sink.send_str(message.data)
