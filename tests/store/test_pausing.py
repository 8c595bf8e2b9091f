"""Paused tasks: none of their jobs is claimed, they are QUEUED all the while, and they are in nobody's way."""

from __future__ import annotations

import asyncio

import pytest
from databases import OpenStore
from makers import ERROR, assert_history_is_sound, claim, everything, fetch_job, new_job, rows_of

from engine.errors import InvalidState, NotFound
from engine.records import Finish, JobRecord, TaskRecord
from engine.states import Trigger
from engine.store.claims import ROUNDS, ClaimRequest
from engine.store.listing import JobFilter, JobQuery, Page, encode_cursor, sort_key
from engine.store.parking import PARK_CHUNK
from engine.store.store import Store
from engine.store.unit import Unit
from models.enums import JobPriority, JobStatus

ON_SERVERS = pytest.mark.parametrize("database_url", ["mariadb", "mysql"], indirect=True)


async def declare(store: Store, *names: str) -> None:
    await store.declare_tasks([TaskRecord(name, None, None, 3, 60.0) for name in names])


async def queue(store: Store, task_name: str, count: int, priority: JobPriority = JobPriority.MEDIUM) -> list[int]:
    """The ids of so many new QUEUED jobs."""
    created = await store.create_jobs([new_job(task_name, run=True, priority=priority) for _ in range(count)])
    return [each.job.id for each in created]


async def parked(store: Store) -> list[int]:
    """The jobs that are out of the way of claims."""
    rows = await store.database.fetch("SELECT id, status, parked_task, task_name FROM jobs ORDER BY id")
    assert all((status == "PARKED") == (parked_task is not None) for _id, status, parked_task, _name in rows)
    assert all(parked_task in (None, task_name) for _id, _status, parked_task, task_name in rows)
    return [row[0] for row in rows if row[1] == "PARKED"]


async def claim_ids(store: Store, limit: int) -> list[int]:
    return [job.id for job in await claim(store, limit)]


async def drain(store: Store, *, by: int = 2) -> list[int]:
    """Claim until nothing is left."""
    found: list[int] = []
    while batch := await claim_ids(store, by):
        found += batch
    return found


async def put_back(store: Store) -> int:
    count = 0
    while turn := await store.unpark():
        count += turn
    return count


@pytest.fixture
async def held(store: Store) -> list[int]:
    """Three parked jobs of the paused task ``slow``."""
    await declare(store, "slow", "fast")
    ids = await queue(store, "slow", 3)
    await store.pause_task("slow", paused=True)
    assert await claim(store, 5) == []
    assert await parked(store) == ids
    return ids


async def test_others_pass_a_backlog_that_is_paused(open_store: OpenStore) -> None:
    operator, worker = await open_store(), await open_store()
    await declare(worker, "slow", "fast")
    slow = await queue(operator, "slow", 20, JobPriority.HIGH)
    fast = await queue(operator, "fast", 5, JobPriority.LOW)
    paused = await operator.pause_task("slow", paused=True)
    assert (paused.name, paused.paused) == ("slow", True)
    before = [await fetch_job(operator, job_id) for job_id in slow]
    events = await rows_of(operator, "job_event")
    assert await claim_ids(worker, 3) == fast[:3]
    assert await parked(worker) == slow
    assert await drain(worker) == fast[3:]
    assert [await fetch_job(operator, job_id) for job_id in slow] == before
    assert (await rows_of(operator, "job_event"))[: len(events)] == events
    assert all(row[1] in fast for row in (await rows_of(operator, "job_event"))[len(events) :])
    assert {task.name: task.paused for task in await worker.reads.tasks()} == {"slow": True, "fast": False}


async def test_jobs_between_those_of_a_paused_task(store: Store) -> None:
    await declare(store, "slow", "fast")
    fast: list[int] = []
    for _ in range(6):
        await queue(store, "slow", 1)
        fast += await queue(store, "fast", 1)
    await store.pause_task("slow", paused=True)
    found = []
    for _ in range(12):
        found += await claim_ids(store, 2)
    assert found == fast


