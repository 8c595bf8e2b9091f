"""Why a job is not running, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from engine.jobs import UnknownTask
from engine.records import JobRecord, TaskRecord
from engine.store.reads import Reads
from engine.store.routing import is_routed
from models.enums import JobStatus

ALIVE_SECONDS = 30.0
"""A worker that was heard from in this time counts as alive."""
FARTHEST = 1000
"""How far the queue is looked at; a place beyond is not worth its count."""


class Waiting:
    """Explains jobs; one batch of reads for however many."""

    def __init__(self, reads: Reads, *, unknown_task: UnknownTask = "reject") -> None:
        self._reads = reads
        self._unknown_task = unknown_task

    async def explain(self, jobs: Sequence[JobRecord]) -> list[str | None]:
        """A sentence for each job; None for what runs or has ended."""
        places: dict[int, int] = {}
        tasks: dict[str, TaskRecord] = {}
        resumed: set[str] = set()
        limits: dict[int, str] = {}
        routed: set[int] = set()
        is_anyone_alive = True
        if any(job.status is JobStatus.QUEUED for job in jobs):
            places = {job_id: place for place, job_id in enumerate(await self._reads.queue(FARTHEST))}
            tasks = {task.name: task for task in await self._reads.tasks()}
            resumed = await self._reads.resumed_tasks()
            is_anyone_alive = await self._reads.is_any_worker_alive(ALIVE_SECONDS)
            parked = [job.id for job in jobs if job.status is JobStatus.QUEUED and job.id not in places]
            marks = await self._reads.marks(parked)
            limits = await self._reads.limits_waited_for(marks)
            routed = {job_id for job_id, mark in marks.items() if is_routed(mark)}
        return [self._sentence(job, places, tasks, resumed, limits, routed, is_anyone_alive) for job in jobs]

    def _sentence(
        self,
        job: JobRecord,
        places: dict[int, int],
        tasks: dict[str, TaskRecord],
        resumed: set[str],
        limits: dict[int, str],
        routed: set[int],
        is_anyone_alive: bool,
    ) -> str | None:
        if job.status is JobStatus.PENDING:
            return "It is held until runJob is called."
        if job.status is JobStatus.SCHEDULED:
            return _until(job)
        if job.status is not JobStatus.QUEUED:
            return None
        task = tasks.get(job.task_name)
        if task is not None and task.paused:
            return f"The task {job.task_name!r} is paused."
        if not is_anyone_alive:
            return "No worker is alive to run it."
        if job.id in routed:
            return f"It waits for a worker that takes the task {job.task_name!r}."
        if task is None and self._unknown_task == "reject":
            return f"No worker knows the task {job.task_name!r}."
        if task is not None and job.id in limits:
            return _of_limit(task, limits[job.id])
        ahead = places.get(job.id)
        if ahead is None and job.task_name in resumed:
            return f"The task {job.task_name!r} was resumed: its jobs are being put back into the queue."
        if ahead is None:
            return (
                f"More than {FARTHEST:,} jobs are ahead of it." if len(places) >= FARTHEST else "It is being claimed."
            )
        if ahead == 0:
            return "It is next, as soon as a slot is free."
        return f"{ahead:,} {'job is' if ahead == 1 else 'jobs are'} ahead of it."


def _of_limit(task: TaskRecord, key: str) -> str:
    """What a job waits for that is parked until there is room for it."""
    if key:
        at_once = f"{task.max_concurrency_per_key} of {task.name!r} with the key {key!r} may run at once"
        return f"At most {at_once}, and so many do."
    at_once = f"{task.max_concurrency} of {task.name!r} may run at once"
    if task.max_concurrency is None:
        return f"At most {task.rate_limit} of {task.name!r} may be started."
    if task.rate_limit is None:
        return f"At most {at_once}, and so many do."
    return f"At most {at_once}, and {task.rate_limit} may be started."


def _until(job: JobRecord) -> str:
    moment = "its time" if job.run_at is None else job.run_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    if job.attempt > 0:
        return f"Attempt {job.attempt} of {job.max_attempts} failed; the next is due at {moment}."
    return f"It is scheduled for {moment}."
