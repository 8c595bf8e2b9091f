"""The event log: what came after a cursor, and each job as it was right after its change."""

from __future__ import annotations

import asyncio

import pytest
from databases import OpenStore
from eventually import eventually
from makers import ERROR, claim, create, fetch_job, job_in, new_job

from engine.errors import InvalidInput
from engine.records import ErrorRecord, Finish, JobRecord
from engine.states import Trigger
from engine.store.claims import Progress
from engine.store.reads import MAX_ID, Hole, parse_id
from engine.store.store import Store
from models.enums import JobStatus

OTHER_ERROR = ErrorRecord("TIMEOUT", "too slow", None)


async def seqs_after(store: Store, seq: int, limit: int) -> list[int]:
    return [event.seq for event in await store.reads.events_after(seq, limit)]


async def test_the_log_in_pages(store: Store) -> None:
    assert await store.reads.log_bounds() == (0, 0)
    assert await store.reads.events_after(0, 10) == []
    created = await store.create_jobs([new_job() for _ in range(25)])
    first, last = await store.reads.log_bounds()
    found = []
    while page := await store.reads.events_after(found[-1].seq if found else 0, 10):
        assert len(page) <= 10
        found += page
    assert [event.job_id for event in found] == [each.job.id for each in created]
    assert (found[0].seq, found[-1].seq) == (first, last)
    assert [event.cursor for event in found] == [str(event.seq) for event in found]
    assert await seqs_after(store, first, 3) == [event.seq for event in found[1:4]]


async def lived(store: Store) -> tuple[int, list[JobRecord]]:
    """A job that has been through everything, and how it was after each change."""
    job = await create(store, payload_text='{"a":1}', tags=["a"])
    seen = [job]

    async def note(*_done: object) -> None:
        seen.append(await fetch_job(store, job.id))

    await note(seen.pop())
    await note(await store.change_job(job.id, Trigger.RUN))
    [first] = await claim(store)
    await note()
    await note(await store.finish(Finish.retried(first, ERROR, 0.0)))
    await note(await store.promote_due())
    [second] = await claim(store)
    await note()
    await note(await store.finish(Finish.released(second)))
    [third] = await claim(store)
    await note()
    await note(await store.finish(Finish.completed(third, '"one"')))
    await note(await store.change_job(job.id, Trigger.RETRY))
    [fourth] = await claim(store)
    await note()
    await note(await store.finish(Finish.failed(fourth, OTHER_ERROR)))
    await note(await store.change_job(job.id, Trigger.RETRY))
    await note(await store.change_job(job.id, Trigger.CANCEL))
    await note(await store.change_job(job.id, Trigger.RETRY))
    [fifth] = await claim(store)
    await note()
    await note(await store.finish(Finish.completed(fifth, '"two"')))
    return job.id, seen


async def test_each_job_as_it_was_right_after_each_change(store: Store) -> None:
    job_id, seen = await lived(store)
    events = await store.reads.events_after(0, 100)
    changes = await store.reads.changes(events)
    assert [change.to for change in changes] == [each.status for each in seen]
    for change, then in zip(changes, seen, strict=True):
        if then.result_text == '"one"':  # a retry has thrown it away
            then.result_text = None
        assert change.job == then
        assert (change.job.id, change.at, change.cursor) == (job_id, then.updated_at, str(change.seq))


async def test_as_it_was_read_at_once(store: Store) -> None:
    """The usual case: nothing has changed since."""
    job_id = await job_in(store, JobStatus.COMPLETED, tags=["a"])
    *_, last = await store.reads.events_after(0, 100)
    [change] = await store.reads.changes([last])
    assert change.job == await fetch_job(store, job_id)
    assert change.job.result_text == '{"ok":true}'


async def test_progress_does_not_make_a_change_stale(store: Store) -> None:
    job_id = await job_in(store, JobStatus.QUEUED)
    [claimed] = await claim(store)
    await store.report_progress(Progress(job_id, claimed.claim_token, 0.5))
    *_, last = await store.reads.events_after(0, 100)
    [change] = await store.reads.changes([last])
    assert (change.to, change.job.progress) == (JobStatus.RUNNING, 0.5)


async def test_events_of_jobs_that_are_gone_are_left_out(store: Store) -> None:
    gone, kept = await create(store), await create(store)
    events = await store.reads.events_after(0, 100)
    await store.delete_job(gone.id)
    assert [change.job.id for change in await store.reads.changes(events)] == [kept.id]
    assert await store.reads.changes([]) == []


