"""The lines that running tasks log, on their way to the database.

Tasks put lines into memory, from any thread, and never wait; the loop writes them, at least once a second and before
the end of their attempt is reported, so that whoever sees COMPLETED finds them.

Failure handling: memory is bounded, for a job and for the process. A full buffer, or a database that is away for
longer than ``PATIENCE_SECONDS``, drops lines: they are counted, and the process's log says so. No task fails or waits
for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import threading
from collections import Counter
from collections.abc import Container

import structlog

from engine.clock import Clock
from engine.errors import Unavailable
from engine.metrics import LOG_LINES_DROPPED
from engine.service import Service
from engine.store.joblogs import LogAppend, LogLine, LogSize
from engine.store.store import Store
from engine.task_logging import HANDLER

log = structlog.get_logger("signalbox.joblogs")

MAX_WAITING_LINES = 20_000
MAX_WAITING_BYTES = 20_000_000
MAX_CHARACTERS = 10_000
"""A longer line is cut."""
MANY_LINES = 1_000
"""So many are written at once, and wake the loop."""
PATIENCE_SECONDS = 5.0
UNSTORABLE = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"} | {
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}
"""Control characters become the pictures of them, where there are any."""


class Tail:
    """The end of one running job's log.

    Attributes:
        lines: those that wait.
        written: the size of the log in the database, once it is known.
        size: with the lines that wait or are being written.
    """

    __slots__ = ("job_id", "lines", "size", "writing", "written")

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        self.lines: list[LogLine] = []
        self.written: LogSize | None = None
        self.size = LogSize()
        self.writing = asyncio.Lock()


class JobLogs(Service):
    """Writes what tasks log.

    Args:
        running: the ids of the jobs that are running here. Nobody else has anything to say: what a thread or a
            cut-off task logs after the end of its attempt is not kept.
    """

    name = "joblogs"
    interval_seconds = 0.5

    def __init__(self, store: Store, running: Container[int], clock: Clock | None = None) -> None:
        super().__init__(clock or store.clock)
        self._store = store
        self._running = running
        self._lock = threading.Lock()
        self._tails: dict[int, Tail] = {}
        self._waiting_lines = 0
        self._waiting_bytes = 0
        self._dropped: Counter[str] = Counter()
        self._settling: set[asyncio.Task[None]] = set()
        self._event_loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        super().start()
        self._event_loop = asyncio.get_running_loop()
        logging.getLogger().addHandler(HANDLER)

    async def stop(self) -> None:
        """End the loop, and write what waits."""
        await super().stop()
        await asyncio.gather(*self._settling, *(self._write_all(tail) for tail in list(self._tails.values())))
        self._say_what_was_dropped()

    def log(self, job_id: int, attempt: int, level: str, message: str) -> None:
        """Take a line, from any thread."""
        tail = self._tails.get(job_id)
        if tail is not None and tail.size.is_full:
            return
        message = storable(message)
        size = len(message) if message.isascii() else len(message.encode())
        line = LogLine(self.clock.now(), attempt, level, message, size)
        with self._lock:
            if job_id not in self._running:
                return
            if self._waiting_lines >= MAX_WAITING_LINES or self._waiting_bytes + size > MAX_WAITING_BYTES:
                self._dropped["buffer"] += 1
                return
            tail = self._tails.get(job_id)
            if tail is None:
                tail = self._tails[job_id] = Tail(job_id)
            tail.lines.append(line)
            tail.size = tail.size.plus((line,))
            self._waiting_lines += 1
            self._waiting_bytes += size
            is_much = self._waiting_lines % MANY_LINES == 0
        if is_much and self._event_loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed, and the thread goes on
                self._event_loop.call_soon_threadsafe(self.wake)

    def settle(self, job_id: int) -> asyncio.Task[None] | None:
        """Write all that a job has logged, for its attempt has ended; None when nothing waits."""
        tail = self._tails.get(job_id)
        if tail is None:
            return None
        if not tail.lines and not tail.writing.locked():
            self._forget(tail)
            return None
        task = asyncio.get_running_loop().create_task(self._settle(tail), context=contextvars.Context())
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        return task

    async def _settle(self, tail: Tail) -> None:
        await self._write_all(tail)
        self._forget(tail)

    def _forget(self, tail: Tail) -> None:
        with self._lock:
            if not tail.lines:
                self._tails.pop(tail.job_id, None)

    async def run_once(self) -> float | None:
        """Write the lines that wait, up to ``MANY_LINES`` of each job."""
        self._say_what_was_dropped()
        waiting = [tail for tail in list(self._tails.values()) if tail.lines]
        await asyncio.gather(*map(self._write, waiting))
        return 0.0 if any(len(tail.lines) >= MANY_LINES for tail in waiting) else None

    async def _write_all(self, tail: Tail) -> None:
        await self._write(tail)
        while tail.lines:
            await self._write(tail)

    async def _write(self, tail: Tail) -> None:
        async with tail.writing:
            with self._lock:
                lines, tail.lines = tail.lines[:MANY_LINES], tail.lines[MANY_LINES:]
            try:
                if lines:
                    append = LogAppend(tail.job_id, lines, tail.written)
                    tail.written = await self._store.append_log(append, PATIENCE_SECONDS)
            except Unavailable:
                self._note_dropped("database", len(lines))
            except Exception as error:
                self._note_dropped("database", len(lines))
                log.exception("joblogs.unwritten", job=tail.job_id, lines=len(lines), error=str(error))
            finally:
                with self._lock:
                    self._waiting_lines -= len(lines)
                    self._waiting_bytes -= sum(line.size for line in lines)
                    tail.size = (tail.written or LogSize()).plus(tail.lines)

    def _note_dropped(self, reason: str, lines: int) -> None:
        with self._lock:
            self._dropped[reason] += lines

    def _say_what_was_dropped(self) -> None:
        with self._lock:
            dropped, self._dropped = self._dropped, Counter()
        for reason, lines in dropped.items():
            LOG_LINES_DROPPED.labels(reason).inc(lines)
            log.warning("joblogs.dropped", lines=lines, reason=reason)


def storable(message: str) -> str:
    """``message`` as every database takes it: valid Unicode, without control characters but tab and newline."""
    if len(message) > MAX_CHARACTERS:
        message = message[: MAX_CHARACTERS - 1] + "…"
    if message.isascii() and message.isprintable():
        return message
    return message.replace("\r\n", "\n").encode(errors="replace").decode().translate(UNSTORABLE)
