"""Webhook endpoints in the store, and the outbox that every end of a job goes through."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import orjson
import pytest
from databases import OpenStore
from makers import ERROR, claim, create, job_in, new_job, rows_of

from engine.errors import Conflict, NotFound
from engine.records import EndpointRecord, Finish, NewEndpoint, TryResult
from engine.states import Trigger
from engine.store.endpoints import MAX_ENDPOINTS, EndpointChange, Reencryption, Rotation
from engine.store.listing import JobFilter
from engine.store.store import Store
from engine.webhooks import Receivers
from models.enums import DeliveryStatus, JobPriority, JobStatus, WebhookEvent

COMPLETED, FAILED, CANCELLED = WebhookEvent.JOB_COMPLETED, WebhookEvent.JOB_FAILED, WebhookEvent.JOB_CANCELLED


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    return await open_store(outbox=Receivers().outbox)


async def endpoint(store: Store, *events: WebhookEvent, **fields: Any) -> EndpointRecord:
    given = {"url": "http://receiver.test/", "task_names": None, "secret": f"kept {fields}{events}"} | fields
    return await store.endpoints.create(NewEndpoint(events=list(events) or [COMPLETED], **given))


async def sent(store: Store) -> list[tuple[int, str, dict[str, Any]]]:
    """Of each delivery: its endpoint, its event, and its body."""
    rows = await store.database.fetch("SELECT endpoint_id, event, body FROM webhook_delivery ORDER BY id")
    return [(endpoint_id, event, orjson.loads(bytes(body))) for endpoint_id, event, body in rows]


async def test_what_is_created_is_what_is_read(store: Store) -> None:
    made = await endpoint(store, CANCELLED, COMPLETED, task_names=["é", "b"], url="https://a.test/")
    assert await store.endpoints.all() == [made]
    assert await store.endpoints.by_id([made.id, made.id + 1, 0, 2**70]) == {made.id: made}
    assert "kept" not in repr(made)


async def test_created_twice_as_after_a_lost_commit_it_is_there_once(store: Store) -> None:
    new = NewEndpoint(url="http://a.test/", events=[COMPLETED], task_names=None, secret="one secret")
    assert await store.endpoints.create(new) == await store.endpoints.create(new)
    assert len(await store.endpoints.all()) == 1


async def test_there_is_room_for_so_many(store: Store) -> None:
    await asyncio.gather(*(endpoint(store, secret=f"secret {n}") for n in range(MAX_ENDPOINTS)))
    with pytest.raises(Conflict, match="at most 100"):
        await endpoint(store, secret="one more")
    assert len(await store.endpoints.all()) == MAX_ENDPOINTS


async def test_change_sets_what_is_given(store: Store) -> None:
    made = await endpoint(store, task_names=["a"])
    changed = await store.endpoints.change(EndpointChange(made.id, {"task_names": None, "events": [FAILED]}))
    assert (changed.task_names, changed.events, changed.url) == (None, [FAILED], made.url)
    assert await store.endpoints.all() == [changed]
    with pytest.raises(NotFound):
        await store.endpoints.change(EndpointChange(made.id + 1, {"enabled": False}))
    with pytest.raises(NotFound):
        await store.endpoints.disable(0, "it is not one of these")


async def test_rotation_keeps_the_last_secret_for_a_while(store: Store) -> None:
    made = await endpoint(store, secret="first")
    rotation = Rotation(made.id, "second", 60.0)
    rotated = await store.endpoints.rotate(rotation)
    assert (rotated.secret, rotated.previous_secret) == ("second", "first")
    left = rotated.previous_secret_until - await store.database.now()  # type: ignore[operator]
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)
    assert await store.endpoints.rotate(rotation) == rotated  # as after a lost COMMIT
    assert await store.endpoints.all() == [rotated]


async def test_another_key_is_not_written_over_another_secret(store: Store) -> None:
    made = await endpoint(store, secret="first")
    rotated = await store.endpoints.rotate(Rotation(made.id, "second", 60.0))
    assert await store.endpoints.reencrypt(Reencryption(made, "first again", None)) is False
    assert await store.endpoints.reencrypt(Reencryption(rotated, "second again", "first again")) is True
    [now] = await store.endpoints.all()
    assert (now.secret, now.previous_secret) == ("second again", "first again")
    assert now.previous_secret_until == rotated.previous_secret_until


async def test_every_end_of_a_job_is_told_in_its_own_words(store: Store) -> None:
    wide = await endpoint(store, COMPLETED, FAILED, CANCELLED)
    fields = {"payload_text": '{"n":9007199254740993}', "priority": JobPriority.LOW}
    ids = {}
    for status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED):
        ids[status] = await job_in(store, status, task_name="täsk", **fields)
    jobs = await store.reads.jobs_by_id(list(ids.values()))

    def body(status: JobStatus, key: str, **more: Any) -> dict[str, Any]:
        at = jobs[ids[status]].finished_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")  # type: ignore[union-attr]
        start = {"jobId": ids[status], "taskName": "täsk", "priority": "Low", "payload": {"n": 9007199254740993}}
        return {**start, key: at, **more}

    error = {"code": "TASK_ERROR", "message": "it broke"}
    assert await sent(store) == [
        (wide.id, "job.completed", body(JobStatus.COMPLETED, "completedAt")),
        (wide.id, "job.failed", body(JobStatus.FAILED, "failedAt", error=error)),
        (wide.id, "job.cancelled", body(JobStatus.CANCELLED, "cancelledAt")),
    ]


@pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.SCHEDULED, JobStatus.QUEUED])
async def test_cancelled_before_it_ran(store: Store, status: JobStatus) -> None:
    await endpoint(store, CANCELLED)
    job_id = await job_in(store, status, payload_text="[1]")
    await store.change_job(job_id, Trigger.CANCEL)
    [(_, event, body)] = await sent(store)
    assert (event, body["jobId"], body["payload"]) == ("job.cancelled", job_id, [1])


async def test_cancelled_in_bulk(store: Store) -> None:
    wide, narrow = await endpoint(store, CANCELLED), await endpoint(store, CANCELLED, task_names=["b"])
    created = await store.create_jobs([new_job("a" if n % 3 else "b") for n in range(1200)])
    assert await store.change_jobs(JobFilter(), Trigger.CANCEL) == 1200
    rows = await store.database.fetch("SELECT endpoint_id, job_id FROM webhook_delivery")
    assert Counter(rows) == Counter(
        [(wide.id, each.job.id) for each in created]
        + [(narrow.id, each.job.id) for each in created if each.job.task_name == "b"]
    )


async def test_a_running_job_that_is_cancelled(store: Store) -> None:
    await endpoint(store, COMPLETED, FAILED, CANCELLED)
    job_id = await job_in(store, JobStatus.QUEUED)
    [job] = await claim(store)
    await store.change_job(job_id, Trigger.CANCEL)
    assert await sent(store) == []  # it has not ended yet
    assert await store.finish(Finish.failed(job, ERROR))  # it was asked to stop, and stopped
    [(_, event, body)] = await sent(store)
    assert event == "job.cancelled"
    assert "error" not in body


async def test_a_job_whose_worker_was_lost(store: Store) -> None:
    await endpoint(store, FAILED, CANCELLED)
    last, more, cancelled = [await create(store, run=True, max_attempts=n) for n in (1, 2, 2)]
    await claim(store, 3, lease_seconds=0.0)
    await store.change_job(cancelled.id, Trigger.CANCEL)
    assert {each.job_id: each.to for each in await store.rescue()} == {
        last.id: JobStatus.FAILED,
        more.id: JobStatus.QUEUED,
        cancelled.id: JobStatus.CANCELLED,
    }
    told = {body["jobId"]: (event, body.get("error", {}).get("code")) for _, event, body in await sent(store)}
    assert told == {last.id: ("job.failed", "WORKER_LOST"), cancelled.id: ("job.cancelled", None)}


async def test_what_is_no_end_is_told_to_nobody(store: Store) -> None:
    await endpoint(store, COMPLETED, FAILED, CANCELLED)
    await store.create_jobs([new_job(run=True) for _ in range(3)])
    retried, released, late = await claim(store, 3)
    await store.finish(Finish.retried(retried, ERROR, 60.0))
    await store.finish(Finish.released(released))
    late.claim_token += 1
    assert await store.finish(Finish.completed(late, None)) is False
    assert await sent(store) == []


async def test_only_those_that_want_it(store: Store) -> None:
    await endpoint(store, FAILED)
    await endpoint(store, COMPLETED, task_names=["other"])
    off = await endpoint(store, COMPLETED, task_names=["report", "x"])
    on = await endpoint(store, COMPLETED, task_names=["x", "report"])
    await store.endpoints.disable(off.id, "it answered 410")
    await job_in(store, JobStatus.COMPLETED)
    assert [(endpoint_id, event) for endpoint_id, event, _ in await sent(store)] == [(on.id, "job.completed")]


async def test_a_jobs_own_url_is_told_of_its_completion_alone(store: Store) -> None:
    for status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED):
        await job_in(store, status, webhook_url="http://own.test/")
    assert [(endpoint_id, event) for endpoint_id, event, _ in await sent(store)] == [(None, "job.completed")]


async def test_another_process_knows_an_endpoint_from_its_creation_to_its_end(open_store: OpenStore) -> None:
    one = await open_store(outbox=Receivers().outbox)
    other = await open_store(outbox=Receivers().outbox)
    for _ in range(5):
        made = await endpoint(one, secret=f"secret {_}")
        job_id = await job_in(other, JobStatus.COMPLETED)
        assert [body["jobId"] for endpoint_id, _, body in await sent(one) if endpoint_id == made.id] == [job_id]
        await one.endpoints.delete(made.id)
        await job_in(other, JobStatus.COMPLETED)
        assert len([1 for endpoint_id, *_ in await sent(one) if endpoint_id == made.id]) == 1


@pytest.mark.parametrize("way", ["update", "disable", "delete"])
async def test_what_waits_for_an_endpoint_that_is_off_has_failed(store: Store, way: str) -> None:
    off, other = await endpoint(store), await endpoint(store, secret="other")
    await store.create_jobs([new_job(run=True) for _ in range(700)])
    jobs = await claim(store, 700)
    await asyncio.gather(*(store.finish(Finish.completed(job, None)) for job in jobs))
    under_way = await store.claim_deliveries(6, 30.0)
    for each in under_way[:2]:
        await store.record_try(TryResult(each, DeliveryStatus.DELIVERED, 1, 200, None, None))
    if way == "update":
        await store.endpoints.change(EndpointChange(off.id, {"enabled": False}))
    elif way == "disable":
        assert (await store.endpoints.disable(off.id, "x" * 300)).disabled_reason == "x" * 255
    else:
        assert await store.endpoints.delete(off.id) == off.id
    rows = await store.database.fetch("SELECT endpoint_id, status, claim_token IS NULL FROM webhook_delivery")
    counts = Counter(rows)
    kept = Counter(each.endpoint_id for each in under_way[2:])
    done = Counter(each.endpoint_id for each in under_way[:2])
    assert counts[(off.id, "FAILED", 1)] == 700 - kept[off.id] - done[off.id]
    assert counts[(off.id, "PENDING", 0)] == kept[off.id]
    assert counts[(other.id, "FAILED", 1)] == 0
    if way == "delete":
        with pytest.raises(NotFound):
            await store.endpoints.delete(off.id)


async def test_one_that_is_enabled_again_begins_with_a_clean_record(store: Store) -> None:
    made = await endpoint(store)
    now = (await store.database.now()).strftime("%Y-%m-%d %H:%M:%S.%f")
    columns = ("endpoint_id", "failures_in_a_row", "failing_since", "open_until", "probes", "updated_at")
    async with store.database.transaction() as transaction:
        await transaction.insert("webhook_circuit", columns, [(made.id, 9, now, now, 1, now)])
    await store.endpoints.disable(made.id, "it answered 410")
    assert len(await rows_of(store, "webhook_circuit")) == 1
    change = EndpointChange(made.id, {"enabled": True, "disabled_reason": None})
    assert (await store.endpoints.change(change)).enabled
    assert await rows_of(store, "webhook_circuit") == []


async def test_deliveries_go_with_their_jobs(store: Store) -> None:
    await endpoint(store, CANCELLED)
    gone, kept = await job_in(store, JobStatus.CANCELLED), await job_in(store, JobStatus.CANCELLED)
    await store.delete_job(gone)
    assert [body["jobId"] for _, _, body in await sent(store)] == [kept]
