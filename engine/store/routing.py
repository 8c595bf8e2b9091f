"""Jobs for workers that take them, out of the way of those that do not.

A worker takes the tasks that it knows, or only some of them (``--only``). Were a million jobs of another task at the
head of the queue, each of its claims would read past them all. So a claim that meets a job that its worker does not
take *routes* it: the job is stored as PARKED (parking.py), under its task. Workers that take the task read those jobs
beside the queue, and claim from both by priority and age. So each such job is written once more, however many workers
pass by; and where every worker takes every task, nothing is.

A job is never routed to nobody: what no worker has ever declared is run, or failed, by any worker that is not limited
to some tasks. A task that was declared waits for a worker that takes it, though all of them may be gone for the moment.

In ``parked_task`` such a job has ``\\x1c`` and the name of its task, the end of a very long one left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.store.database import Database
from engine.store.rows import CLAIM_COLUMNS
from engine.store.unit import Unit, id_list
from engine.store.writes import unpack
from models.job import MAX_NAME_LENGTH

ROUTED, NEXT = "\x1c", "\x1d"
"""What marks begin with, and what is above all of them."""
MAX_TASKS = 100
"""So many tasks' routed jobs one claim looks at."""
PRIORITY, TASK_NAME = CLAIM_COLUMNS.index("priority"), CLAIM_COLUMNS.index("task_name")


@dataclass(frozen=True, slots=True)
class Takes:
    """The tasks that a worker takes.

    Attributes:
        names: these.
        undeclared: whether it also takes tasks that no worker has declared.
    """

    names: frozenset[str]
    undeclared: bool = True


def mark_of(task_name: str) -> str:
    """What a routed job of this task bears."""
    return (ROUTED + task_name)[:MAX_NAME_LENGTH]


def is_routed(mark: str) -> bool:
    """Whether a job's ``parked_task`` says that it waits for a worker that takes its task."""
    return mark.startswith(ROUTED)


def any_routed(database: Database) -> str:
    """An expression: 1 if any job is routed, else 0. A server finds it once for a statement."""
    return (
        f"IFNULL((SELECT 1 FROM jobs{database.by_index('jobs_parked')} WHERE parked_task > '{ROUTED}' "
        f"AND parked_task < '{NEXT}' LIMIT 1), 0)"
    )


class Routing:
    """Takes jobs out of the queue for others, and finds those that others took out of it.

    Args:
        claim_columns: the select list of a claim; its last value is ``any_routed``.
    """

    def __init__(self, database: Database, claim_columns: str) -> None:
        self._by_id = f"jobs{database.by_index('PRIMARY')}"
        self._by_parked = f"jobs{database.by_index('jobs_parked')}"
        self._marks = database.distinct("jobs", "parked_task", "jobs_parked", ROUTED, NEXT)
        self._claim_columns = claim_columns

    async def taken(self, unit: Unit, queue: Sequence[Sequence[Any]], takes: Takes, count: int) -> list[Sequence[Any]]:
        """The rows of a claim that its worker takes: those of ``queue``, the head of the queue, and ``count`` at most
        of each task's routed jobs, by priority and age. All are locked; what the worker does not take is routed."""
        mine = queue
        if not takes.names.issuperset([row[TASK_NAME] for row in queue]):
            others = await self._others(unit, (row[TASK_NAME] for row in queue), takes)
            mine = [row for row in queue if row[TASK_NAME] not in others]
            await self._route(unit, [row for row in queue if row[TASK_NAME] in others])
        if queue and int(queue[0][-1]) == 0:
            return list(mine)
        routed = await self._routed(unit, takes, count)
        return sorted([*mine, *routed], key=lambda row: (int(row[PRIORITY]), int(row[0]))) if routed else list(mine)

    async def _others(self, unit: Unit, names: Iterable[str], takes: Takes) -> set[str]:
        """Those of these tasks that the worker does not take."""
        strange = sorted(set(names) - takes.names)
        if not strange or not takes.undeclared:
            return set(strange)
        marks = ",".join(["%s"] * len(strange))
        rows = await unit.transaction.fetch(f"SELECT name FROM task WHERE name IN ({marks})", strange)
        return {row[0] for row in rows}

    async def _route(self, unit: Unit, rows: Collection[Sequence[Any]]) -> None:
        by_task: dict[str, list[int]] = {}
        for row in rows:
            by_task.setdefault(row[TASK_NAME], []).append(int(row[0]))
        for name, ids in sorted(by_task.items()):
            count = await unit.transaction.execute(
                f"UPDATE {self._by_id} SET status='PARKED', parked_task=%s WHERE id IN ({id_list(ids)}) "
                "AND status='QUEUED'",
                [mark_of(name)],
            )
            unit.parked += count
            unit.routed += count

    async def _routed(self, unit: Unit, takes: Takes, count: int) -> list[Sequence[Any]]:
        marks = [row[0] for row in await unit.transaction.fetch(self._marks)]
        own = {mark_of(name) for name in takes.names}
        names = {mark: mark.removeprefix(ROUTED) for mark in marks if mark not in own}
        others = await self._others(unit, names.values(), takes)
        wanted = [mark for mark in marks if mark in own or names[mark] not in others]
        found: list[Sequence[Any]] = []
        for mark in wanted[:MAX_TASKS]:
            rows = await unit.transaction.fetch(
                f"SELECT {self._claim_columns} FROM {self._by_parked} WHERE parked_task=%s AND status='PARKED' "
                f"ORDER BY priority, id LIMIT {count}{unit.transaction.skip_locked}",
                [mark],
            )
            found.extend(unpack(row) for row in rows)
        others = await self._others(unit, (row[TASK_NAME] for row in found), takes)  # of very long names
        return [row for row in found if row[TASK_NAME] not in others]
