"""Webhooks per second from one process to one fast receiver on the loopback, signed, with outbox and tries persisted;
and what one endpoint of ten that hangs costs the other nine.

    python benchmarks/webhooks.py [--deliveries N] sqlite|DATABASE_URL [...]

The receiver is a process of its own. A server's database is emptied first.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import structlog
from cryptography.fernet import Fernet

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import empty, free_port, machine
from engine.deliveries import Deliveries
from engine.endpoints import EndpointInput, Endpoints
from engine.http_client import HttpClient
from engine.records import Finish, NewJob
from engine.secrets import SecretBox
from engine.store.claims import ClaimRequest
from engine.store.store import Store, database_for
from engine.webhooks import Receivers
from models.connection import DatabaseURL
from models.enums import WebhookEvent
from models.migrate import migrate

RECEIVER = """
import asyncio, sys
ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n"
class Receiver(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.data = transport, b""
    def data_received(self, data):
        self.data += data
        while True:
            head, end, rest = self.data.partition(b"\\r\\n\\r\\n")
            if not end:
                return
            length = int(head.lower().partition(b"content-length:")[2].split(b"\\r\\n")[0])
            if len(rest) < length:
                return
            self.data = rest[length:]
            if not head.startswith(b"POST /hang"):
                self.transport.write(ANSWER)
async def main():
    await (await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", int(sys.argv[1]))).serve_forever()
try:
    import uvloop
    uvloop.run(main())
except ImportError:
    asyncio.run(main())
"""
PAYLOAD = '{"email":"example@test.com","subject":"Hello"}'


async def prepare(store: Store, count: int) -> None:
    """Complete jobs; the outbox has a row for each receiver then."""
    for start in range(0, count, 500):
        size = min(500, count - start)
        new = [
            NewJob(task_name="t", payload_text=PAYLOAD, run=True, max_attempts=1, timeout_seconds=60.0)
            for _ in range(size)
        ]
        await store.create_jobs(new)
        jobs = await store.claim(ClaimRequest(1, "w", size, 60.0))
        await asyncio.gather(*(store.finish(Finish.completed(job, "1")) for job in jobs))


async def measure(url: str, port: int, paths: list[str], deliveries: int) -> tuple[float, float]:
    """Deliveries a second, and a second of this process's CPU, to those of ``paths`` that answer."""
    if url == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            return await measure(f"sqlite://{folder}/signalbox.db", port, paths, deliveries)
    if url.startswith("sqlite"):
        await migrate(DatabaseURL.parse(url))
    else:
        await empty(url)
    box = SecretBox(Fernet.generate_key().decode())
    receivers = Receivers(box=box)
    store = Store(database_for(DatabaseURL.parse(url)), outbox=receivers.outbox)
    client = HttpClient(["127.0.0.1"])
    await store.open()
    await client.open()
    endpoints = Endpoints(store, box)
    good: set[int] = set()
    for path in paths:
        given = EndpointInput(url=f"http://127.0.0.1:{port}/{path}", events=[WebhookEvent.JOB_COMPLETED])
        made = await endpoints.create(given)
        if path != "hang":
            good.add(made.endpoint.id)
    await prepare(store, deliveries // len(paths))
    expected = deliveries // len(paths) * len(good)
    loop = Deliveries(store, receivers, client, version="bench")
    started, cpu = time.perf_counter(), time.process_time()
    loop.start()
    ids = ",".join(map(str, good))
    counting = f"SELECT COUNT(*) FROM webhook_delivery WHERE endpoint_id IN ({ids}) AND status='DELIVERED'"
    while (await store.database.fetch(counting))[0][0] < expected:
        await asyncio.sleep(0.05)
        if time.perf_counter() - started > 120:
            raise RuntimeError("the deliveries do not end")
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    await client.close()
    await loop.stop()
    await store.close()
    return expected / seconds, expected / cpu_seconds


async def run(url: str, port: int, deliveries: int) -> None:
    one, one_cpu = await measure(url, port, ["quick"], deliveries)
    ten, ten_cpu = await measure(url, port, [f"quick{n}" for n in range(10)], deliveries)
    nine, nine_cpu = await measure(url, port, [*(f"quick{n}" for n in range(9)), "hang"], deliveries)
    print(f"{url.split(':')[0]:8} one endpoint {one:7,.0f}/s ({one_cpu:,.0f} a CPU second)", flush=True)
    print(f"{'':8} ten          {ten:7,.0f}/s ({ten_cpu:,.0f} a CPU second)")
    print(f"{'':8} nine, and one that hangs {nine:7,.0f}/s ({nine_cpu:,.0f} a CPU second): ", end="")
    print(f"{(1 - nine / ten) * 100:.1f} % lost, {(1 - nine_cpu / ten_cpu) * 100:.1f} % by CPU", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=5000)
    parser.add_argument("urls", nargs="+")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    port = free_port()
    receiver = subprocess.Popen([sys.executable, "-c", RECEIVER, str(port)])
    try:
        print(machine())
        for url in given.urls:
            runner = asyncio.run
            try:
                import uvloop

                runner = uvloop.run
            except ImportError:
                pass
            runner(run(url, port, given.deliveries))
    finally:
        receiver.terminate()
        receiver.wait()


if __name__ == "__main__":
    main()
