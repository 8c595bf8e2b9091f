"""Jobs of paused tasks, out of the way of claims.

Claims read the queue from its head. Were a million jobs of a paused task there, every claim would read past them all.
So a claim that meets such a job *parks* it: it is stored as PARKED, which no claim reads, and is QUEUED to everyone
outside the store (``rows.STATUSES``). To park is no change of status: there is no event, and ``updated_at`` stays. Once
the task is resumed, its jobs go back into the queue in the order of claims, a few hundred in a transaction. So each job
is touched twice, however often the queue is read meanwhile.

Failure handling: the status and ``parked_task`` change in one statement, and the index on ``parked_task`` finds the
jobs that are yet to go back. So whoever comes next goes on where a process was killed, and a job that is parked while
its task is being resumed is found like the others. What another transaction holds is left for the next turn.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from engine.store.database import Database
from engine.store.unit import Unit, id_list

PARK_CHUNK = 500
"""So many jobs at the head of the queue a claim looks at when nothing of what it met may be claimed."""
UNPARK_CHUNK = 500
ROUTED, ABOVE_ROUTED = "\x1c", "\x1d"
"""What ``parked_task`` begins with for a job that is routed (routing.py), and what is above all of these."""
IS_ROUTED = f"parked_task > '{ROUTED}' AND parked_task < '{ABOVE_ROUTED}'"
MAY_BE_CLAIMED = f"(status='QUEUED' OR status='PARKED' AND {IS_ROUTED})"
"""Of jobs that a claim has met."""


def resumed_tasks(database: Database, limit: str = "") -> str:
    """The statement that reads the names of tasks that are not paused, and of which jobs are parked: one look-up in an
    index for each task. Of an EXISTS, MariaDB makes a join that walks the whole index."""
    return (
        f"SELECT name FROM task WHERE paused=0 AND (SELECT 1 FROM jobs{database.by_index('jobs_parked')} "
        f"WHERE jobs.parked_task=task.name LIMIT 1) IS NOT NULL ORDER BY name {limit}"
    )


class ParkingWrites:
    """Takes jobs out of the queue and puts them back."""

    def __init__(self, database: Database) -> None:
        self._by_id = f"jobs{database.by_index('PRIMARY')}"
        self._by_parked = f"jobs{database.by_index('jobs_parked')}"
        self._resumed_tasks = resumed_tasks(database)

    async def park(self, unit: Unit, met: Collection[int]) -> None:
        """Park the jobs ``met`` by a claim, which has locked them, and whose tasks are paused."""
        if met:
            unit.parked += await unit.transaction.execute(
                f"UPDATE {self._by_id} SET status='PARKED', parked_task=task_name "
                f"WHERE id IN ({id_list(met)}) AND {MAY_BE_CLAIMED}"
            )

    async def unpark(self, unit: Unit, requests: Sequence[None]) -> list[int]:
        """Put some jobs of each resumed task back into the queue, the first of them first; how many."""
        transaction = unit.transaction
        names = await transaction.fetch(self._resumed_tasks)
        count = 0
        for (name,) in names:
            rows = await transaction.fetch(
                f"SELECT id FROM {self._by_parked} WHERE parked_task=%s ORDER BY priority, id "
                f"LIMIT {-(-UNPARK_CHUNK // len(names))}{transaction.skip_locked}",
                [name],
            )
            if rows:
                # A status that somebody set by hand stays; the job is not in the way of the others behind it.
                count += await transaction.execute(
                    f"UPDATE {self._by_id} SET status=CASE status WHEN 'PARKED' THEN 'QUEUED' ELSE status END, "
                    f"parked_task=NULL WHERE id IN ({id_list(row[0] for row in rows)}) AND parked_task IS NOT NULL"
                )
        unit.became_queued += count
        return [count] * len(requests)
