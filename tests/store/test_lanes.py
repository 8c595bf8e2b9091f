"""Natural batching: few transactions for many callers, and a lane that nothing a caller does can stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from databases import OpenStore, checked_out
from eventually import eventually
from makers import claim, create, fetch_job, new_job, rows_of

from engine.errors import Unavailable
from engine.records import Finish
from engine.states import Trigger
from engine.store.claims import Heartbeat
from engine.store.database import Collision, Transaction
from engine.store.listing import JobFilter
from engine.store.store import Store
from models.connection import STATEMENT_SLOTS
from models.enums import JobStatus


class Counter:
    """Counts the transactions of a store, can hold them back, and keep them from beginning by ``errors``."""

    def __init__(self, store: Store) -> None:
        self.count = 0
        self.may_begin = asyncio.Event()
        self.may_begin.set()
        self.errors: list[Exception] = []
        self._transaction = store.database.transaction
        store.database.transaction = self._counted

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[Transaction]:
        await self.may_begin.wait()
        self.count += 1
        if self.errors:
            raise self.errors.pop()
        async with self._transaction() as transaction:
            yield transaction


@pytest.fixture
def transactions(store: Store) -> Iterator[Counter]:
    counter = Counter(store)
    yield counter
    store.database.transaction = counter._transaction


async def test_many_creates_share_few_transactions(store: Store, transactions: Counter) -> None:
    jobs = await asyncio.gather(*(create(store, f"task {index}") for index in range(100)))
    assert [job.task_name for job in jobs] == [f"task {index}" for index in range(100)]
    assert transactions.count <= 10


async def test_an_idle_lane_commits_at_once(store: Store, transactions: Counter) -> None:
    for _ in range(3):
        await create(store)
    assert transactions.count == 3


async def test_finishes_and_claims_go_together(store: Store, transactions: Counter) -> None:
    await store.create_jobs([new_job(run=True) for _ in range(40)])
    jobs = await claim(store, 20)
    before = transactions.count
    finishes = [store.finish(Finish.completed(job, "1")) for job in jobs]
    *accepted, claimed = await asyncio.gather(*finishes, claim(store, 20))
    assert all(accepted)
    assert len(claimed) == 20
    assert transactions.count - before <= 3


async def test_a_caller_that_goes_away_does_not_stop_the_others(store: Store, transactions: Counter) -> None:
    transactions.may_begin.clear()
    callers = [asyncio.create_task(create(store, f"task {index}")) for index in range(20)]
    await eventually(lambda: store._clients_lane._waiting or store._clients_lane._committing)
    for caller in callers[::2]:
        caller.cancel()
    transactions.may_begin.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert [isinstance(each, asyncio.CancelledError) for each in answers] == [True, False] * 10
    assert (await create(store)).status is JobStatus.PENDING
    names = {row[0] for row in await store.database.fetch("SELECT task_name FROM jobs")}
    assert {f"task {index}" for index in range(1, 20, 2)} <= names


async def test_nothing_is_begun_for_callers_who_have_all_gone(store: Store, transactions: Counter) -> None:
    async def never(_unit: Any, requests: Sequence[None]) -> Sequence[None]:
        raise AssertionError(requests)

    assert store._workers_lane.submit(never, None).cancel()
    await create(store)
    assert transactions.count == 1


async def test_callers_cancelled_at_any_moment(store: Store) -> None:
    """Each caller is cancelled after another number of turns of the event loop."""
    for turns in range(0, 40, 2):
        caller = asyncio.create_task(create(store))
        for _ in range(turns):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
    job = await create(store, run=True)
    assert await fetch_job(store, job.id) == job
    assert len(await rows_of(store, "jobs")) == len(await rows_of(store, "job_event"))


@pytest.mark.parametrize("call", ["register_worker", "declare_tasks", "fetch", "now"])
async def test_statements_cancelled_at_any_moment_leak_nothing(store: Store, call: str) -> None:
    calls: dict[str, Any] = {
        "register_worker": lambda: store.register_worker("host", 1, 1),
        "declare_tasks": lambda: store.declare_tasks([]),
        "fetch": lambda: store.reads.stats(),
        "now": lambda: store.database.now(),
    }
    for turns in range(30):
        caller = asyncio.create_task(calls[call]())
        for _ in range(turns):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
    await eventually(lambda: not checked_out(store))
    worker_id = await store.register_worker("last", 1, 1)
    assert worker_id in [each.id for each in await store.reads.workers()]


async def test_statements_that_fail_leak_no_connection(store: Store) -> None:
    for _ in range(STATEMENT_SLOTS * 2):
        with pytest.raises(Exception, match=r"(?i)nowhere"):
            await store.database.fetch("SELECT * FROM nowhere")
        with pytest.raises(Exception, match=r"(?i)nowhere"):
            async with store.database.transaction() as transaction:
                await transaction.execute("DELETE FROM nowhere")
    assert not checked_out(store)
    await create(store)


async def test_a_block_that_raises_rolls_back(store: Store) -> None:
    async def broken() -> None:
        async with store.database.transaction() as transaction:
            await transaction.insert(
                "worker",
                ("host", "pid", "slots", "running", "started_at", "heartbeat_at"),
                [("host", 1, 1, 0, transaction.now_text, transaction.now_text)],
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await broken()
    await eventually(lambda: not checked_out(store))
    assert await store.reads.workers() == []
    await create(store)


async def test_many_readers_at_once_when_the_pool_is_new(open_store: OpenStore) -> None:
    store = await open_store()
    async with asyncio.timeout(3):
        answers = await asyncio.gather(*(store.reads.job(1) for _ in range(STATEMENT_SLOTS * 3)))
    assert set(answers) == {None}


async def test_an_operation_that_can_never_be_written_fails_alone_and_soon(store: Store) -> None:
    """A finish waits for the database as long as it takes; but not for what no database takes."""
    await store.create_jobs([new_job(run=True) for _ in range(3)])
    jobs = await claim(store, 3)
    async with asyncio.timeout(3):
        answers = await asyncio.gather(
            store.finish(Finish.completed(jobs[0], "1")),
            store.finish(Finish.completed(jobs[1], "\ud800")),
            store.finish(Finish.completed(jobs[2], "3")),
            return_exceptions=True,
        )
    assert (answers[0], answers[2]) == (True, True)
    assert isinstance(answers[1], UnicodeEncodeError)
    assert (await fetch_job(store, jobs[1].id)).status is JobStatus.RUNNING


async def test_a_value_that_the_database_refuses_fails_alone_and_soon(store: Store) -> None:
    async with asyncio.timeout(3):
        answers = await asyncio.gather(
            create(store, "one"), store.create_jobs([new_job(None)]), create(store, "two"), return_exceptions=True
        )
    assert [getattr(each, "task_name", None) for each in answers] == ["one", None, "two"]
    assert not isinstance(answers[1], Unavailable)
    assert len(await rows_of(store, "jobs")) == 2


async def test_closing_commits_what_is_waiting_and_refuses_what_comes_later(open_store: OpenStore) -> None:
    store, reader = await open_store(), await open_store()
    calls = [asyncio.ensure_future(create(store, f"task {index}")) for index in range(30)]
    await asyncio.sleep(0)
    await store.close()
    jobs = await asyncio.gather(*calls)
    assert len(await reader.reads.jobs_by_id([job.id for job in jobs])) == 30
    with pytest.raises(Unavailable, match="stopping"):
        await create(store)
    with pytest.raises(Unavailable):
        await store.reads.stats()
    with pytest.raises(Unavailable):
        await store.register_worker("host", 1, 1)
    await store.close()


async def test_a_store_opens_again(open_store: OpenStore) -> None:
    store = await open_store()
    await create(store)
    await store.close()
    await store.open()
    assert len(await rows_of(store, "jobs")) == 1


async def test_bulk_changes_and_creates_take_turns(store: Store) -> None:
    await store.create_jobs([new_job() for _ in range(1000)])
    count, *created = await asyncio.gather(
        store.change_jobs(JobFilter(), Trigger.RUN), *(create(store, "late", run=True) for _ in range(20))
    )
    assert count >= 1000
    assert {job.status for job in created} == {JobStatus.QUEUED}


async def test_clients_that_come_back_together_go_together(store: Store, transactions: Counter) -> None:
    """Else the first of them has a transaction of its own each time, and all others wait for it."""

    async def client(number: int) -> None:
        for turn in range(10):
            await create(store, f"task {number} {turn}")

    await asyncio.gather(*(client(number) for number in range(32)))
    assert transactions.count <= 15


async def test_who_comes_while_a_transaction_begins_is_in_it(store: Store, transactions: Counter) -> None:
    transactions.may_begin.clear()
    first = asyncio.create_task(create(store, "first"))
    await eventually(lambda: store._clients_lane._committing)
    others = [asyncio.create_task(create(store, f"task {index}")) for index in range(10)]
    await asyncio.sleep(0.02)
    transactions.may_begin.set()
    await asyncio.gather(first, *others)
    assert transactions.count == (1 if store.database.begins_free else 2)


@pytest.mark.parametrize("error", [Unavailable(), Collision("once"), RuntimeError("once")])
async def test_who_waits_for_a_transaction_that_cannot_begin_is_served_by_the_next(
    store: Store, transactions: Counter, error: Exception
) -> None:
    transactions.errors.append(error)
    jobs = await asyncio.gather(*(create(store, f"task {index}") for index in range(10)))
    assert len(await rows_of(store, "jobs")) == len(await rows_of(store, "job_event")) == 10
    assert [job.task_name for job in jobs] == [f"task {index}" for index in range(10)]
    assert not transactions.errors


async def test_a_heartbeat_waits_for_rows_before_its_transaction_holds_any(store: Store) -> None:
    """Else it would be the half of a deadlock with whoever has locked a job of this worker and wants another."""
    worker_id = await store.register_worker("host", 1, 10)
    jobs = [each.job.id for each in await store.create_jobs([new_job(run=True) for _ in range(3)])]
    claimed = await claim(store, 3)
    handlers: list[str] = []
    for name in ("finish", "heartbeat"):
        handler = getattr(store._workers, name)

        async def noted(unit: Any, requests: Sequence[Any], *, name: str = name, handler: Any = handler) -> Any:
            handlers.append(name)
            return await handler(unit, requests)

        setattr(store._workers, name, noted)
    beat = Heartbeat(worker_id, 3, tuple((job.id, job.claim_token) for job in claimed), 30.0)
    finished, pulse = await asyncio.gather(store.finish(Finish.completed(claimed[0], None)), store.heartbeat(beat))
    assert (finished, pulse.held) == (True, frozenset(jobs))
    assert handlers == ["heartbeat", "finish"]
