"""Rows that are inserted by the thousand, or are large: in few statements, none longer than a server takes."""

from __future__ import annotations

import pytest
from databases import OpenStore
from makers import rows_of

from engine.store.database import Transaction
from engine.store.mysql import AHEAD_CHARACTERS, INSERT_ROWS
from engine.store.store import Store

on_servers = pytest.mark.parametrize("database_url", ["mariadb", "mysql"], indirect=True)
WIDE = "\u20ac"
"""Three bytes. MySQL cannot show a statement with wider ones in its list of processes, which other tests read."""
COLUMNS = ("job_id", "to_status", "attempt", "at", "error")


def events(transaction: Transaction, count: int, error: str | None = None) -> list[tuple[object, ...]]:
    return [(number, "FAILED", 1, transaction.now_text, error) for number in range(count)]


@on_servers
@pytest.mark.parametrize(
    ("count", "characters", "at_once"),
    [
        (3, 0, 0),
        (INSERT_ROWS, 0, 0),
        (INSERT_ROWS + 1, 0, INSERT_ROWS),
        (2, AHEAD_CHARACTERS, 2),
        (30, 200_000, 30),  # 18 MB
    ],
)
async def test_the_last_insert_is_sent_with_the_commit_unless_it_is_large(
    open_store: OpenStore, count: int, characters: int, at_once: int
) -> None:
    store = await open_store()
    async with store.database.transaction() as transaction:
        ids = await transaction.insert_ahead("job_event", COLUMNS, events(transaction, count, WIDE * characters))
        assert len(ids) == at_once
    assert ids == sorted(ids)
    rows = await store.database.fetch("SELECT seq, job_id, CHAR_LENGTH(error) FROM job_event ORDER BY seq")
    assert rows == [(seq, number, characters) for number, seq in enumerate(ids)]
    assert len(ids) == count


@on_servers
async def test_several_inserts_are_sent_with_one_commit(open_store: OpenStore) -> None:
    store = await open_store()
    async with store.database.transaction() as transaction:
        first = await transaction.insert_ahead("job_event", COLUMNS, events(transaction, 2, "50 % of it"))
        second = await transaction.insert_ahead("job_event", COLUMNS, events(transaction, 3))
        assert first == second == []
    assert [row[0] for row in await store.database.fetch("SELECT seq FROM job_event ORDER BY seq")] == first + second
    assert (len(first), len(second)) == (2, 3)


async def test_what_was_to_be_inserted_is_rolled_back(store: Store) -> None:
    async def break_off() -> None:
        async with store.database.transaction() as transaction:
            await transaction.insert_ahead("job_event", COLUMNS, events(transaction, 2))
            raise RuntimeError("as the test wants")

    with pytest.raises(RuntimeError, match="as the test wants"):
        await break_off()
    assert await rows_of(store, "job_event") == []
