"""Sends broken requests to a server process over many connections, and writes down what should not have come back."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from inputs import Inputs
from processes import ServerProcess
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

PARTS, NEW_PARTS = 10, 7
PIPELINE = 8
FRAMES_A_SOCKET = 200
ANSWER_SECONDS = 60.0
SUSPECT = re.compile(rb"Traceback|\"INTERNAL\"|Internal Server Error|went wrong on our side")
CLOSE_CODES = {4400, 4401, 4403, 4409, 4429, 1002, 1007, 1009}


@dataclass(slots=True)
class Outcome:
    """``answers`` by status, and the faults with the request that made each."""

    answers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    usage: list[Usage] = field(default_factory=list)

    def blame(self, what: str, request: bytes | str, answer: bytes = b"") -> None:
        self.faults.append(f"{what}\n  for {request[:1500]!r}\n  got {answer[:1500]!r}")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process holds."""

    megabytes: float
    descriptors: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Usage:
        status = Path(f"/proc/{pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return cls(int(fields["VmRSS"].split()[0]) / 1024, descriptors, int(fields["Threads"]))


async def fuzz(server: ServerProcess, *, requests: int, frames: int, seed: int, workers: int = 8) -> Outcome:
    """Send so many of each, in ten equal parts; what the server holds is measured after each part.

    The last three parts repeat the first three: then the server has no new documents to remember, and must not grow.
    """
    outcome = Outcome()
    parts = PARTS
    for part in range(parts):
        async with asyncio.TaskGroup() as group:
            for number in range(workers):
                inputs = Inputs(random.Random(f"{seed} {part % NEW_PARTS} {number}"))
                group.create_task(_http(server, inputs, requests // parts // workers, outcome))
                group.create_task(_websocket(server, inputs, frames // parts // workers, outcome))
        outcome.usage.append(Usage.of(server.pid))
        print(f"{part + 1} of {parts}: {outcome.usage[-1]}, {len(outcome.faults)} faults", flush=True)
    return outcome


async def _http(server: ServerProcess, inputs: Inputs, count: int, outcome: Outcome) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    waiting = [inputs.http() for _ in range(min(count, PIPELINE))]
    left = count - len(waiting)
    while waiting:
        reader, writer = await asyncio.open_connection(host, int(port))
        answered = 0
        with contextlib.suppress(ConnectionError):
            writer.write(b"".join(request for _, request in waiting))
        try:
            for method, request in waiting:
                async with asyncio.timeout(ANSWER_SECONDS):
                    is_last = await _answer(reader, method, request, outcome)
                answered += 1
                if is_last:
                    break
        except TimeoutError:
            outcome.blame("no answer", waiting[answered][1])
            answered += 1
        except (ConnectionError, asyncio.IncompleteReadError):
            if answered == 0:
                outcome.blame("cut off", waiting[0][1])
                answered = 1
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        # What a server has not read when it closes a connection is to be sent again.
        more = min(left, answered)
        left -= more
        waiting = waiting[answered:] + [inputs.http() for _ in range(more)]


async def _answer(reader: asyncio.StreamReader, method: str, request: bytes, outcome: Outcome) -> bool:
    """Read one answer; whether it is the connection's last."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    if status == 100:
        return await _answer(reader, method, request, outcome)
    outcome.answers[f"HTTP {status}"] += 1
    lower = head.lower()
    body = b""
    if b"text/event-stream" in lower:
        return True
    if length := re.search(rb"\r\ncontent-length: *(\d+)", lower):
        body = b"" if method == "HEAD" else await reader.readexactly(int(length[1]))
    elif b"transfer-encoding: chunked" in lower and method != "HEAD":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    is_meant = status < 500 or (status == 503 and (b'"UNAVAILABLE"' in body or b" /readyz " in request[:20]))
    if not is_meant or SUSPECT.search(body):
        outcome.blame(f"HTTP {status}", request, body)
    return b"connection: close" in lower


async def _websocket(server: ServerProcess, inputs: Inputs, count: int, outcome: Outcome) -> None:
    url = server.url.replace("http", "ws", 1) + "/graphql"
    while count > 0:
        async with connect(url, subprotocols=["graphql-transport-ws"], proxy=None, max_queue=None) as socket:
            pongs = asyncio.Semaphore(0)
            reading = asyncio.create_task(_read(socket, pongs, outcome))
            last: str | bytes = b""
            try:
                await socket.send('{"type":"connection_init"}')
                for number in range(min(count, FRAMES_A_SOCKET)):
                    count -= 1
                    last = inputs.frame()
                    await socket.send(last, text=True)
                    if number % PIPELINE == PIPELINE - 1:
                        await _until_answered(socket, pongs, reading)
                await _until_answered(socket, pongs, reading)
                await socket.close()
                await asyncio.wait_for(reading, ANSWER_SECONDS)
            except ConnectionClosed:
                await reading
            except TimeoutError:
                outcome.blame("no answer", last)
            code = socket.close_code or 0
            outcome.answers[f"close {code}"] += 1
            if code not in (*CLOSE_CODES, 1000):
                outcome.blame(f"close {code} {socket.close_reason}", last)


async def _until_answered(socket: ClientConnection, pongs: asyncio.Semaphore, reading: asyncio.Task[None]) -> None:
    """Wait until the server has read all, or closed the socket."""
    await socket.send('{"type":"ping"}')
    ponged = asyncio.create_task(pongs.acquire())
    done, _ = await asyncio.wait((ponged, reading), timeout=ANSWER_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    ponged.cancel()
    if not done:
        raise TimeoutError


async def _read(socket: ClientConnection, pongs: asyncio.Semaphore, outcome: Outcome) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for message in socket:
            data = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message
            kind = re.search(rb'"type":"(\w+)"', data)
            told = kind[1].decode() if kind else "unknown frame"
            outcome.answers[told] += 1
            if told == "pong":
                pongs.release()
            if SUSPECT.search(data):
                outcome.blame("a frame", b"(one of the last)", data)
