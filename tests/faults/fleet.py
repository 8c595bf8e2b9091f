"""The processes of a run: one that serves clients and some that work, each started, signalled and ended by its pid."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from processes import ServerProcess, free_port

FAULT_TASKS = Path(__file__).parent / "fault_tasks.py"
GRACE_SECONDS = 5.0
SLOTS = 20


@dataclass(slots=True)
class Vitals:
    """What a process holds: a run must not leave it with more."""

    descriptors: int
    threads: int
    megabytes: float

    @classmethod
    def of(cls, pid: int) -> Vitals:
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        return cls(_descriptors(pid), int(status["Threads"]), int(status["VmRSS"].split()[0]) / 1024)


def _descriptors(pid: int) -> int:
    """Files, pipes and the like. Sockets come and go with webhooks and clients; the database counts its own."""
    links = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            links.append(str(each.readlink()))
    return sum(not link.startswith("socket:") for link in links)


@dataclass(slots=True)
class Fleet:
    """Start it with ``async with``.

    Args:
        lease_seconds: how long a claim lasts without a heartbeat.
        extra_tasks: one more module for the workers.
        sources: a folder with another version of the product, which processes are that are started while this is set.
    """

    folder: Path
    database_url: str
    worker_count: int = 3
    lease_seconds: float = 3.0
    extra_tasks: Path | None = None
    sources: Path | None = None
    workers: list[ServerProcess] = field(default_factory=list)
    server: ServerProcess = field(init=False)
    _ended: list[ServerProcess] = field(default_factory=list)

    @property
    def traces(self) -> Path:
        return self.folder / "traces"

    @property
    def everyone(self) -> list[ServerProcess]:
        return [self.server, *self.workers]

    async def __aenter__(self) -> Self:
        settings = {
            "DATABASE_URL": self.database_url,
            "FAULT_TRACES": str(self.traces),
            "SIGNALBOX_WEBHOOK_TEST": "true",
            "SIGNALBOX_WEBHOOK_ALLOW": "127.0.0.0/8",
        }
        tasks = ("--tasks", str(FAULT_TASKS))
        serve = ("serve", "--port", str(free_port()), "--no-worker", "--grace", "1", *tasks)
        self.server = self._serve(serve, settings)
        for number in range(self.worker_count):
            self.workers.append(self._worker(number, settings))
        try:
            await asyncio.gather(*(asyncio.to_thread(each.await_ready) for each in self.everyone))
        except BaseException:
            await self._stop()
            raise
        return self

    def _serve(self, arguments: Sequence[str], settings: dict[str, str]) -> ServerProcess:
        return ServerProcess(self.folder / "server", arguments, settings, sources=self.sources).spawn()

    def _worker(self, number: int, settings: dict[str, str]) -> ServerProcess:
        tasks = ["--tasks", str(FAULT_TASKS)]
        if self.extra_tasks is not None:
            tasks += ["--tasks", str(self.extra_tasks)]
        options = ("--slots", str(SLOTS), "--grace", str(GRACE_SECONDS), "--lease", str(self.lease_seconds), *tasks)
        folder = self.folder / f"worker-{number}"
        return ServerProcess(folder, ("worker", *options), settings, sources=self.sources).spawn()

    async def kill(self, number: int) -> None:
        """``kill -9``, and another one in its place."""
        await asyncio.to_thread(self.workers[number].kill)
        self._replace(number)

    async def roll(self, number: int) -> None:
        """Stop a worker as a rolling restart does: its successor is ready before the next one is stopped."""
        code = await asyncio.to_thread(self.workers[number].stop)
        assert code == 0, self.workers[number].log
        self._replace(number)
        await asyncio.to_thread(self.workers[number].await_ready)

    async def roll_server(self) -> None:
        """Stop the server, and start another at its port."""
        code = await asyncio.to_thread(self.server.stop)
        assert code == 0, self.server.log
        self._ended.append(self.server)
        self.server = self._serve(self.server.arguments, self.server.settings)
        await asyncio.to_thread(self.server.await_ready)

    def revive(self) -> int:
        """Put another worker in the place of each that has ended; how many had."""
        gone = [number for number, worker in enumerate(self.workers) if not worker.is_running]
        for number in gone:
            self.workers[number].was_killed = True
            self.workers[number].wait()
            self._replace(number)
        return len(gone)

    def _replace(self, number: int) -> None:
        self._ended.append(self.workers[number])
        self.workers[number] = self._worker(number, self.workers[number].settings)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failures = await self._stop()
        if kind is None:
            assert not failures, "\n".join(failures)

    async def _stop(self) -> list[str]:
        """Each must end well, and with nothing in its log that nobody expected."""
        for process in self.everyone:
            if process.is_running:
                process.signal(signal.SIGCONT)
        all_of_them = [*self.everyone, *self._ended]
        ends = (asyncio.to_thread(each.check_its_end) for each in all_of_them)
        found = await asyncio.gather(*ends, return_exceptions=True)
        for number, process in enumerate(all_of_them):
            (self.folder / f"log-{number}").write_text(process.log)
        return [in_brief(str(each)) for each in found if each is not None]


def in_brief(text: str) -> str:
    """The beginning of what is wrong with a process, its first traceback, and the end of its log."""
    at = text.find("Traceback")
    trace = "" if at < 0 else f"\n[...]\n{text[max(0, at - 500) : at + 3500]}"
    return f"{text[:300]}{trace}\n[...]\n{text[-2000:]}"
