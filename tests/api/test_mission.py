"""The example that the product is for: create, run, watch, be called back. On every kind of database."""

from __future__ import annotations

import re

import orjson
from client import Api
from launching import SECRET
from standardwebhooks import Webhook

EXAMPLE = """mutation { createJob(input: {taskName: "Send Test Email", payload: {email: "example@test.com"},
  priority: HIGH}) { created job { id taskName status priority payload payloadText } } }"""
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def test_the_example(api: Api) -> None:
    async with api.watch("id taskName status priority attempt result payload startedAt finishedAt") as stream:
        await stream.is_live(api)
        created = (await api.data(EXAMPLE))["createJob"]
        job = created["job"]
        assert created == {
            "created": True,
            "job": {
                "id": job["id"],
                "taskName": "Send Test Email",
                "status": "PENDING",
                "priority": "HIGH",
                "payload": {"email": "example@test.com"},
                "payloadText": '{"email":"example@test.com"}',
            },
        }
        ran = await api.data("mutation($id: ID!) { runJob(id: $id) { job { id status } } }", id=job["id"])
        assert ran == {"runJob": {"job": {"id": job["id"], "status": "QUEUED"}}}
        await stream.until(lambda change: change["job"]["id"] == job["id"] and change["to"] == "COMPLETED")
    changes = [each for each in stream.seen if each["job"]["id"] == job["id"]]
    assert [(each["from"], each["to"], each["job"]["status"]) for each in changes] == [
        (None, "PENDING", "PENDING"),
        ("PENDING", "QUEUED", "QUEUED"),
        ("QUEUED", "RUNNING", "RUNNING"),
        ("RUNNING", "COMPLETED", "COMPLETED"),
    ]
    assert [each["job"]["attempt"] for each in changes] == [0, 0, 1, 1]
    assert all(RFC_3339.fullmatch(each["at"]) for each in changes)
    cursors = [int(each["cursor"]) for each in stream.seen]
    assert cursors == sorted(set(cursors))
    assert changes[2]["job"]["startedAt"] == changes[2]["at"]
    assert changes[3]["job"]["finishedAt"] == changes[3]["at"]
    assert changes[3]["job"]["result"]["simulated"] is True
    assert "simulated" in changes[3]["job"]["result"]["note"]

    [webhook] = await api.webhooks(job["id"])
    assert webhook["body"] == {
        "jobId": int(job["id"]),
        "taskName": "Send Test Email",
        "priority": "High",
        "payload": {"email": "example@test.com"},
        "completedAt": changes[3]["at"],
    }
    assert list(orjson.loads(webhook["bodyText"])) == ["jobId", "taskName", "priority", "payload", "completedAt"]
    headers = webhook["headers"]
    assert headers["content-type"] == "application/json"
    assert headers["webhook-event"] == "job.completed"
    assert re.fullmatch(r"Signalbox/\d+\.\d+\.\d+", headers["user-agent"])
    assert Webhook(SECRET).verify(webhook["bodyText"], headers) == webhook["body"]

    [delivery] = await api.deliveries(job["id"])
    assert (delivery["event"], delivery["status"], delivery["nextTryAt"]) == ("JOB_COMPLETED", "DELIVERED", None)
    assert delivery["id"] == headers["webhook-id"]
    [attempt] = delivery["tries"]
    assert (attempt["responseStatus"], attempt["error"]) == (200, None)
    assert delivery["job"] == {"id": job["id"]}


async def test_every_field_of_a_job(api: Api) -> None:
    created = await api.create("in a thread", "id", payload={"text": "é 🙂"}, run=True, tags=["blue", "sea"])
    await api.job_in(created["id"], "COMPLETED")
    fields = """id taskName payload payloadText priority status tags attempt maxAttempts timeoutSeconds progress result
      resultText error { code message traceback } idempotencyKey createdAt updatedAt runAt startedAt finishedAt
      copyOf { id } attempts { number outcome error { code } worker startedAt finishedAt }
      events { cursor from to attempt at } deliveries { id }"""
    job = await api.job(created["id"], fields)
    times = {name: job.pop(name) for name in ("createdAt", "updatedAt", "runAt", "startedAt", "finishedAt")}
    [attempt] = job.pop("attempts")
    events = job.pop("events")
    [_delivery] = job.pop("deliveries")
    assert job == {
        "id": created["id"],
        "taskName": "in a thread",
        "payload": {"text": "é 🙂"},
        "payloadText": '{"text":"é 🙂"}',
        "priority": "MEDIUM",
        "status": "COMPLETED",
        "tags": ["blue", "sea"],
        "attempt": 1,
        "maxAttempts": 3,
        "timeoutSeconds": 300.0,
        "progress": None,
        "result": {"text": "é 🙂", "in_main_thread": False},
        "resultText": '{"text":"é 🙂","in_main_thread":false}',
        "error": None,
        "idempotencyKey": None,
        "copyOf": None,
    }
    assert times["createdAt"] == times["runAt"] == events[0]["at"]
    assert times["startedAt"] == attempt["startedAt"] == events[1]["at"]
    assert times["updatedAt"] == times["finishedAt"] == attempt["finishedAt"] == events[2]["at"]
    assert [(each["from"], each["to"], each["attempt"]) for each in events] == [
        (None, "QUEUED", 0),
        ("QUEUED", "RUNNING", 1),
        ("RUNNING", "COMPLETED", 1),
    ]
    assert (attempt["number"], attempt["outcome"], attempt["error"]) == (1, "COMPLETED", None)
    assert re.fullmatch(r".+:\d+/\d+", attempt["worker"])


async def test_a_higher_priority_goes_first(api: Api) -> None:
    """Ten slots are taken; what waits meanwhile starts by priority, then by age."""
    inputs = [{"taskName": "nap", "payload": {"seconds": 0.5}, "priority": "HIGH", "run": True}] * 10
    [cursor, _] = [await api.last_cursor(), await api.data(CREATE_ALL, inputs=inputs)]
    tag = f"order {cursor}"
    waiting = [
        {"taskName": "nap", "payload": {"seconds": 0}, "priority": priority, "run": True, "tags": [tag]}
        for priority in ("LOW", "MEDIUM", "HIGH", "LOW", "HIGH")
    ]
    jobs = (await api.data(CREATE_ALL, inputs=waiting))["createJobs"]["jobs"]
    async with api.watch(after=cursor, tag=tag, status=["RUNNING"]) as stream:
        started = [(await stream.next())["job"]["id"] for _ in jobs]
    ids = [job["id"] for job in jobs]
    assert started == [ids[2], ids[4], ids[1], ids[0], ids[3]]


CREATE_ALL = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id status taskName } } }"
