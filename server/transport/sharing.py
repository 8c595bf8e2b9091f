"""One execution and one encoding for all who subscribe to the same thing.

Subscribers whose document, variables and visibility are equal are members of one broadcast: its source is read once,
each event is executed and encoded once, and every member gets the same bytes. So the cost of an event grows with what
is asked for, and hardly with how many ask.

One who resumes (``after: cursor``) is given what the broadcast has sent since, as far back as it is kept. One who comes
from further back reads a source of its own until it has reached what the broadcast sends, and goes on with that:
nothing is missed and nothing comes twice, for both are the same events in the same order. So connections that are lost
by the hundred and made anew cost no more than those that last.

Failure handling: a member that does not keep up has a bounded queue, and is ended with the cursor of the last event it
was given; it never holds up the others. When a source fails, all its members are told.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from graphql import (
    FieldNode,
    NonNullTypeNode,
    NullValueNode,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)

from engine.errors import SlowConsumer
from server.transport.documents import Asked, Document
from server.transport.responses import GraphQLResponse

QUEUE_SIZE = 10_000
"""Responses that may wait for one member. All members' queues hold the same ones, so they cost little."""
OFTEN = 50
"""With so many members, other work gets its turn after every event."""
STEP = 50
"""After so many responses that were written one after another, other work gets its turn."""
KEPT_BYTES = 32_000_000
"""What all broadcasts together keep for those who resume."""
OVERHEAD_BYTES = 300
"""Of a response that is kept, beside its body."""


@dataclass(frozen=True, slots=True)
class Update:
    """One response of a subscription, and the place in the log of the event that it tells of."""

    response: GraphQLResponse
    position: int | None


Open = Callable[[Asked], AsyncGenerator[Update, None]]
"""Executes a subscription for one subscriber. What it raises ends the subscription."""
Write = Callable[[GraphQLResponse], bool]
"""Gives a response to a client at once; False if that cannot be done now."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """What may be shared.

    Args:
        key_of: what two contexts have in common if they see the same; None shares nothing.
        position_of: an event's place in the log; None where it has none.
        resume_argument: the argument of a subscription that takes the last position seen, as text.
    """

    key_of: Callable[[Any], Hashable | None]
    position_of: Callable[[Any], int | None]
    resume_argument: str = "after"


class Broadcasts:
    """The broadcasts of one process."""

    def __init__(self, open_: Open, sharing: Sharing, *, queue_size: int = QUEUE_SIZE) -> None:
        self._open = open_
        self._sharing = sharing
        self._queue_size = queue_size
        self._broadcasts: dict[Hashable, _Broadcast] = {}

    @property
    def count(self) -> int:
        """How many different things are subscribed to."""
        return len(self._broadcasts)

    async def stream(self, asked: Asked, write: Write | None = None) -> AsyncGenerator[GraphQLResponse, None]:
        """The responses to one subscriber.

        Args:
            write: tried first whenever the subscriber waits for the next response; what it takes is not yielded.

        Raises:
            SlowConsumer: the subscriber did not keep up.
        """
        place = self._place(asked)
        if place is None:
            async with aclosing(self._open(asked)) as updates:
                async for update in updates:
                    yield update.response
            return
        key, common, after = place
        broadcast = self._broadcasts.get(key)
        if broadcast is None:
            broadcast = self._broadcasts[key] = _Broadcast(self._open(common), self._room)
            broadcast.start(functools.partial(self._forget, key, broadcast))
        member = broadcast.join(self._queue_size, after)
        count = 0
        try:
            if after is not None and not member.is_at(after):
                async with aclosing(self._open(asked)) as updates:
                    async for update in updates:
                        if write is None or not write(update.response):
                            yield update.response
                        if update.position is not None and member.has_met(update.position):
                            break
                    else:
                        return
            member.go_live(write)
            while (response := await member.next()) is not None:
                if write is None or not write(response):
                    yield response
                elif (count := count + 1) % STEP == 0:
                    await asyncio.sleep(0)
        finally:
            if broadcast.leave(member):
                self._forget(key, broadcast)
                await broadcast.stop()

    def _room(self) -> int:
        """The bytes that one broadcast may keep."""
        return KEPT_BYTES // max(1, len(self._broadcasts))

    def _forget(self, key: Hashable, broadcast: _Broadcast) -> None:
        if self._broadcasts.get(key) is broadcast:
            del self._broadcasts[key]

    def _place(self, asked: Asked) -> tuple[Hashable, Asked, str | None] | None:
        """Which broadcast this belongs to, what that executes, and where the subscriber resumes; None for a
        subscription that is executed by itself."""
        viewer = self._sharing.key_of(asked.context)
        if viewer is None or asked.operation is None:
            return None
        notes, name = asked.document.notes, asked.request.operation_name
        if (Broadcasts, name) not in notes:
            notes[Broadcasts, name] = _resume_variable(asked.document, asked.operation, self._sharing.resume_argument)
        is_shareable, variable = notes[Broadcasts, name]
        if not is_shareable:
            return None
        variables = dict(asked.request.variables or {})
        after = variables.pop(variable, None) if variable else None
        if after is not None and not isinstance(after, str):
            return None  # for the executor to refuse
        key = (asked.document.text, name, json.dumps(variables, sort_keys=True), viewer)
        return key, replace(asked, request=replace(asked.request, variables=variables)), after


def _resume_variable(
    document: Document, operation: OperationDefinitionNode, argument_name: str
) -> tuple[bool, str | None]:
    """Whether the operation can be shared, and the variable that alone decides where a subscriber resumes."""
    selections = operation.selection_set.selections
    if len(selections) != 1 or not isinstance(root := selections[0], FieldNode) or root.directives:
        return False, None
    argument = next((each for each in root.arguments or () if each.name.value == argument_name), None)
    if argument is None or isinstance(argument.value, NullValueNode):
        return True, None
    if not isinstance(argument.value, VariableNode):
        return False, None
    name = argument.value.name.value
    definitions = operation.variable_definitions or ()
    definition = next(each for each in definitions if each.variable.name.value == name)
    uses = _Uses(name)
    visit(document.parsed, uses)
    is_alone = uses.count == 2  # where it is defined, and here
    is_optional = not isinstance(definition.type, NonNullTypeNode) and definition.default_value is None
    return (True, name) if is_alone and is_optional else (False, None)


class _Uses(Visitor):
    """Counts the places where a variable stands, its definition included."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.count = 0

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.count += node.name.value == self.name


