"""Webhook endpoints, the log and replay over HTTP, on every kind of database."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from client import Api, unique
from eventually import eventually
from launching import Launch, Receiver
from processes import ServerProcess, free_port, like_make_run
from standardwebhooks.webhooks import Webhook

ENDPOINT = "id url events taskNames enabled disabledReason createdAt"
CREATE = f"""mutation($input: CreateWebhookEndpointInput!) {{
  createWebhookEndpoint(input: $input) {{ secret endpoint {{ {ENDPOINT} }} }} }}"""
UPDATE = f"""mutation($input: UpdateWebhookEndpointInput!) {{
  updateWebhookEndpoint(input: $input) {{ endpoint {{ {ENDPOINT} }} }} }}"""
ROTATE = f"mutation($id: ID!) {{ rotateWebhookSecret(id: $id) {{ secret endpoint {{ {ENDPOINT} }} }} }}"
DELETE = "mutation($id: ID!) { deleteWebhookEndpoint(id: $id) { id } }"
LIST = f"{{ webhookEndpoints {{ {ENDPOINT} }} }}"
DELIVERY = f"id event status url nextTryAt createdAt job {{ id }} endpoint {{ {ENDPOINT} }} tries {{ responseStatus }}"
ONE = f"query($id: ID!) {{ webhookDelivery(id: $id) {{ {DELIVERY} }} }}"
LOG = f"""query($filter: WebhookDeliveryFilter, $first: Int, $after: String) {{
  webhookDeliveries(filter: $filter, first: $first, after: $after) {{
    nodes {{ {DELIVERY} }} totalCount capped: totalCount(atMost: 1)
    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"""
REPLAY = f"mutation($id: ID!) {{ redeliverWebhook(id: $id) {{ delivery {{ {DELIVERY} }} }} }}"
REPLAY_ALL = """mutation($filter: WebhookDeliveryFilter!, $dryRun: Boolean! = false) {
  redeliverWebhooks(filter: $filter, dryRun: $dryRun) { count } }"""


async def create(api: Api, url: str, **given: Any) -> tuple[dict[str, Any], str]:
    made = (await api.data(CREATE, input={"url": url, **given}))["createWebhookEndpoint"]
    return made["endpoint"], made["secret"]


async def log(api: Api, **where: Any) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = (await api.data(LOG, filter=where))["webhookDeliveries"]["nodes"]
    return nodes


async def delivered(api: Api, count: int, **where: Any) -> list[dict[str, Any]]:
    async def found() -> list[dict[str, Any]] | None:
        nodes = await log(api, status=["DELIVERED"], **where)
        return nodes if len(nodes) == count else None

    nodes: list[dict[str, Any]] = await eventually(found, timeout_seconds=20.0)
    return nodes


async def test_the_life_of_an_endpoint(api: Api, receiver: Receiver) -> None:
    name = unique("task")
    endpoint, secret = await create(api, receiver.url, taskNames=[name])
    assert (endpoint["url"], endpoint["events"], endpoint["taskNames"]) == (receiver.url, ["JOB_COMPLETED"], [name])
    assert (endpoint["enabled"], endpoint["disabledReason"]) == (True, None)
    listed = (await api.data(LIST))["webhookEndpoints"]
    assert (listed[0]["id"], endpoint in listed) == ("0", True)
    try:
        await api.create(unique("other"), run=True)
        job = await api.create(name, run=True, payload={"n": 1})
        [delivery] = await delivered(api, 1, endpointId=endpoint["id"])
        [(sent, body)] = receiver.received
        assert (sent["webhook-id"], sent["webhook-event"]) == (delivery["id"], "job.completed")
        assert Webhook(secret).verify(body, sent)["jobId"] == int(job["id"])
        assert (delivery["job"], delivery["endpoint"], delivery["event"]) == (
            {"id": job["id"]},
            endpoint,
            "JOB_COMPLETED",
        )
        assert (await api.data(ONE, id=delivery["id"]))["webhookDelivery"] == delivery
        bodies = "query($id: ID!) { webhookDelivery(id: $id) { body } }"
        assert (await api.data(bodies, id=delivery["id"]))["webhookDelivery"]["body"].encode() == body

        rotated = (await api.data(ROTATE, id=endpoint["id"]))["rotateWebhookSecret"]
        assert rotated["endpoint"] == endpoint
        replayed = (await api.data(REPLAY, id=delivery["id"]))["redeliverWebhook"]["delivery"]
        assert (replayed["id"], replayed["status"]) == (delivery["id"], "PENDING")
        [again] = await delivered(api, 1, endpointId=endpoint["id"])
        assert [each["responseStatus"] for each in again["tries"]] == [200, 200]
        assert receiver.received[1][1] == body
        for each in (secret, rotated["secret"]):
            assert Webhook(each).verify(body, receiver.received[1][0])

        all_tasks = await api.data(UPDATE, input={"id": endpoint["id"], "enabled": False, "taskNames": None})
        assert all_tasks["updateWebhookEndpoint"]["endpoint"] == endpoint | {"enabled": False, "taskNames": None}
        error = await api.error(REPLAY, id=delivery["id"])
        assert (error["code"], error["status"]) == ("INVALID_STATE", "DELIVERED")
    finally:
        await api.data(DELETE, id=endpoint["id"])
    assert endpoint["id"] not in [each["id"] for each in (await api.data(LIST))["webhookEndpoints"]]
    gone = (await api.data(ONE, id=delivery["id"]))["webhookDelivery"]["endpoint"]
    assert (gone["id"], gone["url"], gone["enabled"]) == (endpoint["id"], receiver.url, False)
    assert gone["disabledReason"] == "It was deleted."
    assert (await api.error(DELETE, id=endpoint["id"]))["code"] == "NOT_FOUND"


async def test_failures_and_cancellations_are_told(api: Api, receiver: Receiver) -> None:
    name = unique("simulate this")
    endpoint, _secret = await create(api, receiver.url, events=["JOB_FAILED", "JOB_CANCELLED"], taskNames=[name])
    try:
        held = await api.create(name, payload={"held": True})
        await api.change("cancelJob", held["id"])
        bulk = [await api.create(name) for _ in range(3)]
        count = await api.data(
            "mutation($name: String!) { cancelJobs(filter: {taskName: $name}) { count } }", name=name
        )
        assert count == {"cancelJobs": {"count": 3}}
        failed = await api.create(name, run=True, maxAttempts=1, payload={"fail": "no luck"})
        nodes = await delivered(api, 5, endpointId=endpoint["id"])
        bodies = {each["jobId"]: each for each in (orjson.loads(body) for _, body in receiver.received)}
        assert {int(each["job"]["id"]) for each in nodes} == set(bodies)
        assert set(bodies) == {int(each["id"]) for each in (held, failed, *bulk)}
        told = bodies[int(held["id"])]
        assert set(told) == {"jobId", "taskName", "priority", "payload", "cancelledAt"}
        assert told["payload"] == {"held": True}
        told = bodies[int(failed["id"])]
        assert set(told) == {"jobId", "taskName", "priority", "payload", "failedAt", "error"}
        assert set(told["error"]) == {"code", "message"}
        assert "no luck" in told["error"]["message"]
    finally:
        await api.data(DELETE, id=endpoint["id"])


async def test_the_log_in_pages_and_sent_again_by_filter(api: Api, receiver: Receiver) -> None:
    name = unique("task")
    endpoint, _secret = await create(api, receiver.url, taskNames=[name])
    where = {"endpointId": endpoint["id"]}
    try:
        jobs = [(await api.create(name, run=True, webhookUrl=receiver.url))["id"] for _ in range(3)]
        nodes = await delivered(api, 3, **where)
        assert [each["createdAt"] for each in nodes] == sorted((each["createdAt"] for each in nodes), reverse=True)
        first = (await api.data(LOG, filter=where, first=2))["webhookDeliveries"]
        assert (first["nodes"], first["totalCount"], first["capped"]) == (nodes[:2], 3, 1)
        assert (first["pageInfo"]["hasNextPage"], first["pageInfo"]["hasPreviousPage"]) == (True, False)
        rest = await api.data(LOG, filter=where, first=2, after=first["pageInfo"]["endCursor"])
        assert rest["webhookDeliveries"]["nodes"] == nodes[2:]
        assert rest["webhookDeliveries"]["pageInfo"]["hasNextPage"] is False
        cursor = first["pageInfo"]["endCursor"]
        assert (await api.error(LOG, filter={}, after=cursor))["field"] == "after"
        assert (await api.error(LOG, filter=where, first=101))["field"] == "first"

        all_three = await log(api, jobId=jobs[0])
        assert {each["endpoint"]["id"] for each in all_three} == {"0", endpoint["id"], f"job-{jobs[0]}"}
        own = next(each["endpoint"] for each in all_three if each["endpoint"]["id"].startswith("job-"))
        assert (own["url"], own["events"], own["enabled"]) == (receiver.url, ["JOB_COMPLETED"], True)

        before = len(receiver.received)
        dry = await api.data(REPLAY_ALL, filter=where, dryRun=True)
        assert dry == {"redeliverWebhooks": {"count": 3}}
        assert await log(api, status=["PENDING"], **where) == []
        assert await api.data(REPLAY_ALL, filter={**where, "jobId": jobs[1]}) == {"redeliverWebhooks": {"count": 1}}

        async def arrived() -> bool:
            return len(receiver.received) > before

        await eventually(arrived, timeout_seconds=20.0)
        tries = {each["job"]["id"]: len(each["tries"]) for each in await delivered(api, 3, **where)}
        assert tries == {jobs[0]: 1, jobs[1]: 2, jobs[2]: 1}
    finally:
        await api.data(DELETE, id=endpoint["id"])


async def test_an_endpoint_that_fails(api: Api, receiver: Receiver) -> None:
    name = unique("task")
    endpoint, _secret = await create(api, receiver.url, taskNames=[name])
    circuit = "{ webhookEndpoints { id circuit { failuresInARow failingSince openUntil } } }"

    async def told() -> dict[str, Any] | None:
        listed = (await api.data(circuit))["webhookEndpoints"]
        found: dict[str, Any] | None = next(each["circuit"] for each in listed if each["id"] == endpoint["id"])
        return found

    try:
        assert await told() is None
        receiver.statuses = [500]
        await api.create(name, run=True)
        failing = await eventually(told, timeout_seconds=20.0)
        assert (failing["failuresInARow"], failing["openUntil"]) == (1, None)
        [delivery] = await log(api, endpointId=endpoint["id"])
        assert failing["failingSince"] >= delivery["createdAt"]
        await api.data(REPLAY, id=delivery["id"])  # the next try by itself is seconds away
        await delivered(api, 1, endpointId=endpoint["id"])
        assert await told() is None
    finally:
        await api.data(DELETE, id=endpoint["id"])


async def test_an_endpoint_is_tried_out(api: Api, receiver: Receiver) -> None:
    """A signed webhook of no job; it leaves nothing behind, however it ends, and goes to disabled endpoints too."""
    name = unique("task")
    endpoint, secret = await create(api, receiver.url, taskNames=[name], events=["JOB_FAILED"])
    trial = """mutation($id: ID!) { testWebhookEndpoint(id: $id) {
      body outcome { at durationMs responseStatus error responseBody } } }"""
    try:
        receiver.statuses = [200, 500]
        told = (await api.data(trial, id=endpoint["id"]))["testWebhookEndpoint"]
        [(sent, body)] = receiver.received
        assert (told["body"].encode(), told["outcome"]["responseStatus"], told["outcome"]["error"]) == (body, 200, None)
        assert sent["webhook-event"] == "job.failed"
        content = Webhook(secret).verify(body, sent)
        assert (content["jobId"], content["taskName"], content["payload"]) == (0, name, {"test": True})
        await api.data(UPDATE, input={"id": endpoint["id"], "enabled": False})
        told = (await api.data(trial, id=endpoint["id"]))["testWebhookEndpoint"]
        assert (told["outcome"]["responseStatus"], told["outcome"]["error"]) == (500, "the receiver answered 500")
        assert await log(api, endpointId=endpoint["id"]) == []
        circuits = (await api.data("{ webhookEndpoints { id circuit { failuresInARow } } }"))["webhookEndpoints"]
        assert {"id": endpoint["id"], "circuit": None} in circuits
    finally:
        await api.data(DELETE, id=endpoint["id"])
    assert (await api.error(trial, id=endpoint["id"]))["code"] == "NOT_FOUND"


async def test_a_trial_goes_nowhere_that_webhooks_may_not(launch: Launch, api_of: Any) -> None:
    api = api_of(launch("serve", "--port", "0"))
    endpoint, _secret = await create(api, "http://127.0.0.1:9/")
    query = "mutation($id: ID!) { testWebhookEndpoint(id: $id) { outcome { responseStatus error } } }"
    outcome = (await api.data(query, id=endpoint["id"]))["testWebhookEndpoint"]["outcome"]
    assert outcome["responseStatus"] is None
    assert outcome["error"].startswith("REFUSED")


async def test_refusals(sqlite_api: Api) -> None:
    api = sqlite_api
    before = await api.data(LIST)
    for given, field in (
        ({"url": "http://a:b@receiver.test/"}, "url"),
        ({"url": "receiver.test"}, "url"),
        ({"url": "http://receiver.test/", "events": []}, "events"),
        ({"url": "http://receiver.test/", "taskNames": []}, "taskNames"),
    ):
        error = await api.error(CREATE, input=given)
        assert (error["code"], error["field"]) == ("BAD_USER_INPUT", field)
    assert await api.data(LIST) == before
    for name in ("url", "events", "enabled"):
        error = await api.error(UPDATE, input={"id": "1", name: None})
        assert (error["code"], error["field"]) == ("BAD_USER_INPUT", name)
    assert "WEBHOOK_URL" in (await api.error(UPDATE, input={"id": "0", "enabled": False}))["message"]
    assert (await api.error(ROTATE, id="99999"))["code"] == "NOT_FOUND"
    assert (await api.error(REPLAY, id="msg_none"))["code"] == "NOT_FOUND"
    assert (await api.error(LOG, filter={"endpointId": "job-1"}))["field"] == "endpointId"
    assert await api.data(ONE, id="é") == {"webhookDelivery": None}


async def test_the_key_file_of_sqlite(launch: Launch, api_of: Any) -> None:
    server = launch("serve", "--port", "0")
    api = api_of(server)
    key = server.folder / "signalbox.db.key"
    assert not key.exists()
    await create(api, "https://receiver.test/")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert not any("whsec_" in line or key.read_text().strip() in line for line in server.lines)


@pytest.mark.parametrize("own_url", [pytest.param("mariadb", marks=pytest.mark.mariadb)], indirect=True)
async def test_without_a_key_mysql_has_no_endpoints(launch: Launch, api_of: Any, own_url: str) -> None:
    api = api_of(launch("serve", "--port", "0", DATABASE_URL=own_url))
    error = await api.error(CREATE, input={"url": "https://receiver.test/"})
    assert error["code"] == "BAD_USER_INPUT"
    assert "set SIGNALBOX_SECRET_KEY" in error["message"]
    assert await api.data(LIST) == {"webhookEndpoints": []}


OF_ENDPOINTS = """query($first: Int, $after: String) {
  webhookEndpoints { id deliveries(first: $first, after: $after) {
    nodes { id } totalCount pageInfo { hasNextPage hasPreviousPage endCursor } } } }"""


async def test_an_endpoints_deliveries_have_pages(api: Api, receiver: Receiver) -> None:
    name = unique("task")
    endpoint, _secret = await create(api, receiver.url, taskNames=[name])

    async def page(**where: Any) -> dict[str, Any]:
        endpoints = (await api.data(OF_ENDPOINTS, **where))["webhookEndpoints"]
        [found] = [each["deliveries"] for each in endpoints if each["id"] == endpoint["id"]]
        return dict(found)

    try:
        assert await page() == {
            "nodes": [],
            "totalCount": 0,
            "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "endCursor": None},
        }
        for _ in range(3):
            job = await api.create(name, run=True, webhookUrl=receiver.url)
        ids = [each["id"] for each in await delivered(api, 3, endpointId=endpoint["id"])]
        first = await page(first=2)
        assert ([each["id"] for each in first["nodes"]], first["totalCount"]) == (ids[:2], 3)
        assert first["pageInfo"]["hasNextPage"] is True
        error = await api.error(OF_ENDPOINTS, after=first["pageInfo"]["endCursor"])  # it is another endpoint's
        assert (error["code"], error["field"]) == ("BAD_USER_INPUT", "after")
        error = await api.error(OF_ENDPOINTS, first=101)
        assert (error["code"], error["field"]) == ("BAD_USER_INPUT", "first")
        own = "query($id: ID!) { job(id: $id) { deliveries { id endpoint { id deliveries { nodes { id } } } } } }"
        of_job = (await api.data(own, id=job["id"]))["job"]["deliveries"]
        listed = {each["endpoint"]["id"]: [e["id"] for e in each["endpoint"]["deliveries"]["nodes"]] for each in of_job}
        assert listed[endpoint["id"]] == ids
        [by_its_own_url] = [each["id"] for each in of_job if each["endpoint"]["id"] == f"job-{job['id']}"]
        assert listed[f"job-{job['id']}"] == [by_its_own_url]
    finally:
        await api.data(DELETE, id=endpoint["id"])


async def test_the_test_receiver_knows_the_secrets_of_endpoints(api: Api) -> None:
    name = unique("task")
    endpoint, _secret = await create(api, f"{api.base}/webhook-test", taskNames=[name])

    async def receipts(message_id: str) -> list[str]:
        async with api.session.get(f"{api.base}/webhook-test") as response:
            received = (await response.json())["received"]
        return [each["signature"] for each in received if each["headers"].get("webhook-id") == message_id]

    try:
        await api.create(name, run=True)
        [delivery] = await delivered(api, 1, endpointId=endpoint["id"])
        assert await receipts(delivery["id"]) == ["verified"]
        await api.data(ROTATE, id=endpoint["id"])
        await api.data(REPLAY, id=delivery["id"])

        async def is_replayed() -> bool:
            return await receipts(delivery["id"]) == ["verified"] * 2

        await eventually(is_replayed, timeout_seconds=20.0)
    finally:
        await api.data(DELETE, id=endpoint["id"])


FILLING = """
import asyncio, os, time
from signalbox import task

def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.05)

@task("fill the pool")
async def fill(path: str):
    await asyncio.gather(*(asyncio.to_thread(wait_for, path) for _ in range(100)))
"""


async def test_a_webhook_leaves_while_tasks_fill_the_default_pool_of_threads(
    launch: Launch, api_of: Callable[[ServerProcess], Api], receiver: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "filling.py").write_text(FILLING)
    emptied = tmp_path / "emptied"
    server = launch("serve", "--port", "0", "--tasks", str(tmp_path / "filling.py"), **like_make_run(free_port()))
    api = api_of(server)
    filling = await api.create("fill the pool", payload={"path": str(emptied)}, run=True)
    await api.job_in(filling["id"], "RUNNING")
    try:
        by_name = receiver.url.replace("127.0.0.1", "localhost")
        await api.create("anything", run=True, webhookUrl=by_name)
        await eventually(lambda: receiver.received, timeout_seconds=20.0)
        assert (await api.job(filling["id"]))["status"] == "RUNNING"
    finally:
        emptied.touch()
    await api.job_in(filling["id"], "COMPLETED")


async def test_a_job_that_is_deleted_between_two_reads(launch: Launch, api_of: Any, receiver: Receiver) -> None:
    """The list of deliveries is read, then the jobs that it names; here one is taken away from under them."""
    server = launch("serve", "--port", "0", **{**like_make_run(0), "WEBHOOK_URL": receiver.url})
    api = api_of(server)
    kept, gone = await api.create("simulate", run=True), await api.create("simulate", run=True)
    await delivered(api, 2)
    [lost] = await log(api, jobId=gone["id"])
    with closing(sqlite3.connect(server.folder / "signalbox.db")) as file, file:
        file.execute("DELETE FROM jobs WHERE id = ?", [gone["id"]])
    assert [each["job"]["id"] for each in await log(api)] == [kept["id"]]
    of_endpoints = "{ webhookEndpoints { deliveries { ...Page } } } fragment Page on WebhookDeliveryConnection { %s }"
    asked = of_endpoints % "nodes { ... on WebhookDelivery { id job { id } } }"
    [endpoint] = (await api.data(asked))["webhookEndpoints"]
    assert [each["job"]["id"] for each in endpoint["deliveries"]["nodes"]] == [kept["id"]]
    twice = (await api.data("{ webhookDeliveries { nodes { id } nodes { job { id } } } }"))["webhookDeliveries"][
        "nodes"
    ]
    assert [each["job"]["id"] for each in twice] == [kept["id"]]
    assert len((await api.data("{ webhookDeliveries { nodes { id } } }"))["webhookDeliveries"]["nodes"]) == 2
    error = await api.error(ONE, id=lost["id"])
    assert (error["code"], error["message"].split(" was")[0]) == ("NOT_FOUND", f"The job {gone['id']}")
