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

import bisect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.store.database import Database, Row
from engine.store.parking import ABOVE_ROUTED, IS_ROUTED, ROUTED
from engine.store.rows import CLAIM_COLUMNS
from engine.store.unit import Unit, id_list
from engine.store.writes import unpack
from models.job import MAX_NAME_LENGTH

Fetch = Callable[..., Awaitable[list[Row]]]
"""Reads the rows of a statement, given its parameters: within a transaction, or outside of any."""
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
    return f"IFNULL((SELECT 1 FROM jobs{database.by_index('jobs_parked')} WHERE {IS_ROUTED} LIMIT 1), 0)"


async def strangers(fetch: Fetch, names: Iterable[str], takes: Takes) -> set[str]:
    """Those of these tasks that a worker does not take."""
    strange = sorted(set(names) - takes.names)
    if not strange or not takes.undeclared:
        return set(strange)
    places = ",".join(["%s"] * len(strange))
    rows = await fetch(f"SELECT name FROM task WHERE name IN ({places})", strange)
    return {row[0] for row in rows}


async def marks_for(fetch: Fetch, database: Database, takes: Takes) -> list[str]:
    """The marks, in order, of routed jobs that a worker may take. Two tasks whose very long names begin alike have one
    mark: what it finds has yet to be looked at."""
    rows = await fetch(database.distinct("jobs", "parked_task", "jobs_parked", ROUTED, ABOVE_ROUTED))
    own = {mark_of(name) for name in takes.names}
    names = {row[0]: row[0].removeprefix(ROUTED) for row in rows}
    others = await strangers(fetch, (name for mark, name in names.items() if mark not in own), takes)
    return [mark for mark, name in names.items() if mark in own or name not in others]


class Routing:
    """Takes jobs out of the queue for others, and finds those that others took out of it.

    Args:
        claim_columns: the select list of a claim; its last value is ``any_routed``.
    """

    def __init__(self, database: Database, claim_columns: str) -> None:
        self._database = database
        self._by_id = f"jobs{database.by_index('PRIMARY')}"
        self._by_parked = f"jobs{database.by_index('jobs_parked')}"
        self._claim_columns = claim_columns
        self._looked_at = ""

    async def taken(self, unit: Unit, queue: Sequence[Sequence[Any]], takes: Takes, count: int) -> list[Sequence[Any]]:
        """The rows of a claim that its worker takes: those of ``queue``, the head of the queue, and ``count`` at most
        of each task's routed jobs, by priority and age. All are locked; what the worker does not take is routed."""
        mine = await self._sorted_out(unit, queue, takes)
        if queue and int(queue[0][-1]) == 0:
            return mine
        found = await self._routed(unit, takes, count)
        return sorted([*mine, *found], key=lambda row: (int(row[PRIORITY]), int(row[0]))) if found else mine

    async def _sorted_out(self, unit: Unit, queue: Sequence[Sequence[Any]], takes: Takes) -> list[Sequence[Any]]:
        """Route what the worker does not take; the rest."""
        others = await strangers(unit.transaction.fetch, (row[TASK_NAME] for row in queue), takes)
        if not others:
            return list(queue)
        by_task: dict[str, list[int]] = {}
        for row in queue:
            if row[TASK_NAME] in others:
                by_task.setdefault(row[TASK_NAME], []).append(int(row[0]))
        for name, ids in sorted(by_task.items()):
            count = await unit.transaction.execute(
                f"UPDATE {self._by_id} SET status='PARKED', parked_task=%s WHERE id IN ({id_list(ids)}) "
                "AND status='QUEUED'",
                [mark_of(name)],
            )
            unit.parked += count
            unit.routed += count
        return [row for row in queue if row[TASK_NAME] not in others]

    async def _routed(self, unit: Unit, takes: Takes, count: int) -> list[Sequence[Any]]:
        fetch = unit.transaction.fetch
        found: list[Sequence[Any]] = []
        for mark in self._turn(await marks_for(fetch, self._database, takes)):
            rows = await fetch(
                f"SELECT {self._claim_columns} FROM {self._by_parked} WHERE parked_task=%s AND status='PARKED' "
                f"ORDER BY priority, id LIMIT {count}{unit.transaction.skip_locked}",
                [mark],
            )
            found.extend(unpack(row) for row in rows)
        others = await strangers(fetch, (row[TASK_NAME] for row in found), takes)
        return [row for row in found if row[TASK_NAME] not in others]

    def _turn(self, marks: list[str]) -> list[str]:
        """As many of the marks as one claim looks at: of more, those that follow come the next time."""
        if len(marks) <= MAX_TASKS:
            return marks
        start = bisect.bisect(marks, self._looked_at) % len(marks)
        turn = [*marks[start:], *marks[:start]][:MAX_TASKS]
        self._looked_at = turn[-1]
        return turn
