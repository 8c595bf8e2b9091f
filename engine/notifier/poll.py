"""No messenger: every process looks into the database for itself. It needs nothing, and is the default."""

from __future__ import annotations

from engine.notifier.contract import Listener, News, Notifier


class PollNotifier(Notifier):
    """Tells nobody anything; so it is never live, and everyone polls."""

    name = "poll"
    is_live = False

    def listen(self, listener: Listener) -> None:
        pass

    def tell(self, news: News) -> None:
        pass

    def await_work(self) -> None:
        pass
