"""The log of deliveries: every filter and page against the plain answer, and sending again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from databases import OpenStore
from makers import everything

from engine.errors import InvalidInput
from engine.records import TryResult
from engine.store.database import from_text, to_text
from engine.store.delivery_log import DeliveryFilter, DeliveryQuery
from engine.store.store import Store
from models.enums import DeliveryStatus, WebhookEvent

PENDING, DELIVERED, FAILED = DeliveryStatus.PENDING, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED
COLUMNS = ("message_id", "job_id", "event", "endpoint_id", "url", "body", "status", "try_count", "next_try_at")
ALL = 120


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    return await open_store()


async def fill(store: Store, count: int = ALL) -> list[dict[str, Any]]:
    """Deliveries of all kinds, an hour apart; as their rows, oldest first."""
    pick = random.Random(3)
    start = await store.database.now() - timedelta(hours=count)
    rows = []
    for n in range(count):
        status = pick.choice(list(DeliveryStatus))
        at = to_text(start + timedelta(hours=n))
        rows.append(
            {
                "message_id": f"msg_{n:05}",
                "job_id": pick.randrange(10),
                "event": pick.choice(list(WebhookEvent)).value,
                "endpoint_id": pick.choice([None, 0, 1, 2]),
                "url": "http://old.test/",
                "body": b"{}",
                "status": status.value,
                "try_count": 3,
                "next_try_at": at if status is PENDING else None,
                "created_at": at,
                "updated_at": at,
            }
        )
    async with store.database.transaction() as transaction:
        columns = (*COLUMNS, "created_at", "updated_at")
        ids = await transaction.insert("webhook_delivery", columns, [tuple(row.values()) for row in rows])
        tries = [(id_, row["created_at"], 5, 500, "no") for id_, row in zip(ids, rows, strict=True) if id_ % 3 == 0]
        await transaction.insert("webhook_try", ("delivery_id", "at", "duration_ms", "response_status", "error"), tries)
    return rows


def is_match(where: DeliveryFilter, row: dict[str, Any]) -> bool:
    created = from_text(row["created_at"])
    return (
        (where.endpoint_id is None or row["endpoint_id"] == where.endpoint_id)
        and (where.job_id is None or row["job_id"] == where.job_id)
        and (where.status is None or row["status"] in where.status)
        and (where.event is None or row["event"] in where.event)
        and (where.endpoints is None or row["endpoint_id"] is None or row["endpoint_id"] in where.endpoints)
        and (where.created_after is None or created > where.created_after)
        and (where.created_before is None or created < where.created_before)
    )


FILTERS: dict[str, DeliveryFilter] = {
    "none": DeliveryFilter(),
    "endpoint": DeliveryFilter(endpoint_id=1),
    "settings": DeliveryFilter(endpoint_id=0),
    "job": DeliveryFilter(job_id=4),
    "job and endpoint": DeliveryFilter(job_id=4, endpoint_id=1),
    "rare status": DeliveryFilter(status=(FAILED,)),
    "rare statuses": DeliveryFilter(status=(FAILED, PENDING)),
    "frequent status": DeliveryFilter(status=(DELIVERED,)),
    "all statuses": DeliveryFilter(status=(DELIVERED, PENDING, FAILED)),
    "endpoint and status": DeliveryFilter(endpoint_id=2, status=(FAILED,)),
    "job and status": DeliveryFilter(job_id=4, status=(FAILED, PENDING)),
    "event": DeliveryFilter(event=(WebhookEvent.JOB_FAILED, WebhookEvent.JOB_CANCELLED)),
    "usable": DeliveryFilter(endpoints=(0, 2)),
    "none usable": DeliveryFilter(endpoints=(), status=(FAILED, PENDING)),
}


async def walk(store: Store, where: DeliveryFilter, size: int) -> list[str]:
    found: list[str] = []
    query = DeliveryQuery(where, size)
    while True:
        page = await store.delivery_log.page(query)
        found += [each.id for each in page.deliveries]
        assert len(page.deliveries) <= size
        if not page.has_next:
            return found
        query = replace(query, cursor=page.end_cursor)


async def test_every_filter_and_page(store: Store) -> None:
    rows = await fill(store)
    span = (from_text(rows[20]["created_at"]), from_text(rows[90]["created_at"]))
    filters = FILTERS | {
        "created": DeliveryFilter(created_after=span[0], created_before=span[1]),
        "created and status": DeliveryFilter(
            status=(FAILED, PENDING), created_after=span[0], event=tuple(WebhookEvent)
        ),
    }
    for name, where in filters.items():
        wanted = [row["message_id"] for row in rows if is_match(where, row)]
        assert wanted, name
        for size in (1, 7, 100):
            assert await walk(store, where, size) == wanted[::-1], (name, size)
        assert await store.delivery_log.count(where) == len(wanted), name
        assert await store.delivery_log.count(where, 3) == min(3, len(wanted)), name


async def test_a_record_is_whole(store: Store) -> None:
    rows = await fill(store, 3)
    page = await store.delivery_log.page(DeliveryQuery())
    for record, row in zip(page.deliveries, rows[::-1], strict=True):
        assert (record.id, record.job_id, record.endpoint_id) == (row["message_id"], row["job_id"], row["endpoint_id"])
        assert (record.event, record.status, record.url) == (row["event"], row["status"], row["url"])
        assert await store.delivery_log.by_message_id(record.id) == record
    assert sum(len(each.tries) for each in page.deliveries) == 1
    for unknown in ("", "msg_", "x" * 41, "msg_0000\ud800", "MSG_00000"):
        assert await store.delivery_log.by_message_id(unknown) is None


async def test_a_cursor_of_another_list_is_refused(store: Store) -> None:
    await fill(store, 5)
    cursor = (await store.delivery_log.page(DeliveryQuery(size=1))).end_cursor
    for query in (
        DeliveryQuery(DeliveryFilter(job_id=1), cursor=cursor),
        DeliveryQuery(cursor="é"),
        DeliveryQuery(cursor="AAAA"),
        DeliveryQuery(cursor="W10"),
    ):
        with pytest.raises(InvalidInput, match="after: "):
            await store.delivery_log.page(query)


async def test_sent_again_with_the_same_id_and_bytes_and_all_its_tries(store: Store) -> None:
    rows = await fill(store)
    row = next(row for row in rows if row["status"] == "FAILED" and row["endpoint_id"] == 1)
    before = {each[0]: each for each in (await everything(store))["webhook_delivery"]}
    sent = await store.delivery_log.redeliver(row["message_id"], {1: "http://new.test/"})
    assert sent is not None
    assert (sent.id, sent.status, sent.url) == (row["message_id"], PENDING, "http://new.test/")
    after = {each[0]: each for each in (await everything(store))["webhook_delivery"]}
    [changed] = [id_ for id_ in after if after[id_] != before[id_]]
    due = {each.id: each for each in await store.claim_deliveries(ALL, 30.0)}[changed]
    assert (due.message_id, due.body, due.try_count, due.url) == (sent.id, b"{}", 0, "http://new.test/")
    # a try is under way: it is left to end
    again = await store.delivery_log.redeliver(sent.id, {})
    assert again is not None
    assert again.next_try_at != sent.next_try_at
    assert await store.record_try(TryResult(due, DELIVERED, 1, 200, None, None))
    assert await store.delivery_log.redeliver("msg_none", {}) is None


@pytest.mark.parametrize("name", ["none", "rare status", "frequent status", "endpoint and status", "usable"])
async def test_all_that_match_are_sent_again_and_no_other(store: Store, name: str) -> None:
    rows = await fill(store, 1100)
    where = FILTERS[name]
    wanted = {row["message_id"] for row in rows if is_match(where, row)}
    assert await store.delivery_log.redeliver_all(where, {2: "http://new.test/"}) == len(wanted)
    found = await store.database.fetch("SELECT message_id, status, try_count, url, endpoint_id FROM webhook_delivery")
    for message_id, status, try_count, url, endpoint_id in found:
        if message_id in wanted:
            assert (status, try_count) == ("PENDING", 0)
            assert url == ("http://new.test/" if endpoint_id == 2 else "http://old.test/")
        else:
            assert (try_count, url) == (3, "http://old.test/")


async def test_the_loop_is_told_that_there_is_something_to_send(store: Store) -> None:
    rows = await fill(store, 5)
    told: list[int] = []
    hear: Callable[[Any], None] = lambda unit: told.append(unit.made_due)  # noqa: E731
    store.listen(hear)
    delivered = [row["message_id"] for row in rows]
    await asyncio.gather(*(store.delivery_log.redeliver(each, {}) for each in delivered))
    assert sum(told) == 5
