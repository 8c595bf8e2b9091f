"""Creating jobs: what comes back is what was given, all of a request or none of it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from makers import assert_history_is_sound, create, fetch_job, new_job, rows_of

from engine.records import JobRecord
from engine.store.store import Store
from models.enums import JobPriority, JobStatus

TRICKY = {
    "number": 9007199254740993,
    "unsigned": 2**64 - 1,
    "text": "Grüße, 世界 👩‍👩‍👧 \U0001f680",
    "separator": "a\x1fb",
    "quotes": 'it\'s "quoted" `so`',
    "backslashes": "C:\\new\\table \\' \\\\",
    "percent": "100% %s %(name)s %%",
    "zero": "a\x00b",
    "sql": "'); DROP TABLE jobs; -- ?",
}


async def test_a_job_that_is_held(store: Store) -> None:
    job = await create(store, "report", payload_text='{"a":1}')
    assert job.status is JobStatus.PENDING
    assert (job.attempt, job.run_at, job.started_at, job.finished_at, job.error) == (0, None, None, None, None)
    assert await fetch_job(store, job.id) == job


async def test_a_job_that_is_to_run_now(store: Store) -> None:
    job = await create(store, run=True)
    assert (job.status, job.run_at) == (JobStatus.QUEUED, job.created_at)
    assert await fetch_job(store, job.id) == job


async def test_a_job_for_later(store: Store) -> None:
    later = (await store.database.now()) + timedelta(hours=1)
    job = await create(store, run=True, run_at=later.astimezone(UTC))
    assert (job.status, job.run_at) == (JobStatus.SCHEDULED, later)
    assert await fetch_job(store, job.id) == job


async def test_a_time_with_another_zone_is_kept_as_the_same_instant(store: Store) -> None:
    job = await create(store, run_at=datetime.fromisoformat("2199-05-06T12:00:00.123456+02:00"))
    assert (await fetch_job(store, job.id)).run_at == datetime(2199, 5, 6, 10, 0, 0, 123456, tzinfo=UTC)


async def test_a_time_that_has_passed_means_now(store: Store) -> None:
    job = await create(store, run_at=datetime(2001, 1, 1, tzinfo=UTC))
    assert job.status is JobStatus.QUEUED


async def test_every_field_comes_back(store: Store) -> None:
    [created] = await store.create_jobs(
        [
            new_job(
                "Send Test Email",
                payload_text="[1,2.50,null]",
                priority=JobPriority.HIGH,
                tags=["émails", "50%", "it's"],
                max_attempts=7,
                timeout_seconds=0.1,
                idempotency_key="key",
                digest="d" * 64,
                webhook_url="https://example.org/hook?a=%20&b='",
                concurrency_key="tenant:7",
                copy_of_id=123456789012345,
            )
        ]
    )
    assert created.created
    read = await fetch_job(store, created.job.id)
    assert read == created.job
    assert isinstance(read, JobRecord)
    assert (read.tags, read.timeout_seconds, read.copy_of_id) == (["émails", "50%", "it's"], 0.1, 123456789012345)


@pytest.mark.parametrize(
    "payload_text",
    [None, "{}", "[]", '""', "0", "false", "null", "-0.0", "1e400", '{"a":  1}', '"\\ud83d\\ude80"', '{"a":1,"a":2}'],
)
async def test_a_payload_comes_back_as_it_was_written(store: Store, payload_text: str | None) -> None:
    job = await create(store, payload_text=payload_text)
    assert (await fetch_job(store, job.id)).payload_text == payload_text


@pytest.mark.parametrize("ascii_only", [True, False])
async def test_tricky_text_comes_back(store: Store, ascii_only: bool) -> None:
    text = json.dumps(TRICKY, ensure_ascii=ascii_only)
    job = await create(store, payload_text=text)
    read = await fetch_job(store, job.id)
    assert read.payload_text == text
    assert json.loads(read.payload_text) == TRICKY


async def test_a_payload_of_a_megabyte(store: Store) -> None:
    text = json.dumps("é%'\\" * 200_000, ensure_ascii=False)
    jobs = await store.create_jobs([new_job(payload_text=text) for _ in range(12)])
    for each in jobs:
        assert (await fetch_job(store, each.job.id)).payload_text == text


async def test_names_of_255_characters_that_differ_by_case_alone(store: Store) -> None:
    names = ["ß" * 254 + "A", "ß" * 254 + "a", "𝔘" * 255, "𝔲" * 255]
    created = await store.create_jobs([new_job(name, tags=[name[:100] + name[-1]]) for name in names])
    assert [(await fetch_job(store, each.job.id)).task_name for each in created] == names
    keys = await store.create_jobs([new_job(idempotency_key=name, digest="d") for name in names])
    assert all(each.created for each in keys)


async def test_trailing_spaces_tell_keys_apart(store: Store) -> None:
    created = await store.create_jobs([new_job(idempotency_key=key, digest="d") for key in ("k", "k ", "K")])
    assert len({each.job.id for each in created}) == 3


async def test_a_thousand_at_once_in_the_order_they_were_given(store: Store) -> None:
    created = await store.create_jobs([new_job(f"task {index}", payload_text=str(index)) for index in range(1000)])
    assert [each.job.task_name for each in created] == [f"task {index}" for index in range(1000)]
    ids = [each.job.id for each in created]
    assert ids == sorted(set(ids))
    read = await store.reads.jobs_by_id(ids)
    assert [read[job_id].payload_text for job_id in ids] == [str(index) for index in range(1000)]
    assert len(await rows_of(store, "job_event")) == 1000
    await assert_history_is_sound(store, ids)


async def test_tags_have_rows_of_their_own(store: Store) -> None:
    first, second = [
        each.job for each in await store.create_jobs([new_job(tags=["a", "b"]), new_job(run=True, tags=["b"])])
    ]
    rows = await store.database.fetch("SELECT job_id, tag, run_at FROM job_tag ORDER BY job_id, tag")
    assert [tuple(row[:2]) for row in rows] == [(first.id, "a"), (first.id, "b"), (second.id, "b")]
    assert [row[2] is None for row in rows] == [True, True, False]


async def test_all_of_a_request_or_none(store: Store) -> None:
    too_long = "x" * 65 if store.database.dialect == "mysql" else "\ud800"
    with pytest.raises(Exception, match=r".") as refusal:
        await store.create_jobs([new_job("fine"), new_job("bad", idempotency_key="k", digest=too_long)])
    assert not isinstance(refusal.value, AssertionError)
    assert await rows_of(store, "jobs") == []
    assert await rows_of(store, "job_event") == []


async def test_one_that_breaks_the_batch_does_not_fail_its_neighbours(store: Store) -> None:
    """The bad one cannot even be written; it is found by running the batch singly."""
    bad = new_job("bad", payload_text="\ud800")
    requests = [[new_job(f"good {index}")] for index in range(20)]
    requests.insert(10, [new_job("good before bad"), bad])
    answers = await asyncio.gather(*(store.create_jobs(each) for each in requests), return_exceptions=True)
    assert isinstance(answers.pop(10), UnicodeEncodeError)
    assert all(isinstance(each, list) for each in answers)
    names = {row[0] for row in await store.database.fetch("SELECT task_name FROM jobs")}
    assert names == {f"good {index}" for index in range(20)}


async def test_nothing_to_create(store: Store) -> None:
    assert await store.create_jobs([]) == []
