"""Receivers that misbehave: what becomes of each delivery, under a clock that is set by hand."""

from __future__ import annotations

import asyncio
import shutil
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from eventually import eventually
from fake_clock import FakeClock, set_database_clock

from engine import deliveries as deliveries_module
from engine.deliveries import DISABLED_AFTER_SECONDS, LANE_LIMIT, RETRY_SECONDS, Deliveries, retry_after_seconds
from engine.endpoints import EndpointInput, Endpoints
from engine.http_client import HttpClient
from engine.records import DeliveryRecord, Finish, NewJob
from engine.secrets import SecretBox
from engine.store.circuits import FAILURES_TO_OPEN, probe_seconds
from engine.store.claims import ClaimRequest
from engine.store.store import Store, database_for
from engine.webhooks import Receivers
from models.connection import DatabaseURL
from models.enums import DeliveryStatus, WebhookEvent

Answer = Callable[[asyncio.StreamWriter, int], Awaitable[None]]


def plain(*lines: str) -> Answer:
    """These lines as a whole answer, the last for all further requests."""

    async def answer(writer: asyncio.StreamWriter, number: int) -> None:
        line = lines[min(number, len(lines) - 1)]
        writer.write(f"HTTP/1.1 {line}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".encode())

    return answer


async def hang(writer: asyncio.StreamWriter, _number: int) -> None:
    await asyncio.sleep(60)


async def drip(writer: asyncio.StreamWriter, _number: int) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def reset(writer: asyncio.StreamWriter, _number: int) -> None:
    writer.get_extra_info("socket").setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER 0: close sends RST
    writer.transport.abort()


async def huge(writer: asyncio.StreamWriter, _number: int) -> None:
    size = 10 << 20
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    for _ in range(size >> 16):
        writer.write(b"y" * 65_536)
        await writer.drain()


