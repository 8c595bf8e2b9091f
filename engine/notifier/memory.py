"""Hints within one process: for a deployment that has no other, and for parts of one process beside each other."""

from __future__ import annotations

from engine.notifier.contract import Listener, News, Notifier

MAX_HINTS = 64
"""Of jobs that nobody could take when they were told of, so many are kept for those who come free."""


class Exchange:
    """Where the notifiers of one process meet."""

    def __init__(self) -> None:
        self.members: list[MemoryNotifier] = []
        self.waiting: list[MemoryNotifier] = []
        self.hints = 0

    def wake(self) -> None:
        """Hand the hints to those who have waited for longest, one to each."""
        while self.hints and self.waiting:
            listener = self.waiting.pop(0).listener
            if listener is not None and listener.wants_work():
                self.hints -= 1
                listener.work()


class MemoryNotifier(Notifier):
    """One member of an exchange, which is its own unless another is given."""

    name = "memory"
    is_live = True

    def __init__(self, exchange: Exchange | None = None) -> None:
        self._exchange = exchange or Exchange()
        self._exchange.members.append(self)
        self.listener: Listener | None = None

    def listen(self, listener: Listener) -> None:
        self.listener = listener

    def tell(self, news: News) -> None:
        exchange = self._exchange
        for member in exchange.members:
            if member is not self and member.listener is not None:
                if news.seq:
                    member.listener.events(news.seq)
                if news.to_cancel:
                    member.listener.cancels(news.to_cancel)
                if news.topics:
                    member.listener.settings(news.topics)
        exchange.hints = min(MAX_HINTS, exchange.hints + news.queued)
        exchange.wake()

    def await_work(self) -> None:
        if self not in self._exchange.waiting:
            self._exchange.waiting.append(self)
        self._exchange.wake()
