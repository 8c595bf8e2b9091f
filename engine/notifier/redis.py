"""Hints over Redis or Valkey, which keeps nothing that is missed when it is emptied.

Failure handling: it is live while all of its links are up. When one goes down everyone is let look at once, and polls
from then on; when the last one is up again, everyone looks once more. A line in the log tells of each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from engine.clock import Clock
from engine.errors import Unavailable
from engine.notifier.address import check_redis_url
from engine.notifier.contract import Listener, News, Notifier
from engine.notifier.line import Line
from engine.notifier.links import Keys, Link, Reader, Sender, Waiter
from engine.service import moments

log = structlog.get_logger("signalbox.notifier")


class RedisNotifier(Notifier):
    """Three connections to Redis, or two where no jobs are run.

    Args:
        deployment: gives what tells this deployment from all others, once the database does.
        reads_events, runs_jobs: which hints there is someone for.
    """

    name = "redis"

    def __init__(
        self,
        url: str,
        deployment: Callable[[], Awaitable[str]],
        *,
        clock: Clock,
        reads_events: bool = True,
        runs_jobs: bool = True,
    ) -> None:
        self._url = url
        self._deployment = deployment
        self._keys: Keys | None = None
        self._finding = asyncio.Lock()
        self._listener: Listener | None = None
        self._was_live = False
        common = (self._find_keys, self._link_changed, clock)
        self._sender = Sender(Line(url), *common)
        reader = Reader(Line(url), *common, listener=self._heard_by, with_events=reads_events)
        self._waiter = Waiter(Line(url), *common, listener=self._heard_by, pass_on=self.tell) if runs_jobs else None
        links: list[Link | None] = [reader, self._waiter, self._sender]
        self.services = self._links = [each for each in links if each is not None]

    @property
    def where(self) -> str:
        return check_redis_url(self._url)

    async def find_problem(self) -> str | None:
        line, keys = Line(self._url), Keys.of("check")
        try:
            await line.ask(lambda redis: redis.set(keys.probe, "1", ex=1))
        except Unavailable as error:
            return str(error).removeprefix(f"{self.where}: ")
        finally:
            await line.close()
        return None

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def _heard_by(self) -> Listener:
        if self._listener is None:
            raise RuntimeError("a notifier needs a listener before it is started")
        return self._listener

    async def _find_keys(self) -> Keys:
        async with self._finding:
            if self._keys is None:
                self._keys = Keys.of(await self._deployment())
            return self._keys

    @property
    def is_live(self) -> bool:
        return all(each.is_up for each in self._links)

    def tell(self, news: News) -> None:
        self._sender.tell(news)

    def await_work(self) -> None:
        if self._waiter is not None:
            self._waiter.want()

    def _link_changed(self, reason: str | None) -> None:
        is_live = self.is_live
        if is_live is self._was_live:
            return
        self._was_live = moments.are_shared = is_live
        if is_live:
            log.info("notifier.live", notifier=self.name, at=self.where)
        else:
            log.warning("notifier.lost", notifier=self.name, error=reason, remedy="everyone polls meanwhile")
        self._heard_by().doubt()
