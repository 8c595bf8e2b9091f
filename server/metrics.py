"""``/metrics``: what the engine has counted, and how things stand in this process at the moment of asking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import prometheus_client
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from engine.census import MAX_COUNT, MAX_TASK_ROWS, Census, Numbers
from engine.metrics import OTHER
from server.transport.websocket import GraphQLWebSocket
from server.version import VERSION

if TYPE_CHECKING:
    from server.wiring import Application


class Metrics:
    """The endpoint. Jobs are counted by ``Census``, so asking often costs the database nothing. Without a
    ``websocket`` no clients are served here, and nothing is told of them."""

    def __init__(self, application: Application, websocket: GraphQLWebSocket | None) -> None:
        self._application = application
        self._websocket = websocket
        self._census = Census(application.store)

    async def __call__(self, _request: Request) -> Response:
        numbers = await self._census.numbers()
        registry = prometheus_client.CollectorRegistry()
        registry.register(_Snapshot([*self._now(), *self._waiting(numbers)]))
        body = prometheus_client.generate_latest() + prometheus_client.generate_latest(registry)
        return PlainTextResponse(body, media_type=prometheus_client.CONTENT_TYPE_LATEST)

    def _now(self) -> Iterator[Metric]:
        application = self._application
        info = InfoMetricFamily("signalbox_build", "What runs here.")
        info.add_metric([], {"version": VERSION, "database": application.store.database.dialect})
        yield info
        if self._websocket is not None:
            yield from self._clients(self._websocket)
        in_use, most = application.store.database.connections
        yield GaugeMetricFamily("signalbox_pool_connections_in_use", "Connections in use.", value=in_use)
        yield GaugeMetricFamily("signalbox_pool_connections", "Connections there may be.", value=most)
        lanes = GaugeMetricFamily(
            "signalbox_store_waiting_operations", "Operations that wait for a transaction.", labels=["lane"]
        )
        for name, count in application.store.waiting.items():
            lanes.add_metric([name], count)
        yield lanes
        notifier = GaugeMetricFamily(
            "signalbox_notifier_live",
            "1 while hints of other processes arrive; without them it polls.",
            labels=["notifier"],
        )
        notifier.add_metric([application.notifier.name], application.notifier.is_live)
        yield notifier
        loops = GaugeMetricFamily("signalbox_loop_up", "1 while the loop does its work.", labels=["loop"])
        for service in application.loops:
            loops.add_metric([service.name], service.problem is None)
        yield loops
        if (worker := application.worker) is not None:
            yield GaugeMetricFamily("signalbox_worker_slots", "Slots of this process's worker.", value=worker.slots)
            yield GaugeMetricFamily("signalbox_worker_running", "Slots in use.", value=worker.running_count)
            yield GaugeMetricFamily(
                "signalbox_worker_buffered", "Jobs claimed ahead of the slots.", value=worker.buffered_count
            )
            yield from worker.tally.collect()

    def _clients(self, websocket: GraphQLWebSocket) -> Iterator[Metric]:
        yield GaugeMetricFamily("signalbox_websockets", "Open websockets.", value=websocket.connection_count)
        yield GaugeMetricFamily(
            "signalbox_websocket_operations", "Operations that run on them.", value=websocket.operation_count
        )
        yield GaugeMetricFamily(
            "signalbox_subscribers", "Subscribers of the event log.", value=self._application.feed.subscriber_count
        )

    def _waiting(self, numbers: Numbers | None) -> Iterator[Metric]:
        """Nothing where the database does not tell: a gap in a graph is true, an old number is not."""
        if numbers is None:
            return
        jobs = GaugeMetricFamily(
            "signalbox_jobs",
            f"Unfinished jobs by status, in the whole database; at most {MAX_COUNT}.",
            labels=["status"],
        )
        for status, count in numbers.jobs.items():
            jobs.add_metric([status.value], count)
        yield jobs
        by_task = GaugeMetricFamily(
            "signalbox_jobs_by_task",
            f"Of the first {MAX_TASK_ROWS} jobs of each status, how many are of each task.",
            labels=["status", "task"],
        )
        known: dict[tuple[str, str], int] = {}
        for (status, name), count in numbers.jobs_by_task.items():
            key = (status.value, name if name in self._application.registry else OTHER)
            known[key] = known.get(key, 0) + count
        for key, count in known.items():
            by_task.add_metric(key, count)
        yield by_task
        yield GaugeMetricFamily(
            "signalbox_queue_age_seconds",
            "How long the oldest queued job has waited.",
            value=numbers.oldest_queued_seconds,
        )
        yield GaugeMetricFamily(
            "signalbox_webhooks_pending", "Webhooks yet to be delivered.", value=numbers.pending_deliveries
        )
        if self._websocket is None:
            return
        position = self._application.feed.position
        lag = 0 if position is None else max(0, numbers.newest_event - position)
        yield GaugeMetricFamily("signalbox_event_lag", "Events that subscribers are behind the log.", value=lag)


class _Snapshot:
    """Metrics that were made beforehand."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics
