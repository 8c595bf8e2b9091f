"""Whoever waits for the store is cancelled at each of its awaits in turn.

What was under way is done or not done, never half; the connection is given back; neighbours do not notice.
"""

from __future__ import annotations

import asyncio
import functools
import types
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest
from databases import checked_out
from eventually import eventually
from makers import assert_history_is_sound, claim, create, everything, new_job

from engine.records import ClaimedJob, Finish
from engine.store.claims import ClaimRequest
from engine.store.store import Store
from engine.store.unit import Unit
from models.enums import JobStatus

Operation = Callable[[Store], Awaitable[Any]]
MOST_AWAITS = 400


@types.coroutine
def _watched(awaitable: Awaitable[Any], waits: Callable[[], None]) -> Generator[Any, Any, Any]:
    """``awaitable``, with ``waits`` called each time before it waits for something."""
    steps = awaitable.__await__()
    step: Callable[[], Any] = functools.partial(next, steps)
    while True:
        try:
            waited_for = step()
        except StopIteration as end:
            return end.value
        waits()
        try:
            sent = yield waited_for
        except BaseException as error:  # noqa: BLE001 - a task hands on whatever is thrown into it
            step = functools.partial(steps.throw, error)
        else:
            step = functools.partial(steps.send, sent)


async def cancelled_at(number: int, awaitable: Awaitable[Any]) -> bool:
    """Run ``awaitable`` as a task that is cancelled where it waits for the ``number``-th time.

    Returns:
        Whether it came to that; False when it had ended before.
    """
    count = 0

    def waits() -> None:
        nonlocal count
        count += 1
        if count == number:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

    async def run() -> None:
        await _watched(awaitable, waits)

    task = asyncio.create_task(run())
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return count >= number


async def create_and_claim(store: Store) -> None:
    """All that a lane does in one transaction, in the task that is cancelled."""
    async with store.database.transaction() as transaction:
        unit = Unit(transaction)
        await store._operators.create(unit, [[new_job("cancelled", run=True, tags=["a"])]])
        [jobs] = await store._workers.claim(unit, [ClaimRequest(1, "host", 1, 30.0)])
        assert await store._workers.finish(unit, [Finish.completed(jobs[0], "1")]) == [True]
        await unit.settle()


async def register(store: Store) -> None:
    await store.unregister_worker(await store.register_worker("host", 1, 1))


async def read(store: Store) -> None:
    await store.reads.stats()
    await store.reads.job(1)
    await store.missing_migrations()


async def is_well(store: Store) -> None:
    """It has given everything back, and serves the next caller."""
    await eventually(lambda: not checked_out(store), message="a connection was not given back")
    job = await create(store, "next", run=True)
    [claimed] = await claim(store)
    assert claimed.id == job.id
    assert await store.finish(Finish.completed(claimed, "1"))


@pytest.mark.parametrize("operation", [create_and_claim, register, read])
async def test_a_caller_is_cancelled_at_each_await(store: Store, operation: Operation) -> None:
    number = 0
    is_cancelled = True
    while is_cancelled:
        number += 1
        assert number < MOST_AWAITS
        is_cancelled = await cancelled_at(number, operation(store))
        await is_well(store)
        tables = await everything(store)
        ids = [row[0] for row in tables["jobs"]]
        assert {row[4] for row in tables["jobs"]} == {JobStatus.COMPLETED}
        assert len(tables["job_event"]) == 3 * len(ids)
        assert len(tables["job_tag"]) == len(ids) - number
        await assert_history_is_sound(store, ids)
    assert number > 3
    if operation is create_and_claim:
        assert 1 <= len(tables["job_tag"]) < number  # the last time it was not cancelled, and mostly undone before


@pytest.mark.parametrize("name", ["create", "claim", "finish"])
async def test_one_of_many_callers_is_cancelled(store: Store, name: str) -> None:
    """Its own wish may come true or not; those whose wishes share its transaction get what they asked for."""
    for _ in range(40):
        await create(store, run=True)
    wishes: dict[str, Callable[[ClaimedJob], Awaitable[Any]]] = {
        "create": lambda _job: create(store, "wish", run=True),
        "claim": lambda _job: claim(store, 1),
        "finish": lambda job: store.finish(Finish.completed(job, "1")),
    }
    for pauses in range(4):
        jobs = await claim(store, 4)
        asked = [asyncio.ensure_future(wishes[name](job)) for job in jobs]
        for _ in range(pauses):
            await asyncio.sleep(0)
        asked[pauses].cancel()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(answers.pop(pauses), asyncio.CancelledError)
        assert all(answers), answers
        assert not any(isinstance(each, Exception) for each in answers)
    await assert_history_is_sound(store, [row[0] for row in (await everything(store))["jobs"]])
    await eventually(lambda: not checked_out(store), message="a connection was not given back")
