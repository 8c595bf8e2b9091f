"""Limits of tasks over all machines: how many jobs run at once, of a task and of each concurrency key, and how often
one is started.

Nothing is counted that could go wrong: how many run is read from the jobs themselves, or remembered by a worker that is
alone (limit_runs.py). A job that is claimed under a limit bears its *mark* while it runs, in ``parked_task``, whose
index counts them; every change of the status takes it away, in the same statement. There is a row for each limit
(``task_limit``), and whoever claims jobs under it holds its lock: so of two that claim at once one counts what the
other has taken. It is taken with SKIP LOCKED: nobody waits for it, and a job whose limit is just being counted is left
in the queue for the moment. It is not touched when a job ends.

A claim that meets many jobs for which there is no room *parks* them, like those of a paused task (parking.py), each
under its limit: so a long backlog of one key is not read again by each claim. Where they are few among those that it
takes it leaves them in the queue (``WorkerWrites``). Whoever ends a job under a limit puts the next one that waits for
it back into the queue, in the same transaction. What that misses (a worker that died, a job that was parked at the
moment another ended, a token of a rate) the ``Unparker`` finds. A job that was put back bears a mark too until it is
claimed, so that no more are put back than there is room for.

The forms of ``parked_task``, none of which a task can have as its name:

======================  ==============================================================
``\\x1c name``           PARKED until a worker comes that takes the task (routing.py)
``\\x1d 7.12``           RUNNING under the limit 7 of its task, and 12 of its key (or 0)
``\\x1e 12``             PARKED until the limit 12 has room
``\\x1f 12``             QUEUED again, for a place under the limit 12
======================  ==============================================================
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set

from engine.records import Finish
from engine.store.admission import (
    COMES,
    RUNS,
    WAITS,
    WHOLE_TASK,
    Admission,
    Bucket,
    Met,
    Places,
    choose,
    limits_of,
    repr_mark,
    rules_of,
)
from engine.store.database import Collision, Database, Row, to_text
from engine.store.limit_runs import LimitRuns
from engine.store.parking import MAY_BE_CLAIMED
from engine.store.unit import Unit, id_list

BRANCHES = 100
"""So many limits are looked at in one statement."""
PUT_BACK_CHUNK = 500
TIDY_CHUNK = 500
MAX_KNOWN = 20_000
"""So many limits' numbers are remembered."""

SPECIAL = "paused=1 OR max_concurrency IS NOT NULL OR max_concurrency_per_key IS NOT NULL OR rate_limit IS NOT NULL"
SPECIAL_TASKS = f"(SELECT COUNT(*) FROM task WHERE {SPECIAL})"
"""How many tasks are paused or have limits, which a server finds once for a statement: to ask for the task of each job
would cost the claim a look-up a row. No lock is taken on tasks: a locking SELECT locks the tables of the outermost
query alone."""
RULES = f"SELECT name, paused, max_concurrency, max_concurrency_per_key, rate_limit FROM task WHERE {SPECIAL}"
"""Of all tasks that are paused or have limits."""


def is_limited(mark: str) -> bool:
    """Whether a job's ``parked_task`` says that it waits for a limit."""
    return mark.startswith((WAITS, COMES))


