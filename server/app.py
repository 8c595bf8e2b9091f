"""The Starlette application: paths to their endpoints, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from models.enums import Role
from playground.assets import DASHBOARD_DIR, GRAPHIQL_DIR, graphiql_page
from resolvers.context import OperationContext
from resolvers.root import build_schema
from resolvers.stored_jobs import STORED_JOB
from server.access import Admission, RoleCheck
from server.cursor_first import cursor_first
from server.dashboard import dashboard_routes
from server.hosts import KnownHosts
from server.keys import ApiKey
from server.probes import probe_routes
from server.rate_limit import RateLimit
from server.request_ids import RequestIds, current_request_id
from server.shortcut import Shortcut
from server.telemetry import TracedRequests
from server.transport.cost import CostLimit
from server.transport.documents import Check
from server.transport.execution import Executor
from server.transport.http import GraphQLHTTP
from server.transport.limits import Limits
from server.transport.requests import BadRequest
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


def only_for(
    role: Role, admission: Admission, endpoint: Callable[[Request], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """``endpoint`` for callers of this role and above."""

    async def guarded(request: Request) -> Response:
        try:
            key = admission.request(request)
        except BadRequest as error:
            return JSONResponse({"error": error.message}, error.status, error.headers)
        if key.role < role:
            return JSONResponse({"error": f"This needs the role {role.word}."}, 403)
        return await endpoint(request)

    return guarded


def build_app(application: Application, *, host: str = "127.0.0.1") -> Starlette:
    """The ASGI application around ``application``, which it starts and stops; ``host`` is where it will listen.

    ``state.end_streams`` ends the sockets and event streams, for a server that would wait for them before it stops.
    """
    settings = application.settings
    schema = build_schema()
    limits = Limits(cost=settings.max_cost)
    cost = CostLimit(schema, limits)
    checks: list[Check] = [RoleCheck(schema._schema), cost]
    if settings.rate_limit is not None:
        checks.append(RateLimit(settings.rate_limit, cost.of))
    executor = Executor(
        schema,
        new_request_id=current_request_id,
        checks=checks,
        preparation=cursor_first,
        limits=limits,
        introspection=settings.introspection,
        sharing=Sharing(key_of=lambda context: context.role, position_of=lambda change: change.seq),
        event_context=OperationContext.afresh,
        stored={"Job": STORED_JOB},
    )
    admission = Admission(application.keys)

    def context_of(key: ApiKey) -> OperationContext:
        return OperationContext.of(application.engine, key.role, key.name, application.redactor)

    def request_context(request: Request) -> OperationContext:
        return context_of(admission.request(request))

    def socket_context(socket: WebSocket, payload: Mapping[str, Any]) -> OperationContext:
        return context_of(admission.socket(socket, payload))

    most = settings.max_body_bytes
    http = GraphQLHTTP(executor, context_for=request_context, page=graphiql_page, max_body_bytes=most)
    websocket = GraphQLWebSocket(executor, context_for=socket_context, max_message_bytes=most)
    if application.key_file is not None:
        application.key_file.listen(websocket.readmit)
        application.key_file.listen(http.streams.readmit)

    async def end_streams() -> None:
        await asyncio.gather(websocket.shutdown(), http.shutdown())

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
        *probe_routes(application, websocket),
        *dashboard_routes(),
    ]
    if application.settings.webhook_test:
        receiver = WebhookTest(partial(application.receivers.all_keys, application.store.endpoints))
        routes += [
            Route("/webhook-test", receiver.receive, methods=["POST"]),
            Route("/webhook-test", only_for(Role.OPERATOR, admission, receiver.show), methods=["GET"]),
            Route("/webhook-test", only_for(Role.OPERATOR, admission, receiver.choose), methods=["PUT"]),
            Route("/webhook-test", only_for(Role.OPERATOR, admission, receiver.forget), methods=["DELETE"]),
        ]
    hosts = {host, *settings.known_hosts}
    middleware = [
        Middleware(RequestIds),
        Middleware(TracedRequests),
        Middleware(KnownHosts, hosts=hosts, is_open=lambda: application.keys.is_open),
        Middleware(Shortcut, path="/graphql", endpoint=http),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, middleware=middleware)
    app.state.end_streams = end_streams
    return app