async def test_parked_jobs_are_queued_to_everyone(store: Store, held: list[int]) -> None:
    [waiting] = await queue(store, "slow", 1)
    ids = [*held, waiting]
    queued = JobFilter(status=(JobStatus.QUEUED,))
    assert [job.id for job in (await store.reads.list_jobs(JobQuery(queued))).jobs] == ids[::-1]
    assert {(await fetch_job(store, job_id)).status for job_id in ids} == {JobStatus.QUEUED}
    assert await store.reads.count_jobs(queued) == 4
    assert await store.reads.matching_ids(queued, 0, 10) == ids
    assert await store.reads.count_up_to(JobStatus.QUEUED, 10) == 4
    assert await store.reads.count_up_to(JobStatus.QUEUED, 2) == 2
    assert await store.reads.count_tasks(JobStatus.QUEUED, 10) == {"slow": 4}
    assert (await store.reads.stats()).counts == dict.fromkeys(JobStatus, 0) | {JobStatus.QUEUED: 4}
    await store.delete_job(waiting)
    assert (await store.reads.stats()).oldest_queued_seconds is not None
    assert await store.reads.queue(10) == []


async def test_the_list_goes_on_where_it_was_while_jobs_are_parked_and_put_back(store: Store) -> None:
    """A cursor's place is the same in both stored forms, in both directions."""
    await declare(store, "slow")
    ids = await queue(store, "slow", 8)
    where = JobFilter(status=(JobStatus.QUEUED,))
    first = (await store.reads.list_jobs(JobQuery(where, page=Page(3)))).jobs
    await store.pause_task("slow", paused=True)
    await claim(store, 1)

    def after(job: JobRecord, *, is_backward: bool = False) -> JobQuery:
        query = JobQuery(where)
        return JobQuery(where, page=Page(3, encode_cursor(query, sort_key(query, job), job.id), is_backward))

    second = (await store.reads.list_jobs(after(first[-1]))).jobs
    await store.pause_task("slow", paused=False)
    await put_back(store)
    third = (await store.reads.list_jobs(after(second[-1]))).jobs
    assert [job.id for job in (*first, *second, *third)] == ids[::-1]
    back = (await store.reads.list_jobs(after(third[0], is_backward=True))).jobs
    assert back == second


async def test_what_operators_do_with_parked_jobs(store: Store, held: list[int]) -> None:
    with pytest.raises(InvalidState, match="is QUEUED"):
        await store.change_job(held[0], Trigger.RUN)
    with pytest.raises(InvalidState, match="is QUEUED"):
        await store.change_job(held[0], Trigger.RETRY)
    assert await parked(store) == held
    assert (await store.change_job(held[0], Trigger.CANCEL)).status is JobStatus.CANCELLED
    assert await store.delete_job(held[1]) == held[1]
    assert await parked(store) == [held[2]]
    assert (await store.change_job(held[0], Trigger.RETRY)).status is JobStatus.QUEUED
    assert await claim(store, 5) == []
    assert await parked(store) == [held[0], held[2]]
    await assert_history_is_sound(store, [held[0], held[2]])


async def test_what_filters_do_with_parked_jobs(store: Store, held: list[int]) -> None:
    queued = JobFilter(status=(JobStatus.QUEUED,))
    assert await store.count_changeable(JobFilter(), Trigger.CANCEL) == 3
    assert await store.change_jobs(JobFilter(ids=tuple(held[:1])), Trigger.CANCEL) == 1
    assert await store.change_jobs(queued, Trigger.RUN) == 0
    assert await parked(store) == held[1:]
    assert await store.count_deletable(queued) == 2
    assert await store.delete_jobs(JobFilter(ids=tuple(held[1:2]))) == 1
    assert await store.change_jobs(queued, Trigger.CANCEL) == 1
    assert await parked(store) == []
    assert await store.change_jobs(JobFilter(), Trigger.RETRY) == 2
    assert await claim(store, 5) == []
    assert await parked(store) == [held[0], held[2]]
    assert await store.delete_jobs(queued) == 2
    await assert_history_is_sound(store, [])
    assert await rows_of(store, "jobs") == []


async def test_what_becomes_queued_again_waits_too(store: Store) -> None:
    """Released, rescued, and due again: each waits until the task is resumed."""
    await declare(store, "slow")
    ids = await queue(store, "slow", 3)
    released, due = await claim(store, 2)
    await claim(store, lease_seconds=-1.0)
    await store.pause_task("slow", paused=True)
    assert await store.finish(Finish.released(released))
    assert await store.finish(Finish.retried(due, ERROR, 0.0))
    assert await store.promote_due() == 1
    assert [each.job_id for each in await store.rescue()] == [ids[2]]
    assert await claim(store, 5) == []
    assert await parked(store) == ids
    await store.pause_task("slow", paused=False)
    assert await put_back(store) == 3
    assert await drain(store) == ids
    await assert_history_is_sound(store, ids)


