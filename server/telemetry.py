"""OpenTelemetry, as its own environment variables (``OTEL_*``) ask for it, and where ``signalbox[otel]`` is installed.

Spans: the HTTP request (a ``traceparent`` header is honoured), the GraphQL operation over whatever transport, the
transaction, the attempt at a job, the try to deliver a webhook.

An operation on a websocket begins a trace of its own: the handshake's may be days old, and no client sends another with
an operation. Of a subscription there is a span of its start, and of an event stream one until its headers are sent: a
span is exported when it ends, and one that stays open for days tells nothing.

Failure handling: spans are exported in the background; a collector that is away costs spans and nothing else.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine import tracing
from server.transport.direct_http import without_answer
from server.transport.requests import EVENT_STREAM
from server.version import VERSION

log = structlog.get_logger("signalbox.telemetry")

ASKED_BY = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})


def start_telemetry() -> Any | None:
    """Make spans if the environment asks for them; what ends it (``shutdown``), or None."""
    if not any(os.environ.get(name) for name in ASKED_BY):
        return None
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning("telemetry.not_installed", remedy="install signalbox[otel], or unset OTEL_EXPORTER_OTLP_ENDPOINT")
        return None
    # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes before this.
    own = {"service.version": VERSION}
    if not os.environ.get("OTEL_SERVICE_NAME") and "service.name" not in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        own["service.name"] = "signalbox"
    provider = TracerProvider(resource=Resource.create(own))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracing.set_tracer(OpenTelemetryTracer(provider))
    log.info("telemetry.started")
    return provider


class OpenTelemetryTracer:
    """Makes the engine's spans. Its imports are its own: OpenTelemetry may not be installed."""

    def __init__(self, provider: Any) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer = provider.get_tracer("signalbox", VERSION)
        self._propagator = TraceContextTextMapPropagator()

    def span(self, name: str, attributes: Mapping[str, Any] | None, parent: str | None) -> AbstractContextManager[Any]:
        context = None if parent is None else self._propagator.extract({"traceparent": parent})
        return _current(self._tracer.start_span(name, context=context, attributes=attributes))

    def traceparent(self) -> str | None:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get("traceparent")


@contextlib.contextmanager
def _current(span: Any) -> Iterator[Any]:
    """``span`` as the one under way, which ends with the block unless that has ended it before."""
    from opentelemetry.trace import use_span

    try:
        with use_span(span):
            yield span
    finally:
        if span.is_recording():
            span.end()


class TracedRequests:
    """ASGI middleware: a span for each HTTP request but those of probes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not tracing.is_on() or scope["type"] != "http" or scope["path"] in UNTRACED:
            await self._app(scope, receive, send)
            return
        from opentelemetry import context, propagate

        without_answer(scope)
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        token = context.attach(propagate.extract(carrier))
        attributes = {"http.request.method": scope["method"], "url.path": scope["path"]}
        try:
            with tracing.span(f"{scope['method']} {scope['path']}", attributes) as span:

                async def send_noted(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        span.set_attribute("http.response.status_code", message["status"])
                        if _is_stream(message):
                            span.end()
                    await send(message)

                await self._app(scope, receive, send_noted)
        finally:
            context.detach(token)


def _is_stream(start: Message) -> bool:
    return Headers(raw=start["headers"]).get("content-type", "").startswith(EVENT_STREAM)
