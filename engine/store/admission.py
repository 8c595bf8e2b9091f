"""Which of the jobs that a claim has met may be claimed, by what their limits say and how many jobs run: no statements.

Those that write it down, and the forms of marks, are in limits.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.limits import StartRate
from engine.store.database import Row, from_text

WHOLE_TASK = ""
"""The key of the limit over all jobs of a task: no concurrency key is empty."""
RUNS, WAITS, COMES = "\x1d", "\x1e", "\x1f"


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
class Bucket:
    """The tokens of a rate, as a time: until then all were given out."""

    rate: StartRate
    now: datetime
    next_start_at: datetime

    @classmethod
    def of(cls, rate: StartRate, now: datetime, stored: str | None) -> Bucket:
        earliest = now - timedelta(seconds=rate.interval * (rate.burst - 1))
        return cls(rate, now, earliest if stored is None else max(earliest, from_text(stored)))

    @property
    def tokens(self) -> int:
        """How many starts are allowed now."""
        saved = (self.now - self.next_start_at).total_seconds()
        return 0 if saved < 0 else min(self.rate.burst, int(saved / self.rate.interval + 1e-6) + 1)

    def take(self) -> None:
        self.next_start_at += timedelta(seconds=self.rate.interval)


@dataclass(slots=True)
class Places:
    """What a claim has found out of limits.

    Attributes:
        ids: their numbers, by task and key.
        held: those that are locked for it, and the times of their rates.
        running: how many jobs run under each.
        known: those of which that was remembered, not read.
    """

    ids: dict[tuple[str, str], int]
    held: dict[int, str | None]
    running: dict[int, int]
    known: frozenset[int] = frozenset()


def choose(
    now: datetime, jobs: Sequence[Met], most: int, rules: Mapping[str, Rules], places: Places
) -> tuple[Admission, dict[str, Bucket]]:
    """Which of ``jobs`` may be claimed, and the tokens that are left then."""
    ids, held, running = places.ids, places.held, Counter(places.running)
    buckets = {
        name: Bucket.of(rule.rate, now, held[ids[name, WHOLE_TASK]])
        for name, rule in rules.items()
        if rule.rate is not None and ids.get((name, WHOLE_TASK)) in held
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
        full = _full(rule, running, whole, own, buckets.get(name))
        if full is not None:
            found.parked[full].append(job.id)
            continue
        running[whole] += 1
        running[own] += 1
        if name in buckets:
            buckets[name].take()
        found.claimable.append(job.id)
        found.marks[job.id] = f"{RUNS}{whole}.{own}"
    return found, buckets


def _full(rule: Rules, running: Counter[int], whole: int, own: int, bucket: Bucket | None) -> int | None:
    """The limit that has no room for one more job of the task and key; None when all have."""
    if own and rule.max_concurrency_per_key is not None and running[own] >= rule.max_concurrency_per_key:
        return own
    if rule.max_concurrency is not None and running[whole] >= rule.max_concurrency:
        return whole
    return whole if bucket is not None and bucket.tokens <= 0 else None


def rules_of(rows: Iterable[Row], names: Collection[str]) -> dict[str, Rules]:
    """What is special about those of these tasks that are paused or have limits, by their names."""
    return {
        name: Rules(bool(paused), at_once, per_key, StartRate.parse(rate) if rate else None)
        for name, paused, at_once, per_key, rate in rows
        if name in names
    }


def limits_of(mark: str) -> list[int]:
    """The limits under which the job runs that bears this mark."""
    return [int(limit) for limit in mark[1:].split(".") if limit != "0"]


def repr_mark(kind: str, limit: int | str) -> str:
    """A mark in SQL."""
    return f"'{kind}{limit}'"
