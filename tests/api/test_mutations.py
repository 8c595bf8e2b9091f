"""Every mutation of jobs, on every kind of database: what it answers, what it changes, what it refuses."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from client import BASICS, CREATE, Api, unique
from launching import Launch

from engine.clock import SystemClock

CREATE_ALL = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { %s } } }"
RUN_ALL = "mutation($filter: JobFilter!, $dryRun: Boolean) { runJobs(filter: $filter, dryRun: $dryRun) { count } }"
RUN_ALL_NOW = "mutation($filter: JobFilter!) { runJobs(filter: $filter) { count } }"
COPY = (
    "mutation($id: ID!%s) { copyJob(id: $id%s) { job { id status payload payloadText priority tags copyOf { id } } } }"
)
DELETE = "mutation($id: ID!) { deleteJob(id: $id) { id } }"


def instant(seconds: float) -> str:
    """RFC 3339, ``seconds`` from now, with an offset that is not UTC's."""
    moment = SystemClock().now() + timedelta(seconds=seconds)
    return moment.astimezone().isoformat() if seconds > 0 else moment.astimezone(UTC).isoformat()


async def total(api: Api, tag: str) -> int:
    answer = await api.data("query($tag: String) { jobs(tag: $tag) { totalCount } }", tag=tag)
    return int(answer["jobs"]["totalCount"])


async def test_create_takes_every_argument(api: Api) -> None:
    given = {
        "taskName": unique("everything"),
        "payload": [1, {"a": None, "b": [True, 1.5, "ü", 2**63]}],
        "priority": "LOW",
        "tags": ["x", "y", "x"],
        "runAt": instant(3600),
        "maxAttempts": 7,
        "timeoutSeconds": 12.5,
        "idempotencyKey": unique("key"),
        "webhookUrl": "https://example.com/hook",
        "concurrencyKey": "customer 1",
    }
    fields = "taskName payload payloadText priority status tags maxAttempts timeoutSeconds idempotencyKey runAt"
    answer = (await api.data(CREATE % f"id {fields}", input=given))["createJob"]
    job_id = answer["job"].pop("id")
    assert answer["created"] is True
    assert answer["job"] == {
        **{name: given[name] for name in ("taskName", "payload", "priority", "maxAttempts", "timeoutSeconds")},
        "payloadText": '[1,{"a":null,"b":[true,1.5,"ü",9223372036854775808]}]',
        "idempotencyKey": given["idempotencyKey"],
        "status": "SCHEDULED",
        "tags": ["x", "y"],
        "runAt": answer["job"]["runAt"],
    }
    due = datetime.fromisoformat(answer["job"]["runAt"])
    assert abs(due - datetime.fromisoformat(given["runAt"])) < timedelta(milliseconds=1)
    assert await api.job(job_id, fields) == answer["job"]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, "PENDING"),
        ({"run": False}, "PENDING"),
        ({"runAt": "2020-01-01T00:00:00Z"}, "QUEUED"),
        ({"run": True}, "QUEUED"),
    ],
    ids=str,
)
async def test_first_status(api: Api, given: dict[str, Any], status: str) -> None:
    job = await api.create(unique("first"), **given)
    assert job["status"] == status
    if status == "QUEUED":
        await api.job_in(job["id"], "COMPLETED")


async def test_a_delayed_job_runs_when_it_is_due(api: Api) -> None:
    job = await api.create(unique("delayed"), "id status runAt", runAt=instant(0.7))
    assert job["status"] == "SCHEDULED"
    done = await api.job_in(job["id"], "COMPLETED", fields="startedAt events { to }")
    assert [each["to"] for each in done["events"]] == ["SCHEDULED", "QUEUED", "RUNNING", "COMPLETED"]
    assert (
        timedelta(0)
        <= datetime.fromisoformat(done["startedAt"]) - datetime.fromisoformat(job["runAt"])
        < timedelta(seconds=3)
    )


async def test_idempotency(api: Api) -> None:
    given = {"taskName": unique("once"), "payload": {"a": 1}, "idempotencyKey": unique("key")}
    first = (await api.data(CREATE % BASICS, input=given))["createJob"]
    second = (await api.data(CREATE % BASICS, input=given))["createJob"]
    assert (first["created"], second["created"]) == (True, False)
    assert second["job"] == first["job"]
    refusal = await api.error(CREATE % BASICS, input={**given, "payload": {"a": 2}})
    assert refusal["code"] == "CONFLICT"
    assert first["job"]["id"] in refusal["message"]
    found = await api.data("query($n: String) { jobs(taskName: $n) { totalCount } }", n=given["taskName"])
    assert found == {"jobs": {"totalCount": 1}}


