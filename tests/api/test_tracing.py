"""Spans of a running server, as a collector of OpenTelemetry receives them, and none where nobody asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

import aiohttp.web
import pytest
from client import CREATE, PATIENCE_SECONDS, WATCH, Api, Socket
from eventually import eventually
from launching import Launch
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from processes import ServerProcess, free_port, like_make_run

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
INPUT = {"taskName": "simulate", "payload": {"seconds": 0}, "run": True}


def attributes(of: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in of.attributes}


class Collector:
    """Receives spans as a collector of OpenTelemetry does."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        self._runner = aiohttp.web.ServerRunner(aiohttp.web.Server(self._collect))
        self.url = ""

    async def _collect(self, request: aiohttp.web.BaseRequest) -> aiohttp.web.Response:
        assert request.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(await request.read()).resource_spans:
            self.services.add(attributes(resource.resource)["service.name"])
            self.spans.extend(span for scope in resource.scope_spans for span in scope.spans)
        return aiohttp.web.Response()

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await aiohttp.web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def arrived(self, name: str, *, operation: str | None = None, trace: str | None = None) -> Any:
        """The one span of this name (of this GraphQL operation, of this trace), once it has come."""

        def found() -> list[Any]:
            return [
                each
                for each in self.spans
                if each.name == name
                and operation in (None, attributes(each).get("graphql.operation.name"))
                and trace in (None, each.trace_id.hex())
            ]

        [span] = await eventually(found, timeout_seconds=PATIENCE_SECONDS, message=f"no span {name} {operation}")
        return span


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with Collector() as opened:
        yield opened


@pytest.fixture
def traced(launch: Launch, collector: Collector) -> ServerProcess:
    """A server whose spans come at once."""
    port = free_port()
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50", **like_make_run(port)}
    return launch("serve", "--port", str(port), **settings)


async def test_spans_reach_the_collector(traced: ServerProcess, collector: Collector, api_of: Any) -> None:
    api: Api = api_of(traced)
    query = (CREATE % "id").replace("mutation(", "mutation Make(")
    async with api.session.post(
        api.url,
        json={"query": query, "variables": {"input": INPUT}, "operationName": "Make"},
        headers={"traceparent": f"00-{TRACE}-{PARENT}-01"},
    ) as response:
        job_id = (await response.json())["data"]["createJob"]["job"]["id"]
    await api.job_in(job_id, "COMPLETED")
    await api.webhooks(job_id)
    await api.get("/readyz")
    assert await asyncio.to_thread(traced.stop) == 0

    assert collector.services == {"signalbox"}
    by_name = {
        name: [each for each in collector.spans if each.name == name]
        for name in {each.name for each in collector.spans}
    }
    [request] = [each for each in by_name["POST /graphql"] if each.trace_id.hex() == TRACE]
    assert request.parent_span_id.hex() == PARENT
    assert attributes(request)["http.response.status_code"] == 200
    [operation] = [each for each in by_name["graphql.operation"] if each.trace_id.hex() == TRACE]
    assert operation.parent_span_id == request.span_id
    about = attributes(operation)
    assert (about["graphql.operation.name"], about["graphql.operation.type"]) == ("Make", "mutation")
    [attempt] = by_name["job.attempt"]
    assert (attempt.trace_id.hex(), attempt.parent_span_id) == (TRACE, operation.span_id)
    about = attributes(attempt)
    assert (about["signalbox.job.id"], about["signalbox.task"]) == (int(job_id), "simulate")
    assert about["signalbox.to"] == "COMPLETED"
    lanes = {attributes(each)["signalbox.lane"] for each in by_name["store.transaction"]}
    assert lanes - {"upkeep", "rescue"} == {"clients", "workers"}
    assert by_name["webhook.try"]
    assert "GET /readyz" not in by_name


async def test_operations_on_a_websocket(traced: ServerProcess, collector: Collector, api_of: Any) -> None:
    """Each begins a trace, even where the handshake belongs to one; a subscription's span does not wait for its end."""
    api: Api = api_of(traced)
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    async with api.session.ws_connect(api.url, protocols=("graphql-transport-ws",), headers=headers) as websocket:
        socket = Socket(websocket)
        await socket.send(type="connection_init")
        await socket.receive()
        await socket.subscribe("query Ask { version }")
        assert [(await socket.receive())["type"] for _ in range(2)] == ["next", "complete"]
        await socket.subscribe((CREATE % "id").replace("mutation(", "mutation Make("), input=INPUT)
        job_id = (await socket.receive())["payload"]["data"]["createJob"]["job"]["id"]
        assert (await socket.receive())["type"] == "complete"
        await socket.subscribe("query Wrong { nothing }")
        assert (await socket.receive())["type"] == "error"
        stream = await socket.subscribe(WATCH.replace("subscription(", "subscription Watch(") % "id", after="0")
        await stream.next()

        asked = await collector.arrived("graphql.operation", operation="Ask")
        made = await collector.arrived("graphql.operation", operation="Make")
        wrong = await collector.arrived("graphql.operation", operation="Wrong")
        watched = await collector.arrived("graphql.operation", operation="Watch")
        attempt = await collector.arrived("job.attempt")
        assert not websocket.closed, "the subscription goes on"
    kinds = [attributes(each)["graphql.operation.type"] for each in (asked, made, wrong, watched)]
    assert kinds == ["query", "mutation", "query", "subscription"]
    assert {each.parent_span_id for each in (asked, made, wrong, watched)} == {b""}
    assert len({each.trace_id for each in (asked, made, wrong, watched)}) == 4
    assert [each.status.code for each in (asked, made, watched)] == [Status.STATUS_CODE_UNSET] * 3
    assert wrong.status.code == Status.STATUS_CODE_ERROR
    assert attributes(attempt)["signalbox.job.id"] == int(job_id)
    assert (attempt.trace_id, attempt.parent_span_id) == (made.trace_id, made.span_id)
    assert await asyncio.to_thread(traced.stop) == 0
    assert "ended span" not in traced.log


async def test_operations_of_event_streams(traced: ServerProcess, collector: Collector, api_of: Any) -> None:
    """The request's span ends when its stream begins, and is the parent all the same."""
    api: Api = api_of(traced)
    await api.create("simulate", "id")
    query = WATCH.replace("subscription(", "subscription Watch(") % "id"
    headers = {"accept": "text/event-stream", "traceparent": f"00-{TRACE}-{PARENT}-01"}
    async with api.session.post(
        api.url, json={"query": query, "variables": {"after": "0"}}, headers=headers
    ) as response:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (await response.content.readline()).startswith(b"data: "):
                pass
        request = await collector.arrived("POST /graphql", trace=TRACE)
        operation = await collector.arrived("graphql.operation", operation="Watch")
        assert not response.content.at_eof(), "the stream goes on"
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
    assert (operation.trace_id, operation.parent_span_id) == (request.trace_id, request.span_id)
    assert attributes(request)["http.response.status_code"] == 200
    assert attributes(operation)["graphql.operation.type"] == "subscription"
    assert await asyncio.to_thread(traced.stop) == 0
    assert "ended span" not in traced.log


async def test_no_collector_and_no_spans(launch: Launch, api_of: Any) -> None:
    server = launch("serve", "--port", "0")
    api: Api = api_of(server)
    await api.create("simulate", "id", run=True)
    assert "telemetry" not in server.log


def test_a_span_that_nobody_wants_is_nothing() -> None:
    from engine import tracing

    assert not tracing.is_on()
    with tracing.span("a") as outer, tracing.span("b") as inner:
        assert (outer, inner) == (None, None)
