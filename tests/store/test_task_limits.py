"""Limits of tasks: how many of their jobs run at once, of all and of each key, and how often one is started."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace

import pytest
from databases import OpenStore
from fake_clock import FakeClock, set_database_clock
from makers import ERROR, assert_history_is_sound, claim, fetch_job, new_job, worker_of

from engine.records import ClaimedJob, Finish, TaskRecord
from engine.states import Trigger
from engine.store.admission import WHOLE_TASK
from engine.store.claims import ClaimRequest, Heartbeat
from engine.store.parking import PARK_CHUNK
from engine.store.store import Store
from models.enums import JobPriority, JobStatus

PLAIN = TaskRecord("limited", None, None, 3, 60.0)


async def declare(store: Store, **limits: object) -> None:
    """The task ``limited`` with these limits, and ``free`` with none."""
    await store.declare_tasks([replace(PLAIN, **limits), replace(PLAIN, name="free")])  # type: ignore[arg-type]


async def queue(store: Store, count: int, key: str | None = None, name: str = "limited", **fields: object) -> list[int]:
    jobs = [new_job(name, run=True, concurrency_key=key, **fields) for _ in range(count)]
    return [each.job.id for each in await store.create_jobs(jobs)]


async def take(store: Store, limit: int = 100) -> list[ClaimedJob]:
    """What can be claimed now, read past all that is in the way."""
    found: list[ClaimedJob] = []
    parked: list[int] = []
    store.listen(lambda unit: parked.append(unit.parked))
    while len(found) < limit:
        parked.clear()
        found += await claim(store, limit - len(found))
        if not any(parked):
            break
    return found


def ids(jobs: list[ClaimedJob]) -> list[int]:
    return [job.id for job in jobs]


async def complete(store: Store, *jobs: ClaimedJob) -> None:
    assert all(await asyncio.gather(*[store.finish(Finish.completed(job, None)) for job in jobs]))


async def marks(store: Store) -> Counter[str]:
    """What jobs bear, by the kind of it."""
    rows = await store.database.fetch("SELECT status, parked_task FROM jobs WHERE parked_task IS NOT NULL")
    return Counter(status for status, _ in rows)


async def test_no_more_run_at_once_than_the_task_allows(store: Store) -> None:
    await declare(store, max_concurrency=2)
    limited, free = await queue(store, 5), await queue(store, 3, name="free")
    first = await take(store)
    assert sorted(ids(first)) == sorted(limited[:2] + free)
    assert await take(store) == []
    assert [(await fetch_job(store, job_id)).status for job_id in limited[2:]] == [JobStatus.QUEUED] * 3
    await complete(store, first[0])
    [third] = await take(store)
    assert third.id == limited[2]
    await complete(store, *[job for job in first if job.id == limited[1]], third)
    assert ids(await take(store)) == limited[3:]
    await assert_history_is_sound(store, limited + free)


async def test_each_key_has_its_own_and_jobs_without_one_have_none(store: Store) -> None:
    await declare(store, max_concurrency_per_key=1)
    a, b, none = await queue(store, 3, "a"), await queue(store, 2, "B"), await queue(store, 3)
    other = await queue(store, 1, "b")  # another key: they differ by case
    first = await take(store)
    assert sorted(ids(first)) == sorted([a[0], b[0], *none, *other])
    await complete(store, *first)
    second = await take(store)
    assert sorted(ids(second)) == sorted([a[1], b[1]])
    await complete(store, *second)
    assert ids(await take(store)) == [a[2]]


async def test_both_limits_hold(store: Store) -> None:
    await declare(store, max_concurrency=3, max_concurrency_per_key=2)
    a, b = await queue(store, 4, "a"), await queue(store, 4, "b")
    first = await take(store)
    assert ids(first) == [*a[:2], b[0]]
    await complete(store, first[0])
    assert ids(await take(store)) in ([a[2]], [b[1]])


async def test_those_who_wait_are_served_by_priority_and_age(store: Store) -> None:
    await declare(store, max_concurrency=1)
    low = await queue(store, 2, priority=JobPriority.LOW)
    high = await queue(store, 2, priority=JobPriority.HIGH)
    order = []
    while jobs := await take(store):
        order += ids(jobs)
        await complete(store, *jobs)
    assert order == [*high, *low]


@pytest.mark.parametrize("ending", ["failed", "retried", "released", "cancelled", "rescued"])
async def test_however_an_attempt_ends_its_place_is_free(store: Store, ending: str) -> None:
    await declare(store, max_concurrency=1)
    _first, second = await queue(store, 2)
    [held] = await claim(store, 5, lease_seconds=0.001 if ending == "rescued" else 30.0)
    assert await take(store) == []
    if ending == "rescued":
        await asyncio.sleep(0.01)
        assert len(await store.rescue()) == 1
    else:
        finish = {
            "failed": Finish.failed(held, ERROR),
            "retried": Finish.retried(held, ERROR, 3600.0),
            "released": Finish.released(held),
            "cancelled": Finish.cancelled(held),
        }[ending]
        assert await store.finish(finish)
    await store.refill()
    [next_one] = await take(store)
    assert next_one.id == (held.id if ending in ("released", "rescued") else second)
    assert await take(store) == []


async def test_what_waits_can_be_cancelled_and_then_takes_no_place(store: Store) -> None:
    await declare(store, max_concurrency=1)
    [first, *waiting] = await queue(store, 4)
    [held] = await take(store)
    assert held.id == first
    await store.change_job(waiting[0], Trigger.CANCEL)
    await complete(store, held)  # which puts the next one back
    await store.change_job(waiting[1], Trigger.CANCEL)
    await store.refill()
    assert ids(await take(store)) == [waiting[2]]
    assert await marks(store) == {"RUNNING": 1}


async def test_nothing_is_put_back_for_which_there_is_no_room(store: Store) -> None:
    await declare(store, max_concurrency=2, max_concurrency_per_key=1)
    await queue(store, 5, "a")
    await queue(store, 5, "b")
    held = await take(store)
    assert len(held) == 2
    assert await take(store) == []
    for _ in range(3):
        assert await store.refill() == 0
    await complete(store, held[0])
    for _ in range(3):
        assert await store.refill() == 0  # the one that comes next is on its way
    assert (await marks(store))["QUEUED"] == 1


@pytest.mark.parametrize("limits", [{"max_concurrency": 4}, {}], ids=["raised", "taken away"])
async def test_a_limit_that_changes(store: Store, limits: dict[str, int]) -> None:
    await declare(store, max_concurrency=1)
    jobs = await queue(store, 6)
    assert len(await take(store)) == 1
    await declare(store, **limits)
    assert await store.refill() > 0
    assert len(await take(store)) == (3 if limits else 5)
    assert len(await store.reads.jobs_by_id(jobs)) == 6


async def test_a_limit_that_comes_while_jobs_run(store: Store) -> None:
    """What runs by then is not counted; what is claimed from then on is."""
    await declare(store)
    await queue(store, 8)
    assert len(await claim(store, 3)) == 3
    await declare(store, max_concurrency=2)
    assert len(await take(store)) == 2


async def test_every_limit_has_its_turn(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many limits before it have no room."""
    monkeypatch.setattr("engine.store.limits.BRANCHES", 2)
    await declare(store, max_concurrency_per_key=1)
    keys = [f"key {number}" for number in range(7)]
    jobs = {key: await queue(store, 2, key, max_attempts=1) for key in keys}
    lost = await claim(store, 20, lease_seconds=0.001)
    held = [job for job in lost if job.id != jobs["key 5"][0]]
    await store.heartbeat(Heartbeat(1, len(held), tuple((job.id, job.claim_token) for job in held), 30.0))
    assert await take(store) == []
    await asyncio.sleep(0.01)
    assert [each.to for each in await store.rescue()] == [JobStatus.FAILED]  # its end puts nobody back
    found = [await store.refill() for _ in range(5)]
    assert sum(found) == 1
    assert ids(await take(store)) == [jobs["key 5"][1]]


