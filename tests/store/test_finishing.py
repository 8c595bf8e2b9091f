"""The end of an attempt: believed only from the holder of the claim, and once."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from databases import OpenStore
from makers import ERROR, assert_history_is_sound, claim, create, everything, fetch_job, job_in, new_job, one_delivery

from engine.records import ClaimedJob, ErrorRecord, Finish
from engine.states import Trigger
from engine.store.store import Store
from models.enums import JobPriority, JobStatus

ENDS = {
    "completed": lambda job: Finish.completed(job, "1"),
    "failed": lambda job: Finish.failed(job, ERROR),
    "retried": lambda job: Finish.retried(job, ERROR, 1.0),
    "released": Finish.released,
}


async def running(store: Store) -> ClaimedJob:
    await create(store, run=True, tags=["a"])
    [claimed] = await claim(store)
    return claimed


@pytest.mark.parametrize("end", ENDS)
async def test_a_wrong_token_is_refused_and_nothing_is_written(open_store: OpenStore, end: str) -> None:
    store = await open_store(outbox=one_delivery)
    claimed = await running(store)
    before = await everything(store)
    forged = replace(claimed, claim_token=claimed.claim_token ^ 1)
    assert await store.finish(ENDS[end](forged)) is False
    assert await store.finish(ENDS[end](replace(claimed, id=10**12))) is False
    assert await everything(store) == before


@pytest.mark.parametrize("end", ENDS)
async def test_a_second_finish_is_refused_and_nothing_is_written(open_store: OpenStore, end: str) -> None:
    store = await open_store(outbox=one_delivery)
    claimed = await running(store)
    assert await store.finish(ENDS[end](claimed)) is True
    before = await everything(store)
    assert await store.finish(ENDS["completed"](claimed)) is False
    assert await store.finish(ENDS["failed"](claimed)) is False
    assert await everything(store) == before


@pytest.mark.parametrize("end", ENDS)
async def test_a_job_that_was_ended_by_hand_stays_as_it_is(open_store: OpenStore, end: str) -> None:
    """Its claim token is still there: an operator's statement changed nothing but the status."""
    store = await open_store(outbox=one_delivery)
    claimed = await running(store)
    async with store.database.transaction() as transaction:
        await transaction.execute(f"UPDATE jobs SET status='CANCELLED' WHERE id={claimed.id}")
    before = await everything(store)
    assert await store.finish(ENDS[end](claimed)) is False
    assert await everything(store) == before


async def test_of_two_finishes_in_one_batch_the_first_counts(open_store: OpenStore) -> None:
    store = await open_store(outbox=one_delivery)
    claimed = await running(store)
    forged = replace(claimed, claim_token=claimed.claim_token ^ 1)
    answers = await asyncio.gather(
        store.finish(Finish.failed(forged, ERROR)),
        store.finish(Finish.completed(claimed, '"first"')),
        store.finish(Finish.completed(claimed, '"second"')),
    )
    assert answers == [False, True, False]
    job = await fetch_job(store, claimed.id)
    assert (job.status, job.result_text) == (JobStatus.COMPLETED, '"first"')
    assert len((await everything(store))["webhook_delivery"]) == 1


@pytest.mark.parametrize("lost", [0, 1, 5])
async def test_lost_claims_among_others_of_several_batches(open_store: OpenStore, lost: int) -> None:
    """Ten jobs of three claims, finished together, some of them under a claim that is no longer theirs."""
    store = await open_store(outbox=one_delivery)
    await store.create_jobs([new_job(run=True) for _ in range(10)])
    jobs = [*await claim(store, 5), *await claim(store, 4), *await claim(store)]
    assert len({each.claim_token for each in jobs}) == 3
    jobs[:lost] = [replace(each, claim_token=jobs[-1].claim_token) for each in jobs[:lost]]  # a token, of another claim
    answers = await asyncio.gather(*(store.finish(Finish.completed(each, str(each.id))) for each in reversed(jobs)))
    assert answers == [True] * (10 - lost) + [False] * lost
    for job in jobs[:lost]:
        assert (await fetch_job(store, job.id)).status is JobStatus.RUNNING
    for job in jobs[lost:]:
        found = await fetch_job(store, job.id)
        assert (found.status, found.result_text) == (JobStatus.COMPLETED, str(job.id))
    await assert_history_is_sound(store, [each.id for each in jobs])
    assert len((await everything(store))["webhook_delivery"]) == 10 - lost


async def test_the_worker_before_cannot_finish_what_another_has_claimed(store: Store) -> None:
    lost = await running(store)
    await store.finish(Finish.released(lost))
    [mine] = await claim(store)
    assert (mine.id, mine.attempt) == (lost.id, lost.attempt)
    assert mine.claim_token != lost.claim_token
    assert await store.finish(Finish.completed(lost, "1")) is False
    assert await store.finish(Finish.completed(mine, "2")) is True
    assert (await fetch_job(store, mine.id)).result_text == "2"


@pytest.mark.parametrize("count", [1, 3, 300])
async def test_completed_with_a_result_of_its_own_each(store: Store, count: int) -> None:
    await store.create_jobs([new_job(run=True, tags=["a"] if index % 3 else []) for index in range(count)])
    jobs = await claim(store, count)
    results = [
        None if index == 5 else json.dumps({"n": index, "t": f"é🚀 '\\ % %s \x1f {index}"}, ensure_ascii=index % 2 == 0)
        for index in range(count)
    ]
    answers = await asyncio.gather(
        *(store.finish(Finish.completed(job, result)) for job, result in zip(jobs, results, strict=True))
    )
    assert all(answers)
    read = await store.reads.jobs_by_id([job.id for job in jobs])
    for job, result in zip(jobs, results, strict=True):
        found = read[job.id]
        assert (found.status, found.result_text, found.finished_at) == (JobStatus.COMPLETED, result, found.updated_at)
        assert (found.attempt, found.progress, found.error) == (1, None, None)
    await assert_history_is_sound(store, list(read))


