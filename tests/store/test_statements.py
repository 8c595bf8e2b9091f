"""How statements reach the database, on every kind of it."""

from __future__ import annotations

import pytest

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
