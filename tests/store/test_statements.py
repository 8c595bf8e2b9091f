"""How statements reach the database, on every kind of it."""

from __future__ import annotations

import pytest

from engine.store.limits import BRANCHES, PUT_BACK_CHUNK
from engine.store.store import Store


async def test_statements_go_ahead_of_the_next_one(store: Store) -> None:
    """In order, with their rows; and what is undone behind them is not undone with them."""
    insert = "INSERT INTO task_limit (task_name, limit_key) VALUES ('{}', '')"
    count = "SELECT COUNT(*) FROM task_limit"
    async with store.database.transaction() as transaction:
        transaction.ahead(insert.format("kept"))
        before = transaction.ahead(count)
        transaction.ahead("SAVEPOINT here")
        assert before == []
        assert await transaction.execute(insert.format("undone")) == 1
        assert before == [(1,)]
        after = transaction.ahead(count)
        assert await transaction.fetch("SELECT %s", ("c%d",)) == [("c%d",)]
        assert after == [(2,)]
        await transaction.execute("ROLLBACK TO SAVEPOINT here")
    assert await store.database.fetch(count) == [(1,)]


async def test_one_that_fails_fails_the_next(store: Store) -> None:
    """And nothing behind it is run."""

    async def fail() -> None:
        async with store.database.transaction() as transaction:
            transaction.ahead("UPDATE nowhere SET a=1")
            await transaction.execute("INSERT INTO task_limit (task_name, limit_key) VALUES ('behind', '')")

    with pytest.raises(Exception, match="nowhere"):
        await fail()
    assert await store.database.fetch("SELECT 1 FROM task_limit") == []


@pytest.mark.parametrize("count", [1, 2, 3, 1000, BRANCHES * PUT_BACK_CHUNK])
async def test_a_text_for_each_of_many_rows(store: Store, count: int) -> None:
    """As many as are put back from limits at once."""
    texts = {3 * number: None if number % 7 == 6 else f"\x1f{number}" for number in range(1, count + 1)}
    looked_at = sorted({3 * number for number in (1, 2, 6, count // 2, count - 1, count)} & texts.keys())
    rows = " UNION ALL ".join(f"SELECT {number} AS id" for number in looked_at)
    async with store.database.transaction() as transaction:
        found = await transaction.fetch(f"SELECT id, {transaction.chosen(texts)} FROM ({rows}) each_row ORDER BY id")
    assert [tuple(row) for row in found] == [(number, texts[number]) for number in looked_at]
