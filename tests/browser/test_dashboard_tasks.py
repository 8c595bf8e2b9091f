"""Tasks on the overview: paused and resumed there, and what waits meanwhile needs attention."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from dashboard import ON_BOTH, Visitor, create, listed, status_of
from eventually import eventually
from playwright.async_api import Browser, expect
from processes import ServerProcess

pytestmark = pytest.mark.browser
VIEWER = "viewer-key-0123456789"
OPERATOR = "operator-key-0123456789"
LIMITED = """
from signalbox import task

@task("limited", max_concurrency=3, max_concurrency_per_key=1, rate_limit="60/min")
def limited() -> None:
    "It has all limits."

@task("rated", rate_limit="5/s")
def rated() -> None: ...
"""


async def is_ended(url: str, ids: list[str]) -> bool:
    return all([await status_of(url, job_id) == "COMPLETED" for job_id in ids])


@ON_BOTH
async def test_a_task_is_paused_and_resumed(visitor: Visitor) -> None:
    page = await visitor.open("/")
    tasks = page.get_by_role("region", name="Tasks")
    attention = page.get_by_role("region", name="Needs attention")
    await expect(attention).to_contain_text("Nothing right now.")
    await tasks.get_by_role("button", name="Pause simulate").click()
    await expect(page.get_by_text("simulate is paused.", exact=True)).to_be_visible()
    await expect(tasks.get_by_role("listitem").first).to_contain_text("simulatePaused")
    await expect(attention).to_contain_text("The task simulate is paused: none of its jobs waits.")
    held = await create(visitor.url, *({"run": True} for _ in range(3)))
    await expect(attention).to_contain_text("The task simulate is paused: 3 of its jobs wait.")
    await attention.get_by_role("link", name="Show").click()
    await expect(page).to_have_url(re.compile(r"/jobs\?status=QUEUED&task=simulate$"))
    await expect(page.locator("tr[data-job]")).to_have_count(3)
    assert await listed(page) == held[::-1]
    await page.goto(f"{visitor.url}/jobs/{held[0]}")
    await expect(page.get_by_text("The task 'simulate' is paused.")).to_be_visible()
    await page.goto(visitor.url)
    await attention.get_by_role("button", name="Resume simulate").click()
    await expect(attention).to_contain_text("Nothing right now.")
    await expect(tasks.get_by_role("button", name="Pause simulate")).to_be_visible()
    await eventually(lambda: is_ended(visitor.url, held), timeout_seconds=15)
    assert visitor.complaints == []


async def test_whoever_may_only_read_sees_no_button(browser: Browser, tmp_path: Path) -> None:
    keys = f"eye:viewer:{VIEWER},hand:operator:{OPERATOR}"
    server = ServerProcess(tmp_path / "keys", ["serve", "--port", "0"], {"SIGNALBOX_API_KEYS": keys}).start()
    context = await browser.new_context()
    page = await Visitor(context, server.url).open("/")
    tasks = page.get_by_role("region", name="Tasks")
    attention = page.get_by_role("region", name="Needs attention")
    await page.get_by_label("API key").fill(OPERATOR)
    await page.get_by_role("button", name="Sign in").click()
    await tasks.get_by_role("button", name="Pause simulate").click()
    await expect(attention.get_by_role("button", name="Resume simulate")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_label("API key").fill(VIEWER)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_test_id("read-only")).to_be_visible()
    await expect(attention).to_contain_text("The task simulate is paused")
    for panel in (tasks, attention):
        await expect(panel.get_by_role("button", name=re.compile("Pause|Resume"))).to_have_count(0)
    await context.close()
    server.check_its_end()


async def test_limits_are_shown(browser: Browser, tmp_path: Path) -> None:
    tasks = tmp_path / "limited_tasks.py"
    tasks.write_text(LIMITED)
    server = ServerProcess(tmp_path / "server", ["serve", "--port", "0", "--tasks", str(tasks)]).start()
    context = await browser.new_context()
    visitor = Visitor(context, server.url)
    page = await visitor.open("/")
    shown = page.get_by_role("region", name="Tasks").get_by_role("listitem")
    await expect(shown.filter(has_text="limited")).to_contain_text("At most 3 at once, 1 of a key, 60/min")
    await expect(shown.filter(has_text="rated")).to_contain_text("At most 5/s")
    await expect(shown.filter(has_text="simulate")).not_to_contain_text("At most")
    assert visitor.complaints == []
    await context.close()
    server.check_its_end()