async def test_large_results_in_one_batch(store: Store) -> None:
    """Together they are more than a server takes in one statement."""
    await store.create_jobs([new_job(run=True) for _ in range(20)])
    jobs = await claim(store, 20)
    results = [json.dumps(f"{job.id}" + "é" * 1_000_000, ensure_ascii=False) for job in jobs]
    async with asyncio.timeout(20):
        await asyncio.gather(
            *(store.finish(Finish.completed(job, result)) for job, result in zip(jobs, results, strict=True))
        )
    for job, result in zip(jobs, results, strict=True):
        assert (await fetch_job(store, job.id)).result_text == result


async def test_failed(store: Store) -> None:
    claimed = await running(store)
    error = ErrorRecord("MY_CODE", "it's 100% \\ broken \x1f 🚀", None)
    assert await store.finish(Finish.failed(claimed, error))
    job = await fetch_job(store, claimed.id)
    assert (job.status, job.error, job.finished_at, job.result_text) == (JobStatus.FAILED, error, job.updated_at, None)
    *_, event = (await store.reads.events_of([job.id]))[job.id]
    assert (event.to, event.error, event.attempt) == (JobStatus.FAILED, error, 1)


async def test_retried_at_a_time_of_the_databases_clock(store: Store) -> None:
    claimed = await running(store)
    before = await store.database.now()
    assert await store.finish(Finish.retried(claimed, ERROR, 90.5))
    after = await store.database.now()
    job = await fetch_job(store, claimed.id)
    assert (job.status, job.attempt, job.error, job.finished_at) == (JobStatus.SCHEDULED, 1, ERROR, None)
    assert job.run_at == job.updated_at + timedelta(seconds=90.5)
    assert before <= job.updated_at <= after
    *_, event = (await store.reads.events_of([job.id]))[job.id]
    assert event.run_at == job.run_at
    [tag] = await store.database.fetch("SELECT job_tag.run_at=jobs.run_at FROM job_tag JOIN jobs ON jobs.id=job_id")
    assert tag[0] == 1


async def test_released_gives_the_attempt_back(store: Store) -> None:
    claimed = await running(store)
    assert await store.finish(Finish.released(claimed))
    job = await fetch_job(store, claimed.id)
    assert (job.status, job.attempt, job.error, job.finished_at) == (JobStatus.QUEUED, 0, None, None)
    [again] = await claim(store)
    assert again.attempt == 1


@pytest.mark.parametrize("end", ENDS)
async def test_a_claim_leaves_nothing_behind(store: Store, end: str) -> None:
    claimed = await running(store)
    assert await store.finish(ENDS[end](claimed))
    [row] = await store.database.fetch("SELECT claim_token, lease_until FROM jobs")
    assert tuple(row) == (None, None)


async def test_deliveries_are_written_with_the_completion(open_store: OpenStore) -> None:
    store = await open_store(outbox=one_delivery)
    await store.create_jobs([new_job(run=True, priority=JobPriority.HIGH) for _ in range(4)])
    jobs = await claim(store, 4)
    await asyncio.gather(
        store.finish(Finish.completed(jobs[0], "1")),
        store.finish(Finish.completed(jobs[1], "2")),
        store.finish(Finish.failed(jobs[2], ERROR)),
        store.finish(Finish.completed(replace(jobs[3], claim_token=1), "3")),
    )
    deliveries = await store.reads.deliveries_of([job.id for job in jobs])
    assert sorted(deliveries) == [jobs[0].id, jobs[1].id]
    [record] = deliveries[jobs[0].id]
    finished_at = (await fetch_job(store, jobs[0].id)).finished_at
    assert (record.created_at, record.next_try_at, record.tries) == (finished_at, finished_at, [])


async def test_an_outbox_that_breaks_completes_nothing(open_store: OpenStore) -> None:
    def broken(_finish: Finish, _unit: object) -> list:
        raise RuntimeError("no receiver")

    store = await open_store(outbox=broken)
    claimed = await running(store)
    before = await everything(store)
    with pytest.raises(RuntimeError, match="no receiver"):
        await store.finish(Finish.completed(claimed, "1"))
    assert await everything(store) == before


async def test_attempts(store: Store) -> None:
    job_id = await job_in(store, JobStatus.QUEUED)
    [first] = await claim(store, worker="w1")
    await store.finish(Finish.retried(first, ERROR, 0.0))
    await store.promote_due()
    [second] = await claim(store, worker="w2")
    await store.finish(Finish.released(second))
    [third] = await claim(store, worker="w3")
    found = (await store.reads.attempts_of([job_id]))[job_id]
    assert [(each.number, each.outcome, each.error, each.worker) for each in found] == [
        (1, JobStatus.SCHEDULED, ERROR, "w1"),
        (2, JobStatus.QUEUED, None, "w2"),
        (2, None, None, "w3"),
    ]
    assert found[2].finished_at is None
    await store.finish(Finish.completed(third, None))
    await store.change_job(job_id, Trigger.RETRY)
    [again] = await claim(store, worker="w4")
    assert again.attempt == 1
    assert (await store.reads.attempts_of([job_id]))[job_id][3].number == 1
    assert await store.reads.attempts_of([]) == {}
