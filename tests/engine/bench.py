"""Tasks that tell what they did and wait to be let on, and short ways to make jobs of them."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from engine.records import JobRecord, NewJob
from engine.registry import PermanentError, Task, TaskContext, TaskRegistry
from engine.store.store import Store
from models.enums import JobStatus


class Bench:
    """Tasks that tell what they did and wait to be let on."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.at_once = self.most_at_once = 0
        self.gate = asyncio.Event()
        self.thread_gate = threading.Event()
        self.interrupted: list[int] = []

    async def quick(self, ctx: TaskContext) -> int:
        self.started.append(ctx.job_id)
        return ctx.job_id

    async def waits(self, ctx: TaskContext) -> str:
        self.started.append(ctx.job_id)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await ctx.progress(0.5)
            await self.gate.wait()
        except asyncio.CancelledError:
            self.interrupted.append(ctx.job_id)
            raise
        finally:
            self.at_once -= 1
        return "done"

    async def fails(self, ctx: TaskContext) -> None:
        self.started.append(ctx.job_id)
        raise ValueError("no luck")

    async def fails_for_good(self) -> None:
        raise PermanentError("never", code="NEVER")

    async def stubborn(self, ctx: TaskContext) -> str:
        """Heeds nothing until the gate opens."""
        self.started.append(ctx.job_id)
        while not self.gate.is_set():
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.interrupted.append(ctx.job_id)
        return "late"

    async def tidies(self, ctx: TaskContext) -> None:
        """Fails while it is being cancelled."""
        self.started.append(ctx.job_id)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            raise ValueError("no way to tidy up") from None

    def heeds(self, ctx: TaskContext) -> str:
        """A thread that looks at ``cancelled``."""
        self.started.append(ctx.job_id)
        ctx.watch_cancellation().wait(10)
        self.interrupted.append(ctx.job_id)
        return "stopped early"

    def in_a_thread(self, ctx: TaskContext) -> str:
        self.started.append(ctx.job_id)
        self.thread_gate.wait(10)
        return threading.current_thread().name

    def registry(self) -> TaskRegistry:
        return TaskRegistry(
            Task.declare(name, getattr(self, name), max_attempts=3, timeout_seconds=30.0)
            for name in (*("quick", "waits", "fails", "fails_for_good", "stubborn", "tidies", "heeds", "in_a_thread"),)
        )


async def create(store: Store, task: str, count: int = 1, **fields: Any) -> list[int]:
    given = {"max_attempts": 3, "timeout_seconds": 30.0, "run": True} | fields
    return [each.job.id for each in await store.create_jobs([NewJob(task_name=task, **given) for _ in range(count)])]


async def read(store: Store, job_id: int) -> JobRecord:
    job = await store.reads.job(job_id)
    assert job is not None
    return job


async def ended(store: Store, ids: list[int], status: JobStatus = JobStatus.COMPLETED) -> bool:
    return all(job.status is status for job in (await store.reads.jobs_by_id(ids)).values())
