"""What clients may ask of jobs: the input is checked here, then the store is asked.

The GraphQL layer calls this and nothing below it. Every refusal names the value and the remedy, and happens before
anything is written.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import orjson

from engine import tracing
from engine.errors import InvalidInput, NotFound
from engine.http_client import HttpError, check_url
from engine.payload import encode_json
from engine.records import Created, JobRecord, NewJob, TaskRecord
from engine.registry import (
    DEFAULT_MAX_ATTEMPTS,
    DEFAULT_TIMEOUT_SECONDS,
    MAX_ATTEMPTS,
    MAX_TIMEOUT_SECONDS,
    UNPRINTABLE,
    TaskRegistry,
    check_task_name,
)
from engine.states import Trigger
from engine.store.listing import JobFilter
from engine.store.store import Store
from models.enums import JobPriority

MAX_KEY_LENGTH = 255
MAX_URL_LENGTH = 2048
MAX_TAGS = 20
MAX_TAG_LENGTH = 100
MAX_BULK_CREATE = 1000
REMEMBERED_SECONDS = 10.0
"""How long the tasks of other processes are remembered; a hint ends it before."""
UnknownTask = Literal["simulate", "reject"]


@dataclass(slots=True, kw_only=True)
class JobInput:
    """What a client gives to create a job; nothing of it is checked yet."""

    task_name: str
    payload: Any = None
    priority: JobPriority = JobPriority.MEDIUM
    tags: list[str] = field(default_factory=list)
    run: bool = False
    run_at: datetime | None = None
    max_attempts: int | None = None
    timeout_seconds: float | None = None
    idempotency_key: str | None = None
    webhook_url: str | None = None
    concurrency_key: str | None = None


class Jobs:
    """Create, run, cancel, retry, copy and delete jobs.

    Args:
        unknown_task: what a name that no worker knows means: run it as ``simulate``, or refuse it.
    """

    def __init__(self, store: Store, registry: TaskRegistry, *, unknown_task: UnknownTask = "reject") -> None:
        self._store = store
        self._registry = registry
        self._unknown_task = unknown_task
        self._declared: dict[str, TaskRecord] = {}
        self._declared_at = 0.0

    async def create(self, inputs: Sequence[JobInput]) -> list[Created]:
        """Create all of ``inputs``, or none.

        Raises:
            InvalidInput, Conflict, Unavailable
        """
        if len(inputs) > MAX_BULK_CREATE:
            raise InvalidInput(f"inputs: {len(inputs)} jobs; at most {MAX_BULK_CREATE} at once.", field="inputs")
        if not inputs:
            return []
        new = [await self.check(each) for each in inputs]
        return await self._store.create_jobs(new)

    async def run(self, job_id: int) -> JobRecord:
        return await self._store.change_job(job_id, Trigger.RUN)

    async def cancel(self, job_id: int) -> JobRecord:
        return await self._store.change_job(job_id, Trigger.CANCEL)

    async def retry(self, job_id: int) -> JobRecord:
        return await self._store.change_job(job_id, Trigger.RETRY)

    async def delete(self, job_id: int) -> int:
        return await self._store.delete_job(job_id)

    async def run_all(self, where: JobFilter, *, dry_run: bool = False) -> int:
        """Run every job that matches; how many (``dry_run``: how many it would be)."""
        if dry_run:
            return await self._store.count_changeable(where, Trigger.RUN)
        return await self._store.change_jobs(where, Trigger.RUN)

    async def cancel_all(self, where: JobFilter, *, dry_run: bool = False) -> int:
        """Cancel every job that matches and has not ended; how many."""
        if dry_run:
            return await self._store.count_changeable(where, Trigger.CANCEL)
        return await self._store.change_jobs(where, Trigger.CANCEL)

    async def retry_all(self, where: JobFilter, *, dry_run: bool = False) -> int:
        """Retry every job that matches and has ended; how many."""
        if dry_run:
            return await self._store.count_changeable(where, Trigger.RETRY)
        return await self._store.change_jobs(where, Trigger.RETRY)

    async def delete_all(self, where: JobFilter, *, dry_run: bool = False) -> int:
        """Delete every job that matches and does not run; how many."""
        if dry_run:
            return await self._store.count_deletable(where)
        return await self._store.delete_jobs(where)

    async def copy(self, job_id: int, *, payload: Any = None, has_payload: bool = False, run: bool = True) -> JobRecord:
        """A new job like ``job_id``, with its payload unless another is given.

        Raises:
            NotFound, InvalidInput, Unavailable
        """
        source = await self._store.reads.job(job_id)
        if source is None:
            raise NotFound(f"There is no job {job_id}.")
        new = NewJob(
            task_name=source.task_name,
            payload_text=source.payload_text,
            priority=source.priority,
            tags=source.tags,
            run=run,
            max_attempts=source.max_attempts,
            timeout_seconds=source.timeout_seconds,
            webhook_url=source.webhook_url,
            concurrency_key=source.concurrency_key,
            copy_of_id=source.id,
            traceparent=tracing.traceparent(),
        )
        if has_payload:
            checked = await self.check(JobInput(task_name=source.task_name, payload=payload))
            new = replace(new, payload_text=checked.payload_text)
        [created] = await self._store.create_jobs([new])
        return created.job

    async def check(self, given: JobInput) -> NewJob:
        """What ``given`` means, once nothing is wrong with it.

        Raises:
            InvalidInput: a field cannot be used, or no worker knows the task.
        """
        check_task_name(given.task_name)
        max_attempts, timeout_seconds = await self._limits(given)
        payload_text = None if given.payload is None else encode_json(given.payload)
        known = self._registry.get(given.task_name)
        if known is not None and given.task_name in self._registry:
            known.arguments(given.payload)
        new = NewJob(
            task_name=given.task_name,
            payload_text=payload_text,
            priority=given.priority,
            tags=_checked_tags(given.tags),
            run=given.run,
            run_at=given.run_at,
            max_attempts=max_attempts,
            timeout_seconds=timeout_seconds,
            idempotency_key=_checked_key(given.idempotency_key, "idempotencyKey"),
            webhook_url=_checked_url(given.webhook_url),
            concurrency_key=_checked_key(given.concurrency_key, "concurrencyKey"),
            traceparent=tracing.traceparent(),
        )
        if new.idempotency_key is not None:
            new.digest = _digest(new)
        return new

    async def _limits(self, given: JobInput) -> tuple[int, float]:
        task = self._registry.get(given.task_name) or await self._declared_task(given.task_name)
        if task is None and self._unknown_task == "reject":
            raise InvalidInput(
                f"taskName: no worker knows a task {given.task_name!r}; declare it with @task and start a worker with "
                "--tasks, or set SIGNALBOX_UNKNOWN_TASK=simulate to try things out.",
                field="taskName",
            )
        max_attempts = given.max_attempts
        if max_attempts is None:
            max_attempts = task.max_attempts if task else DEFAULT_MAX_ATTEMPTS
        if not 1 <= max_attempts <= MAX_ATTEMPTS:
            raise InvalidInput(f"maxAttempts: {max_attempts} is not from 1 to {MAX_ATTEMPTS}.", field="maxAttempts")
        timeout_seconds = given.timeout_seconds
        if timeout_seconds is None:
            timeout_seconds = task.timeout_seconds if task else DEFAULT_TIMEOUT_SECONDS
        if not (math.isfinite(timeout_seconds) and 0 < timeout_seconds <= MAX_TIMEOUT_SECONDS):
            raise InvalidInput(
                f"timeoutSeconds: {timeout_seconds:g} is not above 0 and at most 604800 (7 days).",
                field="timeoutSeconds",
            )
        return max_attempts, timeout_seconds

    def own_limits(self, task_name: str) -> tuple[int, float] | None:
        """The attempts and the seconds for each that a task of this process asks for; None for another's."""
        task = self._registry.get(task_name)
        return None if task is None else (task.max_attempts, task.timeout_seconds)

    async def _declared_task(self, name: str) -> TaskRecord | None:
        """A task that another process's worker has declared."""
        now = self._store.clock.monotonic()
        if name not in self._declared or now - self._declared_at > REMEMBERED_SECONDS:
            self._declared = {task.name: task for task in await self._store.reads.tasks()}
            self._declared_at = now
        return self._declared.get(name)

    def forget_tasks(self) -> None:
        """What other processes have declared may have changed."""
        self._declared = {}


