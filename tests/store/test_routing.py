"""Workers that take some tasks only: none of their claims brings another's job, and those are in nobody's way."""

from __future__ import annotations

import asyncio
from collections import Counter

import makers
import pytest
from databases import OpenStore
from makers import ERROR, assert_history_is_sound, fetch_job, new_job, rows_of

from engine.records import ClaimedJob, Finish, TaskRecord
from engine.states import Trigger
from engine.store.claims import ROUNDS
from engine.store.parking import PARK_CHUNK
from engine.store.routing import Takes, mark_of
from engine.store.store import Store
from engine.store.unit import Unit
from models.enums import JobPriority, JobStatus

LONG = "x" * 254
MAIL, REPORT = Takes(frozenset({"mail"}), undeclared=False), Takes(frozenset({"report"}), undeclared=False)
BOTH = Takes(frozenset({"mail", "report"}))
ODD = Takes(frozenset({"odd"}))


async def declare(store: Store, *names: str) -> None:
    await store.declare_tasks([TaskRecord(name, None, None, 3, 60.0) for name in names])


async def queue(store: Store, task_name: str, count: int, priority: JobPriority = JobPriority.MEDIUM) -> list[int]:
    created = await store.create_jobs([new_job(task_name, run=True, priority=priority) for _ in range(count)])
    return [each.job.id for each in created]


async def claim(store: Store, takes: Takes, limit: int = 100) -> list[ClaimedJob]:
    return await makers.claim(store, limit, takes=takes)


async def take(store: Store, takes: Takes, limit: int = 10_000) -> list[int]:
    """What such a worker can claim, read past all that is in the way."""
    moved: list[int] = []
    store.listen(lambda unit: moved.append(unit.parked))
    found: list[int] = []
    while True:
        moved.clear()
        batch = await claim(store, takes, limit - len(found))
        found += [job.id for job in batch]
        if not any(moved) or len(found) == limit:
            return found


async def routed(store: Store) -> list[int]:
    rows = await store.database.fetch("SELECT id, status, parked_task FROM jobs ORDER BY id")
    assert all((status == "PARKED") == (mark is not None) for _id, status, mark in rows)
    return [row[0] for row in rows if row[1] == "PARKED"]


async def test_each_takes_its_own(store: Store) -> None:
    await declare(store, "mail", "report")
    reports = await queue(store, "report", 3)
    mails = await queue(store, "mail", 2)
    assert await take(store, MAIL) == mails
    assert await routed(store) == reports
    assert not await take(store, MAIL)
    assert await take(store, REPORT) == reports
    assert await routed(store) == []
    await assert_history_is_sound(store, [*reports, *mails])


async def test_it_is_queued_for_everyone(store: Store) -> None:
    await declare(store, "mail", "report")
    [job_id] = await queue(store, "report", 1)
    before, events = await fetch_job(store, job_id), await rows_of(store, "job_event")
    assert not await take(store, MAIL)
    assert await fetch_job(store, job_id) == before
    assert await rows_of(store, "job_event") == events
    assert before.status is JobStatus.QUEUED
    assert await store.reads.marks([job_id]) == {job_id: mark_of("report")}


async def test_one_that_takes_all_goes_by_priority_and_age(store: Store) -> None:
    await declare(store, "mail", "report")
    low, high = await queue(store, "report", 1, JobPriority.LOW), await queue(store, "report", 1, JobPriority.HIGH)
    first = await queue(store, "report", 1)
    assert not await take(store, MAIL)
    second = await queue(store, "mail", 1)
    third = await queue(store, "report", 1)
    last = await queue(store, "mail", 1, JobPriority.LOW)
    taken = [(await claim(store, BOTH, 1))[0].id for _ in range(6)]
    assert taken == [*high, *first, *second, *third, *low, *last]


async def test_a_claim_takes_no_more_than_it_asked_for(store: Store) -> None:
    await declare(store, "mail", "report")
    await queue(store, "report", 5)
    assert not await take(store, MAIL)
    await queue(store, "mail", 5)
    assert len(await claim(store, BOTH, 3)) == 3
    assert len(await take(store, BOTH)) == 7


async def test_a_long_backlog_of_others(store: Store) -> None:
    await declare(store, "mail", "report")
    backlog = ROUNDS * PARK_CHUNK + 10
    await queue(store, "report", 500, JobPriority.HIGH)
    await queue(store, "report", backlog - 500, JobPriority.HIGH)
    mails = await queue(store, "mail", 2, JobPriority.LOW)
    units: list[Unit] = []
    store.listen(units.append)
    assert not await claim(store, MAIL)  # it does not read on without end
    assert units[-1].parked == units[-1].routed > 0
    assert await take(store, MAIL) == mails
    assert len(await routed(store)) == backlog
    assert len(await take(store, REPORT)) == backlog


async def test_an_undeclared_task_is_for_whoever_is_not_limited(store: Store) -> None:
    await declare(store, "mail", "report")
    [known] = await queue(store, "report", 1)
    [unknown] = await queue(store, "nobody's", 1)
    assert not await take(store, MAIL)
    assert await routed(store) == [known, unknown]
    assert await take(store, ODD) == [unknown]
    assert await routed(store) == [known]


async def test_what_was_declared_meanwhile_is_left_to_its_worker(store: Store) -> None:
    await declare(store, "mail")
    [job_id] = await queue(store, "report", 1)
    assert not await take(store, MAIL)
    await declare(store, "report")
    assert not await take(store, ODD)
    assert await take(store, REPORT) == [job_id]