async def test_a_paused_task_with_limits(store: Store) -> None:
    await declare(store, max_concurrency=1)
    jobs = await queue(store, 3)
    [held] = await take(store)
    await store.pause_task("limited", paused=True)
    await complete(store, held)
    assert await take(store) == []
    await store.pause_task("limited", paused=False)
    while await store.unpark() or await store.refill():
        pass
    assert ids(await take(store)) == [jobs[1]]


async def test_a_long_backlog_of_one_key_holds_up_nobody(store: Store) -> None:
    await declare(store, max_concurrency_per_key=1)
    await queue(store, PARK_CHUNK * 2, "a")
    [other] = await queue(store, 1, "b")
    for _ in range(6):
        found = ids(await claim(store, 2))
        if other in found:
            break
    else:
        pytest.fail("the claims did not get that far")


async def test_starts_are_spread_over_time(store: Store) -> None:
    clock = FakeClock()
    set_database_clock(store, clock)
    await declare(store, rate_limit="120/min")
    jobs = await queue(store, 10)
    assert ids(await take(store)) == jobs[:2]  # those of a second
    assert await store.refill() == 0
    started = 2
    for _ in range(4):
        clock.pass_by(0.5)
        await store.refill()
        taken = ids(await take(store))
        assert taken == jobs[started : started + 1]
        started += 1
    clock.pass_by(3600)
    await store.refill()
    assert len(await take(store)) == 2  # no more than that is saved up


