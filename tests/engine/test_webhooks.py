"""The bytes of a webhook, its signature, and the loop that sends it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from doubles import FakeClient, FakeClock
from standardwebhooks.webhooks import Webhook

from engine.clock import SystemClock
from engine.deliveries import RETRY_SECONDS, Deliveries
from engine.errors import ConfigurationError
from engine.http_client import HttpError, HttpErrorCode, HttpResponse
from engine.records import ClaimedJob, DueDelivery, Finish, NewJob
from engine.secrets import decode_secret
from engine.store.claims import ClaimRequest
from engine.store.store import Store, database_for
from engine.webhooks import Receivers, headers, webhook_body
from models.connection import DatabaseURL
from models.enums import DeliveryStatus, JobPriority, WebhookEvent

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
URL = "http://receiver.test/hook"


def claimed(**changes: object) -> ClaimedJob:
    given = {
        "id": 7,
        "task_name": "Send Test Email",
        "payload_text": '{"email":"example@test.com","n":9007199254740993}',
        "priority": JobPriority.HIGH,
        "attempt": 1,
        "max_attempts": 3,
        "timeout_seconds": 60.0,
        "webhook_url": None,
        "has_tags": False,
        "claim_token": 1,
    }
    return ClaimedJob(**(given | changes))  # type: ignore[arg-type]


def test_the_body_has_five_keys_and_the_payload_as_stored() -> None:
    body = webhook_body(claimed(), WebhookEvent.JOB_COMPLETED, datetime(2026, 2, 5, 15, 0, tzinfo=UTC), None)
    assert body == (
        b'{"jobId":7,"taskName":"Send Test Email","priority":"High",'
        b'"payload":{"email":"example@test.com","n":9007199254740993},"completedAt":"2026-02-05T15:00:00.000Z"}'
    )


def test_a_signature_that_the_standard_library_of_receivers_accepts() -> None:
    body = webhook_body(claimed(), WebhookEvent.JOB_COMPLETED, datetime(2026, 2, 5, 15, 0, tzinfo=UTC), None)
    now = SystemClock().now()
    delivery = DueDelivery(1, "msg_1", WebhookEvent.JOB_COMPLETED, 0, URL, body, 0, now, 1)
    timestamp = int(now.timestamp())
    signed = headers(delivery, [decode_secret(SECRET)], timestamp, "0.1.0")
    assert Webhook(SECRET).verify(body.decode(), signed)["jobId"] == 7
    assert signed["webhook-event"] == "job.completed"
    assert signed["user-agent"] == "Signalbox/0.1.0"
    assert "webhook-signature" not in headers(delivery, [], timestamp, "0.1.0")


@pytest.mark.parametrize("secret", ["", "abc", "whsec_", "whsec_!!!!", "whsec_" + base64.b64encode(b"short").decode()])
def test_a_secret_that_cannot_be_used_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="WEBHOOK_SECRET") as refusal:
        decode_secret(secret)
    assert len(secret) < 7 or secret not in str(refusal.value)


class Scene:
    """A store with one completed job and its deliveries, and the loop that sends them."""

    def __init__(self, store: Store, clock: FakeClock, client: FakeClient, receivers: Receivers) -> None:
        self.store = store
        self.clock = clock
        self.client = client
        self.loop = Deliveries(store, receivers, client, version="0.1.0", clock=clock)  # type: ignore[arg-type]
        self.job_id = 0

    async def complete_a_job(self, **fields: object) -> None:
        new = NewJob(task_name="t", run=True, max_attempts=1, timeout_seconds=1.0, **fields)  # type: ignore[arg-type]
        [created] = await self.store.create_jobs([new])
        self.job_id = created.job.id
        [job] = await self.store.claim(ClaimRequest(1, "w", 1, 30.0))
        assert await self.store.finish(Finish.completed(job, None))

    async def turn(self) -> None:
        await self.loop.run_once()
        await self.loop.settle()

    async def deliveries(self) -> list[tuple[DeliveryStatus, list[int | None], float | None]]:
        found = (await self.store.reads.deliveries_of([self.job_id]))[self.job_id]
        return [
            (
                each.status,
                [one.response_status for one in each.tries],
                None if each.next_try_at is None else (each.next_try_at - self.clock.now()).total_seconds(),
            )
            for each in found
        ]


async def scene(sqlite_url: str, *answers: int | HttpResponse | HttpError) -> Scene:
    clock = FakeClock()
    receivers = Receivers(URL, SECRET)
    store = Store(database_for(DatabaseURL.parse(sqlite_url), clock), outbox=receivers.outbox, clock=clock)
    await store.open()
    return Scene(store, clock, FakeClient(answers), receivers)


@pytest.fixture
def sqlite_url(sqlite_template, tmp_path) -> str:  # type: ignore[no-untyped-def]
    path = tmp_path / "signalbox.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite://{path}"


async def test_two_receivers_get_one_delivery_each_and_only_ours_is_signed(sqlite_url: str) -> None:
    it = await scene(sqlite_url, 200, 204)
    await it.complete_a_job(webhook_url="http://job.test/")
    await it.turn()
    assert await it.deliveries() == [(DeliveryStatus.DELIVERED, [200], None), (DeliveryStatus.DELIVERED, [204], None)]
    by_url = {url: sent for url, sent, _body in it.client.requests}
    assert "webhook-signature" in by_url[URL]
    assert "webhook-signature" not in by_url["http://job.test/"]
    await it.turn()
    assert len(it.client.requests) == 2
    await it.store.close()


async def test_every_try_has_the_same_id_and_bytes_and_the_waits_grow_to_the_end(sqlite_url: str) -> None:
    it = await scene(sqlite_url, *[500] * 10)
    await it.complete_a_job()
    for number, wait in enumerate([*RETRY_SECONDS, None], start=1):
        await it.turn()
        [(status, tries, next_try)] = await it.deliveries()
        assert tries == [500] * number
        if wait is None:
            assert (status, next_try) == (DeliveryStatus.FAILED, None)
        else:
            assert status is DeliveryStatus.PENDING
            assert next_try == pytest.approx(wait, rel=0.11)
            it.clock.pass_by(next_try - 0.01)
            await it.turn()
            assert len(it.client.requests) == number
            it.clock.pass_by(0.02)
    assert len({(sent["webhook-id"], body) for _url, sent, body in it.client.requests}) == 1
    assert orjson.loads(it.client.requests[0][2])["jobId"] == it.job_id
    await it.store.close()


async def test_gone_ends_it_and_retry_after_is_honoured(sqlite_url: str) -> None:
    busy = HttpResponse(429, {"retry-after": "77"}, b"", False, 1)
    it = await scene(sqlite_url, busy, HttpError(HttpErrorCode.TIMEOUT, "slow"), 410)
    await it.complete_a_job()
    await it.turn()
    [(status, _tries, next_try)] = await it.deliveries()
    assert status is DeliveryStatus.PENDING
    assert next_try == pytest.approx(77)
    it.clock.pass_by(78)
    await it.turn()
    [(status, tries, next_try)] = await it.deliveries()
    assert tries == [429, None]
    assert next_try is not None
    it.clock.pass_by(next_try + 1)
    await it.turn()
    assert await it.deliveries() == [(DeliveryStatus.FAILED, [429, None, 410], None)]
    await it.store.close()


async def test_a_claim_whose_process_died_is_tried_again_after_its_lease(sqlite_url: str) -> None:
    it = await scene(sqlite_url, 200)
    await it.complete_a_job()
    [lost] = await it.store.claim_deliveries(10, 30.0)
    await it.turn()
    assert not it.client.requests
    it.clock.pass_by(31)
    await it.turn()
    [(_url, sent, body)] = it.client.requests
    assert (sent["webhook-id"], body) == (lost.message_id, lost.body)
    assert datetime.fromtimestamp(int(sent["webhook-timestamp"]), UTC) == it.clock.now()
    assert it.clock.now() - lost.created_at >= timedelta(seconds=31)
    await it.store.close()
