"""What clients may ask: each refusal names the value and the field, and nothing is written."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import Conflict, InvalidInput, NotFound
from engine.jobs import JobInput, Jobs
from engine.records import TaskRecord
from engine.registry import Task, TaskRegistry
from engine.store.store import Store
from models.enums import JobPriority, JobStatus


async def email(to: str, count: int = 1) -> None:
    """Send."""


@pytest.fixture
def jobs(store: Store) -> Jobs:
    return Jobs(store, TaskRegistry([Task.declare("email", email, max_attempts=5, timeout_seconds=9.0)]))


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"task_name": ""}, "taskName"),
        ({"task_name": "  "}, "taskName"),
        ({"task_name": "x" * 256}, "taskName"),
        ({"task_name": "a\x1fb"}, "taskName"),
        ({"task_name": "nobody knows it"}, "taskName"),
        ({"payload": {}}, "payload.to"),
        ({"payload": {"to": "a", "more": 1}}, "payload.more"),
        ({"payload": {"to": "a", "count": "many"}}, "payload.count"),
        ({"payload": [1]}, "payload"),
        ({"payload": {"to": float("nan")}}, "payload.to"),
        ({"payload": {"to": "\ud800"}}, "payload.to"),
        ({"payload": {"to": 2**70}}, "payload.to"),
        ({"max_attempts": 0}, "maxAttempts"),
        ({"max_attempts": 101}, "maxAttempts"),
        ({"timeout_seconds": 0.0}, "timeoutSeconds"),
        ({"timeout_seconds": float("inf")}, "timeoutSeconds"),
        ({"tags": ["x" * 101]}, "tags"),
        ({"tags": [""]}, "tags"),
        ({"tags": [str(n) for n in range(21)]}, "tags"),
        ({"idempotency_key": ""}, "idempotencyKey"),
        ({"idempotency_key": "k" * 256}, "idempotencyKey"),
        ({"webhook_url": "ftp://x/"}, "webhookUrl"),
        ({"webhook_url": "http://user:secret@x/"}, "webhookUrl"),
        ({"webhook_url": "http://x/" + "y" * 2048}, "webhookUrl"),
    ],
)
async def test_refusals(jobs: Jobs, store: Store, fields: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await jobs.create([JobInput(**({"task_name": "email", "payload": {"to": "a"}} | fields))])
    assert refusal.value.field == place
    assert (await store.reads.stats()).counts[JobStatus.PENDING] == 0


async def test_one_bad_input_of_many_and_nothing_is_created(jobs: Jobs, store: Store) -> None:
    with pytest.raises(InvalidInput):
        await jobs.create([JobInput(task_name="email", payload={"to": "a"}), JobInput(task_name="email")])
    with pytest.raises(InvalidInput, match="1001 jobs; at most 1000"):
        await jobs.create([JobInput(task_name="email", payload={"to": "a"})] * 1001)
    assert await store.reads.log_bounds() == (0, 0)


async def test_limits_come_from_the_task_unless_given(jobs: Jobs) -> None:
    [plain, own] = await jobs.create(
        [
            JobInput(task_name="email", payload={"to": "a"}),
            JobInput(task_name="email", payload={"to": "a"}, max_attempts=1, timeout_seconds=2.5),
        ]
    )
    assert (plain.job.max_attempts, plain.job.timeout_seconds) == (5, 9.0)
    assert (own.job.max_attempts, own.job.timeout_seconds) == (1, 2.5)


async def test_a_task_that_another_process_declared_is_known(jobs: Jobs, store: Store) -> None:
    await store.declare_tasks([TaskRecord("remote", None, None, 7, 11.0)])
    [created] = await jobs.create([JobInput(task_name="remote", payload={"anything": 1})])
    assert (created.job.max_attempts, created.job.timeout_seconds) == (7, 11.0)


async def test_an_idempotency_key_names_one_request(jobs: Jobs) -> None:
    given = JobInput(task_name="email", payload={"to": "a"}, idempotency_key="k")
    [first] = await jobs.create([given])
    [second] = await jobs.create([given])
    assert (first.created, second.created, second.job.id) == (True, False, first.job.id)
    with pytest.raises(Conflict, match="'k'"):
        await jobs.create([JobInput(task_name="email", payload={"to": "b"}, idempotency_key="k")])


async def test_copies(jobs: Jobs) -> None:
    [source] = await jobs.create(
        [JobInput(task_name="email", payload={"to": "a"}, priority=JobPriority.HIGH, tags=["t"], idempotency_key="k")]
    )
    same = await jobs.copy(source.job.id)
    assert (same.payload_text, same.tags, same.priority, same.status) == (
        '{"to":"a"}',
        ["t"],
        JobPriority.HIGH,
        JobStatus.QUEUED,
    )
    assert (same.copy_of_id, same.idempotency_key) == (source.job.id, None)
    edited = await jobs.copy(source.job.id, payload={"to": "b"}, has_payload=True, run=False)
    assert (edited.payload_text, edited.status) == ('{"to":"b"}', JobStatus.PENDING)
    with pytest.raises(InvalidInput):
        await jobs.copy(source.job.id, payload=None, has_payload=True)
    with pytest.raises(NotFound, match="999"):
        await jobs.copy(999)
