"""Servers as users start them: one on each kind of database for all tests, and more where a test asks."""

from __future__ import annotations

import base64
import contextlib
import itertools
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.web
import pytest
from client import Api
from processes import SAMPLE_TASKS, ServerProcess, free_port, like_make_run

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
DATABASES = [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("sqlite", "mariadb", "mysql")]
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


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts processes for one test."""
    with launching(tmp_path) as function:
        yield function


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
            settings = {**like_make_run(port), "WEBHOOK_SECRET": SECRET, **({"DATABASE_URL": url} if url else {})}
            self._found[database] = self._launch(
                "serve", "--port", str(port), "--tasks", str(SAMPLE_TASKS), "--grace", "2", **settings
            )
        return self._found[database]


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Running]:
    def database_for(name: str) -> str | None:
        if name == "sqlite":
            return None
        url: str = request.getfixturevalue("servers").get(name).create()
        return url

    request.getfixturevalue("servers")  # it must outlive the processes that use it
    with launching(tmp_path_factory.mktemp("servers")) as launch:
        yield Running(launch, database_for)


@pytest.fixture(params=DATABASES)
def server(request: pytest.FixtureRequest, running: Running) -> ServerProcess:
    """The session's server on each kind of database in turn."""
    return running.get(request.param)


@pytest.fixture(params=DATABASES)
def own_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database that no other test uses, on each kind of server in turn."""
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_template"), tmp_path / "own.db")
        return f"sqlite://{tmp_path}/own.db"
    url: str = request.getfixturevalue("servers").get(request.param).create()
    return url


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client


@pytest.fixture
def api(server: ServerProcess, session: aiohttp.ClientSession) -> Api:
    """The API on each kind of database in turn."""
    return Api(session, server.url)


@pytest.fixture
def sqlite_api(running: Running, session: aiohttp.ClientSession) -> Api:
    """The API on SQLite alone."""
    return Api(session, running.get("sqlite").url)


@pytest.fixture
def api_of(session: aiohttp.ClientSession) -> Callable[[ServerProcess], Api]:
    """The API of a process."""

    def api(process: ServerProcess) -> Api:
        return Api(session, process.url)

    return api


@pytest.fixture
async def receiver() -> AsyncIterator[Any]:
    """A receiver of webhooks that answers what it is told to."""
    async with Receiver() as opened:
        yield opened


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
