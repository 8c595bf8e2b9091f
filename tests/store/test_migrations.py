"""Migrations that were killed between what they change and the note that they did."""

from __future__ import annotations

from databases import OpenStore
from makers import everything, new_job

from models.connection import DatabaseURL
from models.migrate import migrate


async def test_columns_that_are_there_already(open_store: OpenStore, database_url: str) -> None:
    store = await open_store()
    await store.create_jobs([new_job(run=True)])
    before = await everything(store)
    async with store.database.transaction() as transaction:
        await transaction.execute("DELETE FROM tortoise_migrations WHERE name='0009_listed_jobs'")
    assert await migrate(DatabaseURL.parse(database_url)) == ["0009_listed_jobs"]
    assert await everything(store) == before
