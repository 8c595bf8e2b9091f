"""Servers as users start them: one on each kind of database for all tests, and more where a test asks."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.web
import pytest
from client import Api
from launching import Launch, Receiver, Running, launching
from processes import ServerProcess

DATABASES = [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("sqlite", "mariadb", "mysql")]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts processes for one test."""
    with launching(tmp_path) as function:
        yield function


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