async def test_create_many(api: Api) -> None:
    tag = unique("many")
    names = [unique(f"many {number}") for number in range(1000)]
    inputs = [{"taskName": name, "payload": {"n": name}, "tags": [tag]} for name in names]
    jobs = (await api.data(CREATE_ALL % "id taskName status", inputs=inputs))["createJobs"]["jobs"]
    assert [job["taskName"] for job in jobs] == names
    ids = [int(job["id"]) for job in jobs]
    assert ids == sorted(set(ids))
    assert {job["status"] for job in jobs} == {"PENDING"}
    assert await api.data(CREATE_ALL % "id", inputs=[]) == {"createJobs": {"jobs": []}}


async def test_create_many_is_all_or_none(api: Api) -> None:
    tag = unique("none")
    good = {"taskName": "simulate", "tags": [tag]}
    refusal = await api.error(CREATE_ALL % "id", inputs=[good, {**good, "taskName": ""}, good])
    assert (refusal["code"], refusal["field"]) == ("BAD_USER_INPUT", "taskName")
    key = unique("key")
    conflict = [{**good, "idempotencyKey": key}, {**good, "idempotencyKey": key, "priority": "HIGH"}]
    assert (await api.error(CREATE_ALL % "id", inputs=conflict))["code"] == "CONFLICT"
    refusal = await api.error(CREATE_ALL % "id", inputs=[good] * 1001)
    assert (refusal["code"], refusal["field"]) == ("BAD_USER_INPUT", "inputs")
    assert await total(api, tag) == 0


async def test_why_it_waits(api: Api) -> None:
    held = await api.create(unique("held"), "waitingFor")
    assert held["waitingFor"] == "It is held until runJob is called."
    later = await api.create("simulate", "waitingFor", runAt="2999-02-05T15:00:00Z")
    assert later["waitingFor"] == "It is scheduled for 2999-02-05T15:00:00Z."
    done = await api.create("simulate", run=True)
    assert (await api.job_in(done["id"], "COMPLETED", fields="waitingFor"))["waitingFor"] is None


async def test_run_cancel_retry(api: Api) -> None:
    job = await api.create(unique("life"))
    assert (await api.change("cancelJob", job["id"], "status finishedAt"))["status"] == "CANCELLED"
    for mutation in ("runJob", "cancelJob"):
        refusal = await api.error(f"mutation($id: ID!) {{ {mutation}(id: $id) {{ job {{ id }} }} }}", id=job["id"])
        assert (refusal["code"], refusal["status"]) == ("INVALID_STATE", "CANCELLED")
    retried = await api.change("retryJob", job["id"], "status attempt finishedAt")
    assert retried == {"status": "QUEUED", "attempt": 0, "finishedAt": None}
    done = await api.job_in(job["id"], fields="attempt events { to }")
    assert (done["status"], done["attempt"]) == ("COMPLETED", 1)
    again = await api.change("retryJob", job["id"], "status attempt result finishedAt")
    assert again == {"status": "QUEUED", "attempt": 0, "result": None, "finishedAt": None}
    done = await api.job_in(job["id"], fields="attempt attempts { number } events { from to }")
    assert [each["to"] for each in done["events"]] == [
        *("PENDING", "CANCELLED", "QUEUED", "RUNNING", "COMPLETED"),
        *("QUEUED", "RUNNING", "COMPLETED"),
    ]
    assert [each["number"] for each in done["attempts"]] == [1, 1]


async def test_a_scheduled_job_runs_and_cancels(api: Api) -> None:
    early = await api.create(unique("early"), runAt=instant(3600))
    assert (await api.change("runJob", early["id"]))["status"] == "QUEUED"
    await api.job_in(early["id"], "COMPLETED")
    never = await api.create(unique("never"), runAt=instant(3600))
    assert (await api.change("cancelJob", never["id"]))["status"] == "CANCELLED"


