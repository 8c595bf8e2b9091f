"""``jobs`` with each of its arguments and in both directions, and the other queries, on every kind of database."""

from __future__ import annotations

import random
from typing import Any

import pytest
from client import Api, unique

PAGE = """query($status: [JobStatus!], $priority: [JobPriority!], $taskName: String, $tag: String, $search: String,
  $createdAfter: DateTime, $createdBefore: DateTime, $orderBy: JobOrder, $first: Int, $after: String, $last: Int,
  $before: String) { jobs(status: $status, priority: $priority, taskName: $taskName, tag: $tag, search: $search,
  createdAfter: $createdAfter, createdBefore: $createdBefore, orderBy: $orderBy, first: $first, after: $after,
  last: $last, before: $before) { nodes { id } edges { cursor node { id } } totalCount
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
CREATE_ALL = """mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) {
  jobs { id taskName priority status createdAt updatedAt runAt } } }"""
CANCELLED = 4
RANKS = {"LOW": 1, "MEDIUM": 2, "HIGH": 3}
FIELDS = {"CREATED_AT": "createdAt", "UPDATED_AT": "updatedAt", "RUN_AT": "runAt"}


async def make_jobs(api: Api, tag: str, count: int = 23) -> list[dict[str, Any]]:
    """Jobs of every priority, some held, some far in the future, some cancelled; as they are then, by age."""
    chance = random.Random(7)
    inputs = [
        {
            "taskName": f"{tag} {'even' if number % 2 == 0 else 'Odd'}",
            "priority": chance.choice(list(RANKS)),
            "tags": [tag],
            **({"runAt": f"2099-01-{chance.randint(1, 9):02}T00:00:00Z"} if number % 3 == 0 else {}),
        }
        for number in range(count)
    ]
    jobs = (await api.data(CREATE_ALL, inputs=inputs))["createJobs"]["jobs"]
    for job in chance.sample(jobs, CANCELLED):
        await api.change("cancelJob", job["id"])
    fields = "id taskName priority status createdAt updatedAt runAt"
    return [(await api.job(job["id"], fields)) for job in jobs]


async def pages(api: Api, size: int, *, is_backward: bool = False, **arguments: Any) -> list[str]:
    """All ids of a list, read page by page, in the order of the list."""
    found: list[str] = []
    cursor = None
    while True:
        paging = {"last": size, "before": cursor} if is_backward else {"first": size, "after": cursor}
        answer = (await api.data(PAGE, **arguments, **paging))["jobs"]
        ids = [node["id"] for node in answer["nodes"]]
        info = answer["pageInfo"]
        assert [edge["node"]["id"] for edge in answer["edges"]] == ids
        if ids:
            assert (info["startCursor"], info["endCursor"]) == (
                answer["edges"][0]["cursor"],
                answer["edges"][-1]["cursor"],
            )
        assert info["hasPreviousPage" if not is_backward else "hasNextPage"] is (cursor is not None)
        found = ids + found if is_backward else found + ids
        has_more = info["hasPreviousPage" if is_backward else "hasNextPage"]
        assert not has_more or len(ids) == size
        if not has_more:
            assert answer["totalCount"] == len(found)
            return found
        cursor = info["startCursor" if is_backward else "endCursor"]


def in_order(jobs: list[dict[str, Any]], field: str, direction: str) -> list[str]:
    """What the list must be. No value sorts before any."""

    def key(job: dict[str, Any]) -> tuple[Any, int]:
        rank = RANKS[job["priority"]] if field == "PRIORITY" else job[FIELDS[field]] or ""
        return rank, int(job["id"])

    return [job["id"] for job in sorted(jobs, key=key, reverse=direction == "DESC")]


async def test_every_order_in_both_directions(api: Api) -> None:
    tag = unique("order")
    jobs = await make_jobs(api, tag)
    assert await pages(api, 100, tag=tag) == in_order(jobs, "CREATED_AT", "DESC")
    assert await pages(api, 100, tag=tag, orderBy={"field": "PRIORITY"}) == in_order(jobs, "PRIORITY", "DESC")
    for field in ("CREATED_AT", "UPDATED_AT", "RUN_AT", "PRIORITY"):
        for direction in ("ASC", "DESC"):
            order = {"field": field, "direction": direction}
            expected = in_order(jobs, field, direction)
            for size, is_backward in ((1, False), (5, False), (5, True), (23, True), (24, False)):
                found = await pages(api, size, is_backward=is_backward, tag=tag, orderBy=order)
                assert found == expected, (field, direction, size, is_backward)


async def test_every_filter(api: Api) -> None:
    tag = unique("filter").translate(str.maketrans("0123456789", "ghijklmnop"))  # an id is searched for in names too
    jobs = await make_jobs(api, tag)

    async def expect(is_wanted: Any, **arguments: Any) -> None:
        expected = in_order([job for job in jobs if is_wanted(job)], "CREATED_AT", "DESC")
        assert await pages(api, 7, **arguments) == expected, arguments
        assert await pages(api, 7, is_backward=True, **arguments) == expected, arguments

    even, odd = f"{tag} even", f"{tag} Odd"
    await expect(lambda _: True, tag=tag)
    await expect(lambda _: True, tag=tag, status=[], priority=[])
    await expect(lambda job: job["status"] == "PENDING", tag=tag, status=["PENDING"])
    await expect(lambda job: job["status"] != "PENDING", tag=tag, status=["CANCELLED", "SCHEDULED", "FAILED"])
    await expect(lambda job: job["priority"] != "LOW", tag=tag, priority=["HIGH", "MEDIUM", "HIGH"])
    await expect(lambda job: job["taskName"] == even, taskName=even)
    await expect(lambda job: job["taskName"] == odd and job["priority"] == "HIGH", taskName=odd, priority=["HIGH"])
    await expect(lambda job: job["taskName"] == odd, search=odd.upper()[3:])
    await expect(lambda job: job["taskName"] == odd and job["status"] == "SCHEDULED", search=odd, status=["SCHEDULED"])
    await expect(lambda _: False, tag=tag, search="50%_")
    await expect(lambda job: job["id"] == jobs[4]["id"], search=jobs[4]["id"], tag=tag)
    await expect(lambda _: False, tag=unique("no such"))
    await expect(lambda _: False, taskName=even.upper())
    first = jobs[0]["createdAt"]
    await expect(lambda _: False, tag=tag, createdBefore="2020-01-01T00:00:00+02:00")
    await expect(
        lambda _: True, tag=tag, createdAfter="2020-01-01T00:00:00Z", createdBefore="2099-01-01T00:00:00-11:00"
    )
    await expect(lambda _: False, tag=tag, createdAfter="2099-01-01T00:00:00Z")
    await expect(lambda _: False, tag=tag, createdBefore=first)
    everything = await api.data(PAGE, first=1)
    assert everything["jobs"]["totalCount"] >= len(jobs)


async def test_pages_stay_where_they_are_while_rows_change(api: Api) -> None:
    tag = unique("moving")
    jobs = await make_jobs(api, tag)
    order = {"field": "CREATED_AT", "direction": "ASC"}
    first = (await api.data(PAGE, tag=tag, orderBy=order, first=10))["jobs"]
    await make_jobs(api, tag, 6)
    for job in jobs[3:15]:
        await api.data("mutation($id: ID!) { deleteJob(id: $id) { id } }", id=job["id"])
    second = (await api.data(PAGE, tag=tag, orderBy=order, first=8, after=first["pageInfo"]["endCursor"]))["jobs"]
    assert [node["id"] for node in second["nodes"]] == [job["id"] for job in jobs[15:23]]
    before = (await api.data(PAGE, tag=tag, orderBy=order, last=9, before=second["pageInfo"]["startCursor"]))["jobs"]
    assert [node["id"] for node in before["nodes"]] == [job["id"] for job in jobs[:3]]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"first": 0}, "first"),
        ({"first": 101}, "first"),
        ({"first": -1}, "first"),
        ({"last": 0}, "last"),
        ({"last": 101}, "last"),
        ({"first": 1, "last": 1}, "last"),
        ({"last": 1, "after": "x"}, "after"),
        ({"first": 1, "before": "x"}, "before"),
        ({"after": "x", "before": "x"}, "after"),
        ({"after": "garbage"}, "after"),
        ({"before": "Zw=="}, "before"),
        ({"after": "ü"}, "after"),
        ({"search": "x" * 256}, "search"),
    ],
    ids=str,
)
async def test_refused_paging(sqlite_api: Api, arguments: dict[str, Any], field: str) -> None:
    refusal = await sqlite_api.error(PAGE, **arguments)
    assert (refusal["code"], refusal["field"]) == ("BAD_USER_INPUT", field)


async def test_a_cursor_belongs_to_its_list(api: Api) -> None:
    tag = unique("cursor")
    await make_jobs(api, tag, 6)
    cursor = (await api.data(PAGE, tag=tag, first=2))["jobs"]["pageInfo"]["endCursor"]
    for other in ({"tag": tag, "priority": ["LOW"]}, {}, {"tag": tag, "orderBy": {"field": "RUN_AT"}}):
        refusal = await api.error(PAGE, **other, first=2, after=cursor)
        assert (refusal["code"], refusal["field"]) == ("BAD_USER_INPUT", "after")


async def test_counting_stops_at_the_limit(api: Api) -> None:
    tag = unique("count")
    await make_jobs(api, tag, 6)
    query = "query($tag: String, $n: Int) { jobs(tag: $tag, first: 1) { totalCount(atMost: $n) } }"
    for limit, expected in ((None, 6), (0, 0), (4, 4), (7, 6)):
        assert await api.data(query, tag=tag, n=limit) == {"jobs": {"totalCount": expected}}
    assert (await api.error(query, tag=tag, n=-1))["field"] == "atMost"


async def test_stats(api: Api) -> None:
    query = """{ jobStats { total byStatus { status count } completedLastMinute failedLastMinute oldestQueuedSeconds }
      jobs(first: 1) { totalCount } }"""
    done, failed = await api.create(unique("stat"), run=True), await api.create("refuse", run=True)
    assert [(await api.job_in(job["id"]))["status"] for job in (done, failed)] == ["COMPLETED", "FAILED"]
    answer = await api.data(query)
    stats = answer["jobStats"]
    counts = {each["status"]: each["count"] for each in stats["byStatus"]}
    assert list(counts) == ["PENDING", "SCHEDULED", "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]
    assert stats["total"] == sum(counts.values()) == answer["jobs"]["totalCount"]
    assert 1 <= stats["completedLastMinute"] <= counts["COMPLETED"]
    assert 1 <= stats["failedLastMinute"] <= counts["FAILED"]
    assert stats["oldestQueuedSeconds"] is None or stats["oldestQueuedSeconds"] >= 0


async def test_tasks_workers_version(api: Api) -> None:
    query = """{ version tasks { name description payloadSchema maxAttempts timeoutSeconds maxConcurrency rateLimit
      paused } workers { id host pid slots running startedAt heartbeatAt } }"""
    answer = await api.data(query)
    tasks = {each["name"]: each for each in answer["tasks"]}
    assert {"http.request", "email.send", "simulate", "note", "nap"} <= set(tasks)
    note = tasks["note"]
    assert note["description"].startswith("Append this job's number")
    assert (note["maxAttempts"], note["timeoutSeconds"], note["paused"]) == (5, 60.0, False)
    assert (note["maxConcurrency"], note["rateLimit"]) == (None, None)
    assert set(note["payloadSchema"]["properties"]) == {"file", "seconds"}
    assert note["payloadSchema"]["required"] == ["file"]
    [worker] = answer["workers"]
    assert worker["slots"] == 10
    assert worker["startedAt"] <= worker["heartbeatAt"]
    assert answer["version"].count(".") == 2