async def test_names_that_begin_alike(store: Store) -> None:
    names = [LONG + "a", LONG + "b"]
    assert mark_of(names[0]) == mark_of(names[1])
    await declare(store, "mail", *names)
    first, second = [(await queue(store, name, 1))[0] for name in names]
    assert not await take(store, MAIL)
    assert await take(store, Takes(frozenset({names[1]}), undeclared=False)) == [second]
    assert await take(store, Takes(frozenset({names[0]}), undeclared=False)) == [first]


async def test_a_name_with_quotes_and_signs(store: Store) -> None:
    name = 'it\'s 100% \\ "odd" %s'
    await declare(store, "mail", name)
    [job_id] = await queue(store, name, 1)
    assert not await take(store, MAIL)
    assert await store.reads.is_any_claimable(Takes(frozenset({name}), undeclared=False))
    assert await take(store, Takes(frozenset({name}))) == [job_id]


async def test_who_has_nothing_to_claim_is_told_so(store: Store) -> None:
    await declare(store, "mail", "report")
    assert not await store.reads.is_any_claimable(MAIL)
    await queue(store, "report", 1)
    assert await store.reads.is_any_claimable(MAIL)  # it has to look
    assert not await take(store, MAIL)
    assert not await store.reads.is_any_claimable(MAIL)
    assert await store.reads.is_any_claimable(REPORT)
    assert await store.reads.is_any_claimable(BOTH)
    assert not await store.reads.is_any_claimable(ODD)
    await queue(store, "nobody's", 1)
    assert not await take(store, MAIL)
    assert await store.reads.is_any_claimable(ODD)


async def test_every_task_has_its_turn(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tasks have jobs that were put aside."""
    monkeypatch.setattr("engine.store.routing.MAX_TASKS", 2)
    names = [f"task {number}" for number in range(5)]
    await declare(store, "mail", *names)
    for name in names:
        await queue(store, name, 10)
    assert not await take(store, MAIL)
    takes = Takes(frozenset(names), undeclared=False)
    found = [(await claim(store, takes, 1))[0].task_name for _ in range(50)]
    assert {"task 0", "task 2", "task 3"} <= set(found[:10])
    assert Counter(found) == dict.fromkeys(names, 10)


async def test_a_paused_task_of_another_worker(store: Store) -> None:
    await declare(store, "mail", "report")
    ids = await queue(store, "report", 3)
    assert not await take(store, MAIL)
    await store.pause_task("report", paused=True)
    assert not await take(store, REPORT)
    assert set((await store.reads.marks(ids)).values()) == {"report"}  # they are parked for their task now
    await store.pause_task("report", paused=False)
    while await store.unpark():
        pass
    assert await take(store, REPORT) == ids


async def test_limits_hold_for_routed_jobs(store: Store) -> None:
    await store.declare_tasks(
        [TaskRecord("mail", None, None, 3, 60.0), TaskRecord("report", None, None, 3, 60.0, max_concurrency=2)]
    )
    ids = await queue(store, "report", 20)
    assert not await take(store, MAIL)
    done: list[int] = []
    while len(done) < len(ids):
        jobs = await claim(store, REPORT)
        if not jobs:
            assert await store.refill()
            continue
        assert len(jobs) <= 2
        assert not await claim(store, REPORT)
        for job in jobs:
            assert await store.finish(Finish.completed(job, None))
            done.append(job.id)
    assert sorted(done) == ids


@pytest.mark.parametrize("trigger", [Trigger.CANCEL, Trigger.RUN])
async def test_operators_find_it(store: Store, trigger: Trigger) -> None:
    await declare(store, "mail", "report")
    [job_id] = await queue(store, "report", 1)
    assert not await take(store, MAIL)
    if trigger is Trigger.CANCEL:
        assert (await store.change_job(job_id, trigger)).status is JobStatus.CANCELLED
        assert (await store.change_job(job_id, Trigger.RETRY)).status is JobStatus.QUEUED
    assert await take(store, REPORT) == [job_id]
    await assert_history_is_sound(store, [job_id])


async def test_a_retried_job_is_routed_again(store: Store) -> None:
    await declare(store, "mail", "report")
    [job_id] = await queue(store, "report", 1)
    assert not await take(store, MAIL)
    [job] = await claim(store, REPORT)
    assert await store.finish(Finish.retried(job, ERROR, 0.0))
    assert await store.promote_due() == 1
    assert not await take(store, MAIL)
    [again] = await claim(store, REPORT)
    assert (again.id, again.attempt) == (job_id, 2)


async def test_many_at_once(open_store: OpenStore) -> None:
    stores = [await open_store() for _ in range(3)]
    await declare(stores[0], "mail", "report")
    mails = [job_id for _ in range(4) for job_id in await queue(stores[0], "mail", 50)]
    reports = [job_id for _ in range(4) for job_id in await queue(stores[0], "report", 50)]

    async def work(store: Store, takes: Takes) -> list[int]:
        found: list[int] = []
        idle = 0
        while idle < 3:
            jobs = await claim(store, takes, 7)
            idle = 0 if jobs or await store.reads.is_any_claimable(takes) else idle + 1
            found += [job.id for job in jobs]
            assert all(await asyncio.gather(*[store.finish(Finish.completed(job, None)) for job in jobs]))
        return found

    of_mail, of_report, of_both = await asyncio.gather(
        work(stores[0], MAIL), work(stores[1], REPORT), work(stores[2], BOTH)
    )
    assert set(of_mail) <= set(mails)
    assert set(of_report) <= set(reports)
    assert sorted([*of_mail, *of_report, *of_both]) == sorted([*mails, *reports])
    await assert_history_is_sound(stores[0], [*mails, *reports])
