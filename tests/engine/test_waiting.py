"""The sentence that says why a job is not running."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from bench import create, read

from engine.records import ErrorRecord, Finish, TaskRecord
from engine.states import Trigger
from engine.store.claims import ClaimRequest
from engine.store.store import Store
from engine.waiting import Waiting

ERROR = ErrorRecord("TASK_ERROR", "it broke")


async def sentence(store: Store, job_id: int, **options: Any) -> str | None:
    [found] = await Waiting(store.reads, **options).explain([await read(store, job_id)])
    return found


async def know(store: Store, name: str) -> None:
    await store.declare_tasks([TaskRecord(name, None, None, 3, 60.0)])


async def test_held_and_scheduled(store: Store) -> None:
    [held] = await create(store, "t", run=False)
    assert await sentence(store, held) == "It is held until runJob is called."
    [later] = await create(store, "t", run=False, run_at=datetime.fromisoformat("2999-02-05T15:00:00+00:00"))
    assert await sentence(store, later) == "It is scheduled for 2999-02-05T15:00:00Z."
    [again] = await create(store, "t")
    [claimed] = await store.claim(ClaimRequest(1, "w", 1, 30.0))
    assert await sentence(store, again) is None
    await store.finish(Finish.retried(claimed, ERROR, 60.0))
    due = (await read(store, again)).run_at
    assert due is not None
    said = await sentence(store, again)
    assert said == f"Attempt 1 of 3 failed; the next is due at {due:%Y-%m-%dT%H:%M:%SZ}."
    await store.change_job(again, Trigger.CANCEL)
    assert await sentence(store, again) is None


async def test_queued(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = await create(store, "t", 4)
    assert await sentence(store, ids[0]) == "No worker is alive to run it."
    worker_id = await store.register_worker("host", 1, 10)
    assert await sentence(store, ids[0]) == "No worker knows the task 't'."
    assert await sentence(store, ids[0], unknown_task="simulate") == "It is next, as soon as a slot is free."
    await know(store, "t")
    jobs = [await read(store, each) for each in ids]
    assert await Waiting(store.reads).explain(jobs) == [
        "It is next, as soon as a slot is free.",
        "1 job is ahead of it.",
        "2 jobs are ahead of it.",
        "3 jobs are ahead of it.",
    ]
    monkeypatch.setattr("engine.waiting.FARTHEST", 2)
    assert await sentence(store, ids[3]) == "More than 2 jobs are ahead of it."
    async with store.database.transaction() as transaction:
        await transaction.execute(f"UPDATE worker SET heartbeat_at='2020-01-01 00:00:00.000000' WHERE id={worker_id}")
    assert await sentence(store, ids[3]) == "No worker is alive to run it."


async def test_paused_and_resumed(store: Store) -> None:
    [parked] = await create(store, "t")
    await know(store, "t")
    await store.pause_task("t", paused=True)
    assert await sentence(store, parked) == "The task 't' is paused."
    assert await store.claim(ClaimRequest(1, "w", 1, 30.0)) == []
    [waiting] = await create(store, "t")
    for job_id in (parked, waiting):
        assert await sentence(store, job_id) == "The task 't' is paused."
    await store.register_worker("host", 1, 10)
    await store.pause_task("t", paused=False)
    assert await sentence(store, parked) == "The task 't' was resumed: its jobs are being put back into the queue."
    assert await sentence(store, waiting) == "It is next, as soon as a slot is free."
    await store.unpark()
    assert await sentence(store, parked) == "It is next, as soon as a slot is free."
    assert await sentence(store, waiting) == "1 job is ahead of it."


async def test_limited(store: Store) -> None:
    await store.declare_tasks([TaskRecord("t", None, None, 3, 60.0, 2, 1, "1/hour")])
    worker_id = await store.register_worker("host", 1, 10)
    [first, second] = await create(store, "t", 2, concurrency_key="a")
    [third] = await create(store, "t")
    assert await sentence(store, third) == "2 jobs are ahead of it."
    while await store.reads.queue(1):
        await store.claim(ClaimRequest(worker_id, "w", 5, 30.0))
    assert await sentence(store, first) is None
    assert await sentence(store, second) == "At most 1 of 't' with the key 'a' may run at once, and so many do."
    assert await sentence(store, third) == "At most 2 of 't' may run at once, and 1/hour may be started."
