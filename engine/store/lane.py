"""Natural batching: what arrives while a transaction is under way goes together into the next one.

There is no timer: an idle lane commits at once, a busy one commits hundreds of operations with one fsync. Where the
database allows it, two transactions are under way: one is being written while the other is being answered. Each
caller gets the result or the error of its own operation; one that breaks a batch is found by running them singly.

Failure handling: a collision is tried again at once; an unreachable database is tried again, with growing pauses,
until the operation's deadline, when its caller gets ``Unavailable`` (finishes of attempts have no deadline: their
result is kept until the database is back). When a COMMIT's answer is lost, the log is asked until it tells whether the
COMMIT counts; nothing is done a second time before that.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from engine.clock import Clock
from engine.errors import SignalboxError, Unavailable
from engine.metrics import BATCH_OPERATIONS, COMMIT_SECONDS, STORE_RETRIES
from engine.store.database import Collision, CommitUnknown, Database, Transaction
from engine.tracing import span

log = structlog.get_logger("signalbox.store")

MAX_WEIGHT = 2000
MAX_COLLISIONS = 20
WORTH_A_SECOND = 250
"""Rows that must be waiting before a second transaction is begun: small ones cost a fsync and gain nothing."""
PATIENT_TURNS = 25
"""Turns of the loop, of some 20 us where nothing happens, in which nobody comes back: then nobody is waited for."""
GRACE_SECONDS = 1.0
"""How far beyond its patience an operation may wait for its turn."""
LONGEST_PAUSE_SECONDS = 1.0
DOUBT_SECONDS = 5.0
"""How much longer than their patience callers wait to hear whether a COMMIT counts: half-known is worse than late."""
UNKNOWN_OUTCOME = (
    "The database went away while this was being committed; it is not known whether it was. Look before trying again, "
    "or use an idempotency key."
)


Handler = Callable[[Any, Sequence[Any]], Awaitable[Sequence[Any]]]
"""Given the unit of work and the requests of one kind: a result, or an error, for each."""


class Answer(Protocol):
    """Where the answer to an operation goes: a future, or what its caller has instead of one."""

    def done(self) -> bool: ...
    def cancelled(self) -> bool: ...
    def set_result(self, result: Any, /) -> None: ...
    def set_exception(self, error: Exception, /) -> None: ...


@dataclass(slots=True, eq=False)
class Operation:
    handler: Handler
    request: Any
    weight: int
    deadline: float | None
    answer: Answer


class Lane:
    """A queue of operations and the one task that commits them.

    Args:
        unit: wraps a transaction for the handlers, which collect in it what follows from their changes.
        settle: writes what was collected, just before COMMIT.
        was_committed: whether a unit whose COMMIT went unanswered is in the database.
        committed: told of each unit once it is.
        gathers: whether those who were answered together are expected to ask again together, as clients do.
    """

    def __init__(
        self,
        name: str,
        database: Database,
        clock: Clock,
        *,
        unit: Callable[[Transaction], Any],
        settle: Callable[[Any], Awaitable[None]],
        was_committed: Callable[[Any], Awaitable[bool]],
        committed: Callable[[Any], None],
        gathers: bool = False,
    ) -> None:
        self.name = name
        self._database = database
        self._clock = clock
        self._unit = unit
        self._settle = settle
        self._was_committed = was_committed
        self._committed = committed
        self._gathers = gathers
        self._waiting: deque[Operation] = deque()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._committing: set[asyncio.Task[None]] = set()
        self._width = database.lane_width
        self._is_beginning = False
        self._struggling = 0
        self._last_size = 1
        self._sizes = BATCH_OPERATIONS.labels(name)
        self._seconds = COMMIT_SECONDS.labels(name)

    @property
    def waiting_count(self) -> int:
        """How many operations wait for the next transaction."""
        return len(self._waiting)

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(
            self._run(), name=f"lane {self.name}", context=contextvars.Context()
        )

    async def close(self) -> None:
        """Commit what is waiting, then end. What cannot be committed now fails with ``Unavailable``."""
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def submit(
        self,
        handler: Handler,
        request: Any,
        *,
        weight: int = 1,
        patience_seconds: float | None = 3.0,
        goes_first: bool = False,
    ) -> asyncio.Future[Any]:
        """Queue one operation. The future's result is the handler's for this request.

        Args:
            weight: how many rows it writes, about.
            patience_seconds: how long an unreachable database is waited for; None for ever.
            goes_first: it waits for rows that others may hold, so it does before its transaction holds any.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        deadline = None if patience_seconds is None else self._clock.monotonic() + patience_seconds
        self.put(Operation(handler, request, weight, deadline, future), goes_first=goes_first)
        return future

    def put(self, operation: Operation, *, goes_first: bool = False) -> None:
        """``submit``, for callers that bring their own place for the answer."""
        if self._closing or self._task is None:
            operation.answer.set_exception(Unavailable("The server is stopping; nothing was changed."))
            return
        if goes_first:
            self._waiting.appendleft(operation)
        else:
            self._waiting.append(operation)
        self._arrived.set()

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                if self._closing:
                    await asyncio.gather(*self._committing)
                    return
                self._arrived.clear()
                await self._arrived.wait()
                continue
            if not self._may_begin():
                await self._wait_for_turn()
                continue
            takes_late = self._gathers and self._database.begins_free
            if self._gathers and not takes_late:
                await self._gather()
            self._is_beginning = takes_late
            batch = [] if takes_late else self._take()
            commit = asyncio.get_running_loop().create_task(self._commit(batch, takes_late=takes_late))
            self._committing.add(commit)
            commit.add_done_callback(self._ended)

    async def _gather(self) -> None:
        """Let those come back who were answered a moment ago. Else the first of them would have a transaction of its
        own, for which all others wait: 32 clients made batches of 1 and 31 in turn. For who comes alone after others
        who came alone, there is nobody to wait for."""
        turns = count = 0
        while len(self._waiting) < self._last_size and turns < PATIENT_TURNS:
            turns = 0 if len(self._waiting) > count else turns + 1
            count = len(self._waiting)
            await asyncio.sleep(0)

    def _may_begin(self) -> bool:
        """At once when nothing is under way; beside another transaction only with enough to be worth its own."""
        if self._is_beginning:
            return False
        if not self._committing:
            return True
        if len(self._committing) >= self._width:
            return False
        are_held_up = self._struggling >= len(self._committing)
        return are_held_up or sum(each.weight for each in self._waiting) >= WORTH_A_SECOND

    @contextlib.contextmanager
    def _held_up(self) -> Iterator[None]:
        """While a transaction waits for the database, it keeps no other from trying."""
        self._struggling += 1
        self._arrived.set()
        try:
            yield
        finally:
            self._struggling -= 1

    async def _wait_for_turn(self) -> None:
        """Until something arrives or ends. Those whose patience ends meanwhile are told so."""
        self._arrived.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.25):
                await self._arrived.wait()
        now = self._clock.monotonic()
        late = [each for each in self._waiting if each.deadline is not None and each.deadline + GRACE_SECONDS < now]
        for each in late:
            self._waiting.remove(each)
        _fail(late, Unavailable())

    def _ended(self, commit: asyncio.Task[None]) -> None:
        self._committing.discard(commit)
        self._arrived.set()

    def _take(self) -> list[Operation]:
        batch: list[Operation] = []
        weight = 0
        while self._waiting and (not batch or weight + self._waiting[0].weight <= MAX_WEIGHT):
            operation = self._waiting.popleft()
            if not operation.answer.cancelled():
                batch.append(operation)
                weight += operation.weight
        self._last_size = len(batch)
        if self._is_beginning:
            self._is_beginning = False
            self._arrived.set()
        return batch

    async def _commit(self, batch: list[Operation], *, takes_late: bool = False) -> None:
        """Try until ``batch`` is committed, or its callers were told why not; see ``_attempt``."""
        collisions = outages = 0
        while batch or takes_late:
            is_to_fill, takes_late = takes_late, False
            try:
                with span("store.transaction", {"signalbox.lane": self.name}) as current:
                    results = await self._attempt(batch, takes_late=is_to_fill)
                    if current is not None:
                        current.set_attribute("signalbox.operations", len(batch))
            except Collision as error:
                collisions += 1
                STORE_RETRIES.labels("collision").inc()
                if collisions > MAX_COLLISIONS:
                    log.warning("store.gave_up", lane=self.name, operations=len(batch), error=str(error))
                    _fail(batch, Unavailable("The database refused this again and again because of others; try again."))
                    return
                await asyncio.sleep(random.uniform(0, 0.002 * 2 ** min(collisions, 6)))  # noqa: S311 - no secret
            except Unavailable as error:
                outages += 1
                STORE_RETRIES.labels("unavailable").inc()
                if outages == 1:
                    log.warning("store.unavailable", lane=self.name, operations=len(batch), error=str(error))
                batch = self._still_patient(batch, error)
                if batch:
                    with self._held_up():
                        await asyncio.sleep(min(LONGEST_PAUSE_SECONDS, 0.05 * 2 ** min(outages, 6)))
            except Exception as error:  # noqa: BLE001 - it belongs to one of the callers
                if len(batch) == 1:
                    _fail(batch, error)
                    return
                for operation in batch:
                    await self._commit([operation])
                return
            else:
                if outages:
                    log.info("store.available", lane=self.name)
                for operation, result in zip(batch, results, strict=True):
                    _settle_answer(operation, result)
                return

    def _still_patient(self, batch: list[Operation], error: Unavailable) -> list[Operation]:
        now = self._clock.monotonic()
        patient = [
            each
            for each in batch
            if not self._closing and not each.answer.done() and (each.deadline is None or each.deadline > now)
        ]
        _fail([each for each in batch if each not in patient], error)
        return patient

    async def _attempt(self, batch: list[Operation], *, takes_late: bool) -> list[Any]:
        """Commit ``batch`` once. One that ``takes_late`` is yet empty, for those who wait: its transaction begins while
        they gather, which saves them a round trip, and takes them then, or when it is known that it cannot begin."""
        unit = None
        began = self._clock.monotonic()
        try:
            async with self._database.transaction() as transaction:
                if takes_late:
                    gathering = self._clock.monotonic()
                    await self._gather()
                    began += self._clock.monotonic() - gathering
                    batch.extend(self._take())
                unit = self._unit(transaction)
                results: list[Any] = [None] * len(batch)
                for handler, indexes in _by_handler(batch).items():
                    outcomes = await handler(unit, [batch[index].request for index in indexes])
                    for index, outcome in zip(indexes, outcomes, strict=True):
                        results[index] = outcome
                await self._settle(unit)
        except CommitUnknown:
            with self._held_up():
                if unit is None or not await self._is_in_the_log(unit, batch):
                    raise
        finally:
            if takes_late and unit is None:
                batch.extend(self._take())
        self._seconds.observe(self._clock.monotonic() - began)
        self._sizes.observe(len(batch))
        self._committed(unit)
        return results

    async def _is_in_the_log(self, unit: Any, batch: Sequence[Operation]) -> bool:
        """Whether ``unit`` was committed. Callers who cannot wait for that are told that it is not known."""
        pause = 0.05
        while True:
            try:
                return await self._was_committed(unit)
            except (Collision, Unavailable):
                latest = self._clock.monotonic() - DOUBT_SECONDS
                impatient = [each for each in batch if each.deadline is not None and each.deadline <= latest]
                _fail(batch if self._closing else impatient, Unavailable(UNKNOWN_OUTCOME))
                if self._closing:
                    raise
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)


def _by_handler(batch: Sequence[Operation]) -> dict[Handler, list[int]]:
    """The places in ``batch`` of the operations of each kind."""
    kinds: dict[Handler, list[int]] = {}
    for index, operation in enumerate(batch):
        kinds.setdefault(operation.handler, []).append(index)
    return kinds


def _settle_answer(operation: Operation, result: Any) -> None:
    if operation.answer.done():
        return
    if isinstance(result, SignalboxError):
        operation.answer.set_exception(result)
    else:
        operation.answer.set_result(result)


def _fail(batch: Sequence[Operation], error: Exception) -> None:
    for operation in batch:
        if not operation.answer.done():
            operation.answer.set_exception(error)
