"""Headless Chromium, as Debian packages it, and a server like that of ``make run`` for it to visit."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright
from processes import ServerProcess, free_port, like_make_run
from requirements import give_up

CHROMIUM_VARIABLE = "SIGNALBOX_TEST_CHROMIUM"
SCREENSHOTS_VARIABLE = "SIGNALBOX_SCREENSHOTS"
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
    process = ServerProcess(tmp_path / "server", ["serve", "--port", str(port)], like_make_run(port)).start()
    yield process
    process.check_its_end()


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where pictures go: ``make screenshots`` wants them in the documentation."""
    folder = Path(os.environ.get(SCREENSHOTS_VARIABLE, tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