async def test_a_running_job_goes_on(store: Store) -> None:
    await declare(store, "slow")
    await queue(store, "slow", 1)
    [job] = await claim(store)
    await store.pause_task("slow", paused=True)
    assert await store.finish(Finish.completed(job, "1"))
    assert (await fetch_job(store, job.id)).status is JobStatus.COMPLETED


async def test_a_resumed_task_runs_in_the_order_of_claims(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that put some back was killed: another goes on."""
    monkeypatch.setattr("engine.store.parking.UNPARK_CHUNK", 4)
    stores = [await open_store(), await open_store()]
    await declare(stores[0], "slow", "other")
    low = await queue(stores[0], "slow", 5, JobPriority.LOW)
    high = await queue(stores[0], "slow", 5, JobPriority.HIGH)
    other = await queue(stores[0], "other", 5)
    for name in ("slow", "other"):
        await stores[0].pause_task(name, paused=True)
    assert await claim(stores[1], 1) == []
    before = [await fetch_job(stores[0], job_id) for job_id in (*high, *low)]
    assert await stores[1].unpark() == 0
    assert await stores[1].reads.resumed_tasks() == set()
    assert not (await stores[0].pause_task("slow", paused=False)).paused
    assert await stores[0].unpark() == 4
    assert await parked(stores[1]) == sorted([*low, high[4], *other])
    assert await stores[1].reads.resumed_tasks() == {"slow"}
    assert await claim_ids(stores[1], 10) == high[:4]
    assert await put_back(stores[1]) == 6
    assert [await fetch_job(stores[0], job_id) for job_id in (high[4], *low)] == before[4:]
    assert await drain(stores[1]) == [high[4], *low]
    assert await parked(stores[0]) == other
    await assert_history_is_sound(stores[0], [*low, *high])
    assert {len(each) for each in (await stores[0].reads.events_of([*low, *high])).values()} == {2}


async def test_paused_again_before_all_are_back(store: Store, held: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.store.parking.UNPARK_CHUNK", 1)
    await store.pause_task("slow", paused=False)
    assert await store.unpark() == 1
    await store.pause_task("slow", paused=True)
    assert await store.unpark() == 0
    assert await drain(store) == []
    assert await parked(store) == held
    await store.pause_task("slow", paused=False)
    assert await put_back(store) == 3
    assert await drain(store) == held


async def test_a_job_that_is_parked_while_its_task_is_resumed_is_not_forgotten(store: Store) -> None:
    """A claim that read the task as paused may come to write after it was resumed and all of it was put back."""
    await declare(store, "slow")
    [job_id] = await queue(store, "slow", 1)
    async with store.database.transaction() as transaction:
        unit = Unit(transaction)
        await store._parking.park(unit, [job_id])
        assert unit.parked == 1
    assert await put_back(store) == 1
    assert await claim_ids(store, 1) == [job_id]


async def test_jobs_that_somebody_ended_by_hand_hold_up_nobody(
    store: Store, held: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.parking.UNPARK_CHUNK", 2)
    async with store.database.transaction() as transaction:
        await transaction.execute(f"UPDATE jobs SET status='CANCELLED' WHERE id<={held[1]}")
    await store.pause_task("slow", paused=False)
    await put_back(store)
    assert await parked(store) == []
    assert await drain(store) == held[2:]
    assert await store.reads.resumed_tasks() == set()


async def test_several_tasks_that_are_resumed_go_back_side_by_side(
    store: Store, held: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.parking.UNPARK_CHUNK", 4)
    fast = await queue(store, "fast", 3)
    await store.pause_task("fast", paused=True)
    assert await claim(store, 5) == []
    for name in ("slow", "fast"):
        await store.pause_task(name, paused=False)
    assert await store.unpark() == 4
    assert await parked(store) == [held[2], fast[2]]
    assert await put_back(store) == 2


async def test_twice_is_no_error_and_changes_nothing(store: Store, held: list[int]) -> None:
    before = await everything(store)
    assert (await store.pause_task("slow", paused=True)).paused
    assert not (await store.pause_task("fast", paused=False)).paused
    assert await everything(store) == before
    assert {task.name: task.paused for task in await store.reads.tasks()} == {"slow": True, "fast": False}


@pytest.mark.parametrize("name", ["nobody", "", "SLOW", "slow ", "x" * 300, "%"])
async def test_a_task_that_nobody_declared(store: Store, held: list[int], name: str) -> None:
    for paused in (True, False):
        with pytest.raises(NotFound, match="There is no task"):
            await store.pause_task(name, paused=paused)
    assert {task.name: task.paused for task in await store.reads.tasks()} == {"slow": True, "fast": False}


async def test_a_worker_that_starts_resumes_nothing(store: Store, held: list[int]) -> None:
    await declare(store, "slow", "fast")
    assert await claim(store, 5) == []
    assert await store.unpark() == 0


async def test_a_long_backlog_is_parked_a_part_at_a_time(store: Store) -> None:
    """One transaction holds no more locks than this; its worker hears that there was more."""
    await declare(store, "slow", "fast")
    count = ROUNDS * PARK_CHUNK + 300
    await queue(store, "slow", count)
    [fast] = await queue(store, "fast", 1)
    await store.pause_task("slow", paused=True)
    told: list[int] = []
    store.listen(lambda unit: told.append(unit.parked))
    found: list[int] = []
    while not found:
        found = await claim_ids(store, 2)
    assert found == [fast]
    assert told[0] == 2 + PARK_CHUNK
    assert all(0 < each <= ROUNDS * PARK_CHUNK for each in told)
    assert len(await parked(store)) == count


@ON_SERVERS
async def test_a_claim_reads_past_nothing_that_is_parked(store: Store) -> None:
    await declare(store, "slow", "fast")
    for _ in range(5):
        await queue(store, "slow", 1000, JobPriority.HIGH)
    await queue(store, "fast", 50, JobPriority.LOW)
    await store.pause_task("slow", paused=True)
    while not await claim(store, 10):
        pass
    assert len(await parked(store)) == 5000

    async def reads() -> int:
        status = await transaction.fetch("SHOW SESSION STATUS LIKE 'Handler_read%'")
        return sum(int(count) for _name, count in status)

    async with store.database.transaction() as transaction:
        await transaction.fetch("SELECT 1 FROM task")
        start, before = await reads(), await reads()
        [jobs] = await store._workers.claim(Unit(transaction), [ClaimRequest(1, "w", 10, 30.0)])
        after = await reads()
    assert len(jobs) == 10
    assert (after - before) - (before - start) <= 10 * 4 + 10


@ON_SERVERS
async def test_a_claim_takes_no_lock_on_the_task(open_store: OpenStore) -> None:
    """Else every claim would wait for whoever changes the task, and a task would be claimed while that is locked."""
    store, other = await open_store(), await open_store()
    await declare(store, "slow", "fast")
    slow, fast = await queue(store, "slow", 2), await queue(store, "fast", 2)
    await store.pause_task("slow", paused=True)
    async with other.database.transaction() as transaction, asyncio.timeout(5):
        await transaction.execute("UPDATE task SET seen_at=seen_at, description='x'")
        assert await claim_ids(store, 5) == fast
    assert await parked(store) == slow
    fast = await queue(store, "fast", 2)
    async with other.database.transaction() as transaction, asyncio.timeout(5):
        [jobs] = await other._workers.claim(Unit(transaction), [ClaimRequest(1, "w", 5, 30.0)])
        assert [job.id for job in jobs] == fast
        await store.pause_task("fast", paused=True)
        await store.pause_task("slow", paused=False)
        await declare(store, "slow", "fast")


async def test_many_who_claim_while_it_is_paused_and_resumed(open_store: OpenStore) -> None:
    """Nothing is claimed twice, nothing is lost, whoever parks and puts back beside whom."""
    stores = [await open_store(), await open_store()]
    await declare(stores[0], "slow", "fast")
    ids: list[int] = []
    for _ in range(20):
        ids += await queue(stores[0], "slow", 10)
        ids += await queue(stores[0], "fast", 5)
    claimed: list[int] = []

    async def work(store: Store) -> None:
        while len(claimed) < len(ids):
            claimed.extend(await claim_ids(store, 7))

    async def put_back_what_is_resumed(store: Store) -> None:
        while len(claimed) < len(ids):
            await store.unpark()

    async def change_its_mind() -> None:
        for paused in [True, False] * 10:
            await stores[1].pause_task("slow", paused=paused)

    async with asyncio.timeout(60):
        await asyncio.gather(
            *(work(stores[index % 2]) for index in range(4)),
            *(put_back_what_is_resumed(store) for store in stores),
            change_its_mind(),
        )
    assert sorted(claimed) == sorted(ids)
    assert await parked(stores[0]) == []
    await assert_history_is_sound(stores[0], ids)
    attempts = await stores[0].database.fetch("SELECT DISTINCT attempt FROM jobs")
    assert [tuple(row) for row in attempts] == [(1,)]
