"""The three loops that carry hints over Redis, each on a connection of its own, for two of them wait there.

Keys, all of one deployment: ``work`` is a list of hints, each for one worker that pops it; ``events`` and ``wishes``
are streams that everyone reads on for himself. All are short and expire: what nobody has read for long is worthless.

Failure handling: a link is up after each good answer and down after each failure, which comes within a second when
Redis is gone, hangs, or takes no writes; then its loop tries again, with growing pauses. What could not be sent is
dropped and counted: everyone polls by then.
"""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis.asyncio import Redis

from engine.clock import Clock
from engine.errors import Unavailable
from engine.metrics import HINTS_DROPPED, HINTS_RECEIVED, HINTS_SENT
from engine.notifier.contract import Listener, News, Topic
from engine.notifier.line import ANSWER_SECONDS, Line
from engine.service import Service

WAIT_SECONDS = 0.4
"""How long Redis is asked to wait for something to tell; then it is asked again, which shows that it is there."""
MAX_WORK_HINTS = 64
"""Kept of work that no worker could take at once. Who takes all that it has room for passes the word on."""
MAX_EVENT_HINTS, MAX_WISHES = 256, 1024
WORK_EXPIRES_SECONDS, STREAMS_EXPIRE_SECONDS = 60, 3600
MAX_CANCELS = 10_000
CANCELS_A_WISH = 500
MAX_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of what one deployment keeps in Redis. The braces keep them together where it is a cluster."""

    work: str
    events: str
    wishes: str
    probe: str

    @classmethod
    def of(cls, deployment: str) -> Keys:
        return cls(*(f"signalbox:{{{deployment}}}:{name}" for name in ("work", "events", "wishes", "probe")))


class Link(Service):
    """A loop with a connection.

    Args:
        find_keys: the deployment's keys; asked before anything is sent.
        changed: called when the link has gone up or down, with the reason.
    """

    is_vital = False
    interval_seconds = WAIT_SECONDS

    def __init__(self, line: Line, find_keys: Callable[[], Any], changed: Callable[[str | None], None], clock: Clock):
        super().__init__(clock)
        self._line = line
        self._find_keys = find_keys
        self._changed = changed
        self.is_up = False

    async def run_once(self) -> float | None:
        try:
            wait = await self.turn(await self._find_keys())
        except Exception as error:
            self.dropped()
            self._set(False, str(error))
            raise
        self._set(True)
        return wait

    def _set(self, is_up: bool, reason: str | None = None) -> None:
        if self.is_up is not is_up:
            self.is_up = is_up
            self._changed(reason)

    @abstractmethod
    async def turn(self, keys: Keys) -> float | None:
        """One question to Redis, and what follows from the answer."""

    def dropped(self) -> None:
        """The connection is gone."""

    def _report(self, error: Exception, failures_in_a_row: int) -> None:
        """The notifier tells of it, once for all links."""

    async def stop(self) -> None:
        """End at once: nobody waits for Redis."""
        if self._task is not None:
            self._task.cancel()
        await super().stop()
        await self._line.close()


class Sender(Link):
    """Sends hints. What comes while some are under way goes together with the next."""

    name = "redis-send"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._work = 0
        self._seq = 0
        self._cancels: dict[int, None] = {}
        self._topics: set[Topic] = set()

    def tell(self, news: News) -> None:
        """Have it sent, if that is possible now."""
        if not self.is_up:
            _count(HINTS_DROPPED, _kinds(news))
            return
        self._work = min(MAX_WORK_HINTS, self._work + news.queued)
        self._seq = max(self._seq, news.seq)
        self._topics.update(news.topics)
        self._cancels.update(dict.fromkeys(news.to_cancel))
        if len(self._cancels) > MAX_CANCELS:
            HINTS_DROPPED.labels("cancel").inc(len(self._cancels) - MAX_CANCELS)
            self._cancels = dict.fromkeys(list(self._cancels)[:MAX_CANCELS])
        self.wake()

    def _take(self) -> News:
        news = News(self._work, self._seq, tuple(self._cancels), frozenset(self._topics))
        self._work = self._seq = 0
        self._cancels.clear()
        self._topics.clear()
        return news

    async def turn(self, keys: Keys) -> float | None:
        news = self._take()
        is_taken = False
        try:
            await self._line.ask(partial(_send, keys=keys, news=news))
            is_taken = True
        finally:
            _count(HINTS_SENT if is_taken else HINTS_DROPPED, _kinds(news))
        return None

    def dropped(self) -> None:
        _count(HINTS_DROPPED, _kinds(self._take()))

    async def stop(self) -> None:
        """Send what waits, if Redis takes it at once."""
        if self.is_up:
            await Service.stop(self)
            with contextlib.suppress(Unavailable):
                await self.turn(await self._find_keys())
        await super().stop()


async def _send(redis: Redis, keys: Keys, news: News) -> None:
    """All in one go. Without news it is a write all the same, which shows whether there could be one."""
    async with redis.pipeline(transaction=False) as pipe:
        if news.queued:
            pipe.rpush(keys.work, *["1"] * news.queued)
            pipe.ltrim(keys.work, -MAX_WORK_HINTS, -1)
            pipe.expire(keys.work, WORK_EXPIRES_SECONDS)
        if news.seq:
            pipe.xadd(keys.events, {"seq": news.seq}, maxlen=MAX_EVENT_HINTS)
        cancels = list(news.to_cancel)
        for start in range(0, len(cancels), CANCELS_A_WISH):
            wish = ",".join(map(str, cancels[start : start + CANCELS_A_WISH]))
            pipe.xadd(keys.wishes, {"cancel": wish}, maxlen=MAX_WISHES)
        if news.topics:
            pipe.xadd(keys.wishes, {"topics": ",".join(sorted(news.topics))}, maxlen=MAX_WISHES)
        if not len(pipe):
            pipe.set(keys.probe, "1", ex=1)
            pipe.expire(keys.events, STREAMS_EXPIRE_SECONDS)
            pipe.expire(keys.wishes, STREAMS_EXPIRE_SECONDS)
        await pipe.execute()


class Reader(Link):
    """Reads what others sent: wishes, and hints of events where there is someone to read those.

    Failure handling: on a new connection it begins at the end, and lets everyone look once for what may have been
    missed.
    """

    name = "redis-read"

    def __init__(self, *arguments: Any, listener: Callable[[], Listener], with_events: bool) -> None:
        super().__init__(*arguments)
        self._listener = listener
        self._with_events = with_events
        self._places: dict[str, str] = {}

    async def turn(self, keys: Keys) -> float | None:
        if not self._places:
            streams = (keys.events, keys.wishes) if self._with_events else (keys.wishes,)
            self._places = {each: await self._line.ask(partial(_end, stream=each)) for each in streams}
            self._listener().doubt()
        found = await self._line.ask(
            lambda redis: redis.xread(dict[Any, Any](self._places), block=int(WAIT_SECONDS * 1000)),
            answer_seconds=WAIT_SECONDS + ANSWER_SECONDS,
        )
        for stream, entries in found or ():
            self._places[stream.decode()] = entries[-1][0].decode()
            self._hear([fields for _place, fields in entries if fields])
        return 0.0

    def _hear(self, entries: Iterable[Mapping[bytes, bytes]]) -> None:
        """Hand on what these say, all of a kind at once. What is not understood is a newer version's."""
        seq, cancels, topics = 0, set[int](), set[Topic]()
        for fields in entries:
            seq = max([seq, *_numbers(fields.get(b"seq", b""))])
            cancels.update(_numbers(fields.get(b"cancel", b"")))
            named = fields.get(b"topics", b"").decode(errors="replace").split(",")
            topics.update(each for each in Topic if each in named)
        listener = self._listener()
        if seq:
            listener.events(seq)
        if cancels:
            listener.cancels(cancels)
        if topics:
            listener.settings(topics)
        _count(HINTS_RECEIVED, _kinds(News(0, seq, tuple(cancels), topics)))

    def dropped(self) -> None:
        self._places = {}


