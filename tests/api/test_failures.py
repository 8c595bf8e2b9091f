"""Attempts that fail, and webhooks that are not taken: what is tried again, when, and what the API says of it."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import datetime, timedelta
from typing import Any

import pytest
from client import Api, unique
from eventually import eventually
from launching import SECRET, Launch, Receiver, Running
from processes import SAMPLE_TASKS
from standardwebhooks import Webhook, WebhookVerificationError

ERROR = "error { code message traceback }"


def wait_seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)) / timedelta(seconds=1)


async def test_a_task_that_raises_is_tried_again_later(api: Api) -> None:
    job = await api.create("fail", payload={"message": "no such mailbox"}, run=True)
    waiting = await api.job_in(job["id"], "SCHEDULED", fields=f"attempt maxAttempts updatedAt runAt finishedAt {ERROR}")
    assert (waiting["attempt"], waiting["maxAttempts"], waiting["finishedAt"]) == (1, 2, None)
    assert waiting["error"]["code"] == "TASK_ERROR"
    assert waiting["error"]["message"] == "ValueError: no such mailbox"
    assert 13.4 <= wait_seconds(waiting["updatedAt"], waiting["runAt"]) <= 16.6
    await api.change("runJob", job["id"])
    failed = await api.job_in(job["id"], "FAILED", fields="attempt attempts { number outcome error { code } }")
    assert failed["attempts"] == [
        {"number": 1, "outcome": "SCHEDULED", "error": {"code": "TASK_ERROR"}},
        {"number": 2, "outcome": "FAILED", "error": {"code": "TASK_ERROR"}},
    ]
    assert await api.deliveries(job["id"]) == []


@pytest.mark.parametrize(
    ("task_name", "given", "code", "message"),
    [
        ("refuse", {}, "NO_ADDRESS", "there is no such address"),
        ("nap", {"timeoutSeconds": 0.1, "maxAttempts": 1}, "TIMEOUT", "It took longer than 0.1 s."),
        ("not json", {}, "TASK_ERROR", "The task returned what cannot be stored"),
        ("simulate", {"payload": {"fail": "as told"}, "maxAttempts": 1}, "TASK_ERROR", "as told"),
        ("http.request", {"payload": {"url": "http://10.0.0.1/"}}, "REFUSED", "10.0.0.1"),
    ],
)
async def test_what_fails_for_good(
    sqlite_api: Api, task_name: str, given: dict[str, Any], code: str, message: str
) -> None:
    job = await sqlite_api.create(task_name, run=True, **given)
    failed = await sqlite_api.job_in(job["id"], fields=f"attempt result finishedAt {ERROR}")
    assert (failed["status"], failed["attempt"], failed["result"]) == ("FAILED", 1, None)
    assert failed["error"]["code"] == code
    assert message in failed["error"]["message"]
    assert failed["finishedAt"] is not None


async def test_a_timeout_is_tried_again(sqlite_api: Api) -> None:
    job = await sqlite_api.create("nap", run=True, timeoutSeconds=0.05)
    waiting = await sqlite_api.job_in(job["id"], "SCHEDULED")
    assert waiting["error"]["code"] == "TIMEOUT"


async def test_progress(sqlite_api: Api) -> None:
    job = await sqlite_api.create("nap", payload={"seconds": 1.5}, run=True)

    async def is_reported() -> bool:
        progress: float | None = (await sqlite_api.job(job["id"], "progress"))["progress"]
        return progress == 0.25

    await eventually(is_reported)
    assert (await sqlite_api.job_in(job["id"], fields="progress"))["progress"] == 1.0


@pytest.mark.parametrize(
    ("task_name", "payload", "field"),
    [
        ("note", {}, "payload.file"),
        ("note", {"file": "x", "other": 1}, "payload.other"),
        ("note", {"file": 1}, "payload.file"),
        ("note", [1], "payload"),
        ("http.request", {"url": "ftp://x"}, "payload.url"),
        ("email.send", {"to": "a@example.com"}, None),
        ("simulate", {"seconds": -1}, "payload.seconds"),
    ],
    ids=str,
)
async def test_a_payload_that_does_not_fit_its_task(
    sqlite_api: Api, task_name: str, payload: Any, field: str | None
) -> None:
    query = "mutation($input: CreateJobInput!) { createJob(input: $input) { job { id } } }"
    refusal = await sqlite_api.error(query, input={"taskName": task_name, "payload": payload})
    assert refusal["code"] == "BAD_USER_INPUT"
    assert refusal["field"] == field or field is None


async def test_unknown_tasks_are_rejected_unless_told_otherwise(launch: Launch, api_of: Any) -> None:
    server = launch("serve", "--port", "0", "--tasks", str(SAMPLE_TASKS))
    api: Api = api_of(server)
    query = "mutation($n: String!) { createJob(input: {taskName: $n}) { job { status } } }"
    refusal = await api.error(query, n="no such task")
    assert (refusal["code"], refusal["field"]) == ("BAD_USER_INPUT", "taskName")
    assert "SIGNALBOX_UNKNOWN_TASK=simulate" in refusal["message"]
    assert await api.data("{ jobStats { total } }") == {"jobStats": {"total": 0}}
    assert (await api.data(query, n="nap"))["createJob"]["job"]["status"] == "PENDING"
    async with api.session.get(f"{api.base}/webhook-test") as response:
        assert response.status == 404


async def test_a_webhook_that_fails_is_tried_again(sqlite_api: Api, running: Running, receiver: Receiver) -> None:
    """The first try gets a 500; the second, due after five seconds, brings the same id and the same bytes."""
    receiver.statuses = [500]
    job = await sqlite_api.create(unique("hooked"), payload={"n": 1}, run=True, webhookUrl=receiver.url)

    async def own_delivery() -> dict[str, Any] | None:
        found = [each for each in await sqlite_api.deliveries(job["id"]) if each["url"] == receiver.url]
        return found[0] if found and found[0]["tries"] else None

    delivery = await eventually(own_delivery)
    assert (delivery["status"], delivery["event"]) == ("PENDING", "JOB_COMPLETED")
    [first] = delivery["tries"]
    assert (first["responseStatus"], first["error"]) == (500, "the receiver answered 500")
    assert 4.4 <= wait_seconds(first["at"], delivery["nextTryAt"]) <= 5.6

    async def is_delivered() -> bool:
        return bool((await own_delivery() or {}).get("status") == "DELIVERED")

    due_now = "UPDATE webhook_delivery SET next_try_at=updated_at WHERE message_id=?"
    with contextlib.closing(sqlite3.connect(running.get("sqlite").folder / "signalbox.db", timeout=10)) as database:
        database.execute(due_now, (delivery["id"],))
        database.commit()
    await eventually(is_delivered)
    delivery = await own_delivery()
    assert delivery is not None
    assert [each["responseStatus"] for each in delivery["tries"]] == [500, 200]
    assert delivery["nextTryAt"] is None
    (headers, body), (headers_again, body_again) = receiver.received
    assert body == body_again
    assert headers["webhook-id"] == headers_again["webhook-id"] == delivery["id"]
    assert int(headers["webhook-timestamp"]) <= int(headers_again["webhook-timestamp"])
    assert "webhook-signature" not in headers


async def test_a_webhook_that_is_refused_or_unreachable(sqlite_api: Api, receiver: Receiver) -> None:
    receiver.statuses = [410]
    urls = {receiver.url: "FAILED", "http://10.0.0.1/": "PENDING", "http://127.0.0.1:9/": "PENDING"}
    jobs = {url: await sqlite_api.create(unique("hooked"), run=True, webhookUrl=url) for url in urls}

    async def tried(url: str) -> dict[str, Any] | None:
        found = [each for each in await sqlite_api.deliveries(jobs[url]["id"]) if each["url"] == url]
        return found[0] if found and found[0]["tries"] else None

    for url, status in urls.items():
        delivery = await eventually(lambda url=url: tried(url))
        assert delivery["status"] == status, delivery
        [only] = delivery["tries"]
        assert (only["responseStatus"] == 410) is (status == "FAILED")
        if url == "http://10.0.0.1/":
            assert only["error"].startswith("REFUSED: ")
            assert "SIGNALBOX_WEBHOOK_ALLOW" in only["error"]


async def test_signatures_are_checked_with_the_body(sqlite_api: Api) -> None:
    """The library refuses our body under another secret, and another body under ours."""
    job = await sqlite_api.create(unique("signed"), run=True)
    [webhook] = await sqlite_api.webhooks(job["id"])
    Webhook(SECRET).verify(webhook["bodyText"], webhook["headers"])
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(webhook["bodyText"] + " ", webhook["headers"])
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 32).verify(webhook["bodyText"], webhook["headers"])