class Wild:
    """Servers on the loopback, each with a way to answer; it counts the requests and the bytes it could send."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.bodies: dict[str, list[bytes]] = {}
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, name: str, answer: Answer) -> str:
        """Start one; its URL."""
        self.counts[name] = 0
        self.bodies[name] = []

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length:")[2].split("\r\n")[0])
                self.bodies[name].append(
                    head.partition("webhook-id:")[2].split()[0].encode() + await reader.readexactly(length)
                )
                number = self.counts[name]
                self.counts[name] += 1
                await answer(writer, number)
                await writer.drain()
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                self._tasks.discard(task)
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self._servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Scene:
    """A store by a clock of its own, endpoints, and the loop that sends to them."""

    def __init__(self, store: Store, clock: FakeClock, client: HttpClient, wild: Wild) -> None:
        box = SecretBox(Fernet.generate_key().decode())
        self.store, self.clock, self.client, self.wild = store, clock, client, wild
        self.endpoints = Endpoints(store, box)
        self.receivers = Receivers(box=box)
        store._outbox = self.receivers.outbox
        self.loop = self.another_loop()
        self.jobs: list[int] = []

    def another_loop(self) -> Deliveries:
        return Deliveries(self.store, self.receivers, self.client, version="0.1.0", clock=self.clock)

    async def endpoint(self, name: str, answer: Answer) -> int:
        url = await self.wild.serve(name, answer)
        return (await self.endpoints.create(EndpointInput(url=url, events=[WebhookEvent.JOB_COMPLETED]))).endpoint.id

    async def complete(self, count: int, **fields: object) -> None:
        new = [NewJob(task_name="t", run=True, max_attempts=1, timeout_seconds=1.0, **fields) for _ in range(count)]  # type: ignore[arg-type]
        await self.store.create_jobs(new)
        for job in await self.store.claim(ClaimRequest(1, "w", count, 30.0)):
            self.jobs.append(job.id)
            assert await self.store.finish(Finish.completed(job, None))

    async def turn(self) -> None:
        await self.loop.run_once()
        await self.loop.settle()

    async def all(self) -> list[DeliveryRecord]:
        found = await self.store.reads.deliveries_of(self.jobs)
        return [each for records in found.values() for each in records]

    async def to_the_end(self) -> list[DeliveryRecord]:
        """Turns, with the clock set on to what is due next, until nothing waits."""
        while waits := [each.next_try_at for each in await self.all() if each.next_try_at is not None]:
            self.clock.pass_by(max(0.0, (min(waits) - self.clock.now()).total_seconds()))
            await self.turn()
        return await self.all()

    async def due(self) -> int:
        """How many are due now."""
        return sum(each.next_try_at is not None and each.next_try_at <= self.clock.now() for each in await self.all())

    async def circuit(self, endpoint_id: int) -> tuple[int, bool] | None:
        rows = await self.store.database.fetch(
            f"SELECT failures_in_a_row, open_until IS NOT NULL FROM webhook_circuit WHERE endpoint_id={endpoint_id}"
        )
        return (rows[0][0], bool(rows[0][1])) if rows else None


@pytest.fixture
def own_file(sqlite_template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(sqlite_template, tmp_path / "signalbox.db"))


@pytest.fixture
async def it(own_file: Path) -> AsyncIterator[Scene]:
    clock = FakeClock()
    store = set_database_clock(Store(database_for(DatabaseURL.parse(f"sqlite://{own_file}")), clock=clock), clock)
    client, wild = HttpClient(["127.0.0.1"]), Wild()
    await store.open()
    await client.open()
    yield Scene(store, clock, client, wild)
    await client.close()
    await wild.close()
    await store.close()


DELIVERED, FAILED = DeliveryStatus.DELIVERED, DeliveryStatus.FAILED
ALL_TRIES = len(RETRY_SECONDS) + 1
TABLE: dict[str, tuple[Answer, DeliveryStatus, list[int | None], str | None, str | None]] = {
    # what it does, how its delivery ends, the statuses of its tries, in the first error, the reason it is disabled
    "resets": (reset, FAILED, [None] * ALL_TRIES, "UNREACHABLE", None),
    "sends 10 MB": (huge, DELIVERED, [200], None, None),
    "busy once": (plain("429 Too Many\r\nRetry-After: 2", "200 OK"), DELIVERED, [429, 200], "answered 429", None),
    "busy for an hour": (plain("503 Busy\r\nRetry-After: 3600", "200 OK"), DELIVERED, [503, 200], "answered 503", None),
    "gone": (plain("410 Gone"), FAILED, [410], "answered 410", "410 Gone"),
    "redirects": (plain("302 Found\r\nLocation: http://127.0.0.1/"), FAILED, [302] * ALL_TRIES, "redirects", None),
    "500 twice": (plain("500 No", "500 No", "200 OK"), DELIVERED, [500, 500, 200], "answered 500", None),
    "created": (plain("201 Created"), DELIVERED, [201], None, None),
    "has choices": (plain("300 Multiple Choices"), FAILED, [300] * ALL_TRIES, "answered 300", None),
}


async def test_a_table_of_what_happened_to_each_delivery(it: Scene) -> None:
    ids = {name: await it.endpoint(name, row[0]) for name, row in TABLE.items()}
    await it.complete(1)
    records = {each.endpoint_id: each for each in await it.to_the_end()}
    known = await it.endpoints.by_id(list(ids.values()))
    print(f"\n{'receiver':16} {'ends as':9} {'answers':48} {'endpoint'}")  # seen with pytest -s
    for name, (_answer, status, tries, error, reason) in TABLE.items():
        record, endpoint = records[ids[name]], known[ids[name]]
        answers = [each.response_status or "none" for each in record.tries]
        print(f"{name:16} {record.status:9} {', '.join(map(str, answers)):48} {endpoint.disabled_reason or 'enabled'}")
        assert record.status is status, name
        assert [each.response_status for each in record.tries] == tries, name
        assert (error or "") in str(record.tries[0].error), name
        assert endpoint.enabled is (reason is None), name
        assert (reason or "") in str(endpoint.disabled_reason), name
        assert len(it.wild.bodies[name]) == len(tries), name
        assert len(set(it.wild.bodies[name])) == 1, f"{name}: another id or body"
    gaps = [later.at - sooner.at for sooner, later in _pairs(records[ids["redirects"]])]
    for gap, wait in zip(gaps, RETRY_SECONDS, strict=True):
        assert 0.9 * wait <= gap.total_seconds() <= 1.1 * wait
    [(first, second)] = _pairs(records[ids["busy for an hour"]])
    assert second.at - first.at >= timedelta(hours=1)
    [(first, second)] = _pairs(records[ids["busy once"]])
    assert second.at - first.at >= timedelta(seconds=2)
    assert records[ids["sends 10 MB"]].tries[0].response_body == "y" * 1024


async def test_those_that_never_end_their_answer_are_cut_off(it: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries_module, "TIMEOUT_SECONDS", 0.3)
    names = {await it.endpoint("hangs", hang): "hangs", await it.endpoint("drips", drip): "drips"}
    await it.complete(1)
    for record in await it.to_the_end():
        assert record.status is FAILED
        assert [each.response_status for each in record.tries] == [None] * ALL_TRIES
        assert all("TIMEOUT" in str(each.error) for each in record.tries)
        # A try may be cut off before its request is out; those that arrived are the same.
        assert len(set(it.wild.bodies[names[record.endpoint_id or 0]])) == 1


def _pairs(record: DeliveryRecord) -> list[tuple[object, object]]:
    return list(zip(record.tries, record.tries[1:], strict=False))


async def test_a_delivery_is_never_shown_between_two_states(it: Scene) -> None:
    await it.endpoint("well", plain("200 OK"))
    await it.complete(200)
    sending = asyncio.create_task(it.to_the_end())
    seen = set()
    while not sending.done():
        for record in await it.all():
            assert (record.status is DELIVERED) is bool(record.tries)
            seen.add(record.status)
    await sending
    assert DELIVERED in seen


async def test_a_circuit_opens_probes_and_closes(it: Scene) -> None:
    id_ = await it.endpoint("ill", plain(*["500 No"] * (FAILURES_TO_OPEN + 2), "200 OK"))
    await it.complete(FAILURES_TO_OPEN - 1)
    await it.turn()
    assert await it.circuit(id_) == (FAILURES_TO_OPEN - 1, False)
    await it.complete(1)
    await it.turn()
    assert await it.circuit(id_) == (FAILURES_TO_OPEN, True)
    await it.complete(20)
    await it.turn()
    assert it.wild.counts["ill"] == FAILURES_TO_OPEN  # nothing more is sent
    assert all("not sent" in str(each.tries[0].error) for each in (await it.all())[FAILURES_TO_OPEN:])
    for probe in range(2):  # which fail; the pause after them grows
        it.clock.pass_by(probe_seconds(probe) + 1)
        await it.complete(1)
        await asyncio.gather(it.loop.run_once(), (other := it.another_loop()).run_once())
        await it.loop.settle()
        await other.settle()
        assert it.wild.counts["ill"] == FAILURES_TO_OPEN + probe + 1
    it.clock.pass_by(probe_seconds(2) + 400)
    await it.turn()
    assert await it.circuit(id_) is None
    assert all(each.status is DELIVERED for each in await it.to_the_end())


async def test_after_an_outage_all_that_waits_is_sent_at_once(it: Scene) -> None:
    """Gently: no more at a time than a receiver may have, and few at first."""
    is_well, under_way, most = False, 0, 0

    async def answer(writer: asyncio.StreamWriter, number: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.005)
        under_way -= 1
        await plain("200 OK" if is_well else "500 No")(writer, number)

    id_ = await it.endpoint("back", answer)
    await it.complete(300)
    for _ in range(2):  # after two tries or refusals of each, the next is five minutes off
        while await it.due():
            await it.turn()
        it.clock.pass_by(probe_seconds(1) + 1)
    failed = it.wild.counts["back"]
    assert FAILURES_TO_OPEN < failed <= LANE_LIMIT + 1
    is_well = True
    rounds: list[int] = []
    while await it.circuit(id_) is not None:
        before = it.wild.counts["back"]
        await it.turn()
        rounds.append(it.wild.counts["back"] - before)
    while await it.due():
        await it.turn()
    assert rounds[:4] == [1, 2, 4, 8]
    assert most <= LANE_LIMIT
    assert {each.status for each in await it.all()} == {DELIVERED}
    assert it.wild.counts["back"] == failed + 300
    assert all(it.clock.now() - each.created_at < timedelta(seconds=60) for each in await it.all())


async def test_success_between_failures_keeps_it_closed(it: Scene) -> None:
    id_ = await it.endpoint("moody", plain(*["500 No"] * 9, "200 OK", *["500 No"] * 9))
    for _ in range(10):
        await it.complete(1)
        await it.turn()
    assert await it.circuit(id_) is None


async def test_five_days_of_failure_disable_an_endpoint(it: Scene) -> None:
    id_ = await it.endpoint("dead", plain("500 No"))
    started = it.clock.now()
    while (await it.endpoints.by_id([id_]))[id_].enabled:
        assert it.clock.now() - started < timedelta(seconds=DISABLED_AFTER_SECONDS + 2 * 86_400)
        await it.complete(1)
        await it.turn()
        it.clock.pass_by(6 * 3600)
    assert it.clock.now() - started >= timedelta(seconds=DISABLED_AFTER_SECONDS)
    assert "5 days" in str((await it.endpoints.by_id([id_]))[id_].disabled_reason)
    assert {each.status for each in await it.all()} == {FAILED}


async def test_one_that_hangs_delays_no_other(it: Scene) -> None:
    await it.endpoint("hangs", hang)
    await it.complete(300)
    await it.loop.run_once()
    await eventually(lambda: it.wild.counts["hangs"] == LANE_LIMIT)
    own = await it.wild.serve("own", hang)
    await it.complete(300, webhook_url=own)
    other = await it.wild.serve("other", plain("200 OK"))
    await it.complete(1, webhook_url=other)
    await it.endpoint("quick", plain("200 OK"))
    await it.complete(1)
    async with asyncio.timeout(deliveries_module.TIMEOUT_SECONDS / 3):
        while not (it.wild.counts["quick"] and it.wild.counts["other"]):
            await it.loop.run_once()
            await asyncio.sleep(0.01)
    assert it.wild.counts["hangs"] == it.wild.counts["own"] == LANE_LIMIT
    await it.client.close()  # ends those that hang
    await it.loop.settle()


def test_retry_after() -> None:
    now = FakeClock().now()
    assert retry_after_seconds(" 120 ", now) == 120
    assert retry_after_seconds(format_datetime(now + timedelta(seconds=90), usegmt=True), now) == 90
    assert retry_after_seconds(format_datetime(now - timedelta(seconds=90), usegmt=True), now) == 0
    for text, wait in {"": 0, "-5": 0, "soon": 0, "1.5": 0, "9" * 400: 86_400, "Fri, 99 Foo 2026": 0, "٣": 0}.items():
        assert retry_after_seconds(text, now) == wait