async def test_a_running_job_is_left_alone(api: Api) -> None:
    job = await api.create("nap", payload={"seconds": 1.0}, run=True)
    await api.job_in(job["id"], "RUNNING")
    for mutation in ("runJob", "retryJob"):
        refusal = await api.error(f"mutation($id: ID!) {{ {mutation}(id: $id) {{ job {{ id }} }} }}", id=job["id"])
        assert (refusal["code"], refusal["status"]) == ("INVALID_STATE", "RUNNING")
    refusal = await api.error(DELETE, id=job["id"])
    assert (refusal["code"], refusal["status"]) == ("INVALID_STATE", "RUNNING")
    assert (await api.job_in(job["id"]))["status"] == "COMPLETED"


async def test_cancelling_a_running_job(api: Api) -> None:
    job = await api.create("nap", payload={"seconds": 60}, run=True)
    await api.job_in(job["id"], "RUNNING")
    async with api.watch(id=job["id"], after="0") as stream:
        assert (await api.change("cancelJob", job["id"]))["status"] == "RUNNING"
        changes = await stream.until(lambda change: change["to"] == "CANCELLED")
    assert [each["to"] for each in changes] == ["QUEUED", "RUNNING", "CANCELLED"]
    done = await api.job(job["id"], "status finishedAt updatedAt result attempts { number outcome }")
    assert done["status"] == "CANCELLED"
    assert done["finishedAt"] == done["updatedAt"]
    assert (done["result"], done["attempts"]) == (None, [{"number": 1, "outcome": "CANCELLED"}])
    assert await api.deliveries(job["id"]) == []
    again = await api.change("retryJob", job["id"])
    assert again["status"] == "QUEUED"
    await api.job_in(job["id"], "RUNNING")
    await api.change("cancelJob", job["id"])
    await api.job_in(job["id"], "CANCELLED")


async def test_cancel_retry_and_delete_many(api: Api) -> None:
    tag = unique("many")
    inputs = [{"taskName": "simulate", "tags": [tag]}] * 3
    inputs.append({"taskName": "nap", "payload": {"seconds": 60}, "tags": [tag], "run": True})
    jobs = (await api.data(CREATE_ALL % "id", inputs=inputs))["createJobs"]["jobs"]
    await api.job_in(jobs[3]["id"], "RUNNING")
    where = {"tag": tag}

    async def count(mutation: str, dry_run: bool) -> int:
        query = f"mutation($f: JobFilter!, $d: Boolean!) {{ {mutation}(filter: $f, dryRun: $d) {{ count }} }}"
        found: int = (await api.data(query, f=where, d=dry_run))[mutation]["count"]
        return found

    assert [await count("deleteJobs", True), await count("retryJobs", True), await count("cancelJobs", True)] == [
        3,
        0,
        4,
    ]
    assert await count("cancelJobs", False) == 4
    for job in jobs:
        await api.job_in(job["id"], "CANCELLED")
    assert await count("retryJobs", True) == 4
    assert await count("deleteJobs", True) == 4
    assert await count("deleteJobs", False) == 4
    assert await api.data("query($t: String) { jobs(tag: $t) { totalCount } }", t=tag) == {"jobs": {"totalCount": 0}}


async def test_copy(api: Api) -> None:
    name = unique("original")
    source = await api.create(name, payload={"a": 1}, priority="HIGH", tags=["t"])
    copied = (await api.data(COPY % ("", ""), id=source["id"]))["copyJob"]["job"]
    assert copied == {
        "id": copied["id"],
        "status": "QUEUED",
        "payload": {"a": 1},
        "payloadText": '{"a":1}',
        "priority": "HIGH",
        "tags": ["t"],
        "copyOf": {"id": source["id"]},
    }
    assert int(copied["id"]) > int(source["id"])
    held = (await api.data(COPY % ("", ", run: false"), id=source["id"]))["copyJob"]["job"]
    assert (held["status"], held["payload"]) == ("PENDING", {"a": 1})
    other = (await api.data(COPY % (", $p: JSON", ", payload: $p, run: false"), id=source["id"], p=[2]))["copyJob"]
    assert other["job"]["payload"] == [2]
    for query, variables in (
        (COPY % ("", ", payload: null, run: false"), {}),
        (COPY % (", $p: JSON", ", payload: $p, run: false"), {"p": None}),
    ):
        null = (await api.data(query, id=source["id"], **variables))["copyJob"]["job"]
        assert (null["payload"], null["payloadText"]) == (None, None)
    # a variable that is not given is an argument that is not given
    absent = (await api.data(COPY % (", $p: JSON", ", payload: $p, run: false"), id=source["id"]))["copyJob"]["job"]
    assert absent["payload"] == {"a": 1}
    await api.job_in(copied["id"], "COMPLETED")
    assert (await api.job(source["id"]))["status"] == "PENDING"