async def test_listeners_are_told_after_the_commit(store: Store) -> None:
    told: list[tuple[int | None, int | None, int]] = []
    store.listen(lambda _unit: (_ for _ in ()).throw(RuntimeError("a listener that breaks")))
    store.listen(lambda unit: told.append((unit.first_seq, unit.last_seq, unit.became_queued)))
    await store.create_jobs([new_job(run=True), new_job(), new_job(run=True)])
    assert told == [(*await store.reads.log_bounds(), 2)]


@pytest.mark.parametrize("database_url", ["mariadb", "mysql"], indirect=True)
async def test_a_hole_is_open_while_its_transaction_is(open_store: OpenStore) -> None:
    stores = [await open_store(), await open_store()]
    await create(stores[0])
    _, start = await stores[0].reads.log_bounds()
    first, second = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with stores[0].database.transaction() as transaction:
            columns = ("job_id", "from_status", "to_status", "attempt", "at")
            await transaction.insert("job_event", columns, [(1, None, "PENDING", 0, transaction.now_text)])
            first.set()
            await second.wait()

    task = asyncio.create_task(slow())
    await first.wait()
    await create(stores[1])
    seqs = await seqs_after(stores[1], start, 10)
    assert seqs == [start + 2]
    assert await stores[1].reads.is_hole_open(start + 1, start + 1)
    second.set()
    await task
    assert await seqs_after(stores[1], start, 10) == [start + 1, start + 2]


@pytest.mark.parametrize("database_url", ["mariadb", "mysql"], indirect=True)
async def test_a_number_that_was_never_used_is_no_open_hole(store: Store) -> None:
    await create(store)
    _, last = await store.reads.log_bounds()
    assert not await store.reads.is_hole_open(last + 1, last + 5)


async def test_holes(store: Store) -> None:
    """Numbers of which no event is left, between others and before the first; only within what is asked."""
    for _ in range(8):
        await create(store)
    first, last = await store.reads.log_bounds()
    assert await store.reads.holes(first - 1, last) == []
    gone = (first, first + 2, first + 3, first + 5, last)
    async with store.database.transaction() as transaction:
        await transaction.execute(f"DELETE FROM job_event WHERE seq IN ({','.join(map(str, gone))})")
    times = {event.seq: event.at for event in await store.reads.events_after(0, 100)}
    found = await store.reads.holes(first - 1, last)
    assert found == [
        Hole(first, first, times[first + 1]),
        Hole(first + 2, first + 3, times[first + 4]),
        Hole(first + 5, first + 5, times[first + 6]),
    ]
    assert await store.reads.holes(first + 3, first + 4) == []
    assert await store.reads.holes(last, last) == []


async def test_every_event_is_seen_once_by_a_reader_that_waits_for_holes(open_store: OpenStore) -> None:
    stores = [await open_store(), await open_store()]
    await create(stores[0])
    _, start = await stores[0].reads.log_bounds()
    writers = asyncio.gather(*(create(stores[index % 2]) for index in range(200)))
    seen: list[int] = []

    async def read() -> bool:
        written = writers.done()
        last = seen[-1] if seen else start
        for seq in await seqs_after(stores[0], last, 50):
            if seq > last + 1 and await stores[0].reads.is_hole_open(last + 1, seq - 1):
                break
            seen.append(seq)
            last = seq
        return written and len(seen) >= 200

    await eventually(read, timeout_seconds=30)
    await writers
    assert seen == await seqs_after(stores[0], start, 1000)


@pytest.mark.parametrize("text", ["", "abc", "-1", "1.5", " 1", "1e3", "٣", "0x1", "1_0", "+1"])
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not an id") as refusal:
        parse_id(text, "jobId")
    assert refusal.value.field == "jobId"


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("0", 0), ("007", 7), (str(MAX_ID), MAX_ID)])
def test_what_is_an_id(text: str, number: int) -> None:
    assert parse_id(text) == number


@pytest.mark.parametrize("text", [str(MAX_ID + 1), "9" * 20, "9" * 31, "9" * 5000])
async def test_an_id_that_is_too_long_finds_nothing(store: Store, text: str) -> None:
    assert await store.reads.job(parse_id(text)) is None
