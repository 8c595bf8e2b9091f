"""Between the parts of this process and its notifier: what a commit leaves for others, and whom others' hints wake.

What is told of stands in the database by then, and whoever is woken looks there: a hint decides nothing.
"""

from __future__ import annotations

from collections.abc import Collection

from engine.feed import Feed
from engine.jobs import Jobs
from engine.notifier.contract import Listener, News, Notifier, Topic
from engine.store.store import Store
from engine.store.unit import Unit
from engine.worker import Worker


class Relay(Listener):
    """Tells and listens on behalf of one process.

    Args:
        worker: who runs jobs here, if anybody does.
    """

    def __init__(self, store: Store, notifier: Notifier, *, worker: Worker | None, feed: Feed, jobs: Jobs) -> None:
        self._notifier = notifier
        self._worker = worker
        self._feed = feed
        self._jobs = jobs
        notifier.listen(self)
        store.listen(self._committed)

    def _committed(self, unit: Unit) -> None:
        room = 0 if self._worker is None else self._worker.room
        news = News(
            # of what became queued the rest is for our own worker, which was woken
            queued=max(0, unit.became_queued - room) + unit.routed,
            seq=unit.last_seq or 0,
            to_cancel=unit.to_cancel,
            topics=(Topic.TASKS,) if unit.tasks_changed else (),
        )
        if news != News():
            self._notifier.tell(news)

    def wants_work(self) -> bool:
        return self._worker is not None and self._worker.room > 0

    def work(self) -> None:
        if self._worker is not None:
            self._worker.look()

    def events(self, seq: int) -> None:
        self._feed.look(seq)

    def cancels(self, job_ids: Collection[int]) -> None:
        if self._worker is not None:
            self._worker.heart.look(job_ids)

    def settings(self, topics: Collection[Topic]) -> None:
        if Topic.TASKS in topics:
            self._jobs.forget_tasks()

    def doubt(self) -> None:
        self._feed.wake()
        self._jobs.forget_tasks()
        if self._worker is not None:
            self._worker.wake()
            self._worker.heart.wake()
