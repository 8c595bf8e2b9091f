"""Headless Chromium, as Debian packages it, and a server like that of ``make run`` for it to visit."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from dashboard import Visitor
from playwright.async_api import Browser, async_playwright, expect
from processes import ServerProcess, free_port, like_make_run
from requirements import give_up

from models.connection import DatabaseURL

CHROMIUM_VARIABLE = "SIGNALBOX_TEST_CHROMIUM"
SCREENSHOTS_VARIABLE = "SIGNALBOX_SCREENSHOTS"
SECRET_KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
PATIENCE_MS = 20_000
"""Browsers share the machine with all other tests. How fast a page is shows ``benchmarks/dashboard.py``."""
expect.set_options(timeout=PATIENCE_MS)
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@pytest.fixture
async def browser(pytestconfig: pytest.Config) -> AsyncIterator[Browser]:
    path = os.environ.get(CHROMIUM_VARIABLE) or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        give_up(pytestconfig, "a browser", f"install chromium, or set {CHROMIUM_VARIABLE}")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield opened
        await opened.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server on an empty database."""
    port = free_port()
    process = ServerProcess(
        tmp_path / "server", ["serve", "--port", str(port), "--grace", "1"], like_make_run(port)
    ).start()
    yield process
    process.check_its_end()


@pytest.fixture
def database(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings of a server on SQLite, or on an empty database of MySQL for tests that ask for ``ON_BOTH``."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return {}
    mysql = request.getfixturevalue("servers").get("mysql")
    url = mysql.empty()
    mysql.execute(f"ALTER TABLE {DatabaseURL.parse(url).database}.jobs AUTO_INCREMENT = 1")
    return {"DATABASE_URL": url, "SIGNALBOX_SECRET_KEY": SECRET_KEY}


@pytest.fixture
def any_server(database: dict[str, str], tmp_path: Path) -> Iterator[ServerProcess]:
    """The same on the test's database."""
    port = free_port()
    settings = like_make_run(port) | database
    process = ServerProcess(tmp_path / "server", ["serve", "--port", str(port), "--grace", "1"], settings).start()
    yield process
    process.check_its_end()


@pytest.fixture
async def visitor(browser: Browser, any_server: ServerProcess) -> AsyncIterator[Visitor]:
    """Somebody with a wide window and no key."""
    context = await browser.new_context(viewport={"width": 1360, "height": 850})
    yield Visitor(context, any_server.url)
    await context.close()


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where pictures go: ``make screenshots`` wants them in the documentation."""
    folder = Path(os.environ.get(SCREENSHOTS_VARIABLE, tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
