"""JSON objects that the database writes are those that would be made of the columns, whatever is selected together."""

from __future__ import annotations

from itertools import combinations

import orjson
import pytest
from makers import claim, create, new_job

from engine.records import Finish
from engine.states import Trigger
from engine.store.listing import JobQuery
from engine.store.store import Store
from models.enums import JobPriority
from models.shapes import Form, Shape, ShapeField
from resolvers.stored_jobs import STORED_JOB

WRITTEN = {name: field for name, field in STORED_JOB.items() if field.form is not None}


async def fill(store: Store) -> None:
    """A job with nothing, one with all, one with what must be escaped, and one that is PARKED."""
    text = '{"a":"%\\u001f\\"","b":[1.50]}'
    done = new_job('a "task" \\ \u00fc \U0001f600 %s', payload_text=text, tags=['"', "\\", "\u00fc"])
    done.run, done.priority = True, JobPriority.HIGH
    await store.create_jobs([done])
    [claimed] = await claim(store)
    await store.finish(Finish.completed(claimed, '"\\ud83d\\ude00 %d"'))
    await create(store, "report", priority=JobPriority.LOW)
    parked = await create(store, "report", run=True)
    await store.change_job((await create(store)).id, Trigger.CANCEL)
    async with store.database.transaction() as transaction:
        await transaction.execute(f"UPDATE jobs SET status='PARKED', parked_task=task_name WHERE id={parked.id}")


@pytest.mark.parametrize("database_url", ["mariadb", "mysql"], indirect=True)
async def test_every_pair_of_fields(store: Store) -> None:
    await fill(store)
    columns = tuple(dict.fromkeys(field.column for field in WRITTEN.values()))
    stored = (await store.reads.list_stored(JobQuery(), columns)).jobs.rows
    assert len(stored) == 4
    for names in [*combinations(WRITTEN, 1), *combinations(WRITTEN, 2), tuple(WRITTEN)]:
        fields = [ShapeField(name, WRITTEN[name].column, WRITTEN[name].form or Form.TEXT) for name in names]
        shape = Shape((*fields, ShapeField("kind", None, Form.TEXT, "Job")))
        page = (await store.reads.list_stored(JobQuery(), ("id",), shape)).jobs
        assert page.shape is shape
        for row, values in zip(page.rows, stored, strict=True):
            expected = {
                name: orjson.loads(WRITTEN[name].write(values[columns.index(WRITTEN[name].column)])) for name in names
            }
            assert orjson.loads(row[-1]) == {**expected, "kind": "Job"}


@pytest.mark.parametrize("database_url", ["mariadb", "mysql"], indirect=True)
async def test_an_empty_object(store: Store) -> None:
    await create(store)
    page = (await store.reads.list_stored(JobQuery(), ("id",), Shape(()))).jobs
    assert page.rows[0][-1] == "{}"
