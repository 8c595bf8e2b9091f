"""The context of one operation: the engine's parts that fields may use, and its batches of loads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from strawberry.dataloader import DataLoader
from strawberry.types import Info as StrawberryInfo

from engine.endpoints import Endpoints, stand_in
from engine.errors import NotFound
from engine.feed import Feed
from engine.jobs import Jobs
from engine.records import (
    AttemptRecord,
    CircuitRecord,
    DeliveryRecord,
    EndpointRecord,
    EventRecord,
    FiringRecord,
    JobRecord,
    ScheduleRecord,
)
from engine.schedules import Schedules
from engine.store.joblogs import LogPage, LogQuery
from engine.store.reads import Reads
from engine.store.throughput import ThroughputStore
from engine.tasks import Tasks
from engine.waiting import Waiting
from engine.webhook_log import WebhookLog, deliveries_to
from engine.webhook_trials import WebhookTrials
from models.enums import Role
from models.shapes import Shape
from resolvers.deliveries import delivery_connection
from resolvers.logs import log_connection, log_query
from resolvers.redaction import Redactor
from schema.logs import JobLogConnection
from schema.webhooks import WebhookDeliveryConnection

Key = TypeVar("Key")
Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Engine:
    """The parts of the engine that resolvers call."""

    jobs: Jobs
    schedules: Schedules
    tasks: Tasks
    reads: Reads
    throughput: ThroughputStore
    feed: Feed
    waiting: Waiting
    endpoints: Endpoints
    webhook_log: WebhookLog
    webhook_trials: WebhookTrials
    version: str


class OperationLoaders:
    """Loads what belongs to jobs: one read for all jobs of an operation."""

    def __init__(self, engine: Engine) -> None:
        self._reads = engine.reads
        self._schedules = engine.schedules
        self._waiting = engine.waiting
        self._endpoints = engine.endpoints
        self._webhook_log = engine.webhook_log
        self._to_explain: dict[int, JobRecord] = {}
        self._running: set[asyncio.Task[Any]] = set()

    def cancel(self) -> None:
        """End the loads that are under way; nobody waits for them any more."""
        for task in self._running:
            task.cancel()

    def _loader(
        self, load: Callable[[list[Key]], Awaitable[Sequence[Record]]], *, cache: bool = True
    ) -> DataLoader[Key, Record]:
        async def run(keys: list[Key]) -> Sequence[Record]:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - a loader runs its loads in tasks
            self._running.add(task)
            try:
                return await load(keys)
            finally:
                self._running.discard(task)

        return DataLoader(run, cache=cache)

    @cached_property
    def _jobs(self) -> DataLoader[int, JobRecord | None]:
        async def load(ids: list[int]) -> list[JobRecord | None]:
            found = await self._reads.jobs_by_id(ids)
            return [found.get(job_id) for job_id in ids]

        return self._loader(load)

    @cached_property
    def _events(self) -> DataLoader[int, list[EventRecord]]:
        async def load(ids: list[int]) -> list[list[EventRecord]]:
            return _in_order(ids, await self._reads.events_of(ids))

        return self._loader(load)

    @cached_property
    def _attempts(self) -> DataLoader[int, list[AttemptRecord]]:
        async def load(ids: list[int]) -> list[list[AttemptRecord]]:
            return _in_order(ids, await self._reads.attempts_of(ids))

        return self._loader(load)

    @cached_property
    def _deliveries(self) -> DataLoader[int, list[DeliveryRecord]]:
        async def load(ids: list[int]) -> list[list[DeliveryRecord]]:
            return _in_order(ids, await self._reads.deliveries_of(ids))

        return self._loader(load)

    @cached_property
    def _reasons(self) -> DataLoader[int, str | None]:
        async def load(ids: list[int]) -> list[str | None]:
            return await self._waiting.explain([self._to_explain[job_id] for job_id in ids])

        return self._loader(load, cache=False)

    async def waiting_for(self, job: Any) -> str | None:
        self._to_explain[job.id] = job
        return await self._reasons.load(job.id)

    @cached_property
    def _logs(self) -> DataLoader[LogQuery, LogPage]:
        return self._loader(self._reads.log_pages)

    @cached_property
    def _schedules_by_id(self) -> DataLoader[int, ScheduleRecord | None]:
        async def load(ids: list[int]) -> list[ScheduleRecord | None]:
            found = await self._schedules.by_id(ids)
            return [found.get(schedule_id) for schedule_id in ids]

        return self._loader(load)

    @cached_property
    def _endpoints_by_id(self) -> DataLoader[int, EndpointRecord | None]:
        async def load(ids: list[int]) -> list[EndpointRecord | None]:
            found = await self._endpoints.by_id(ids)
            return [found.get(endpoint_id) for endpoint_id in ids]

        return self._loader(load)

    @cached_property
    def _circuits(self) -> DataLoader[int, CircuitRecord | None]:
        async def load(ids: list[int]) -> list[CircuitRecord | None]:
            found = await self._endpoints.circuits(ids)
            return [found.get(endpoint_id) for endpoint_id in ids]

        return self._loader(load)

    @cached_property
    def _bodies(self) -> DataLoader[str, str]:
        async def load(ids: list[str]) -> list[str]:
            found = await self._webhook_log.bodies(ids)
            return [found.get(message_id, "") for message_id in ids]

        return self._loader(load)

    @cached_property
    def _firings(self) -> DataLoader[tuple[int, int], list[FiringRecord]]:
        return self._loader(self._schedules.last_firings)

    async def job(self, job_id: int) -> Any:
        return await self._jobs.load(job_id)

    async def attempts(self, job_id: int) -> Sequence[Any]:
        return await self._attempts.load(job_id)

    async def events(self, job_id: int) -> Sequence[Any]:
        return await self._events.load(job_id)

    async def logs(self, job_id: int, first: int | None, after: str | None) -> JobLogConnection:
        query = log_query(job_id, first, after)
        return log_connection(query, await self._logs.load(query))

    async def deliveries(self, job: Any) -> Sequence[Any]:
        self._jobs.prime(int(job.id), job)  # what leads back to it is not read anew: it might be gone by then
        return await self._deliveries.load(int(job.id))

    async def job_of(self, delivery: Any) -> Any:
        """Raises: NotFound"""
        job = await self._jobs.load(delivery.job_id)
        if job is None:
            raise NotFound(f"The job {delivery.job_id} was deleted a moment ago, and this delivery with it.")
        return job

    async def with_jobs(self, deliveries: Sequence[Any]) -> Sequence[Any]:
        jobs = await self._jobs.load_many([each.job_id for each in deliveries])
        return [each for each, job in zip(deliveries, jobs, strict=True) if job is not None]

    async def endpoint_of(self, delivery: Any) -> Any:
        listed = None if delivery.endpoint_id is None else await self._endpoints_by_id.load(delivery.endpoint_id)
        return listed or stand_in(delivery)

    async def deliveries_to(self, endpoint: Any, first: int | None, after: str | None) -> WebhookDeliveryConnection:
        return await delivery_connection(self._webhook_log, deliveries_to(endpoint), first, after)

    async def delivery_body(self, delivery: Any) -> str:
        return await self._bodies.load(delivery.id)

    async def circuit(self, endpoint: Any) -> Any:
        # that of a job's own webhookUrl is named after the job, and has no circuit of its own
        return await self._circuits.load(int(endpoint.id)) if str(endpoint.id).isdigit() else None

    async def schedule(self, schedule_id: int) -> Any:
        return await self._schedules_by_id.load(schedule_id)

    async def last_firings(self, schedule: Any, first: int) -> Sequence[Any]:
        return await self._firings.load((schedule.id, first))

    def next_runs(self, schedule: Any, first: int) -> Sequence[datetime]:
        return self._schedules.next_runs(schedule, first)


@dataclass(slots=True)
class OperationContext:
    """What ``info.context`` is.

    Attributes:
        role: what the caller may do, and all that decides on what is shown.
        caller: the name of the caller's key; for accounts and logs, never for what is shown.
        event_cursor: where the log was before the first field read anything; see ``take_cursor``.
    """

    engine: Engine
    loaders: OperationLoaders
    role: Role
    caller: str
    redactor: Redactor
    event_cursor: str = field(default="", init=False)

    @classmethod
    def of(cls, engine: Engine, role: Role, caller: str, redactor: Redactor) -> OperationContext:
        return cls(engine, OperationLoaders(engine), role, caller, redactor)

    def afresh(self) -> OperationContext:
        """One of the same role in which nothing is loaded yet; subscribers share it, so it names no caller."""
        return self.of(self.engine, self.role, "", self.redactor)

    async def take_cursor(self) -> None:
        """Note where the log is. The fields of an operation are read side by side: a field that did this by itself
        might see changes that a list beside it does not have yet."""
        self.event_cursor = await self.engine.feed.cursor()

    def cancel(self) -> None:
        """The operation was stopped: so is what it started."""
        self.loaders.cancel()


Info = StrawberryInfo[OperationContext, Any]


def columns_of(info: object, type_name: str) -> tuple[str, ...] | None:
    """The columns that an operation wants of a type which it takes as it is stored; None where it wants records."""
    columns: Mapping[str, tuple[str, ...]] = getattr(info, "columns", {})
    return columns.get(type_name)


def shape_of(info: object, type_name: str) -> Shape | None:
    """The JSON object that an operation wants of such a type, if it is the same wherever it has one."""
    shapes: Mapping[str, Shape] = getattr(info, "shapes", {})
    return shapes.get(type_name)


def _in_order(ids: Sequence[int], found: dict[int, list[Record]]) -> list[list[Record]]:
    return [found.get(job_id, []) for job_id in ids]
