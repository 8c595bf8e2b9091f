"""Limits of tasks over all machines: how many jobs run at once, of a task and of each concurrency key, and how often
one is started.

Nothing is counted that could go wrong: how many run is read from the jobs themselves. A job that is claimed under a
limit bears its *mark* while it runs, in ``parked_task``, whose index counts them; every change of the status takes it
away, in the same statement. There is a row for each limit (``task_limit``), and whoever claims jobs under it holds its
lock: so of two that claim at once one counts what the other has taken. It is taken with SKIP LOCKED: nobody waits for
it, and a job whose limit is just being counted is left in the queue for the moment. It is not touched when a job ends.

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

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.limits import StartRate
from engine.records import Finish
from engine.store.database import Database, Row, from_text, to_text
from engine.store.parking import MAY_BE_CLAIMED
from engine.store.unit import Unit, id_list

WHOLE_TASK = ""
"""The key of the limit over all jobs of a task: no concurrency key is empty."""
RUNS, WAITS, COMES = "\x1d", "\x1e", "\x1f"
BRANCHES = 100
"""So many limits are looked at in one statement."""
PUT_BACK_CHUNK = 500
TIDY_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Met:
    """A job that a claim has met; ``key`` is its concurrency key."""

    id: int
    task_name: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Rules:
    """What operators and a task itself say of how its jobs are claimed."""

    paused: bool
    max_concurrency: int | None
    max_concurrency_per_key: int | None
    rate: StartRate | None

    @property
    def counts(self) -> bool:
        """Whether its jobs are counted: they have limits, and may be claimed at all."""
        return not self.paused and (self.limits_all or self.max_concurrency_per_key is not None)

    @property
    def limits_all(self) -> bool:
        """Whether something limits all jobs of the task together."""
        return self.max_concurrency is not None or self.rate is not None

    def key_of(self, job: Met) -> str:
        """The key whose jobs are counted with this one; an empty text where none are."""
        return WHOLE_TASK if self.max_concurrency_per_key is None else job.key or WHOLE_TASK


SPECIAL = "paused=1 OR max_concurrency IS NOT NULL OR max_concurrency_per_key IS NOT NULL OR rate_limit IS NOT NULL"
SPECIAL_TASKS = f"(SELECT COUNT(*) FROM task WHERE {SPECIAL})"
"""How many tasks are paused or have limits, which a server finds once for a statement: to ask for the task of each job
would cost the claim a look-up a row. No lock is taken on tasks: a locking SELECT locks the tables of the outermost
query alone."""


@dataclass(slots=True)
class Admission:
    """Which jobs may be claimed.

    Attributes:
        claimable: those that may.
        marks: what some of them bear meanwhile.
        paused: those whose task is paused.
        parked: those for which there is no room, by the limit.
        passed: those whose limit another transaction is counting.
    """

    claimable: list[int] = field(default_factory=list)
    marks: dict[int, str] = field(default_factory=dict)
    paused: list[int] = field(default_factory=list)
    parked: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    passed: list[int] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """How many there is no room for."""
        return sum(map(len, self.parked.values()))


@dataclass(slots=True)
class _Bucket:
    """The tokens of a rate, as a time: until then all were given out."""

    rate: StartRate
    now: datetime
    next_start_at: datetime

    @classmethod
    def of(cls, rate: StartRate, now: datetime, stored: str | None) -> _Bucket:
        earliest = now - timedelta(seconds=rate.interval * (rate.burst - 1))
        return cls(rate, now, earliest if stored is None else max(earliest, from_text(stored)))

    @property
    def tokens(self) -> int:
        """How many starts are allowed now."""
        saved = (self.now - self.next_start_at).total_seconds()
        return 0 if saved < 0 else min(self.rate.burst, int(saved / self.rate.interval + 1e-6) + 1)

    def take(self) -> None:
        self.next_start_at += timedelta(seconds=self.rate.interval)


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

    async def _rules(self, unit: Unit, names: Collection[str]) -> dict[str, Rules]:
        """What is special about those of these tasks that are paused or have limits, by their names."""
        rows = await unit.transaction.fetch(
            "SELECT name, paused, max_concurrency, max_concurrency_per_key, rate_limit FROM task WHERE " + SPECIAL
        )
        return {
            name: Rules(bool(paused), at_once, per_key, StartRate.parse(rate) if rate else None)
            for name, paused, at_once, per_key, rate in rows
            if name in names
        }

    async def admit(self, unit: Unit, jobs: Sequence[Met], most: int) -> Admission:
        """Which of ``jobs`` may be claimed, the first of them first, ``most`` at most. What comes after those was not
        looked at.

        The jobs are locked, and their limits will be: until the end of the transaction nobody else counts.
        """
        rules = await self._rules(unit, {job.task_name for job in jobs})
        wanted: dict[str, set[str]] = {}
        for job in jobs:
            rule = rules.get(job.task_name)
            if rule is not None and rule.counts:
                wanted.setdefault(job.task_name, {WHOLE_TASK}).add(rule.key_of(job))
        ids, held = await self._hold(unit, wanted)
        running = await self._running(unit, {ids[name, WHOLE_TASK] for name in wanted})
        buckets = {
            name: _Bucket.of(rule.rate, unit.now, held[ids[name, WHOLE_TASK]])
            for name, rule in rules.items()
            if rule.rate is not None and name in wanted and ids[name, WHOLE_TASK] in held
        }
        found = Admission()
        for job in jobs:
            if len(found.claimable) == most:
                break
            name, rule = job.task_name, rules.get(job.task_name)
            if rule is None:
                found.claimable.append(job.id)
                continue
            if rule.paused:
                found.paused.append(job.id)
                continue
            key = rule.key_of(job)
            whole, own = ids[name, WHOLE_TASK], ids[name, key] if key else 0
            if (own and own not in held) or (rule.limits_all and whole not in held):
                found.passed.append(job.id)
                continue
            full = self._full(rule, running, whole, own, buckets.get(name))
            if full is not None:
                found.parked[full].append(job.id)
                continue
            running[whole] += 1
            running[own] += 1
            if name in buckets:
                buckets[name].take()
            found.claimable.append(job.id)
            found.marks[job.id] = f"{RUNS}{whole}.{own}"
        for name, bucket in sorted(buckets.items()):
            await unit.transaction.execute(
                f"UPDATE {self._limits} SET next_start_at='{to_text(bucket.next_start_at)}' "
                f"WHERE id={ids[name, WHOLE_TASK]}"
            )
        return found

    @staticmethod
    def _full(rule: Rules, running: Counter[int], whole: int, own: int, bucket: _Bucket | None) -> int | None:
        """The limit that has no room for one more job of the task and key; None when all have."""
        if own and rule.max_concurrency_per_key is not None and running[own] >= rule.max_concurrency_per_key:
            return own
        if rule.max_concurrency is not None and running[whole] >= rule.max_concurrency:
            return whole
        return whole if bucket is not None and bucket.tokens <= 0 else None

    async def _hold(
        self, unit: Unit, wanted: Mapping[str, set[str]]
    ) -> tuple[dict[tuple[str, str], int], dict[int, str | None]]:
        """The numbers of limits, by task and key, which are made where they are missing; and those of them that nobody
        else is counting, now locked, with their rates' times. Two who make the same one collide, and the second begins
        again."""
        ids: dict[tuple[str, str], int] = {}
        held: dict[int, str | None] = {}
        for name, keys in sorted(wanted.items()):
            marks = ",".join(["%s"] * len(keys))
            of_keys = f"FROM task_limit WHERE task_name=%s AND limit_key IN ({marks})"
            for limit, key, next_start_at in await unit.transaction.fetch(
                f"SELECT id, limit_key, next_start_at {of_keys} ORDER BY limit_key{unit.transaction.skip_locked}",
                [name, *sorted(keys)],
            ):
                ids[name, key] = limit
                held[limit] = next_start_at
            missing = [(name, key) for key in sorted(keys) if (name, key) not in ids]
            if missing:
                rows = await unit.transaction.fetch(f"SELECT limit_key, id {of_keys}", [name, *sorted(keys)])
                ids.update({(name, key): limit for key, limit in rows})
                new = [each for each in missing if each not in ids]
                made = await unit.transaction.insert("task_limit", ("task_name", "limit_key"), new) if new else []
                ids.update(zip(new, made, strict=True))
                held.update(dict.fromkeys(made))
        return ids, held

    async def _whole(self, unit: Unit, names: Collection[str]) -> list[int]:
        """The numbers of the limits over all jobs of these tasks."""
        if not names:
            return []
        marks = ",".join(["%s"] * len(names))
        rows = await unit.transaction.fetch(
            f"SELECT id FROM task_limit WHERE task_name IN ({marks}) AND limit_key='{WHOLE_TASK}'", sorted(names)
        )
        return [row[0] for row in rows]

    async def _lock(self, unit: Unit, limits: Collection[int]) -> set[int]:
        """Those of these limits that nobody else is counting, now locked."""
        if not limits:
            return set()
        rows = await unit.transaction.fetch(
            f"SELECT id FROM {self._limits} WHERE id IN ({id_list(limits)}) ORDER BY id{unit.transaction.skip_locked}"
        )
        return {row[0] for row in rows}

    async def _running(self, unit: Unit, tasks: Collection[int]) -> Counter[int]:
        """How many jobs run under each limit: those of tasks, and those of their keys."""
        found: Counter[int] = Counter()
        for whole in sorted(tasks):
            # from "7." to "7/": one range of the index, which has no more entries than there are such jobs
            rows = await unit.transaction.fetch(
                f"SELECT parked_task, COUNT(*) FROM {self._by_parked} WHERE parked_task > '{RUNS}{whole}.' "
                f"AND parked_task < '{RUNS}{whole}/' GROUP BY parked_task"
            )
            for mark, count in rows:
                found[whole] += count
                found[int(mark.partition(".")[2])] += count
        return found

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
        marks = [each.job.mark for each in finishes if each.job.mark is not None]
        unit.became_queued += len(marks)
        if marks and waiting:
            freed = Counter(int(limit) for mark in marks for limit in mark[1:].split(".") if limit != "0")
            await self._put_back(unit, freed)

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
        rules = await self._rules(unit, {row[1] for row in rows})
        running = await self._running(unit, await self._whole(unit, {row[1] for row in rows}))
        room = dict.fromkeys(waiting, PUT_BACK_CHUNK)  # what waits for no limit any more need not
        for limit, name, key, next_start_at in rows:
            rule = rules.get(name)
            most = None if rule is None else rule.max_concurrency_per_key if key else rule.max_concurrency
            if most is not None:
                room[limit] = min(PUT_BACK_CHUNK, most - running[limit])
            if rule is not None and rule.rate is not None and not key:
                room[limit] = min(room[limit], _Bucket.of(rule.rate, unit.now, next_start_at).tokens)
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


def repr_mark(kind: str, limit: int | str) -> str:
    """A mark in SQL."""
    return f"'{kind}{limit}'"


def any_waiting(database: Database) -> str:
    """The statement that finds a job that waits for a limit."""
    return (
        f"SELECT 1 FROM jobs{database.by_index('jobs_parked')} WHERE parked_task > '{WAITS}' "
        f"AND parked_task < '{COMES}' LIMIT 1"
    )