async def test_a_slow_rate_has_one_at_a_time(store: Store) -> None:
    clock = FakeClock()
    set_database_clock(store, clock)
    await declare(store, rate_limit="2/hour", max_concurrency=5)
    jobs = await queue(store, 3)
    assert ids(await take(store)) == jobs[:1]
    clock.pass_by(1799)
    await store.refill()
    assert await take(store) == []
    clock.pass_by(1)
    assert await store.refill() == 1
    assert ids(await take(store)) == jobs[1:2]


@pytest.mark.parametrize("count", [1, 2, 3], ids=["alone", "two", "one comes later"])
@pytest.mark.parametrize("seed", range(3))
async def test_however_many_claim_at_once(open_store: OpenStore, seed: int, count: int) -> None:
    """At every moment, by the order of the events, no key and no task has more than it may."""
    chance = random.Random(seed)
    stores = [await open_store() for _ in range(min(count, 2))]
    await declare(stores[0], max_concurrency=7, max_concurrency_per_key=2)
    keys = [f"key {number}" for number in range(5)]
    key_of: dict[int, str] = {}
    for key in keys:
        for job_id in await queue(stores[0], 24, key):
            key_of[job_id] = key

    async def work(store: Store) -> None:
        idle = 0
        while idle < 40:
            jobs = await claim(store, chance.randint(1, 6))
            idle = 0 if jobs else idle + 1
            if not jobs:
                await store.refill()
                await asyncio.sleep(0.01)
            chance.shuffle(jobs)
            for job in jobs:
                await asyncio.sleep(chance.random() * 0.004)
                how = chance.random()
                finish = Finish.released(job) if how < 0.1 else Finish.completed(job, None)
                assert await store.finish(finish)

    async def come(store: Store) -> None:
        if count == 3 and store is stores[1]:
            await asyncio.sleep(0.1)
        await asyncio.gather(*[work(store) for _ in range(3)])

    await asyncio.gather(*map(come, stores))
    await assert_limits_held(stores[0], key_of, of_key=2, of_task=7)
    statuses = Counter(job.status for job in (await stores[0].reads.jobs_by_id(list(key_of))).values())
    assert statuses == {JobStatus.COMPLETED: 120}
    assert await marks(stores[0]) == {}


async def assert_limits_held(store: Store, key_of: dict[int, str], *, of_key: int, of_task: int) -> None:
    """And have been made use of."""
    rows = await store.database.fetch("SELECT job_id, from_status, to_status FROM job_event ORDER BY seq")
    running: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for job_id, from_, to in rows:
        key = key_of[job_id]
        if from_ == "RUNNING":
            running[key] -= 1
        if to == "RUNNING":
            running[key] += 1
            assert running[key] <= of_key
            assert running.total() <= of_task
            most[key] = max(most[key], running[key])
    assert set(most.values()) == {of_key}


