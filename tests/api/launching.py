"""Starting processes of the product for API tests, and receiving their webhooks."""

from __future__ import annotations

import base64
import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp.web
from processes import SAMPLE_TASKS, ServerProcess, free_port, like_make_run

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SECRET_KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
Launch = Callable[..., ServerProcess]


@contextlib.contextmanager
def launching(folder: Path) -> Iterator[Launch]:
    """Gives a function that starts processes of the product; each must end well, and without a traceback in its log."""
    started: list[ServerProcess] = []
    numbers = itertools.count(1)

    def launch(*arguments: str, is_ready: bool = True, in_folder: Path | None = None, **settings: str) -> ServerProcess:
        home = in_folder or folder / str(next(numbers))
        process = ServerProcess(home, arguments or ["serve", "--port", "0"], settings)
        started.append(process)
        return process.start() if is_ready else process.spawn()

    with contextlib.ExitStack() as ends:
        ends.callback(lambda: [ends.callback(process.check_its_end) for process in started])
        yield launch


class Running:
    """The servers that tests share, each started when it is first asked for."""

    def __init__(self, launch: Launch, database_for: Callable[[str], str | None]) -> None:
        self._launch = launch
        self._database_for = database_for
        self._found: dict[str, ServerProcess] = {}

    def get(self, database: str) -> ServerProcess:
        """A server like that of ``make run``, with the sample tasks and signed webhooks."""
        if database not in self._found:
            url = self._database_for(database)
            port = free_port()
            settings = {**like_make_run(port), "WEBHOOK_SECRET": SECRET}
            if url:  # SQLite makes a key file of its own
                settings |= {"DATABASE_URL": url, "SIGNALBOX_SECRET_KEY": SECRET_KEY}
            self._found[database] = self._launch(
                "serve", "--port", str(port), "--tasks", str(SAMPLE_TASKS), "--grace", "2", **settings
            )
        return self._found[database]


class Receiver:
    """Answers with each of ``statuses`` in turn, then with 200; keeps what came."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.received: list[tuple[dict[str, str], bytes]] = []
        self._runner = aiohttp.web.ServerRunner(aiohttp.web.Server(self._answer))
        self.url = ""

    async def _answer(self, request: aiohttp.web.BaseRequest) -> aiohttp.web.Response:
        self.received.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        return aiohttp.web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    async def __aenter__(self) -> Receiver:
        await self._runner.setup()
        site = aiohttp.web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
