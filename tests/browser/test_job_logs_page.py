"""The log of a job in the dashboard: ten thousand lines of it, one of which is looked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard import Visitor, ask
from playwright.async_api import Browser, expect
from processes import ServerProcess, free_port, like_make_run

pytestmark = pytest.mark.browser
LINES = 9_000
CHATTY = f"""
from signalbox import TaskContext, task

@task("Chatty")
async def chatty(ctx: TaskContext) -> None:
    for number in range({LINES}):
        ctx.log(f"line {{number}}" + (", of more than fits into one" * 9 if number % 100 == 0 else ""))
    ctx.log("the needle", level="error")
"""
CREATE = 'mutation { createJob(input: {taskName: "Chatty", run: true}) { job { id } } }'


@pytest.fixture
def chatty_server(tmp_path: Path) -> Iterator[ServerProcess]:
    tasks = tmp_path / "chatty.py"
    tasks.write_text(CHATTY)
    port = free_port()
    arguments = ["serve", "--port", str(port), "--grace", "1", "--tasks", str(tasks)]
    process = ServerProcess(tmp_path / "server", arguments, like_make_run(port)).start()
    yield process
    process.check_its_end()


async def test_a_long_log(browser: Browser, chatty_server: ServerProcess, tmp_path: Path) -> None:
    """All of it can be scrolled and searched, and only what is in view is in the page."""
    context = await browser.new_context(viewport={"width": 1000, "height": 900})
    visitor = Visitor(context, chatty_server.url)
    job = (await ask(chatty_server.url, CREATE))["createJob"]["job"]["id"]
    page = await visitor.open(f"/jobs/{job}")
    lines = page.get_by_role("log", name="Log lines")
    await expect(lines).to_contain_text("line 0")
    await expect(page.get_by_role("heading", name="Chatty")).to_contain_text("Completed")
    assert await lines.locator("p").count() < 100
    await page.get_by_label("Filter log lines").fill("needle")
    await expect(lines.locator("p")).to_have_count(1)
    await expect(lines).to_contain_text("the needle")
    await page.get_by_label("Filter log lines").fill("")
    await expect(lines).to_contain_text("line 0")
    await lines.focus()
    await page.keyboard.press("End")
    await expect(lines).to_contain_text("the needle")
    assert await lines.locator("p").count() < 100
    await page.get_by_label("Filter log lines").fill("line 4500")
    await expect(lines.locator("p")).to_have_count(1)
    await page.screenshot(path=tmp_path / "log.png")
    assert visitor.complaints == []
    await context.close()