def count_statements(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that read what runs under limits, from now on."""
    writes = store._workers._limits
    found: list[str] = []
    of_task, read = writes._of_task, writes._read

    def count(whole: int) -> str:
        found.append("count")
        return of_task(whole)

    async def note(*arguments: object) -> object:
        found.append("read")
        return await read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(writes, "_of_task", count)
    monkeypatch.setattr(writes, "_read", note)
    return found


async def test_who_is_alone_knows_what_runs(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads that once in a while, before a job is refused, and again when somebody else has come."""
    store, other = await open_store(), await open_store()
    clock = FakeClock()
    set_database_clock(store, clock)
    await declare(store, max_concurrency_per_key=10)
    await queue(store, 60, "a")
    await claim(store, 2)
    asked = count_statements(store, monkeypatch)
    held = [*await claim(store, 1), *await claim(store, 1)]
    await complete(store, *held)
    assert len(await claim(store, 2)) == 2
    assert asked == []
    clock.pass_by(6)
    assert len(await claim(store, 1)) == 1
    assert asked == ["read"]
    asked.clear()
    clock.pass_by(4)
    assert len(await claim(store, 9)) == 5
    assert asked == ["read"]  # for four were to be refused
    asked.clear()
    await worker_of(other)
    assert await claim(store, 1) == []
    assert set(asked) == {"count"}


async def test_what_another_process_has_ended_leaves_room(open_store: OpenStore) -> None:
    """At once, though a worker that is alone does not hear of it."""
    store, other = await open_store(), await open_store()
    await declare(store, max_concurrency=1)
    jobs = await queue(store, 2)
    [held] = await claim(store)
    await complete(other, held)
    assert ids(await claim(store)) == jobs[1:]


async def test_a_worker_that_is_not_on_the_list_takes_no_place(store: Store) -> None:
    await declare(store, max_concurrency=5)
    jobs, free = await queue(store, 2), await queue(store, 1, name="free")
    unlisted = await worker_of(store) + 1
    assert ids(await store.claim(ClaimRequest(unlisted, "w", 5, 30.0))) == free
    assert ids(await take(store)) == jobs


async def test_limits_that_nobody_needs_are_removed(store: Store) -> None:
    await declare(store, max_concurrency_per_key=1)
    for key in ("gone", "waits", "runs"):
        await queue(store, 2 if key == "waits" else 1, key)
    jobs = await take(store)
    await complete(store, *[job for job in jobs if (await fetch_job(store, job.id)).concurrency_key == "gone"])
    assert await store.tidy_limits(0) == 0
    rows = await store.database.fetch("SELECT limit_key FROM task_limit ORDER BY limit_key")
    assert [row[0] for row in rows] == [WHOLE_TASK, "runs", "waits"]
    assert await store.tidy_limits(0) == 0
    assert len(await store.database.fetch("SELECT id FROM task_limit")) == 3


@pytest.mark.parametrize("makes", ["itself", "another"])
async def test_a_limit_that_was_removed_and_is_needed_again(open_store: OpenStore, makes: str) -> None:
    """By a process that remembers its number, while others may have made it again."""
    store, other = await open_store(), await open_store()
    await declare(store, max_concurrency_per_key=1)
    await queue(store, 1, "a")
    for _ in range(2):  # the second time its number is known
        await complete(store, *await take(store))
        await queue(store, 1, "a")
    await complete(store, *await take(store))
    await store.tidy_limits(0)
    assert [row[0] for row in await store.database.fetch("SELECT limit_key FROM task_limit")] == [WHOLE_TASK]
    jobs = await queue(store, 2, "a")
    [held] = await take(other if makes == "another" else store)
    assert await take(store) == []
    await complete(store, held)
    assert ids(await take(store)) == jobs[1:]
    assert len(await store.database.fetch("SELECT id FROM task_limit")) == 2


async def test_limits_that_somebody_removed_by_hand(open_store: OpenStore) -> None:
    """Those of a task too, which nobody else removes, while another process makes them again."""
    store, other = await open_store(), await open_store()
    await declare(store, max_concurrency_per_key=1)
    for _ in range(2):
        await queue(store, 1, "b")
        await complete(store, *await take(store))
    async with store.database.transaction() as transaction:
        await transaction.execute("DELETE FROM task_limit")
    jobs = await queue(store, 2, "a")
    [held] = await take(other)
    assert await take(store) == []
    await complete(store, held)
    assert ids(await take(store)) == jobs[1:]


async def test_marks_that_were_left_behind_by_hand_are_taken_away(store: Store) -> None:
    await declare(store, max_concurrency=1)
    jobs = await queue(store, 2)
    await take(store)
    async with store.database.transaction() as transaction:
        await transaction.execute(f"UPDATE jobs SET status='FAILED', listed_status='FAILED' WHERE id={jobs[0]}")
    assert await take(store) == []
    await store.tidy_limits(0)
    assert await store.refill() == 1
    assert ids(await take(store)) == [jobs[1]]
