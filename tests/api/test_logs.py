"""Job.logs over HTTP: what a task logged, page by page."""

from __future__ import annotations

from typing import Any

import pytest
from client import Api

FIELDS = "nodes { at attempt level message } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
LOGS = "query($id: ID!, $first: Int, $after: String) { job(id: $id) { logs(first: $first, after: $after) { %s } } }"


async def page(api: Api, job_id: str, **arguments: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await api.data(LOGS % FIELDS, id=job_id, **arguments))["job"]["logs"]
    return found


async def talker(api: Api, count: int) -> str:
    """The id of a job that has ended after logging ``count`` lines."""
    job = await api.create("talk", "id", payload={"lines": count}, run=True)
    await api.job_in(job["id"], "COMPLETED")
    return str(job["id"])


async def test_all_of_a_log(api: Api) -> None:
    job_id = await talker(api, 3)
    found = await page(api, job_id)
    assert [(line["level"], line["message"], line["attempt"]) for line in found["nodes"]] == [
        ("info", "line 0", 1),
        ("info", "line 1", 1),
        ("info", "line 2", 1),
        ("warning", "that was all", 1),
    ]
    assert all(line["at"].endswith("Z") for line in found["nodes"])
    assert not found["pageInfo"]["hasNextPage"]
    assert not found["pageInfo"]["hasPreviousPage"]


async def test_page_by_page(api: Api) -> None:
    job_id = await talker(api, 4)
    first = await page(api, job_id, first=2)
    assert first["pageInfo"]["hasNextPage"]
    second = await page(api, job_id, first=2, after=first["pageInfo"]["endCursor"])
    third = await page(api, job_id, first=2, after=second["pageInfo"]["endCursor"])
    messages = [line["message"] for each in (first, second, third) for line in each["nodes"]]
    assert messages == ["line 0", "line 1", "line 2", "line 3", "that was all"]
    assert third["pageInfo"]["hasPreviousPage"]
    assert not third["pageInfo"]["hasNextPage"]
    assert third["pageInfo"]["startCursor"] == third["pageInfo"]["endCursor"]
    end = await page(api, job_id, first=2, after=third["pageInfo"]["endCursor"])
    assert (end["nodes"], end["pageInfo"]["endCursor"], end["pageInfo"]["hasNextPage"]) == ([], None, False)


async def test_a_hundred_unless_told_otherwise(sqlite_api: Api) -> None:
    job_id = await talker(sqlite_api, 150)
    answer = await sqlite_api.data("query($id: ID!) { job(id: $id) { logs { nodes { message } } } }", id=job_id)
    assert len(answer["job"]["logs"]["nodes"]) == 100
    assert len((await page(sqlite_api, job_id, first=None))["nodes"]) == 100


async def test_logs_of_a_list(sqlite_api: Api) -> None:
    ids = [await talker(sqlite_api, count) for count in (1, 2)]
    query = '{ jobs(taskName: "talk", first: 2) { nodes { id logs(first: 2) { nodes { message } } } } }'
    nodes = (await sqlite_api.data(query))["jobs"]["nodes"]
    assert {node["id"]: len(node["logs"]["nodes"]) for node in nodes} == dict.fromkeys(ids, 2)


@pytest.mark.parametrize("first", [0, -1, 101])
async def test_sizes_that_are_refused(sqlite_api: Api, first: int) -> None:
    job = await sqlite_api.create("simulate", "id")
    refusal = await sqlite_api.error(LOGS % FIELDS, id=job["id"], first=first)
    assert (refusal["code"], refusal["field"]) == ("BAD_USER_INPUT", "first")
    assert refusal["message"] == f"first: {first} is not from 1 to 100."


async def test_cursors_that_are_refused(sqlite_api: Api) -> None:
    one, other = await talker(sqlite_api, 1), await talker(sqlite_api, 1)
    cursor = (await page(sqlite_api, one))["pageInfo"]["endCursor"]
    for given in (cursor, "nonsense", ""):
        refusal = await sqlite_api.error(LOGS % FIELDS, id=other, after=given)
        assert (refusal["code"], refusal["field"]) == ("BAD_USER_INPUT", "after")


async def test_deleting_a_job(api: Api) -> None:
    job_id = await talker(api, 1)
    await api.data("mutation($id: ID!) { deleteJob(id: $id) { id } }", id=job_id)
    assert (await api.data("query($id: ID!) { job(id: $id) { id logs { nodes { at } } } }", id=job_id))["job"] is None