async def test_a_copy_outlives_its_source(api: Api) -> None:
    source = await api.create(unique("short-lived"))
    copied = (await api.data(COPY % ("", ", run: false"), id=source["id"]))["copyJob"]["job"]
    assert await api.data(DELETE, id=source["id"]) == {"deleteJob": {"id": source["id"]}}
    assert await api.job(copied["id"], "status copyOf { id }") == {"status": "PENDING", "copyOf": None}


async def test_delete(api: Api) -> None:
    job = await api.create(unique("gone"), run=True, tags=["t"])
    await api.job_in(job["id"], "COMPLETED")
    await api.webhooks(job["id"])
    assert await api.data(DELETE, id=job["id"]) == {"deleteJob": {"id": job["id"]}}
    assert await api.data("query($id: ID!) { job(id: $id) { id } }", id=job["id"]) == {"job": None}
    assert (await api.error(DELETE, id=job["id"]))["code"] == "NOT_FOUND"


async def test_run_many(api: Api) -> None:
    tag, other = unique("bulk"), unique("other")
    inputs = [
        *({"taskName": "simulate", "tags": [tag], "priority": "LOW"} for _ in range(3)),
        *({"taskName": "simulate", "tags": [tag], "runAt": instant(3600)} for _ in range(2)),
        {"taskName": "simulate", "tags": [other]},
    ]
    jobs = (await api.data(CREATE_ALL % "id", inputs=inputs))["createJobs"]["jobs"]
    ids = [job["id"] for job in jobs]
    await api.change("cancelJob", ids[0])
    where = {"tag": tag}
    assert await api.data(RUN_ALL, filter=where, dryRun=True) == {"runJobs": {"count": 4}}
    assert (await api.job(ids[1]))["status"] == "PENDING"
    assert await api.data(RUN_ALL, filter={**where, "priority": ["LOW"]}, dryRun=True) == {"runJobs": {"count": 2}}
    assert await api.data(RUN_ALL, filter={**where, "status": ["CANCELLED"]}, dryRun=True) == {"runJobs": {"count": 0}}
    assert await api.data(RUN_ALL, filter={"ids": []}, dryRun=True) == {"runJobs": {"count": 0}}
    assert await api.data(RUN_ALL_NOW, filter={"ids": []}) == {"runJobs": {"count": 0}}
    assert await api.data(RUN_ALL_NOW, filter={"ids": [ids[1], ids[5]], "tag": tag}) == {"runJobs": {"count": 1}}
    assert await api.data(RUN_ALL_NOW, filter={**where, "taskName": "simulate"}) == {"runJobs": {"count": 3}}
    for job_id in ids[1:5]:
        await api.job_in(job_id, "COMPLETED")
    assert [(await api.job(job_id))["status"] for job_id in (ids[0], ids[5])] == ["CANCELLED", "PENDING"]
    assert await api.data(RUN_ALL_NOW, filter=where) == {"runJobs": {"count": 0}}


async def test_one_key_at_two_servers_at_once(own_url: str, launch: Launch, api_of: Any) -> None:
    apis = [api_of(launch("serve", "--port", "0", "--no-worker", DATABASE_URL=own_url)) for _ in range(2)]
    given = {"taskName": "simulate", "idempotencyKey": "the key"}
    query = CREATE % "id"
    answers = await asyncio.gather(*(apis[n % 2].data(query, input=given) for n in range(50)))
    assert len({answer["createJob"]["job"]["id"] for answer in answers}) == 1
    assert sum(answer["createJob"]["created"] for answer in answers) == 1
    refusal = await apis[1].error(query, input={**given, "payload": {"n": 2}})
    assert refusal["code"] == "CONFLICT"
    assert await apis[0].data("{ jobStats { total } }") == {"jobStats": {"total": 1}}
