"""Hints over Redis: who gets them, how many, and what becomes of them when Redis does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Collection
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from eventually import eventually
from prometheus_client import REGISTRY
from redis_faults import FAULTS, Fault
from redis_server import RedisServer

from engine.clock import SystemClock
from engine.notifier.contract import News, Topic
from engine.notifier.links import MAX_WORK_HINTS, Keys
from engine.notifier.redis import RedisNotifier
from engine.service import Service

GONE_SECONDS = 1.0
BUSY = pytest.mark.usefixtures("patient")
"""Hints of a Redis that works arrive, however slowly it answers on a busy machine."""


class Heard:
    """Writes down what it is told of."""

    def __init__(self) -> None:
        self.is_idle = True
        self.works = self.doubts = self.seq = 0
        self.cancelled: set[int] = set()
        self.topics: set[Topic] = set()

    def wants_work(self) -> bool:
        return self.is_idle

    def work(self) -> None:
        self.works += 1

    def events(self, seq: int) -> None:
        self.seq = seq

    def cancels(self, job_ids: Collection[int]) -> None:
        self.cancelled.update(job_ids)

    def settings(self, topics: Collection[Topic]) -> None:
        self.topics.update(topics)

    def doubt(self) -> None:
        self.doubts += 1


Member = tuple[RedisNotifier, Heard]


@pytest.fixture
async def join(redis_server: RedisServer) -> AsyncIterator[Callable[..., Any]]:
    made: list[Service] = []

    async def join_one(deployment: str = "ours", url: str | None = None, *, is_reached: bool = True) -> Member:
        async def ask() -> str:
            return deployment

        notifier, heard = RedisNotifier(url or redis_server.url, ask, clock=SystemClock()), Heard()
        notifier.listen(heard)
        for service in notifier.services:
            made.append(service)
            service.start()
        if is_reached:
            await eventually(lambda: notifier.is_live)
        return notifier, heard

    yield join_one
    began = asyncio.get_running_loop().time()
    for service in made:
        await service.stop()
    assert asyncio.get_running_loop().time() - began < 0.5 * len(made) + 1.0


def waiting_for_work(redis: RedisServer, count: int) -> Callable[[], bool]:
    """Whether so many workers wait in Redis: that many clients are blocked by a BLPOP."""

    def is_it() -> bool:
        clients = [
            dict(part.split("=", 1) for part in line.split())
            for line in redis.ask("CLIENT", "LIST").split("\n")
            if line
        ]
        return sum(each["cmd"] == "blpop" and "b" in each["flags"] for each in clients) == count

    return is_it


def dropped(kind: str) -> float:
    return REGISTRY.get_sample_value("signalbox_hints_dropped_total", {"kind": kind}) or 0.0


@BUSY
async def test_one_hint_wakes_one(join: Any, redis_server: RedisServer) -> None:
    """As many as there is work for; each is asked again before it is woken again."""
    teller, _ = await join()
    workers = [await join() for _ in range(5)]
    for notifier, _ in workers:
        notifier.await_work()
    await eventually(waiting_for_work(redis_server, 5))
    for told in (3, 1, 1):
        before = sum(heard.works for _, heard in workers)
        teller.tell(News(queued=told))
        await eventually(lambda before=before, told=told: sum(heard.works for _, heard in workers) == before + told)
        await eventually(waiting_for_work(redis_server, 5 - before - told))
    assert [heard.works for _, heard in workers] == [1] * 5
    assert redis_server.ask("LLEN", Keys.of("ours").work) == 0


@BUSY
async def test_a_worker_that_is_busy_by_then_passes_it_on(join: Any, redis_server: RedisServer) -> None:
    (teller, _), (busy, busy_heard), (idle, idle_heard) = [await join() for _ in range(3)]
    busy.await_work()
    await eventually(waiting_for_work(redis_server, 1))
    busy_heard.is_idle = False
    teller.tell(News(queued=1))
    await eventually(waiting_for_work(redis_server, 0))
    idle.await_work()
    await eventually(lambda: idle_heard.works == 1)
    assert busy_heard.works == 0


@BUSY
async def test_hints_that_nobody_waits_for_are_few(join: Any, redis_server: RedisServer) -> None:
    keys = Keys.of("ours")
    teller, _ = await join()
    for number in range(1, 400):
        teller.tell(News(queued=100, seq=number, to_cancel=range(number, number + 100), topics=[Topic.TASKS]))
        await asyncio.sleep(0)
    _, heard = await join()
    teller.tell(News(queued=10_000, seq=1000))
    await eventually(lambda: heard.seq == 1000)
    assert 0 < redis_server.ask("LLEN", keys.work) <= MAX_WORK_HINTS
    assert redis_server.ask("XLEN", keys.events) <= 256
    assert redis_server.ask("XLEN", keys.wishes) <= 1024
    await eventually(lambda: all(redis_server.ask("TTL", key) > 0 for key in (keys.work, keys.events, keys.wishes)))


@BUSY
async def test_they_are_gathered_while_some_are_under_way(join: Any, redis_server: RedisServer) -> None:
    (teller, _), (_, heard) = await join(), await join()
    for number in range(1, 1001):
        teller.tell(News(seq=number, to_cancel=[number]))
    await eventually(lambda: heard.seq == 1000)
    await eventually(lambda: heard.cancelled == set(range(1, 1001)))
    assert redis_server.ask("XLEN", Keys.of("ours").events) <= 3


@BUSY
async def test_deployments_share_one_redis(join: Any) -> None:
    (teller, _), (_, ours), (others, theirs) = await join("ours"), await join("ours"), await join("theirs")
    others.await_work()
    teller.tell(News(queued=1, seq=7, to_cancel=[7], topics=[Topic.TASKS]))
    await eventually(lambda: (ours.seq, ours.cancelled, ours.topics) == (7, {7}, {Topic.TASKS}))
    others.tell(News(seq=8))
    await eventually(lambda: theirs.seq == 8)
    assert (theirs.works, theirs.cancelled, theirs.topics, ours.seq) == (0, set(), set(), 7)


@BUSY
async def test_what_is_not_understood_is_passed_over(join: Any, redis_server: RedisServer) -> None:
    """A newer version's hints, or anybody's."""
    keys = Keys.of("ours")
    (teller, _), (_, heard) = await join(), await join()
    for stream, field, value in (
        (keys.events, "seq", "-1"),
        (keys.events, "seq", "9" * 30),
        (keys.events, "seq", "²"),
        (keys.wishes, "cancel", "1,,x, 2,\x003"),
        (keys.wishes, "topics", "\xff,weather"),
        (keys.wishes, "more", "words"),
    ):
        redis_server.ask("XADD", stream, "*", field, value)
    teller.tell(News(seq=5, to_cancel=[4]))
    await eventually(lambda: heard.seq == 5 and 4 in heard.cancelled)
    assert heard.cancelled == {1, 4}
    assert heard.topics == set()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_it_knows_when_redis_is_of_no_use(join: Any, redis_server: RedisServer, fault: Fault) -> None:
    """Within a second everyone polls; nobody who tells waits or is refused; it finds Redis again by itself."""
    loop = asyncio.get_running_loop()
    with structlog.testing.capture_logs() as lines:
        async with fault(redis_server) as (url, strike, mend):
            (teller, told), (other, heard) = await join(url=url), await join(url=url)
            doubts = told.doubts, heard.doubts
            began = loop.time()
            await strike()
            await eventually(lambda: not teller.is_live and not other.is_live)
            assert loop.time() - began < GONE_SECONDS + 0.5  # half of it for a machine that is busy
            before = dropped("events")
            for number in range(10_000):
                teller.tell(News(queued=5, seq=number + 1, to_cancel=[number], topics=[Topic.TASKS]))
            await eventually(lambda: dropped("events") > before)
            assert teller.pause(0.2) == 0.2
            await mend()
            await eventually(lambda: teller.is_live, timeout_seconds=15)
            await eventually(lambda: told.doubts > doubts[0] + 1)  # when it went, and when it came back
            await eventually(lambda: heard.doubts > doubts[1] + 1, timeout_seconds=15)
            assert teller.pause(0.2) == 1.0

            async def arrives() -> bool:
                teller.tell(News(seq=99_999))
                return heard.seq == 99_999

            await eventually(arrives, timeout_seconds=15)
    events = [line["event"] for line in lines]
    assert {"notifier.live", "notifier.lost"} <= set(events)
    assert len(events) < 30, events


@BUSY
async def test_emptied(join: Any, redis_server: RedisServer) -> None:
    """Nothing that matters was there."""
    (teller, _), (worker, heard) = await join(), await join()
    for seq in range(1, 4):
        redis_server.ask("FLUSHALL")
        worker.await_work()
        teller.tell(News(queued=1, seq=seq))
        await eventually(lambda seq=seq: (heard.seq, heard.works) == (seq, seq))
    assert teller.is_live


async def test_a_port_that_answers_nobody(join: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:
        notifier, _ = await join(url=f"redis://127.0.0.1:{hole.getsockname()[1]}", is_reached=False)
        await eventually(lambda: any(each.problem for each in notifier.services))
        notifier.tell(News(queued=1, seq=1))
        assert not notifier.is_live
        assert all(not each.is_vital for each in notifier.services)


@BUSY
async def test_tls(join: Any, redis_server: RedisServer, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    redis_server.kill()
    redis_server.start_with_tls(certificate, key)
    trusted, _ = await join(url=f"{redis_server.url}?ssl_ca_certs={certificate}")
    assert trusted.where == f"rediss localhost:{redis_server.port}/0"
    stranger, _ = await join(url=redis_server.url, is_reached=False)
    await eventually(lambda: stranger.services[0].problem)
    assert "CERTIFICATE_VERIFY_FAILED" in str(stranger.services[0].problem)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that nobody but its owner has signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = SystemClock().now()
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@BUSY
async def test_a_password(join: Any, redis_server: RedisServer) -> None:
    redis_server.ask("CONFIG", "SET", "requirepass", "open sesame")
    port = redis_server.port
    with structlog.testing.capture_logs() as lines:
        wrong, _ = await join(url=f"redis://:wr0ng%20w0rd@127.0.0.1:{port}/0", is_reached=False)
        await eventually(lambda: all(each.problem for each in wrong.services[:1]))
        (teller, _), (_, heard) = [await join(url=f"redis://:open%20sesame@127.0.0.1:{port}/0") for _ in range(2)]
        teller.tell(News(seq=3))
        await eventually(lambda: heard.seq == 3)
    assert not wrong.is_live
    said = repr(lines) + repr([each.problem for each in wrong.services]) + wrong.where
    assert "sesame" not in said
    assert "w0rd" not in said
