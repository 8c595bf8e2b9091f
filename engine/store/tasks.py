"""The table of tasks: workers declare them, operators pause and resume them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.errors import NotFound, SignalboxError
from engine.records import TaskRecord
from engine.store.database import Row
from engine.store.unit import Unit

TASK_COLUMNS = (
    "name",
    "description",
    "payload_schema",
    "max_attempts",
    "timeout_seconds",
    "max_concurrency",
    "max_concurrency_per_key",
    "rate_limit",
    "paused",
)


@dataclass(frozen=True, slots=True)
class PauseRequest:
    """Pause this task, or resume it."""

    name: str
    paused: bool


def task_from_row(row: Row) -> TaskRecord:
    """The task in a row of ``TASK_COLUMNS``."""
    *declared, paused = row
    return replace(TaskRecord(*declared), paused=bool(paused))


class TaskWrites:
    """The handlers of what is asked of tasks."""

    async def declare(self, unit: Unit, requests: Sequence[Sequence[TaskRecord]]) -> list[None]:
        """Make these tasks known. What operators set (paused) stays."""
        transaction = unit.transaction
        for tasks in requests:
            unit.tasks_changed = True
            known = {row[0] for row in await transaction.fetch("SELECT name FROM task")}
            for task in sorted(tasks, key=lambda each: each.name):
                values = (
                    task.description,
                    task.payload_schema_text,
                    task.max_attempts,
                    task.timeout_seconds,
                    task.max_concurrency,
                    task.max_concurrency_per_key,
                    task.rate_limit,
                )
                if task.name in known:
                    assignments = ", ".join(f"{column}=%s" for column in TASK_COLUMNS[1:-1])
                    await transaction.execute(
                        f"UPDATE task SET {assignments}, seen_at=%s WHERE name=%s",
                        (*values, transaction.now_text, task.name),
                    )
                else:
                    columns = (*TASK_COLUMNS, "seen_at")
                    await transaction.insert("task", columns, [(task.name, *values, 0, transaction.now_text)])
        return [None] * len(requests)

    async def pause(self, unit: Unit, requests: Sequence[PauseRequest]) -> list[TaskRecord | SignalboxError]:
        """Pause and resume tasks, in the order of the requests; each as it is then.

        From the commit on no claim begins to take jobs of a paused task. One that was reading the queue at that moment
        may still end with some, as if it had come just before.
        """
        transaction = unit.transaction
        answers: list[TaskRecord | SignalboxError] = []
        for request in requests:
            rows = await transaction.fetch(
                f"SELECT {','.join(TASK_COLUMNS)} FROM task WHERE name=%s{transaction.for_update}", [request.name]
            )
            if not rows:
                answers.append(
                    NotFound(
                        f"There is no task {request.name!r}: a task is known once a worker that has it was started. "
                        "The query tasks lists those that are."
                    )
                )
                continue
            task = task_from_row(rows[0])
            if task.paused is not request.paused:
                await transaction.execute(f"UPDATE task SET paused={int(request.paused)} WHERE name=%s", [request.name])
            answers.append(replace(task, paused=request.paused))
            unit.resumed += not request.paused
            unit.tasks_changed = True
        return answers
