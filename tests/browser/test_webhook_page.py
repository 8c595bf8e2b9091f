"""The page of ``/webhook-test`` in a browser: nothing that was received becomes markup, and it fits every screen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, Page
from processes import ServerProcess, free_port, like_make_run

pytestmark = pytest.mark.browser

PLAIN = {
    "jobId": 7,
    "taskName": "Send Test Email",
    "priority": "High",
    "payload": {"text": "Grüße"},
    "completedAt": "x",
}
HOSTILE = [
    '{"x":"</pre><script>document.title=1</script><img src=x onerror=document.title=2>","y":"\u202e"}',
    "z" * 100_000,
    "<style>body{display:none}</style>",
    "[" * 300 + "]" * 300,
    b"\xff\x00 neither JSON nor text",
    "",
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """It believes to be behind a proxy that takes a prefix away."""
    port = free_port()
    settings = {**like_make_run(port), "SIGNALBOX_ROOT_PATH": "/scheduler"}
    process = ServerProcess(tmp_path / "server", ["serve", "--port", str(port)], settings).start()
    yield process
    process.check_its_end()


@pytest.fixture
def url(server: ServerProcess) -> str:
    return f"{server.url}/webhook-test"


async def opened(browser: Browser, url: str, width: int, scheme: Any) -> tuple[Page, list[str]]:
    context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(url)
    return page, complaints


async def fits(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


async def test_an_empty_page_says_how_it_is_used(browser: Browser, url: str) -> None:
    page, complaints = await opened(browser, url, 320, "light")
    text = await page.inner_text("body")
    assert "Nothing yet; answering 200." in text
    assert f"curl -X PUT '{url.replace('/webhook', '/scheduler/webhook')}?answer=500'" in text
    async with aiohttp.ClientSession() as session:
        async with session.put(f"{url}?answer=410") as response:
            assert response.status == 200
        async with session.post(url, json=PLAIN, headers={"webhook-event": "job.completed"}) as response:
            assert response.status == 410
    await page.click("text=Reload")
    assert page.url == url
    text = await page.inner_text("body")
    assert "1, newest first; answering 410." in text
    assert json.dumps(PLAIN, indent=2, ensure_ascii=False) in text
    assert await fits(page)
    assert complaints == []


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (320, "dark")])
async def test_what_was_received_is_shown_and_does_nothing(browser: Browser, url: str, width: int, scheme: str) -> None:
    async with aiohttp.ClientSession() as session:
        for body in [json.dumps(PLAIN)] * 94 + HOSTILE:
            async with session.post(url, data=body, headers={"webhook-event": "e" * 900}) as response:
                assert response.status == 200
    page, complaints = await opened(browser, url, width, scheme)
    assert await page.title() == "Webhooks received"
    assert complaints == []
    assert await page.locator("article").count() == 100
    assert await page.locator("script, img, article style").count() == 0
    assert await fits(page)
    text = await page.inner_text("body")
    assert "The last 100, newest first" in text
    assert "and 90,000 more characters: the JSON has all." in text
    assert "</pre><script>" in text
    assert max(await page.locator("article").evaluate_all("all => all.map(each => each.offsetHeight)")) < 900
    colours = await page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.querySelector('.refused')).color]"
    )
    assert colours == (
        ["rgb(0, 0, 0)", "rgb(179, 38, 30)"] if scheme == "light" else ["rgb(255, 255, 255)", "rgb(255, 138, 128)"]
    )
