"""Workers, tasks and statistics."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from databases import OpenStore
from makers import ERROR, claim, create, job_in

from engine.records import Finish, TaskRecord
from engine.store.store import Store
from models.enums import JobPriority, JobStatus

EMAIL = TaskRecord("email.send", "Sends: it's 100% é", '{"type":"object"}', 3, 60.0)


async def test_workers_come_and_go(store: Store) -> None:
    first = await store.register_worker("höst", 1, 10)
    second = await store.register_worker("höst", 2, 20)
    assert [(each.id, each.host, each.pid, each.slots) for each in await store.reads.workers()] == [
        (first, "höst", 1, 10),
        (second, "höst", 2, 20),
    ]
    await store.unregister_worker(first)
    await store.unregister_worker(first)
    assert [each.id for each in await store.reads.workers()] == [second]


async def test_tasks_are_declared_and_declared_anew(store: Store) -> None:
    other = TaskRecord("Email.send", None, None, 1, 0.5, 4, 2, "60/min")
    await store.declare_tasks([EMAIL, other])
    assert await store.reads.tasks() == [other, EMAIL]
    changed = replace(EMAIL, description=None, payload_schema_text=None, max_attempts=9, timeout_seconds=1.25)
    await store.declare_tasks([changed])
    await store.declare_tasks([changed])
    assert await store.reads.tasks() == [other, changed]


async def test_what_operators_set_stays(store: Store) -> None:
    await store.declare_tasks([EMAIL])
    async with store.database.transaction() as transaction:
        await transaction.execute("UPDATE task SET paused=1")
    await store.declare_tasks([EMAIL])
    assert await store.reads.tasks() == [replace(EMAIL, paused=True)]


async def test_many_servers_declare_the_same_tasks_at_once(open_store: OpenStore) -> None:
    stores = [await open_store(), await open_store()]
    tasks = [replace(EMAIL, name=f"task {index}") for index in range(20)]
    await asyncio.gather(*(store.declare_tasks(tasks[::step]) for store in stores for step in (1, -1, 1)))
    assert sorted(each.name for each in await stores[0].reads.tasks()) == sorted(each.name for each in tasks)


async def test_statistics(store: Store) -> None:
    empty = await store.reads.stats()
    assert empty.counts == dict.fromkeys(JobStatus, 0)
    assert (empty.completed_last_minute, empty.failed_last_minute, empty.oldest_queued_seconds) == (0, 0, None)
    for status in (*[each for each in JobStatus if each is not JobStatus.QUEUED], JobStatus.COMPLETED):
        await job_in(store, status)
    await create(store, run=True, priority=JobPriority.LOW)
    stats = await store.reads.stats()
    assert stats.counts == dict.fromkeys(JobStatus, 1) | {JobStatus.COMPLETED: 2}
    assert (stats.completed_last_minute, stats.failed_last_minute) == (2, 1)
    assert stats.oldest_queued_seconds is not None
    assert 0 <= stats.oldest_queued_seconds < 30
    async with store.database.transaction() as transaction:
        long_ago = "'2001-01-01 00:00:00.000000'"
        await transaction.execute(
            f"UPDATE jobs SET updated_at={long_ago}, listed_at={long_ago} WHERE status='COMPLETED'"
        )
    assert (await store.reads.stats()).completed_last_minute == 0


async def test_a_job_that_waits_again_has_waited_since_it_was_due(store: Store) -> None:
    await create(store, run=True)
    [claimed] = await claim(store)
    await store.finish(Finish.retried(claimed, ERROR, 0.0))
    assert (await store.reads.stats()).oldest_queued_seconds is None
    await store.promote_due()
    assert (await store.reads.stats()).oldest_queued_seconds is not None


async def test_nothing_is_missing_from_a_migrated_database(store: Store) -> None:
    assert await store.missing_migrations() == []