class LimitWrites:
    """Counts, and says who may be claimed; puts back what there is room for."""

    def __init__(self, database: Database) -> None:
        self._by_id = f"jobs{database.by_index('PRIMARY')}"
        self._by_parked = f"jobs{database.by_index('jobs_parked')}"
        self._limits = f"task_limit{database.by_index('PRIMARY')}"
        self._any_waiting = any_waiting(database)
        self._database = database
        self._looked_at = WAITS
        self._known: dict[tuple[str, str], int] = {}
        self._runs = LimitRuns()
        self._was_alone = False

    def ask_rules(self, unit: Unit) -> list[Row]:
        """Ask what is special about tasks, along with the next statement."""
        return unit.transaction.ahead(RULES)

    async def admit(
        self, unit: Unit, jobs: Sequence[Met], most: int, worker_id: int, rules_found: Sequence[Row] | None
    ) -> Admission:
        """Which of ``jobs`` may be claimed by a worker, the first of them first, ``most`` at most. What comes after
        those was not looked at.

        The jobs are locked, and their limits will be: until the end of the transaction nobody else counts.

        Args:
            rules_found: what ``ask_rules`` has brought; None where it has to be asked for.
        """
        rows = await unit.transaction.fetch(RULES) if rules_found is None else rules_found
        rules = rules_of(rows, {job.task_name for job in jobs})
        wanted: dict[tuple[str, str], bool] = {}  # and whether it limits anything
        for job in jobs:
            rule = rules.get(job.task_name)
            if rule is not None and rule.counts:
                wanted[job.task_name, WHOLE_TASK] = rule.limits_all
                if key := rule.key_of(job):
                    wanted[job.task_name, key] = True
        for job in jobs:
            self._runs.waits(job.id)
        places = await self._hold(unit, wanted, worker_id)
        found, buckets = choose(unit.now, jobs, most, rules, places)
        # nobody is refused a place by what is known alone: somebody else may have ended a job
        if refusing := found.parked.keys() & places.known:
            places.running.update(await self._read(unit, refusing, places.ids))
            found, buckets = choose(unit.now, jobs, most, rules, places)
        for job_id, mark in found.marks.items():
            self._runs.claimed(job_id, limits_of(mark))
        for name, bucket in sorted(buckets.items()):
            await unit.transaction.execute(
                f"UPDATE {self._limits} SET next_start_at='{to_text(bucket.next_start_at)}' "
                f"WHERE id={places.ids[name, WHOLE_TASK]}"
            )
        return found

    async def _hold(self, unit: Unit, wanted: Mapping[tuple[str, str], bool], worker_id: int) -> Places:
        """Take the locks of the limits that are ``wanted``, each with whether it limits anything; those that are
        missing are made. A worker that is not on the list holds none."""
        if not wanted:
            return Places({}, {}, {})
        known = {each: self._known[each] for each in wanted if each in self._known}
        found, made = await self._look_up(unit, [each for each in wanted if each not in known])
        ids = known | found | made
        lock = (
            f"SELECT id, next_start_at FROM {self._limits} WHERE id IN ({id_list(ids.values())}) ORDER BY id"
            f"{unit.transaction.skip_locked}"
        )
        list_ = f"SELECT COUNT(*), COUNT(CASE WHEN id={worker_id} THEN 1 END) FROM worker"
        tasks = {number for (_name, key), number in ids.items() if key == WHOLE_TASK}
        # what is counted is what was committed when all that can be locked is
        ahead = [] if self._was_alone else self._counts(tasks)
        locked, [(workers, is_listed)], *counts = await unit.transaction.fetch_each([lock, list_, *ahead])
        held: dict[int, str | None] = dict(locked)
        doubtful = [each for each, number in known.items() if number not in held]
        if doubtful:  # another is counting them, or they were removed since
            found, made = await self._look_up(unit, doubtful)
            if any(ids[each] != number for each, number in found.items()):
                raise Collision("Limits were removed, and made again, by others.")  # they are known now
            ids |= made
            held.update(dict.fromkeys(made.values()))
        if not is_listed:
            return Places(ids, {}, {})
        self._was_alone = workers == 1
        self._runs.forget_unless(is_alone=self._was_alone, worker_id=worker_id, now=unit.now)
        if not self._was_alone:
            return Places(ids, held, _sum(counts or await unit.transaction.fetch_each(self._counts(tasks))))
        limits = {ids[each] for each, is_limit in wanted.items() if is_limit and ids[each] in held}
        running = self._runs.counts(limits)
        if unknown := limits - running.keys():
            running.update(await self._read(unit, unknown, ids))
        return Places(ids, held, running, frozenset(limits - unknown))

    async def _read(self, unit: Unit, unknown: Set[int], ids: Mapping[tuple[str, str], int]) -> Mapping[int, int]:
        """Learn which jobs run under limits whose locks are held: how many under each."""
        rows: list[Row] = []
        marks = []
        for (name, key), number in ids.items():
            if number in unknown and key == WHOLE_TASK:
                rows += await unit.transaction.fetch(f"SELECT parked_task, id {self._of_task(number)}")
            elif number in unknown:
                marks.append(repr_mark(RUNS, f"{ids[name, WHOLE_TASK]}.{number}"))
        if marks:
            rows += await unit.transaction.fetch(
                f"SELECT parked_task, id FROM {self._by_parked} WHERE parked_task IN ({','.join(sorted(marks))})"
            )
        self._runs.learn(unknown, [(job_id, limits_of(mark)) for mark, job_id in rows])
        return self._runs.counts(unknown)

    async def _look_up(
        self, unit: Unit, wanted: Sequence[tuple[str, str]]
    ) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]:
        """The numbers of limits: of those that are there, which are remembered, and of those that were missing and are
        made. Two who make the same one collide, and the second begins again."""
        keys: dict[str, list[str]] = {}
        for name, key in sorted(wanted):
            keys.setdefault(name, []).append(key)
        found: dict[tuple[str, str], int] = {}
        for name, of_task in keys.items():
            rows = await unit.transaction.fetch(
                f"SELECT limit_key, id FROM task_limit WHERE task_name=%s AND limit_key IN "
                f"({','.join(['%s'] * len(of_task))})",
                [name, *of_task],
            )
            found.update(((name, key), number) for key, number in rows)
        if len(self._known) + len(found) > MAX_KNOWN:
            self._known.clear()
        self._known.update(found)
        new = [each for each in sorted(wanted) if each not in found]
        for each in new:
            self._known.pop(each, None)
        made = await unit.transaction.insert("task_limit", ("task_name", "limit_key"), new) if new else []
        return found, dict(zip(new, made, strict=True))

    async def _running(self, unit: Unit, names: Collection[str]) -> Counter[int]:
        """How many jobs run under each limit of these tasks and of their keys."""
        if not names:
            return Counter()
        marks = ",".join(["%s"] * len(names))
        rows = await unit.transaction.fetch(
            f"SELECT id FROM task_limit WHERE task_name IN ({marks}) AND limit_key='{WHOLE_TASK}'", sorted(names)
        )
        return _sum(await unit.transaction.fetch_each(self._counts({row[0] for row in rows})) if rows else [])

    async def _lock(self, unit: Unit, limits: Collection[int]) -> set[int]:
        """Those of these limits that nobody else is counting, now locked."""
        if not limits:
            return set()
        rows = await unit.transaction.fetch(
            f"SELECT id FROM {self._limits} WHERE id IN ({id_list(limits)}) ORDER BY id{unit.transaction.skip_locked}"
        )
        return {row[0] for row in rows}

    def _of_task(self, whole: int) -> str:
        """From where what runs under the limits of a task and of its keys is read: one range of the index, from "7." to
        "7/", which has no more entries than there are such jobs."""
        return f"FROM {self._by_parked} WHERE parked_task > '{RUNS}{whole}.' AND parked_task < '{RUNS}{whole}/'"

    def _counts(self, tasks: Collection[int]) -> list[str]:
        """The statements that count what runs under the limits of tasks and of their keys; see ``_sum``."""
        return [f"SELECT parked_task, COUNT(*) {self._of_task(whole)} GROUP BY parked_task" for whole in sorted(tasks)]

    async def park(self, unit: Unit, parked: Mapping[int, Collection[int]]) -> None:
        """Take jobs, which are locked, out of the queue until their limits have room."""
        marks = {job_id: f"{WAITS}{limit}" for limit, job_ids in parked.items() for job_id in job_ids}
        if marks:
            unit.parked += await unit.transaction.execute(
                f"UPDATE {self._by_id} SET status='PARKED', parked_task={unit.transaction.chosen(marks)} "
                f"WHERE id IN ({id_list(marks)}) AND {MAY_BE_CLAIMED}"
            )

    def ask_who_waits(self, unit: Unit, finishes: Sequence[Finish]) -> list[Row]:
        """Ask whether any job waits for a limit, along with the next statement, if any of these had one."""
        is_any_limited = any(each.job.mark is not None for each in finishes)
        return unit.transaction.ahead(self._any_waiting) if is_any_limited else []

    async def ended(self, unit: Unit, finishes: Sequence[Finish], waiting: Sequence[Row]) -> None:
        """Put the next jobs back that wait for what these have held, if any was ``waiting``; others may be in the
        queue."""
        marks = []
        for each in finishes:
            if each.job.mark is not None:
                marks.append(each.job.mark)
                unit.ended_under_limits.append(each.job.id)
                self._runs.ending(each.job.id, unit)
        unit.became_queued += len(marks)
        if marks and waiting:
            await self._put_back(unit, Counter(limit for mark in marks for limit in limits_of(mark)))

    def committed(self, unit: Unit) -> None:
        """Told of each unit once it is."""
        for job_id in unit.ended_under_limits:
            self._runs.ended(job_id, unit)

    async def _put_back(self, unit: Unit, room: Mapping[int, int]) -> int:
        """Put the first jobs that wait for each limit back into the queue, as many as it has room for; how many."""
        found: dict[int, int] = {}
        limits = sorted(limit for limit, count in room.items() if count > 0)
        for start in range(0, len(limits), BRANCHES):
            branches = " UNION ALL ".join(
                f"SELECT * FROM (SELECT id, {limit} AS waits_for FROM {self._by_parked} "
                f"WHERE parked_task='{WAITS}{limit}' ORDER BY priority, id LIMIT {room[limit]}) AS of_{limit}"
                for limit in limits[start : start + BRANCHES]
            )
            found.update(await unit.transaction.fetch(branches))
        if not found:
            return 0
        # what another transaction holds is on its way already
        rows = await unit.transaction.fetch(
            f"SELECT id FROM {self._by_id} WHERE id IN ({id_list(found)}) AND status='PARKED' "
            f"ORDER BY id{unit.transaction.skip_locked}"
        )
        marks = {row[0]: f"{COMES}{found[row[0]]}" for row in rows}
        if not marks:
            return 0
        count = await unit.transaction.execute(
            f"UPDATE {self._by_id} SET status='QUEUED', parked_task={unit.transaction.chosen(marks)} "
            f"WHERE id IN ({id_list(marks)}) AND status='PARKED'"
        )
        unit.became_queued += count
        return count

    async def refill(self, unit: Unit, requests: Sequence[None]) -> list[int]:
        """Put jobs back for which there is room and nobody has; how many."""
        count = await self._refill(unit)
        return [count] * len(requests)

    async def _refill(self, unit: Unit) -> int:
        waiting = await self.waiting(unit)
        if not waiting:
            return 0
        await self._take_stray_marks(unit)
        rows = await unit.transaction.fetch(
            f"SELECT id, task_name, limit_key, next_start_at FROM {self._limits} WHERE id IN ({id_list(waiting)})"
        )
        names = {row[1] for row in rows}
        rules = rules_of(await unit.transaction.fetch(RULES), names)
        running = await self._running(unit, names)
        room = dict.fromkeys(waiting, PUT_BACK_CHUNK)  # what waits for no limit any more need not
        for limit, name, key, next_start_at in rows:
            rule = rules.get(name)
            most = None if rule is None else rule.max_concurrency_per_key if key else rule.max_concurrency
            if most is not None:
                room[limit] = min(PUT_BACK_CHUNK, most - running[limit])
            if rule is not None and rule.rate is not None and not key:
                room[limit] = min(room[limit], Bucket.of(rule.rate, unit.now, next_start_at).tokens)
        coming = await unit.transaction.fetch(
            f"SELECT parked_task, COUNT(*) FROM {self._by_parked} WHERE parked_task IN "
            f"({','.join(repr_mark(COMES, limit) for limit in sorted(room))}) GROUP BY parked_task"
        )
        for mark, already in coming:
            room[int(mark[1:])] -= already
        return await self._put_back(unit, room)

    async def waiting(self, unit: Unit) -> list[int]:
        """The limits that jobs wait for, ``BRANCHES`` at most: of more, those that follow come the next time."""
        after, self._looked_at = self._looked_at, WAITS
        waits = self._database.distinct("jobs", "parked_task", "jobs_parked", after, COMES)
        rows = await unit.transaction.fetch(f"{waits} LIMIT {BRANCHES}")
        if not rows and after != WAITS:
            return await self.waiting(unit)
        if len(rows) == BRANCHES:
            self._looked_at = rows[-1][0]
        return [int(row[0][1:]) for row in rows]

    async def tidy(self, unit: Unit, requests: Sequence[int]) -> list[int]:
        """Remove limits of keys that no job has or waits for, from the one after ``requests``' number on; the last that
        was looked at, 0 at the end."""
        return [await self._tidy(unit, after) for after in requests]

    async def _tidy(self, unit: Unit, after: int) -> int:
        transaction = unit.transaction
        await self._take_stray_marks(unit)
        rows = await transaction.fetch(
            f"SELECT id FROM {self._limits} WHERE id > {after} AND limit_key<>'{WHOLE_TASK}' ORDER BY id "
            f"LIMIT {TIDY_CHUNK}"
        )
        found = await self._lock(unit, [row[0] for row in rows])
        if found:
            # what was parked or claimed under them was committed before they could be locked
            whole = await transaction.fetch(
                f"SELECT l.id, t.id FROM task_limit l JOIN task_limit t ON t.task_name=l.task_name "
                f"AND t.limit_key='{WHOLE_TASK}' WHERE l.id IN ({id_list(found)})"
            )
            marks = {limit: [repr_mark(WAITS, limit), repr_mark(COMES, limit)] for limit in found}
            for limit, task in whole:
                marks[limit].append(repr_mark(RUNS, f"{task}.{limit}"))
            in_use = await transaction.fetch(
                f"SELECT DISTINCT parked_task FROM {self._by_parked} WHERE parked_task IN "
                f"({','.join(mark for each in marks.values() for mark in each)})"
            )
            used = {int(mark[1:].rpartition(".")[2]) for (mark,) in in_use}
            if unused := found - used:
                await transaction.execute(f"DELETE FROM task_limit WHERE id IN ({id_list(unused)})")
        return rows[-1][0] if len(rows) == TIDY_CHUNK else 0

    async def _take_stray_marks(self, unit: Unit) -> None:
        """Take marks away from jobs that do not run: somebody has ended them by hand."""
        strays = await unit.transaction.fetch(
            f"SELECT id FROM {self._by_parked} WHERE parked_task > '{RUNS}' AND parked_task < '{WAITS}' "
            f"AND status<>'RUNNING' LIMIT {TIDY_CHUNK}"
        )
        if strays:
            await unit.transaction.execute(
                f"UPDATE {self._by_id} SET parked_task=NULL WHERE id IN ({id_list(row[0] for row in strays)}) "
                f"AND status<>'RUNNING' AND parked_task > '{RUNS}' AND parked_task < '{WAITS}'"
            )


def _sum(counts: Iterable[Iterable[Row]]) -> Counter[int]:
    """How many jobs run under each limit, by the marks that were counted."""
    found: Counter[int] = Counter()
    for mark, count in itertools.chain.from_iterable(counts):
        for limit in limits_of(mark):
            found[limit] += count
    return found


def any_waiting(database: Database) -> str:
    """The statement that finds a job that waits for a limit."""
    return (
        f"SELECT 1 FROM jobs{database.by_index('jobs_parked')} WHERE parked_task > '{WAITS}' "
        f"AND parked_task < '{COMES}' LIMIT 1"
    )
