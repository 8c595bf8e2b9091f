"""Spans of a running server, as a collector of OpenTelemetry receives them, and none where nobody asked."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp.web
from client import CREATE, Api
from launching import Launch
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from processes import free_port, like_make_run

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


def attributes(of: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in of.attributes}


async def test_spans_reach_the_collector(launch: Launch, api_of: Any) -> None:
    received: list[Any] = []
    services: set[str] = set()

    async def collect(request: aiohttp.web.BaseRequest) -> aiohttp.web.Response:
        assert request.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(await request.read()).resource_spans:
            services.add(attributes(resource.resource)["service.name"])
            received.extend(span for scope in resource.scope_spans for span in scope.spans)
        return aiohttp.web.Response()

    runner = aiohttp.web.ServerRunner(aiohttp.web.Server(collect))
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    port = free_port()
    collector = f"http://127.0.0.1:{runner.addresses[0][1]}"
    server = launch(*("serve", "--port", str(port)), OTEL_EXPORTER_OTLP_ENDPOINT=collector, **like_make_run(port))
    api: Api = api_of(server)
    variables = {"input": {"taskName": "simulate", "payload": {"seconds": 0}, "run": True}}
    query = (CREATE % "id").replace("mutation(", "mutation Make(")
    async with api.session.post(
        api.url,
        json={"query": query, "variables": variables, "operationName": "Make"},
        headers={"traceparent": f"00-{TRACE}-{PARENT}-01"},
    ) as response:
        job_id = (await response.json())["data"]["createJob"]["job"]["id"]
    await api.job_in(job_id, "COMPLETED")
    await api.webhooks(job_id)
    await api.get("/readyz")
    assert await asyncio.to_thread(server.stop) == 0
    await runner.cleanup()

    assert services == {"signalbox"}
    by_name = {name: [each for each in received if each.name == name] for name in {each.name for each in received}}
    [request] = [each for each in by_name["POST /graphql"] if each.trace_id.hex() == TRACE]
    assert request.parent_span_id.hex() == PARENT
    assert attributes(request)["http.response.status_code"] == 200
    [operation] = [each for each in by_name["graphql.operation"] if each.trace_id.hex() == TRACE]
    assert operation.parent_span_id == request.span_id
    assert attributes(operation)["graphql.operation.name"] == "Make"
    [attempt] = by_name["job.attempt"]
    assert (attempt.trace_id.hex(), attempt.parent_span_id) == (TRACE, operation.span_id)
    about = attributes(attempt)
    assert (about["signalbox.job.id"], about["signalbox.task"]) == (int(job_id), "simulate")
    assert about["signalbox.to"] == "COMPLETED"
    assert {attributes(each)["signalbox.lane"] for each in by_name["store.transaction"]} == {"clients", "workers"}
    assert by_name["webhook.try"]
    assert "GET /readyz" not in by_name


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