class Waiter(Link):
    """Waits for work on behalf of this process's worker, while that is idle: one hint at a time."""

    name = "redis-wait"

    def __init__(self, *arguments: Any, listener: Callable[[], Listener], pass_on: Callable[[News], None]) -> None:
        super().__init__(*arguments)
        self._listener = listener
        self._pass_on = pass_on
        self._is_wanted = False

    def want(self) -> None:
        """Wait for a hint."""
        if not self._is_wanted:
            self._is_wanted = True
            self.wake()

    async def turn(self, keys: Keys) -> float | None:
        self._is_wanted = self._is_wanted and self._listener().wants_work()
        if not self._is_wanted:
            if not self.is_up:
                await self._line.ask(lambda redis: redis.ping())
            return None
        hint = await self._line.ask(
            lambda redis: redis.blpop([keys.work], timeout=WAIT_SECONDS),
            answer_seconds=WAIT_SECONDS + ANSWER_SECONDS,
        )
        if hint is None:
            return 0.0
        HINTS_RECEIVED.labels("work").inc()
        self._is_wanted = False
        if self._listener().wants_work():
            self._listener().work()
        else:  # it found something else to do meanwhile
            self._pass_on(News(queued=1))
        return 0.0


async def _end(redis: Redis, stream: str) -> str:
    """The place of the last entry of a stream."""
    last: Any = await redis.xrevrange(stream, count=1)
    return last[0][0].decode() if last else "0"


def _numbers(text: bytes) -> list[int]:
    return [int(each) for each in text.split(b",") if each.isdigit() and len(each) <= MAX_DIGITS]


def _kinds(news: News) -> Counter[str]:
    """How many hints of each kind ``news`` has."""
    return +Counter(work=news.queued, events=int(news.seq > 0), cancel=len(news.to_cancel), settings=len(news.topics))


def _count(counter: Any, kinds: Counter[str]) -> None:
    for kind, count in kinds.items():
        counter.labels(kind).inc(count)
