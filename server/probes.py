"""What those ask who watch over a process: ``/healthz``, ``/readyz`` and ``/metrics``.

A server has these paths beside its API. A worker, which serves nobody, has them alone and at a port of their own.

Failure handling: the port is taken before any job is claimed, and given up after the last one has ended, so that a
worker can be watched while it drains; ``/readyz`` says 503 then. Nothing that is asked keeps it alive.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from engine.errors import ConfigurationError
from server.metrics import Metrics
from server.transport.leaving import LeavingHTTPProtocol
from server.transport.websocket import GraphQLWebSocket
from server.wiring import Application

LAST_ANSWERS_SECONDS = 3
"""Longer than any of them takes while the database is away."""


def probe_routes(application: Application, websocket: GraphQLWebSocket | None = None) -> list[BaseRoute]:
    """The three paths. ``websocket`` is where clients are served, if they are."""

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(_request: Request) -> Response:
        problems = await application.is_ready()
        if problems:
            return JSONResponse({"status": "not ready", "problems": problems}, status_code=503)
        warnings = application.warnings()
        return JSONResponse({"status": "ready", **({"warnings": warnings} if warnings else {})})

    return [
        Route("/healthz", health),
        Route("/readyz", ready),
        Route("/metrics", Metrics(application, websocket).__call__),
    ]


@contextlib.asynccontextmanager
async def probe_port(application: Application, host: str, port: int) -> AsyncIterator[str]:
    """Serve the probes, and nothing else, while the block runs; gives their URL. Port 0 is any that is free.

    Raises:
        ConfigurationError: the port cannot be had.
    """
    listener = _listen(host, port)
    config = uvicorn.Config(
        Starlette(routes=probe_routes(application)),
        log_config=None,
        access_log=False,
        lifespan="off",
        http=LeavingHTTPProtocol,
        ws="none",
        timeout_graceful_shutdown=LAST_ANSWERS_SECONDS,
        server_header=False,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve([listener]), name="probes")
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """uvicorn's server, in a process whose signals are not its business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigurationError(
            f"The metrics cannot be served at {host}, port {port}: {error.strerror or error}. Choose others with "
            "--metrics-host and --metrics-port (SIGNALBOX_METRICS_HOST, SIGNALBOX_METRICS_PORT)."
        ) from error
