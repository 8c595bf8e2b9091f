"""The parts of a process that hear of others, built as the server builds them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from eventually import eventually

from engine.feed import ChangeFilter, Feed
from engine.jobs import Jobs
from engine.notifier.contract import Notifier
from engine.registry import Task, TaskContext, TaskRegistry
from engine.relay import Relay
from engine.store.store import Store
from engine.upkeep import Unparker
from engine.worker import Worker

Network = Callable[..., Notifier]


class Workbench:
    """Tasks that tell where they ran."""

    def __init__(self) -> None:
        self.ran: list[int] = []
        self.began: list[int] = []
        self.interrupted: list[int] = []
        self.gate = asyncio.Event()

    async def quick(self, ctx: TaskContext) -> None:
        self.ran.append(ctx.job_id)

    async def waits(self, ctx: TaskContext) -> None:
        self.began.append(ctx.job_id)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.interrupted.append(ctx.job_id)
            raise

    def registry(self) -> TaskRegistry:
        return TaskRegistry(
            Task.declare(each.__name__, each, max_attempts=3, timeout_seconds=30.0) for each in (self.quick, self.waits)
        )


class Process:
    """A server; with ``slots`` it is a worker too."""

    def __init__(self, store: Store, network: Network, workbench: Workbench, slots: int) -> None:
        self.store = store
        self.notifier = network(store, runs_jobs=slots > 0)
        self.feed = Feed(store, self.notifier)
        registry = workbench.registry() if slots else TaskRegistry([])
        self.jobs = Jobs(store, registry)
        self.worker: Worker | None = None
        self._services: list[Any] = [self.feed, Unparker(store)]
        if slots:
            self.worker = Worker(store, registry, slots=slots, grace_seconds=0.0, notifier=self.notifier)
            if self.notifier.is_live or self.notifier.services:
                self.worker.heart.interval_seconds = 600.0
            self._services.insert(0, self.worker)
        self.relay = Relay(store, self.notifier, worker=self.worker, feed=self.feed, jobs=self.jobs)
        self.got: list[int] = []
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        for service in (*self._services, *self.notifier.services):
            service.start()

    async def watch(self) -> str:
        """Subscribe to everything from now on; ``got`` has the numbers of the events that come after the cursor that
        is returned."""
        cursor = await self.feed.cursor()

        async def watch() -> None:
            async with aclosing(self.feed.subscribe(ChangeFilter(), cursor)) as changes:
                async for change in changes:
                    self.got.append(change.seq)

        self._watching = asyncio.create_task(watch())
        # the cursor of a log that was emptied is 0, which has expired if that is learnt when new events are there
        await eventually(lambda: self.feed.position is not None)
        return cursor

    async def stop(self) -> None:
        for service in (*self._services, *self.notifier.services):
            await service.stop()
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching  # what has ended it before is raised


MakeProcess = Callable[..., Awaitable[Process]]
"""Starts a process; those that were made before are heard by it."""