class _Broadcast:
    """One execution and its members.

    Args:
        room: how many bytes it may keep for those who resume.
    """

    def __init__(self, source: AsyncGenerator[Update, None], room: Callable[[], int]) -> None:
        self.position: int | None = None
        self._kept: deque[Update] = deque()
        self._kept_after: int | None = None
        """Everything that came after this place is kept."""
        self._kept_bytes = 0
        self._room = room
        self._source = source
        self._members: dict[_Member, None] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self, ended: Callable[[], Any]) -> None:
        # A context of its own: what the first subscriber's request has bound is not the others'.
        self._task = asyncio.get_running_loop().create_task(self._run(ended), context=contextvars.Context())

    def join(self, queue_size: int, after: str | None) -> _Member:
        """A new member, which has seen everything up to ``after``."""
        member = _Member(queue_size, self.position)
        position = None if after is None else _parsed(after)
        if position is not None and (missed := self._missed(position)) is not None and len(missed) <= queue_size:
            member.resume(position, missed)
        self._members[member] = None
        return member

    def _missed(self, position: int) -> list[Update] | None:
        """What has come after this place; None if not all of it is kept, or there is no such place yet."""
        if self.position is None or self._kept_after is None or not self._kept_after <= position <= self.position:
            return None
        since = takewhile(lambda update: (update.position or 0) > position, reversed(self._kept))
        return list(since)[::-1]

    def _keep(self, update: Update) -> None:
        if update.position is None:
            return
        if self._kept_after is None:
            self._kept_after = update.position  # what came before it, others may have seen and this did not
            return
        self._kept.append(update)
        self._kept_bytes += OVERHEAD_BYTES + len(update.response.body)
        room = self._room()
        while self._kept_bytes > room or len(self._kept) > QUEUE_SIZE:
            gone = self._kept.popleft()
            self._kept_after = gone.position
            self._kept_bytes -= OVERHEAD_BYTES + len(gone.response.body)

    def leave(self, member: _Member) -> bool:
        """Whether nobody is left."""
        self._members.pop(member, None)
        return not self._members

    async def stop(self) -> None:
        """Close the source."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _run(self, ended: Callable[[], Any]) -> None:
        error: Exception | None = None
        try:
            async with aclosing(self._source) as updates:
                async for update in updates:
                    self.position = update.position
                    self._keep(update)
                    for member in self._members:
                        member.offer(update)
                    if len(self._members) > OFTEN:
                        await asyncio.sleep(0)
        except Exception as raised:  # noqa: BLE001 - it is the members' to report
            error = raised
        ended()
        for member in self._members:
            member.end(error)


def _parsed(after: str) -> int | None:
    """The place that a cursor names; None for what is no cursor."""
    return int(after) if after.isascii() and after.isdecimal() and len(after) < 20 else None


class _Member:
    """One subscriber's place in a broadcast.

    Until it goes live it only collects what the broadcast sends from now on, for the time when its own source has
    caught up.
    """

    __slots__ = ("_arrived", "_error", "_is_ended", "_is_live", "_last", "_queue", "_queue_size", "_since", "_write")

    def __init__(self, queue_size: int, since: int | None) -> None:
        self._queue: deque[Update] = deque()
        self._queue_size = queue_size
        self._since = since
        self._last: int | None = None
        self._is_live = False
        self._is_ended = False
        self._error: Exception | None = None
        self._write: Write | None = None
        self._arrived: asyncio.Future[None] | None = None

    def resume(self, position: int, missed: Iterable[Update]) -> None:
        """Begin with what came after ``position``; everything up to it was seen."""
        self._since = self._last = position
        self._queue.extend(missed)

    def is_at(self, after: str) -> bool:
        """Whether everything after the cursor ``after`` is still to come."""
        return self._since is not None and self._since == _parsed(after)

    def has_met(self, position: int) -> bool:
        """Whether all that comes after ``position`` has been, or will be, offered. What came before is dropped."""
        while self._queue and (first := self._queue[0].position) is not None and first <= position:
            self._since = first
            self._queue.popleft()
        self._last = position
        return self._since is not None and self._since <= position

    def go_live(self, write: Write | None) -> None:
        self._is_live, self._write = True, write

    def offer(self, update: Update) -> None:
        position = update.position
        if self._is_ended or (position is not None and self._last is not None and position <= self._last):
            return  # its own source was ahead of the broadcast
        if self._arrived is not None and not self._queue and self._write is not None and self._write(update.response):
            self._last = position
        elif len(self._queue) < self._queue_size:
            self._queue.append(update)
            self._wake()
        elif self._is_live:
            self.end(SlowConsumer())
        else:  # its own source goes on: it is as if it had joined now
            self._queue.clear()
            self._since = position

    def end(self, error: Exception | None) -> None:
        """After what is waiting, end: with ``error`` if there is one."""
        if not self._is_ended:
            self._is_ended, self._error = True, error
            self._wake()

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    async def next(self) -> GraphQLResponse | None:
        """The next response; None at the end."""
        while not self._queue:
            if isinstance(self._error, SlowConsumer):
                raise SlowConsumer(cursor=None if self._last is None else str(self._last))
            if self._error is not None:
                raise self._error
            if self._is_ended:
                return None
            self._arrived = asyncio.get_running_loop().create_future()
            try:
                await self._arrived
            finally:
                self._arrived = None
        update = self._queue.popleft()
        self._last = update.position
        return update.response
