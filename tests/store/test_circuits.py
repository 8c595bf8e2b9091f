"""Circuits in the store: what waits for a receiver is brought forward when it is well again, a little at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from databases import OpenStore
from makers import claim, new_job, rows_of

from engine.records import DueDelivery, Finish, NewDelivery, TryResult
from engine.store.circuits import FAILURES_TO_OPEN, lane_of
from engine.store.deliveries import BROUGHT_FORWARD_DAYS, BROUGHT_FORWARD_LIMIT, GROWTH
from engine.store.store import Store
from engine.store.unit import Ending, Unit
from models.enums import DeliveryStatus, WebhookEvent

ENDPOINT = 0
HOST_URL, OTHER_URL = "http://host.test/hook", "http://other.test/hook"
HOUR_SECONDS = 3600.0


async def store_with(open_store: OpenStore, *receivers: tuple[int | None, str]) -> Store:
    async def outbox(_unit: Unit, endings: Sequence[Ending]) -> list[NewDelivery]:
        return [
            NewDelivery(f"msg_{each.job_id}_{n}", each.job_id, WebhookEvent.JOB_COMPLETED, endpoint_id, url, b"{}")
            for each in endings
            for n, (endpoint_id, url) in enumerate(receivers)
        ]

    return await open_store(outbox=outbox)


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    return await store_with(open_store, (ENDPOINT, "http://receiver.test/"))


async def complete(store: Store, count: int) -> None:
    await store.create_jobs([new_job(run=True) for _ in range(count)])
    await asyncio.gather(*(store.finish(Finish.completed(job, "1")) for job in await claim(store, count)))


async def end(store: Store, due: Sequence[DueDelivery], *, ok: bool = False, asked_seconds: float = 0.0) -> None:
    """Note that each was delivered, or failed and waits for an hour."""
    status = DeliveryStatus.DELIVERED if ok else DeliveryStatus.PENDING
    wait = None if ok else max(HOUR_SECONDS, asked_seconds)
    results = [
        TryResult(each, status, 1, 200 if ok else 503, None if ok else "no", wait, asked_seconds=asked_seconds)
        for each in due
    ]
    assert all(await asyncio.gather(*map(store.record_try, results)))


async def execute(store: Store, sql: str) -> None:
    async with store.database.transaction() as transaction:
        await transaction.execute(sql)


async def let_the_probe_be_due(store: Store) -> None:
    await execute(store, "UPDATE webhook_circuit SET open_until='2020-01-01 00:00:00.000000'")


async def state(store: Store) -> tuple[int, int, int]:
    """How many deliveries are due, wait, and have ended."""
    rows = await store.database.fetch("SELECT status, next_try_at, claim_token FROM webhook_delivery", ())
    now = (await store.database.now()).strftime("%Y-%m-%d %H:%M:%S.%f")
    kinds = Counter(
        "ended" if status != "PENDING" else "due" if str(at) <= now and token is None else "waits"
        for status, at, token in rows
    )
    return kinds["due"], kinds["waits"], kinds["ended"]


async def open_circuit(store: Store, waiting: int) -> None:
    """An outage: so many deliveries have failed or were held, and wait for an hour."""
    await complete(store, waiting)
    failed = 0
    while due := await store.claim_deliveries(FAILURES_TO_OPEN if not failed else 500, 30.0):
        failed += sum(not each.is_held for each in due)
        await end(store, due)
    assert failed == FAILURES_TO_OPEN
    assert await state(store) == (0, waiting, 0)


async def test_the_end_of_an_outage_brings_forward_what_waited_twice_as_much_with_each_round(store: Store) -> None:
    await open_circuit(store, 100)
    await complete(store, 1)
    await let_the_probe_be_due(store)
    sizes = []
    while due := await store.claim_deliveries(500, 30.0):
        assert not any(each.is_held for each in due)
        sizes.append(len(due))
        await end(store, due, ok=True)
    assert sizes == [1, 2, 4, 8, 16, 32, 38]
    assert GROWTH == 2
    assert await state(store) == (0, 0, 101)
    assert await rows_of(store, "webhook_circuit") == []


async def test_no_more_than_the_lane_may_have_and_others_have_their_share(open_store: OpenStore) -> None:
    store = await store_with(open_store, (ENDPOINT, "http://receiver.test/"))
    await open_circuit(store, 60)
    store._outbox = (await store_with(open_store, (None, OTHER_URL)))._outbox
    await let_the_probe_be_due(store)
    for _ in range(5):
        await end(store, await store.claim_deliveries(500, 30.0), ok=True)
    assert (await state(store))[0] == 29  # all the rest
    await complete(store, 20)
    due = await store.claim_deliveries(20, 30.0, lane_limit=8)
    assert Counter(each.endpoint_id for each in due) == {ENDPOINT: 8, None: 8}


async def test_a_probe_needs_nothing_new(store: Store) -> None:
    """Or a receiver without new jobs would wait for hours although it is well."""
    await open_circuit(store, 12)
    assert await store.claim_deliveries(500, 30.0) == []
    await let_the_probe_be_due(store)
    [probe] = await store.claim_deliveries(500, 30.0)
    assert (probe.is_held, await store.claim_deliveries(500, 30.0)) == (False, [])
    await end(store, [probe])
    assert await state(store) == (0, 12, 0)
    assert await store.claim_deliveries(500, 30.0) == []
    await let_the_probe_be_due(store)
    await end(store, await store.claim_deliveries(500, 30.0), ok=True)
    assert await state(store) == (2, 9, 1)


async def test_a_probe_takes_no_try_away(store: Store) -> None:
    await open_circuit(store, FAILURES_TO_OPEN)
    counts = "SELECT SUM(try_count) FROM webhook_delivery"
    before = await store.database.fetch(counts)
    for _ in range(3):
        await let_the_probe_be_due(store)
        await end(store, await store.claim_deliveries(500, 30.0))
    assert await store.database.fetch(counts) == before
    assert len(await rows_of(store, "webhook_try")) == FAILURES_TO_OPEN + 3


async def test_what_fails_again_keeps_to_its_own_time(store: Store) -> None:
    await open_circuit(store, 30)
    await let_the_probe_be_due(store)
    await end(store, await store.claim_deliveries(500, 30.0), ok=True)
    [good, bad] = await store.claim_deliveries(500, 30.0)
    await end(store, [bad])
    assert await state(store) == (0, 29, 1)  # the good one is under way
    assert [row[1] for row in await rows_of(store, "webhook_circuit")] == [1]
    await end(store, [good], ok=True)
    tried = [bad.id]
    while due := await store.claim_deliveries(500, 30.0):
        tried += [each.id for each in due]
        await end(store, due, ok=True)
    assert len(set(tried)) == len(tried) == 28
    assert await state(store) == (0, 1, 29)
    assert await rows_of(store, "webhook_circuit") == []


async def test_a_receiver_that_falls_again_is_left_alone(store: Store) -> None:
    await open_circuit(store, 100)
    await let_the_probe_be_due(store)
    for _ in range(4):
        await end(store, await store.claim_deliveries(500, 30.0), ok=True)
    due = await store.claim_deliveries(500, 30.0)
    assert len(due) >= FAILURES_TO_OPEN
    await end(store, due)
    assert await store.claim_deliveries(500, 30.0) == []
    [circuit] = await rows_of(store, "webhook_circuit")
    assert circuit[1] == len(due)
    assert await state(store) == (0, 85, 15)


async def test_what_the_receiver_asked_to_be_sent_later_is(store: Store) -> None:
    await complete(store, 40)
    due = await store.claim_deliveries(500, 30.0)
    await end(store, due[:20], asked_seconds=2 * HOUR_SECONDS)
    await end(store, due[20:])
    await let_the_probe_be_due(store)
    found = []
    while due := await store.claim_deliveries(500, 30.0):
        found += due
        await end(store, due, ok=True)
    assert len(found) == 20
    assert await state(store) == (0, 20, 20)


async def test_old_deliveries_come_to_their_end(store: Store) -> None:
    await open_circuit(store, 20)
    long_ago = f"2020-01-0{BROUGHT_FORWARD_DAYS} 00:00:00.000000"
    await execute(store, f"UPDATE webhook_delivery SET created_at='{long_ago}'")
    await let_the_probe_be_due(store)
    assert await store.claim_deliveries(500, 30.0) == []
    assert await state(store) == (0, 20, 0)


async def test_hosts_of_jobs_own_urls(open_store: OpenStore) -> None:
    store = await store_with(open_store, (None, HOST_URL), (None, OTHER_URL))
    await complete(store, 40)
    due = await store.claim_deliveries(500, 30.0)
    lanes = {each.url: each.lane for each in due}
    assert lanes == {url: lane_of(None, url) for url in (HOST_URL, OTHER_URL)}
    await end(store, due)
    store._outbox = (await store_with(open_store, (None, HOST_URL)))._outbox
    await complete(store, 1)
    await let_the_probe_be_due(store)
    found = []
    while due := await store.claim_deliveries(500, 30.0):
        found += due
        await end(store, due, ok=True)
    assert {each.url for each in found} == {HOST_URL}
    assert len(found) == 41
    assert [row[0] for row in await rows_of(store, "webhook_circuit")] == [lanes[OTHER_URL]]


async def test_two_processes_bring_nothing_forward_twice(open_store: OpenStore) -> None:
    stores = [await store_with(open_store, (ENDPOINT, "http://receiver.test/")) for _ in range(2)]
    await open_circuit(stores[0], 300)
    await let_the_probe_be_due(stores[0])
    [probe, *more] = [each for store in stores for each in await store.claim_deliveries(500, 30.0)]
    assert more == []
    await end(stores[0], [probe], ok=True)
    tried = [probe.id]

    async def deliver(store: Store) -> None:
        misses = 0
        while misses < 5:
            due = await store.claim_deliveries(20, 30.0)
            misses = 0 if due else misses + 1
            tried.extend(each.id for each in due)
            await end(store, due, ok=True)

    await asyncio.gather(*map(deliver, stores))
    assert len(tried) == len(set(tried)) == 300
    assert await state(stores[0]) == (0, 0, 300)
    assert await rows_of(stores[0], "webhook_circuit") == []


async def test_few_statements_and_few_rows_at_once(store: Store) -> None:
    await open_circuit(store, 1500)
    await let_the_probe_be_due(store)
    made_due: list[int] = []
    store.listen(lambda unit: made_due.append(unit.made_due))
    while due := await store.claim_deliveries(500, 30.0):
        await end(store, due, ok=True)
    assert await state(store) == (0, 0, 1500)
    assert sum(made_due) == 1500
    assert max(made_due) <= BROUGHT_FORWARD_LIMIT
    assert len([each for each in made_due if each]) < 20
