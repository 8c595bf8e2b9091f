"""Which jobs run under limits, as far as a worker knows that is the only one: it need not count them at each claim.

To count is dear while jobs end by the thousand: a server finds in its index what has just ended, and has to look at
each to know. So a worker that is alone remembers which jobs run under a limit: those that it read while it held the
limit's lock, and what it has claimed since; what it ends it forgets once that is committed. It never knows of too few:

* Nobody else claims. Whoever claims under limits looks at the list of workers once it holds their locks, and claims
  nothing under them if it is not on it. No other worker was on the list at any claim since it read, and there is no
  time in between to come, claim, die and be taken off the list: that takes a minute, and it reads anew after seconds.
* A job that was claimed again is not forgotten when the end of the attempt before is at last known to be committed.

It may know of too many (a claim that was rolled back, a job that somebody else has ended), so before a job is refused a
place it reads anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from engine.store.unit import Unit

TRUST = timedelta(seconds=5)
"""So long what was read is believed; by the database's clock."""


class LimitRuns:
    """What one worker knows."""

    def __init__(self) -> None:
        self._worker_id: int | None = None
        self._read_at: datetime | None = None
        self._runs: dict[int, set[int]] = {}
        self._limits_of: dict[int, Sequence[int]] = {}
        self._ending: dict[int, Unit] = {}

    def forget_unless(self, *, is_alone: bool, worker_id: int, now: datetime) -> None:
        """Believe what is known only if this worker is alone and read it a short while ago."""
        is_recent = self._read_at is not None and timedelta() <= now - self._read_at <= TRUST
        if not is_alone or worker_id != self._worker_id or not is_recent:
            self._runs.clear()
            self._limits_of.clear()
            self._worker_id, self._read_at = worker_id, now

    def learn(self, limits: Iterable[int], running: Iterable[tuple[int, Sequence[int]]]) -> None:
        """Take in which jobs run under each of ``limits``, whose locks are held: jobs, and the limits of each."""
        found: dict[int, set[int]] = {limit: set() for limit in limits}
        for job_id, of_job in running:
            self._limits_of[job_id] = of_job
            for limit in of_job:
                if limit in found:
                    found[limit].add(job_id)
        self._runs.update(found)

    def counts(self, limits: Iterable[int]) -> dict[int, int]:
        """How many run under those of these limits that are known."""
        return {limit: len(self._runs[limit]) for limit in limits if limit in self._runs}

    def waits(self, job_id: int) -> None:
        """A job was met in the queue: its last attempt, if it had one, has ended."""
        self._ending.pop(job_id, None)
        self._forget(job_id)

    def claimed(self, job_id: int, limits: Sequence[int]) -> None:
        """A job is being claimed, under these limits."""
        self._limits_of[job_id] = limits
        for limit in limits:
            if limit in self._runs:
                self._runs[limit].add(job_id)

    def ending(self, job_id: int, unit: Unit) -> None:
        """An attempt ends with this unit, if that is committed."""
        self._ending[job_id] = unit

    def ended(self, job_id: int, unit: Unit) -> None:
        """It was committed."""
        if self._ending.get(job_id) is unit:
            del self._ending[job_id]
            self._forget(job_id)

    def _forget(self, job_id: int) -> None:
        for limit in self._limits_of.pop(job_id, ()):
            if limit in self._runs:
                self._runs[limit].discard(job_id)
