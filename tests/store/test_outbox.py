"""Deliveries in the store: claimed for one try at a time, believed only from the holder of the claim."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from databases import OpenStore
from makers import claim, everything, fetch_job, new_job, one_delivery

from engine.records import DueDelivery, Finish, TryResult
from engine.store.store import Store
from models.enums import DeliveryStatus, WebhookEvent


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    return await open_store(outbox=one_delivery)


async def complete(store: Store, count: int) -> list[int]:
    await store.create_jobs([new_job(run=True) for _ in range(count)])
    jobs = await claim(store, count)
    await asyncio.gather(*(store.finish(Finish.completed(job, "1")) for job in jobs))
    return [job.id for job in jobs]


def result(delivery: DueDelivery, retry_after_seconds: float | None, *, is_delivered: bool = False) -> TryResult:
    failed = DeliveryStatus.FAILED if retry_after_seconds is None else DeliveryStatus.PENDING
    return TryResult(
        delivery,
        DeliveryStatus.DELIVERED if is_delivered else failed,
        12,
        200 if is_delivered else 503,
        None if is_delivered else "the receiver answered 503 %s 'é",
        retry_after_seconds,
    )


async def test_what_a_claim_gives(store: Store) -> None:
    [job_id] = await complete(store, 1)
    [due] = await store.claim_deliveries(10, 30.0)
    assert (due.event, due.endpoint_id, due.url, due.body) == (
        WebhookEvent.JOB_COMPLETED,
        0,
        "http://receiver/",
        f'{{"jobId":{job_id}}}'.encode(),
    )
    assert (due.try_count, due.created_at) == (0, (await fetch_job(store, job_id)).finished_at)
    assert await store.claim_deliveries(10, 30.0) == []


async def test_delivered(store: Store) -> None:
    [job_id] = await complete(store, 1)
    [due] = await store.claim_deliveries(10, 30.0)
    assert await store.record_try(result(due, None, is_delivered=True)) is True
    [record] = (await store.reads.deliveries_of([job_id]))[job_id]
    assert (record.id, record.status, record.next_try_at) == (due.message_id, DeliveryStatus.DELIVERED, None)
    [attempt] = record.tries
    assert (attempt.duration_ms, attempt.response_status, attempt.error) == (12, 200, None)
    assert await store.claim_deliveries(10, 30.0) == []


async def test_tried_again_later_with_the_same_bytes(store: Store) -> None:
    [job_id] = await complete(store, 1)
    [first] = await store.claim_deliveries(10, 30.0)
    assert await store.record_try(result(first, 3600.0))
    [record] = (await store.reads.deliveries_of([job_id]))[job_id]
    assert record.status is DeliveryStatus.PENDING
    assert record.next_try_at == record.tries[0].at + timedelta(hours=1)
    assert record.tries[0].error == "the receiver answered 503 %s 'é"
    assert await store.claim_deliveries(10, 30.0) == []


async def test_due_again_at_once(store: Store) -> None:
    await complete(store, 1)
    [first] = await store.claim_deliveries(10, 30.0)
    await store.record_try(result(first, 0.0))
    [second] = await store.claim_deliveries(10, 30.0)
    assert (second.id, second.message_id, second.body, second.try_count) == (first.id, first.message_id, first.body, 1)
    assert second.claim_token != first.claim_token


async def test_given_up(store: Store) -> None:
    [job_id] = await complete(store, 1)
    [due] = await store.claim_deliveries(10, 30.0)
    await store.record_try(result(due, None))
    [record] = (await store.reads.deliveries_of([job_id]))[job_id]
    assert (record.status, record.next_try_at) == (DeliveryStatus.FAILED, None)


async def test_a_lease_that_has_ended_gives_the_delivery_to_another(store: Store) -> None:
    [job_id] = await complete(store, 1)
    [late] = await store.claim_deliveries(10, 0.0)
    [now] = await store.claim_deliveries(10, 30.0)
    assert now.id == late.id
    before = await everything(store)
    assert await store.record_try(result(late, None, is_delivered=True)) is False
    after = await everything(store)
    assert after["webhook_delivery"] == before["webhook_delivery"]
    assert len(after["webhook_try"]) == 1  # it was made, so it is on record
    assert await store.record_try(result(now, None, is_delivered=True)) is True
    assert len((await store.reads.deliveries_of([job_id]))[job_id][0].tries) == 2


async def test_a_delivery_whose_job_was_deleted(store: Store) -> None:
    [job_id] = await complete(store, 1)
    [due] = await store.claim_deliveries(10, 30.0)
    await store.delete_job(job_id)
    assert await store.record_try(result(due, 0.0)) is False
    assert (await everything(store))["webhook_try"] == []


async def test_no_delivery_is_given_twice(open_store: OpenStore) -> None:
    stores = [await open_store(outbox=one_delivery), await open_store()]
    ids = await complete(stores[0], 100)

    async def drain(store: Store) -> list[DueDelivery]:
        found: list[DueDelivery] = []
        misses = 0
        while misses < 3:
            batch = await store.claim_deliveries(7, 30.0)
            found += batch
            misses = 0 if batch else misses + 1
        return found

    claimed = [each for batch in await asyncio.gather(*(drain(stores[n % 2]) for n in range(4))) for each in batch]
    assert len(claimed) == len({each.id for each in claimed}) == 100
    outcomes = [result(each, None if n % 2 else 60.0, is_delivered=n % 3 == 0) for n, each in enumerate(claimed)]
    assert all(await asyncio.gather(*(stores[n % 2].record_try(each) for n, each in enumerate(outcomes))))
    records = await stores[0].reads.deliveries_of(ids)
    status = {record.id: record.status for found in records.values() for record in found}
    assert status == {each.delivery.message_id: each.status for each in outcomes}


async def test_the_oldest_first(store: Store) -> None:
    first = await complete(store, 2)
    second = await complete(store, 2)
    due = await store.claim_deliveries(3, 30.0)
    assert [each.body for each in due] == [f'{{"jobId":{job_id}}}'.encode() for job_id in [*first, second[0]]]


async def test_jobs_without_deliveries(store: Store) -> None:
    assert await store.reads.deliveries_of([]) == {}
    assert await store.reads.deliveries_of([1, 2]) == {}
