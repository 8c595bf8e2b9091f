"""Events to many sockets with one subscription document: ours beside graphql-yoga with graphql-ws, in turn.

    python benchmarks/fanout.py [--sockets N] [--events N] [--runs N] [--database URL]

Burst: all events at once; what counts is how many of them the sockets get in a second. Paced: 10 events a second; what
counts is how late the last sockets get them. Ours are events of jobs that are created through the API and committed in
the database; the peer's are published from memory. Both servers are one process; the load generator is another one,
which also shows how many frames a second it takes from a server that only repeats one frame.

Needs Node and npm for the peer: its packages are installed into benchmarks/peers/yoga.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
import orjson
import uvloop

from benchmarks.harness import empty, free_port, machine, server_name, serving

YOGA = Path(__file__).parent / "peers" / "yoga"
WATCH = "subscription { jobStatusChanged { cursor at to job { id taskName status } } }"
CREATE = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"
PACED_RATE = 10
AT = re.compile(rb'"at":"([^"]+)"')
Publish = Callable[[int, float], Awaitable[None]]


class Socket(asyncio.Protocol):
    """A websocket client that does next to nothing with what it gets: it counts, and notes when."""

    def __init__(self, port: int) -> None:
        self.acknowledged = asyncio.get_running_loop().create_future()
        self.wanted = 0
        self.count = 0
        self.late_by: list[float] | None = None
        self.done = asyncio.get_running_loop().create_future()
        self._port = port
        self._buffer = b""
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )

    def say(self, message: object) -> None:
        """Send a masked text frame (RFC 6455: clients mask; a mask of zeros is one)."""
        text = orjson.dumps(message)
        head = bytes((0x81, 0x80 | len(text))) if len(text) < 126 else b"\x81\xfe" + len(text).to_bytes(2, "big")
        self.transport.write(head + b"\0\0\0\0" + text)

    def expect(self, count: int, *, measure: bool) -> None:
        self.wanted, self.count = count, 0
        self.late_by = [] if measure else None
        self.done = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        start, end = 0, len(data)
        if not self._is_open:
            start = data.find(b"\r\n\r\n") + 4
            if start < 4:
                self._buffer = data
                return
            assert data.startswith(b"HTTP/1.1 101"), data
            self._is_open = True
            self.say({"type": "connection_init"})
        while end - start >= 2:
            length, head = data[start + 1], 2
            if length == 126:
                length, head = int.from_bytes(data[start + 2 : start + 4], "big"), 4
            if end - start < head + length:
                break
            self._got(data, start, start + head, start + head + length)
            start += head + length
        self._buffer = data[start:]

    def _got(self, data: bytes, frame: int, first: int, last: int) -> None:
        if data[frame] != 0x81:
            return  # a ping of the protocol's
        if data.find(b'"type":"next"', first, last) >= 0:
            self.count += 1
            if self.late_by is not None and (found := AT.search(data, first, last)):
                at = datetime.fromisoformat(found[1].decode())
                self.late_by.append(time.time() - at.timestamp())
            if self.count == self.wanted:
                self.done.set_result(time.perf_counter())
        elif data.find(b"connection_ack", first, last) >= 0:
            self.say({"id": str(id(self)), "type": "subscribe", "payload": {"query": WATCH}})
            self.acknowledged.set_result(None)
        elif data.find(b'"type":"ping"', first, last) >= 0:
            self.say({"type": "pong"})
        else:
            raise RuntimeError(data[first:last])


@dataclass
class Outcome:
    deliveries_per_second: float
    p50_ms: float
    p99_ms: float


async def measure(port: int, sockets: int, events: int, publish: Publish) -> Outcome:
    loop = asyncio.get_running_loop()
    clients: list[Socket] = []
    for _ in range(sockets):
        _, client = await loop.create_connection(lambda: Socket(port), "127.0.0.1", port)
        clients.append(client)
    await asyncio.gather(*(client.acknowledged for client in clients))
    while not all(client.count for client in clients):  # a server may take its time over so many subscriptions
        await publish(1, 0)
        await asyncio.sleep(0.5)
    await asyncio.sleep(1.0)
    for client in clients:
        client.expect(20, measure=False)
    await publish(20, 0)  # both are warm then
    await asyncio.gather(*(client.done for client in clients))

    for client in clients:
        client.expect(events, measure=False)
    start = time.perf_counter()
    publishing = asyncio.ensure_future(publish(events, 0))
    ends = await asyncio.gather(*(client.done for client in clients))
    await publishing
    rate = sockets * events / (max(ends) - start)

    paced = min(events, 5 * PACED_RATE)
    for client in clients:
        client.expect(paced, measure=True)
    publishing = asyncio.ensure_future(publish(paced, PACED_RATE))
    await asyncio.gather(*(client.done for client in clients))
    await publishing
    late = sorted(each * 1000 for client in clients for each in client.late_by or ())
    for client in clients:
        client.transport.close()
    await asyncio.sleep(0.5)
    return Outcome(rate, statistics.median(late), late[int(len(late) * 0.99) - 1])


@asynccontextmanager
async def ours(database: str) -> AsyncIterator[tuple[int, Publish]]:
    await empty(database)
    async with serving(database, "--no-worker") as client:

        async def publish(count: int, rate: float) -> None:
            if rate:
                for _ in range(count):
                    await client.run(CREATE, inputs=[{"taskName": "simulate"}])
                    await asyncio.sleep(1 / rate)
            else:
                await client.run(CREATE, inputs=[{"taskName": "simulate"}] * count)

        yield client.port, publish


@asynccontextmanager
async def yoga(_database: str) -> AsyncIterator[tuple[int, Publish]]:
    port = free_port()
    process = subprocess.Popen(["node", "fanout.mjs", str(port)], cwd=YOGA)
    try:
        async with aiohttp.ClientSession() as session:

            async def publish(count: int, rate: float) -> None:
                async with session.post(f"http://127.0.0.1:{port}/publish?n={count}&rate={rate}") as response:
                    await response.read()

            for _ in range(100):
                try:
                    await publish(1, 0)
                    break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.1)
            yield port, publish
    finally:
        process.terminate()
        process.wait()


@asynccontextmanager
async def repeater(_database: str) -> AsyncIterator[tuple[int, Publish]]:
    """A server that writes one and the same frame to every socket: the most that this load generator can take."""
    port = free_port()
    process = subprocess.Popen([sys.executable, __file__, "--repeat", str(port)], stdin=subprocess.PIPE)
    assert process.stdin is not None
    stdin = process.stdin

    async def publish(count: int, rate: float) -> None:
        stdin.write(f"{count} {rate}\n".encode())
        stdin.flush()

    try:
        await asyncio.sleep(3.0)
        yield port, publish
    finally:
        process.terminate()
        process.wait()


async def repeat(port: int) -> None:
    transports: list[asyncio.Transport] = []

    class Repeated(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.Transport, transport)
            self.step = 0

        def data_received(self, _data: bytes) -> None:
            self.step += 1
            if self.step == 1:
                self.transport.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            elif self.step == 2:
                self.transport.write(b'\x81\x19{"type":"connection_ack"}')
                transports.append(self.transport)

    loop = asyncio.get_running_loop()
    await loop.create_server(Repeated, "127.0.0.1", port)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        count, rate = line.split()
        for n in range(int(count)):
            at = datetime.now().astimezone().isoformat()
            body = orjson.dumps({"jobStatusChanged": {"cursor": str(n), "at": at, "to": "PENDING", "job": {"id": "1"}}})
            text = b'{"id":"140000000000","type":"next","payload":{"data":' + body + b"}}"
            frame = b"\x81\x7e" + len(text).to_bytes(2, "big") + text
            for transport in transports:
                transport.write(frame)
            await asyncio.sleep(1 / float(rate) if float(rate) else 0)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--database", default="sqlite")
    parser.add_argument("--repeat", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.repeat:
        await repeat(options.repeat)
        return
    if shutil.which("npm") is None:
        raise SystemExit("The peer needs Node with npm.")
    if not (YOGA / "node_modules").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=YOGA, check=True)
    print(f"fanout: {options.sockets} sockets, one document, {options.events} events; {machine()}, uvloop")
    names = {
        f"signalbox on {await server_name(options.database)}": ours,
        "graphql-yoga with graphql-ws": yoga,
        "load generator alone": repeater,
    }
    found: dict[str, list[Outcome]] = {name: [] for name in names}
    for _ in range(options.runs):
        for name, server in names.items():
            async with server(options.database) as (port, publish):
                found[name].append(await measure(port, options.sockets, options.events, publish))
    rates = {}
    for name, outcomes in found.items():
        rates[name] = statistics.median(each.deliveries_per_second for each in outcomes)
        print(
            f"{name}: {rates[name]:,.0f} deliveries/s "
            f"({', '.join(f'{each.deliveries_per_second:,.0f}' for each in outcomes)}); at {PACED_RATE} events/s "
            f"p50 {statistics.median(each.p50_ms for each in outcomes):.1f} ms, "
            f"p99 {statistics.median(each.p99_ms for each in outcomes):.1f} ms"
        )
    first, second, _ = rates.values()
    print(f"ratio ours to yoga's: {first / second:.2f}")


if __name__ == "__main__":
    uvloop.run(main())
