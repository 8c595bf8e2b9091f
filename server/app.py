"""The Starlette application: paths to their endpoints, and nothing else."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import prometheus_client
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from playground.assets import DASHBOARD_DIR, GRAPHIQL_DIR, graphiql_page
from resolvers.context import OperationContext
from resolvers.root import build_schema
from server.dashboard import dashboard_routes
from server.transport.execution import Executor
from server.transport.http import GraphQLHTTP
from server.transport.limits import Limits
from server.transport.sharing import Sharing
from server.transport.websocket import GraphQLWebSocket
from server.webhook_test import WebhookTest
from server.wiring import Application

ASSET_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


class Assets(StaticFiles):
    """Built files: their names change with their content, so browsers may keep them for ever."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers.update(ASSET_HEADERS)
        return response


def build_app(application: Application) -> Starlette:
    """The ASGI application around ``application``, which it starts and stops.

    ``state.end_streams`` ends the sockets and event streams, for a server that would wait for them before it stops.
    """
    executor = Executor(
        build_schema(),
        new_request_id=lambda: secrets.token_hex(8),
        limits=Limits(cost=application.settings.max_cost),
        with_introspection=application.settings.introspection,
        sharing=Sharing(key_of=lambda _context: "everyone", position_of=lambda change: change.seq),
        event_context=lambda _context: OperationContext.of(application.engine),
    )

    def context_for(_connection: Any, *_rest: Any) -> OperationContext:
        return OperationContext.of(application.engine)

    most = application.settings.max_body_bytes
    http = GraphQLHTTP(executor, context_for=context_for, page=graphiql_page, max_body_bytes=most)
    websocket = GraphQLWebSocket(executor, context_for=context_for, max_message_bytes=most)

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(_request: Request) -> Response:
        problems = await application.is_ready()
        if problems:
            return JSONResponse({"status": "not ready", "problems": problems}, status_code=503)
        return JSONResponse({"status": "ready"})

    async def metrics(_request: Request) -> Response:
        return PlainTextResponse(prometheus_client.generate_latest(), media_type=prometheus_client.CONTENT_TYPE_LATEST)

    async def end_streams() -> None:
        await asyncio.gather(websocket.shutdown(), http.streams.shutdown())

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await application.start()
        try:
            yield
        finally:
            await end_streams()
            await application.stop()

    routes: list[BaseRoute] = [
        Route("/graphql", http, methods=["GET", "POST"]),
        WebSocketRoute("/graphql", websocket),
        Mount("/static/graphiql", Assets(directory=GRAPHIQL_DIR), name="graphiql"),
        Mount("/static/dashboard", Assets(directory=DASHBOARD_DIR), name="dashboard"),
        Route("/healthz", health),
        Route("/readyz", ready),
        Route("/metrics", metrics),
        *dashboard_routes(),
    ]
    if application.settings.webhook_test:
        receiver = WebhookTest()
        routes += [
            Route("/webhook-test", receiver.receive, methods=["POST"]),
            Route("/webhook-test", receiver.show, methods=["GET"]),
        ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.end_streams = end_streams
    return app