def _digest(job: NewJob) -> str:
    """What makes two requests with one idempotency key the same request."""
    parts = [
        job.task_name,
        job.payload_text,
        int(job.priority),
        job.tags,
        job.run,
        job.run_at,
        job.max_attempts,
        job.timeout_seconds,
        job.webhook_url,
        job.concurrency_key,
    ]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()


def _checked_key(key: str | None, name: str) -> str | None:
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY_LENGTH or UNPRINTABLE(key):
        raise InvalidInput(
            f"{name}: it must be 1 to {MAX_KEY_LENGTH} characters, without control characters; "
            f"this one has {len(key)}.",
            field=name,
        )
    return key


def _checked_tags(tags: Sequence[str]) -> list[str]:
    unique = list(dict.fromkeys(tags))
    if len(unique) > MAX_TAGS:
        raise InvalidInput(f"tags: {len(unique)} tags; at most {MAX_TAGS} fit a job.", field="tags")
    for tag in unique:
        if not 1 <= len(tag) <= MAX_TAG_LENGTH or UNPRINTABLE(tag):
            raise InvalidInput(
                f"tags: {tag[:40].encode(errors='replace').decode()!r} must be 1 to {MAX_TAG_LENGTH} characters, "
                "without control characters.",
                field="tags",
            )
    return unique


def _checked_url(url: str | None) -> str | None:
    if url is None:
        return None
    if len(url) > MAX_URL_LENGTH or UNPRINTABLE(url):
        raise InvalidInput(f"webhookUrl: at most {MAX_URL_LENGTH} printable characters fit.", field="webhookUrl")
    try:
        check_url(url)
    except HttpError as error:
        raise InvalidInput(f"webhookUrl: {error}", field="webhookUrl") from None
    return url
