"""Fixtures for all tests: the three databases, and stores on them that must leave nothing behind."""

from __future__ import annotations

import asyncio
import functools
import gc
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from databases import ALL_DATABASES, SERVERS, OpenStore, Server, checked_out
from eventually import eventually
from mariadb_data import share_folder
from redis_server import RedisServer
from requirements import NOT_TESTED, Missing, give_up

from engine.store.store import Store, database_for
from models.connection import DatabaseURL
from models.migrate import migrate

LONG_RUNS = ("faults", "fuzz", "guards", "hosts", "resume", "rules", "screenshots")


def pytest_configure(config: pytest.Config) -> None:
    for name in ALL_DATABASES:
        config.addinivalue_line("markers", f"{name}: runs on {name}")
    config.stash[NOT_TESTED] = {}
    if not hasattr(config, "workerinput"):
        config.add_cleanup(functools.partial(shutil.rmtree, share_folder(), ignore_errors=True))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long runs are for those who ask for them by their marker."""
    unasked = [name for name in LONG_RUNS if name not in config.option.markexpr]
    long = [item for item in items if any(item.get_closest_marker(name) for name in unasked)]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes tells the first what it could not test on."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["not tested"] = session.config.stash[NOT_TESTED]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object | None) -> None:
    node.config.stash[NOT_TESTED].update(getattr(node, "workeroutput", {}).get("not tested", {}))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for label, remedy in config.stash[NOT_TESTED].items():
        terminalreporter.write_line(f"not tested: {label} ({remedy})", yellow=True)


class Servers:
    """The servers of this session, each found or started when a test first asks for it."""

    def __init__(self, config: pytest.Config, stack: ExitStack) -> None:
        self._config = config
        self._stack = stack
        self._found: dict[str, Server] = {}

    def get(self, name: str) -> Server:
        """The server, or the end of the test that asked."""
        label, source = SERVERS[name]
        remedy = self._config.stash[NOT_TESTED].get(label)
        if name not in self._found and remedy is None:
            try:
                self._found[name] = self._stack.enter_context(source())
            except Missing as missing:
                remedy = str(missing)
        if remedy is not None:
            give_up(self._config, label, remedy)
        return self._found[name]


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(pytestconfig, stack)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    asyncio.run(migrate(DatabaseURL.parse(f"sqlite://{path}")))
    return path


@pytest.fixture(params=[pytest.param(name, marks=getattr(pytest.mark, name)) for name in ALL_DATABASES])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a migrated database with nothing in it, on each kind of server in turn."""
    if request.param == "sqlite":
        path = tmp_path / "signalbox.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite://{path}"
    servers: Servers = request.getfixturevalue("servers")
    return servers.get(request.param).empty()


@pytest.fixture
def redis_server(pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that runs, and may be killed."""
    try:
        server = RedisServer(tmp_path / "redis")
    except Missing as missing:
        give_up(pytestconfig, "Redis", str(missing))
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def open_store(database_url: str) -> AsyncIterator[OpenStore]:
    """Opens stores on the test's database; they are closed after it, and must have given everything back."""
    before = asyncio.all_tasks()
    opened: list[Store] = []

    async def open_one(url: str = database_url, **options: Any) -> Store:
        parsed = DatabaseURL.parse(url)
        store = Store(database_for(parsed, options.get("clock")), **options)
        await store.open()
        opened.append(store)
        return store

    yield open_one
    try:
        for store in opened:
            await eventually(lambda store=store: not checked_out(store), message="a connection was not given back")
    finally:
        for store in reversed(opened):
            await store.close()
    await eventually(
        lambda: asyncio.all_tasks() <= before | {asyncio.current_task()},
        message=f"tasks were left: {asyncio.all_tasks() - before}",
    )


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    """A store on the test's database."""
    return await open_store()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> None:
    """After a failure the collector stays off: what it runs while Python 3.11 parses the source to be shown breaks the
    parser ("AST constructor recursion depth mismatch"), and with it the whole run."""
    if call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
        gc.disable()
