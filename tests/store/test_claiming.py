"""Claims, heartbeats and progress: one owner for each job, and nothing believed of anyone else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from databases import OpenStore
from makers import (
    ERROR,
    assert_history_is_sound,
    claim,
    create,
    everything,
    fetch_job,
    job_in,
    new_job,
    rows_of,
    worker_of,
)

from engine.records import ClaimedJob, Finish
from engine.states import Trigger
from engine.store.claims import ClaimRequest, Heartbeat, Progress, Pulse
from engine.store.store import Store
from engine.store.unit import Unit
from models.enums import JobPriority, JobStatus


async def test_what_a_claim_gives(store: Store) -> None:
    job = await create(
        store,
        "Send Test Email",
        payload_text='{"to":"é 🚀 %s \\u001f"}',
        priority=JobPriority.LOW,
        tags=["a"],
        run=True,
        max_attempts=5,
        timeout_seconds=12.5,
        webhook_url="https://example.org/?a=1",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    [claimed] = await claim(store, 5)
    assert claimed == ClaimedJob(
        id=job.id,
        task_name="Send Test Email",
        payload_text='{"to":"é 🚀 %s \\u001f"}',
        priority=JobPriority.LOW,
        attempt=1,
        max_attempts=5,
        timeout_seconds=12.5,
        webhook_url="https://example.org/?a=1",
        has_tags=True,
        claim_token=claimed.claim_token,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    read = await fetch_job(store, job.id)
    assert (read.status, read.attempt, read.started_at) == (JobStatus.RUNNING, 1, read.updated_at)
    [lease] = await store.database.fetch("SELECT worker_id, claim_token, lease_until FROM jobs")
    assert tuple(lease[:2]) == (await worker_of(store), claimed.claim_token)
    *_, event = (await store.reads.events_of([job.id]))[job.id]
    assert (event.from_, event.to, event.attempt, event.worker) == (JobStatus.QUEUED, JobStatus.RUNNING, 1, "host-1")


async def test_a_job_without_what_is_optional(store: Store) -> None:
    await create(store, run=True)
    [claimed] = await claim(store)
    assert (claimed.payload_text, claimed.webhook_url, claimed.has_tags) == (None, None, False)


async def test_the_order_is_priority_then_age(store: Store) -> None:
    priorities = [JobPriority.LOW, JobPriority.HIGH, JobPriority.MEDIUM] * 4
    created = await store.create_jobs([new_job(priority=each, run=True) for each in priorities])
    expected = [each.job.id for each in sorted(created, key=lambda each: (each.job.priority, each.job.id))]
    found = []
    while batch := await claim(store, 5):
        found += [each.id for each in batch]
    assert found == expected


async def test_a_claim_moves_a_job_in_no_index_by_time(store: Store) -> None:
    """What lists are sorted by changes with every status but RUNNING, which has its place among what is QUEUED."""

    async def listed() -> tuple[object, ...]:
        [row] = await store.database.fetch("SELECT listed_status, listed_at=updated_at, listed_at FROM jobs")
        return tuple(row)

    await create(store, run=True)
    status, is_new, queued_at = await listed()
    assert (status, is_new) == ("QUEUED", 1)
    [job] = await claim(store)
    assert await listed() == ("QUEUED", 0, queued_at)
    await store.finish(Finish.retried(job, ERROR, 0.0))
    assert (await listed())[:2] == ("SCHEDULED", 1)
    await store.promote_due()
    assert (await listed())[:2] == ("QUEUED", 1)
    [job] = await claim(store)
    await store.finish(Finish.completed(job, "1"))
    assert (await listed())[:2] == ("COMPLETED", 1)


@pytest.mark.parametrize("status", [each for each in JobStatus if each is not JobStatus.QUEUED])
async def test_only_queued_jobs_are_claimed(store: Store, status: JobStatus) -> None:
    await job_in(store, status)
    before = await everything(store)
    assert await claim(store, 10) == []
    assert await everything(store) == before


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_claim_of_nothing(store: Store, limit: int) -> None:
    await create(store, run=True)
    assert await claim(store, limit) == []


async def test_no_job_is_given_twice(open_store: OpenStore) -> None:
    stores = [await open_store(), await open_store()]
    created = await stores[0].create_jobs([new_job(run=True) for _ in range(500)])

    async def drain(store: Store, worker: str) -> list[ClaimedJob]:
        found: list[ClaimedJob] = []
        misses = 0
        while misses < 3:  # what another holds locked is passed over, so one empty answer says little
            batch = await claim(store, 7, worker=worker)
            found += batch
            misses = 0 if batch else misses + 1
        return found

    found = await asyncio.gather(*(drain(stores[index % 2], f"w{index}") for index in range(6)))
    claimed = [job for each in found for job in each]
    assert sorted(job.id for job in claimed) == [each.job.id for each in created]
    tokens = await stores[0].database.fetch("SELECT id, claim_token, attempt FROM jobs ORDER BY id")
    assert {row[0]: row[1] for row in tokens} == {job.id: job.claim_token for job in claimed}
    assert {row[2] for row in tokens} == {1}
    assert len(await rows_of(stores[0], "job_event")) == 1000


@pytest.mark.parametrize("database_url", ["mariadb", "mysql"], indirect=True)
async def test_a_claim_locks_what_it_takes_and_nothing_else(open_store: OpenStore) -> None:
    stores = [await open_store(), await open_store()]
    created = await stores[0].create_jobs([new_job(run=True, priority=JobPriority(n // 10 + 1)) for n in range(30)])
    ids = [each.job.id for each in created]
    async with stores[0].database.transaction() as transaction:
        request = ClaimRequest(1, "w1", 5, 30.0)
        [first] = await stores[0]._workers.claim(Unit(transaction), [request])
        async with asyncio.timeout(3):
            second = await claim(stores[1], 10)
            await stores[1].change_job(ids[-1], Trigger.CANCEL)
            await create(stores[1], run=True)
    assert [job.id for job in first] == ids[:5]
    assert [job.id for job in second] == ids[5:15]


@pytest.mark.parametrize("database_url", ["mariadb", "mysql"], indirect=True)
async def test_a_finish_locks_its_own_job_and_nothing_else(open_store: OpenStore) -> None:
    stores = [await open_store(), await open_store()]
    await stores[0].create_jobs([new_job(run=True) for _ in range(30)])
    jobs = await claim(stores[0], 30)
    async with stores[0].database.transaction() as transaction:
        assert await stores[0]._workers.finish(Unit(transaction), [Finish.completed(job, "1") for job in jobs[:10]])
        async with asyncio.timeout(3):
            beat = Heartbeat(1, 10, tuple((job.id, job.claim_token) for job in jobs[10:20]), 30.0)
            assert len((await stores[1].heartbeat(beat)).held) == 10
            ends = [stores[1].finish(Finish.completed(job, f'"{job.id}"')) for job in jobs[10:20]]
            assert all(await asyncio.gather(*ends, *(stores[1].finish(Finish.released(job)) for job in jobs[20:])))


async def test_claims_of_a_batch_share_no_job(store: Store) -> None:
    await store.create_jobs([new_job(run=True) for _ in range(10)])
    batches = await asyncio.gather(*(claim(store, 4) for _ in range(4)))
    ids = [job.id for batch in batches for job in batch]
    assert len(ids) == len(set(ids)) == 10
    assert len({batch[0].claim_token for batch in batches if batch}) == sum(1 for batch in batches if batch)


async def test_finish_and_claim_at_once(open_store: OpenStore) -> None:
    """Two stores work through jobs, finishing and claiming in the same moments; every job ends once."""
    stores = [await open_store(), await open_store()]
    created = await stores[0].create_jobs([new_job(run=True) for _ in range(200)])
    ended: list[int] = []

    async def work(store: Store) -> None:
        while batch := await claim(store, 10):
            accepted = await asyncio.gather(*(store.finish(Finish.completed(job, str(job.id))) for job in batch))
            ended.extend(job.id for job, is_accepted in zip(batch, accepted, strict=True) if is_accepted)

    while len(ended) < 200:
        await asyncio.gather(*(work(stores[index % 2]) for index in range(4)))
    ids = [each.job.id for each in created]
    assert sorted(ended) == ids
    jobs = await stores[0].reads.jobs_by_id(ids)
    assert all(jobs[job_id].result_text == str(job_id) for job_id in ids)
    await assert_history_is_sound(stores[0], ids)
    assert len(await rows_of(stores[0], "job_event")) == 600


async def test_a_heartbeat_renews_what_is_held_and_tells_what_is_lost(store: Store) -> None:
    worker_id = await store.register_worker("host", 42, 10)
    created = await store.create_jobs([new_job(run=True) for _ in range(4)])
    mine = await store.claim(ClaimRequest(worker_id, "host-42", 4, 1.0))
    await store.finish(Finish.released(mine[1]))
    [other] = await claim(store)
    assert other.id == mine[1].id
    await store.finish(Finish.completed(mine[2], None))
    leases = "SELECT id, lease_until FROM jobs ORDER BY id"
    before = dict(await store.database.fetch(leases))
    claims = tuple((job.id, job.claim_token) for job in mine)
    await store.change_job(mine[3].id, Trigger.CANCEL)
    pulse = await store.heartbeat(Heartbeat(worker_id, 4, claims, 3600.0))
    held = {mine[0].id, mine[3].id}
    assert pulse == Pulse(frozenset(held), frozenset({mine[3].id}), is_registered=True)
    after = dict(await store.database.fetch(leases))
    changed = {each.job.id for each in created if before[each.job.id] != after[each.job.id]}
    assert changed == held
    [worker] = [each for each in await store.reads.workers() if each.id == worker_id]
    assert (worker.id, worker.host, worker.pid, worker.slots, worker.running) == (worker_id, "host", 42, 10, 4)
    assert worker.heartbeat_at > worker.started_at


async def test_a_heartbeat_of_an_idle_worker(store: Store) -> None:
    worker_id = await store.register_worker("host", 42, 10)
    nothing = Pulse(frozenset(), frozenset(), is_registered=True)
    assert await store.heartbeat(Heartbeat(worker_id, 0, (), 30.0)) == nothing
    assert await store.heartbeat(Heartbeat(worker_id, 0, ((10**12, 5),), 30.0)) == nothing
    await store.unregister_worker(worker_id)
    assert await store.heartbeat(Heartbeat(worker_id, 0, (), 30.0)) == replace(nothing, is_registered=False)


async def test_progress_is_the_owners_to_report(store: Store) -> None:
    job_id = await job_in(store, JobStatus.QUEUED, tags=["a"])
    [claimed] = await claim(store)
    before = await fetch_job(store, job_id)
    await asyncio.gather(
        *(store.report_progress(Progress(job_id, claimed.claim_token, each / 8)) for each in (1, 2, 3))
    )
    after = await fetch_job(store, job_id)
    assert after == replace(before, progress=0.375)
    await store.report_progress(Progress(job_id, claimed.claim_token + 1, 0.9))
    assert (await fetch_job(store, job_id)).progress == 0.375
    await store.finish(Finish.completed(claimed, None))
    assert (await fetch_job(store, job_id)).progress == 1.0
    await store.report_progress(Progress(job_id, claimed.claim_token, 0.5))
    assert (await fetch_job(store, job_id)).progress == 1.0


async def test_promote_only_what_is_due(store: Store) -> None:
    now = await store.database.now()
    future = await create(store, run_at=now + timedelta(hours=1), tags=["a"])
    due = []
    for priority in JobPriority:
        job = await create(store, run=True, priority=priority, tags=["a"])
        [claimed] = await claim(store)
        await store.finish(Finish.retried(claimed, ERROR, 0.0))
        due.append(job.id)
    assert await store.seconds_to_next_due() == 0.0
    was_due_at = {job_id: (await fetch_job(store, job_id)).run_at for job_id in due}
    assert await store.promote_due() == 3
    for job_id in due:
        job = await fetch_job(store, job_id)
        assert (job.status, job.run_at) == (JobStatus.QUEUED, was_due_at[job_id])
    assert (await fetch_job(store, future.id)).status is JobStatus.SCHEDULED
    await assert_history_is_sound(store, [future.id, *due])
    assert await store.promote_due() == 0
    wait = await store.seconds_to_next_due()
    assert wait is not None
    assert 3500 < wait <= 3600
    stale = await store.database.fetch(
        "SELECT COUNT(*) FROM job_tag JOIN jobs ON jobs.id=job_tag.job_id WHERE jobs.updated_at<>job_tag.updated_at"
    )
    assert stale[0][0] == 0


async def test_two_who_promote_at_once(open_store: OpenStore) -> None:
    stores = [await open_store(), await open_store()]
    await stores[0].create_jobs([new_job(run=True) for _ in range(60)])
    for job in await claim(stores[0], 60):
        await stores[0].finish(Finish.retried(job, ERROR, 0.0))
    counts = await asyncio.gather(*(each.promote_due() for each in stores * 3))
    assert (await stores[0].reads.stats()).counts[JobStatus.QUEUED] == 60
    rows = await stores[0].database.fetch("SELECT COUNT(*) FROM job_event WHERE from_status='SCHEDULED'")
    assert rows[0][0] == 60
    assert max(counts) <= 60


async def test_nothing_is_due(store: Store) -> None:
    assert await store.promote_due() == 0
    assert await store.seconds_to_next_due() is None
