"""Endpoints through the loop that sends: where a try goes and what signs it, at the time of the try."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from doubles import FakeClient, FakeClock
from structlog.testing import capture_logs

from engine.deliveries import Deliveries
from engine.endpoints import EndpointInput, Endpoints, WithSecret
from engine.errors import InvalidInput, InvalidState, NotFound
from engine.records import DeliveryRecord, Finish, NewJob
from engine.secrets import SecretBox
from engine.store.claims import ClaimRequest
from engine.store.delivery_log import DeliveryFilter, DeliveryQuery
from engine.store.store import Store, database_for
from engine.upkeep import Rekeyer
from engine.webhook_log import WebhookLog
from engine.webhooks import Receivers, sign
from models.connection import DatabaseURL
from models.enums import DeliveryStatus, WebhookEvent

KEY, NEW_KEY = Fernet.generate_key().decode(), Fernet.generate_key().decode()
URL, SETTINGS_URL = "http://endpoint.test/hook", "http://settings.test/hook"
DAY_SECONDS = 86_400.0
COMPLETED = [WebhookEvent.JOB_COMPLETED]


class Scene:
    """A store on a clock that is set by hand, with endpoints and the loop that sends."""

    def __init__(self, url: str, settings_url: str | None = None) -> None:
        self.clock = FakeClock()
        self.receivers = Receivers(settings_url, box=SecretBox(KEY))
        database = database_for(DatabaseURL.parse(url), self.clock)
        self.store = Store(database, outbox=self.receivers.outbox, clock=self.clock)
        self.endpoints = Endpoints(self.store, SecretBox(KEY), settings_url)
        self.log = WebhookLog(self.store, self.endpoints)
        self.client = FakeClient([])

    async def create(self) -> WithSecret:
        return await self.endpoints.create(EndpointInput(url=URL, events=COMPLETED))

    async def complete(self, **fields: str) -> int:
        new = NewJob(task_name="t", run=True, max_attempts=1, timeout_seconds=1.0, **fields)  # type: ignore[arg-type]
        [created] = await self.store.create_jobs([new])
        [job] = await self.store.claim(ClaimRequest(1, "w", 1, 30.0))
        assert await self.store.finish(Finish.completed(job, None))
        return created.job.id

    async def send(self, *answers: int) -> None:
        """A turn of a loop that knows nothing yet, as one of another process; everything is due."""
        self.client._answers += answers
        loop = Deliveries(self.store, self.receivers, self.client, version="1", clock=self.clock)  # type: ignore[arg-type]
        await loop.run_once()
        await loop.settle()
        assert not self.client._answers

    async def only(self) -> DeliveryRecord:
        [delivery] = (await self.log.page(DeliveryQuery())).deliveries
        return delivery

    def signers(self, *secrets: str) -> list[int]:
        """By which of ``secrets`` the last request is signed, in the order of its signatures."""
        _url, sent, body = self.client.requests[-1]
        wanted = [
            sign(base64.b64decode(each[6:]), sent["webhook-id"], int(sent["webhook-timestamp"]), body)
            for each in secrets
        ]
        return [wanted.index(each) for each in sent["webhook-signature"].split()]


@pytest.fixture
def url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "signalbox.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite://{path}"


@pytest.fixture
async def it(url: str) -> AsyncIterator[Scene]:
    scene = Scene(url)
    await scene.store.open()
    yield scene
    await scene.store.close()


async def test_an_endpoint_is_sent_to_and_signed_with_its_secret(it: Scene) -> None:
    made = await it.create()
    await it.complete()
    await it.send(200)
    assert it.client.requests[0][0] == URL
    assert it.signers(made.secret) == [0]
    assert (await it.only()).status is DeliveryStatus.DELIVERED


async def test_the_last_secret_signs_beside_the_new_one_for_a_day(it: Scene) -> None:
    first = await it.create()
    await it.complete()
    second = await it.endpoints.rotate(first.endpoint.id)
    await it.send(500)
    assert it.signers(second.secret, first.secret) == [0, 1]
    it.clock.pass_by(DAY_SECONDS - 1)
    await it.send(500)
    assert it.signers(second.secret, first.secret) == [0, 1]
    it.clock.pass_by(2)
    await it.log.redeliver((await it.only()).id)
    await it.send(500)
    assert it.signers(second.secret, first.secret) == [0]
    third = await it.endpoints.rotate(first.endpoint.id)
    await it.log.redeliver((await it.only()).id)
    await it.send(200)
    assert it.signers(third.secret, second.secret) == [0, 1]


async def test_a_try_goes_to_where_the_endpoint_is_then(it: Scene) -> None:
    made = await it.create()
    await it.complete()
    await it.send(500)
    await it.endpoints.update(made.endpoint.id, {"url": "http://moved.test/"})
    it.clock.pass_by(10)
    await it.send(200)
    assert [url for url, _, _ in it.client.requests] == [URL, "http://moved.test/"]


@pytest.mark.parametrize("way", ["disable", "delete"])
async def test_nothing_goes_to_an_endpoint_that_is_off(it: Scene, way: str) -> None:
    made = await it.create()
    await it.complete()
    under_way = await it.store.claim_deliveries(1, 30.0)  # by a process that then dies
    assert under_way
    if way == "disable":
        await it.endpoints.update(made.endpoint.id, {"enabled": False})
    else:
        await it.endpoints.delete(made.endpoint.id)
    assert (await it.only()).status is DeliveryStatus.PENDING
    it.clock.pass_by(31)
    await it.send()
    delivery = await it.only()
    assert (delivery.status, delivery.tries[-1].response_status) == (DeliveryStatus.FAILED, None)
    assert delivery.tries[-1].error == f"the endpoint {'is disabled' if way == 'disable' else 'was deleted'}"
    with pytest.raises(InvalidState, match="disabled or deleted"):
        await it.log.redeliver(delivery.id)
    assert await it.log.redeliver_all(DeliveryFilter(), dry_run=True) == 0
    assert await it.log.redeliver_all(DeliveryFilter()) == 0
    assert await it.only() == delivery
    if way == "disable":
        await it.endpoints.update(made.endpoint.id, {"enabled": True})
        assert await it.log.redeliver_all(DeliveryFilter()) == 1
        await it.send(200)
        assert (await it.only()).status is DeliveryStatus.DELIVERED


async def test_what_cannot_be_signed_is_not_sent_and_not_given_up(it: Scene) -> None:
    await it.create()
    await it.complete()
    it.receivers = Receivers(box=SecretBox(NEW_KEY))
    with capture_logs() as logs:
        await it.send()
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["webhook.secret_unreadable"]
    delivery = await it.only()
    assert delivery.status is DeliveryStatus.PENDING
    assert "SIGNALBOX_SECRET_KEY lacks the key" in str(delivery.tries[0].error)
    it.receivers = Receivers(box=SecretBox(f"{NEW_KEY},{KEY}"))
    it.clock.pass_by(10)
    await it.send(200)


async def test_secrets_move_to_the_first_key(it: Scene) -> None:
    made = await it.create()
    second = await it.endpoints.rotate(made.endpoint.id)
    [before] = await it.store.endpoints.all()
    await Rekeyer(Endpoints(it.store, SecretBox(NEW_KEY)), it.clock).run_once()
    assert await it.store.endpoints.all() == [before]  # unreadable, and so left alone
    both = Endpoints(it.store, SecretBox(f"{NEW_KEY},{KEY}"))
    await Rekeyer(both, it.clock).run_once()
    assert await both.reencrypt() == 0
    it.receivers = Receivers(box=SecretBox(NEW_KEY))
    await it.complete()
    await it.send(200)
    assert it.signers(second.secret, made.secret) == [0, 1]


async def test_no_secret_is_logged_or_shown(it: Scene) -> None:
    with capture_logs() as logs:
        made = await it.create()
        rotated = await it.endpoints.rotate(made.endpoint.id)
        await it.complete()
        await it.send(500)
    [kept] = await it.store.endpoints.all()
    targets = await it.receivers.targets(it.store.endpoints, await it.store.claim_deliveries(1, 1.0), it.clock.now())
    shown = repr((logs, made, rotated, kept, targets, await it.endpoints.all()))
    for secret in (made.secret, rotated.secret, kept.secret, kept.previous_secret):
        assert secret is not None
        assert secret.removeprefix("whsec_") not in shown


async def test_an_endpoint_of_the_settings_is_listed_and_not_changed(url: str) -> None:
    it = Scene(url, SETTINGS_URL)
    await it.store.open()
    made = await it.create()
    own, other = await it.endpoints.all()
    assert (own.id, own.url, own.enabled, other) == (0, SETTINGS_URL, True, made.endpoint)
    for change in (it.endpoints.update(0, {"enabled": False}), it.endpoints.rotate(0), it.endpoints.delete(0)):
        with pytest.raises(InvalidInput, match="WEBHOOK_URL"):
            await change
    await it.complete(webhook_url="http://own.test/")
    await it.send(200, 200, 200)
    assert {url for url, _, _ in it.client.requests} == {URL, SETTINGS_URL, "http://own.test/"}
    assert await it.log.redeliver_all(DeliveryFilter(endpoint_id=0)) == 1
    assert await it.log.redeliver_all(DeliveryFilter()) == 3
    await it.store.close()


async def test_what_is_not_there(it: Scene) -> None:
    for change in (it.endpoints.update(5, {}), it.endpoints.rotate(5), it.endpoints.delete(5), it.endpoints.delete(0)):
        with pytest.raises(NotFound, match="no webhook endpoint"):
            await change
    with pytest.raises(NotFound, match="no delivery"):
        await it.log.redeliver("msg_1")


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("url", {"url": "ftp://x/"}),
        ("url", {"url": "http://user:hunter2@x/"}),
        ("url", {"url": "http://x/" + "a" * 2048}),
        ("url", {"url": "http://\ud800/"}),
        ("events", {"events": []}),
        ("taskNames", {"task_names": []}),
        ("taskNames", {"task_names": [""]}),
        ("taskNames", {"task_names": ["a\nb"]}),
        ("taskNames", {"task_names": [f"task {n}" for n in range(101)]}),
    ],
)
async def test_what_cannot_be_used_is_refused_and_changes_nothing(
    it: Scene, field: str, given: dict[str, object]
) -> None:
    made = await it.create()
    with pytest.raises(InvalidInput) as refusal:
        await it.endpoints.create(EndpointInput(**({"url": URL, "events": COMPLETED} | given)))  # type: ignore[arg-type]
    assert refusal.value.field == field
    assert "hunter2" not in str(refusal.value)
    with pytest.raises(InvalidInput):
        await it.endpoints.update(made.endpoint.id, dict(given))
    assert await it.endpoints.all() == [made.endpoint]
