"""Idempotency keys: the same request twice is one job, another request under the same key is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from databases import OpenStore
from makers import everything, new_job, rows_of

from engine.errors import Conflict
from engine.records import Created
from engine.store.store import Store


def keyed(key: str, digest: str = "same", **fields: Any) -> Any:
    return new_job(idempotency_key=key, digest=digest, **fields)


async def test_the_same_request_again_finds_the_first_job(store: Store) -> None:
    [first] = await store.create_jobs([keyed("k", payload_text="1")])
    before = await everything(store)
    [second] = await store.create_jobs([keyed("k", payload_text="1")])
    assert (first.created, second.created) == (True, False)
    assert second.job == first.job
    assert await everything(store) == before


async def test_another_request_under_the_same_key_is_refused(store: Store) -> None:
    [first] = await store.create_jobs([keyed("k")])
    before = await everything(store)
    with pytest.raises(Conflict, match=f"'k' was used with another input .job {first.job.id}."):
        await store.create_jobs([new_job("neighbour"), keyed("k", "other")])
    assert await everything(store) == before


async def test_one_request_may_name_a_key_twice(store: Store) -> None:
    first, second = await store.create_jobs([keyed("k"), keyed("k")])
    assert (first.created, second.created, second.job.id) == (True, False, first.job.id)
    with pytest.raises(Conflict):
        await store.create_jobs([keyed("new", "one"), keyed("new", "other")])
    assert len(await rows_of(store, "jobs")) == 1


async def test_a_conflict_in_a_batch_fails_its_caller_alone(store: Store) -> None:
    answers = await asyncio.gather(
        *(store.create_jobs([keyed("k", digest)]) for digest in ("a", "a", "b", "a")), return_exceptions=True
    )
    assert isinstance(answers[2], Conflict)
    created = [each[0] for each in answers if isinstance(each, list)]
    assert [each.created for each in created] == [True, False, False]
    assert len({each.job.id for each in created}) == 1


async def test_fifty_at_once_through_two_stores_are_one_job(open_store: OpenStore) -> None:
    stores = [await open_store(), await open_store()]
    answers: list[list[Created]] = await asyncio.gather(
        *(stores[index % 2].create_jobs([new_job(f"other {index}"), keyed("k")]) for index in range(50))
    )
    shared = [each[1] for each in answers]
    assert len({each.job.id for each in shared}) == 1
    assert sum(each.created for each in shared) == 1
    assert all(each[0].created for each in answers)
    assert len(await rows_of(stores[0], "jobs")) == 51
    assert len(await rows_of(stores[0], "job_event")) == 51


async def test_many_keys_race_through_two_stores(open_store: OpenStore) -> None:
    stores = [await open_store(), await open_store()]
    keys = [f"key {index % 40}" for index in range(200)]
    answers = await asyncio.gather(
        *(stores[index % 2].create_jobs([keyed(key, key)]) for index, key in enumerate(keys))
    )
    ids = {key: answer[0].job.id for key, answer in zip(keys, answers, strict=True)}
    assert all(answer[0].job.id == ids[key] for key, answer in zip(keys, answers, strict=True))
    assert sum(answer[0].created for answer in answers) == len(ids) == 40


async def test_a_key_is_free_again_when_its_job_is_deleted(store: Store) -> None:
    [first] = await store.create_jobs([keyed("k")])
    await store.delete_job(first.job.id)
    [second] = await store.create_jobs([keyed("k", "other")])
    assert second.created
    assert second.job.id != first.job.id
