"""The dashboard with keys, for people who cannot see colours or use a mouse, and on narrow screens; its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from dashboard import ON_BOTH, Visitor, ask, create, need_axe, row, violations
from playwright.async_api import Browser, Page, expect
from processes import ServerProcess

pytestmark = pytest.mark.browser
VIEWER, OPERATOR = "viewer-key-0123456789", "operator-key-0123456789"
SCHEDULE = "mutation ($input: CreateScheduleInput!) { createSchedule(input: $input) { schedule { id } } }"
ENDPOINT = "mutation ($url: String!) { createWebhookEndpoint(input: {url: $url}) { secret } }"
PAGES = {"overview": "/", "jobs": "/jobs", "job": "/jobs/1", "schedules": "/schedules", "webhooks": "/webhooks"}
MUTATIONS = (
    'mutation { createJob(input: {taskName: "simulate"}) { job { id } } }',
    'mutation { retryJob(id: "1") { job { id } } }',
    'mutation { cancelJobs(filter: {ids: ["1"]}) { count } }',
    'mutation { deleteJob(id: "5") { id } }',
    "mutation { redeliverWebhooks(filter: {}) { count } }",
)
JOBS = "{ jobs { nodes { id status updatedAt } } }"
SEND = """async (query) => {
  const authorization = `Bearer ${sessionStorage.getItem('signalbox.key')}`
  const headers = { 'content-type': 'application/json', authorization }
  return (await fetch('/graphql', { method: 'POST', headers, body: JSON.stringify({ query }) })).json()
}"""
"""The page's own key, whatever its buttons allow."""
Scheme = Literal["light", "dark"]


async def furnish(url: str) -> None:
    """Something of everything: what a shop's server might have done this morning."""
    for answer in ("200", "500"):
        await ask(url, ENDPOINT, {"url": f"{url}/webhook-test?answer={answer}"})
    await create(url, {"payload": {"fail": "550 mailbox unavailable"}, "maxAttempts": 1, "run": True, "tags": ["eu"]})
    await create(
        url,
        {"taskName": "Send Test Email", "payload": {"email": "example@test.com"}, "run": True, "priority": "HIGH"},
        *(
            {"taskName": "billing.invoice", "payload": {"order": 4100 + n}, "run": True, "tags": ["eu"]}
            for n in range(9)
        ),
        {"taskName": "billing.invoice", "payload": {"order": 9007199254740993}, "priority": "LOW"},
        {"taskName": "media.transcode", "payload": {"seconds": 90, "steps": 45, "file": "intro.mov"}, "run": True},
        {"taskName": "report.weekly", "payload": {"team": "ops"}, "runAt": "2099-01-01T06:00:00Z"},
    )
    [doomed] = await create(url, {"taskName": "media.transcode", "payload": {"file": "old.mov"}})
    await ask(url, "mutation ($id: ID!) { cancelJob(id: $id) { job { id } } }", {"id": doomed})
    for name, cron in (("nightly report", "0 3 * * *"), ("invoices", "*/15 8-18 * * 1-5")):
        given = {"name": name, "taskName": "signalbox.report", "cron": cron, "timezone": "Europe/Berlin"}
        await ask(url, SCHEDULE, {"input": given})


async def is_drawn(page: Page) -> None:
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.get_by_test_id("connection")).to_have_text("Live")
    await page.wait_for_timeout(600)  # what connecting asks for again, and counts: pictures want them settled


@ON_BOTH
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(
    browser: Browser, any_server: ServerProcess, pytestconfig: pytest.Config, scheme: Scheme
) -> None:
    need_axe(pytestconfig)
    await furnish(any_server.url)
    context = await browser.new_context(color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    visitor = Visitor(context, any_server.url)
    found: list[str] = []
    for name, path in PAGES.items():
        page = await visitor.open(path)
        await is_drawn(page)
        if name == "jobs":
            await page.get_by_role("button", name="New job").click()
            found += await violations(page, "form")
            await page.keyboard.press("Escape")
        if name == "webhooks":
            await page.get_by_role("button", name="New endpoint").click()
            found += await violations(page, "endpoint's form")
            await page.keyboard.press("Escape")
            await page.get_by_role("button", name="Details of the delivery").first.click()
            await expect(page.get_by_test_id("request-body")).to_be_visible()
        found += await violations(page, name)
    await context.close()
    assert found == []


async def test_nothing_scrolls_sideways_at_320(browser: Browser, any_server: ServerProcess) -> None:
    await furnish(any_server.url)
    await create(any_server.url, {"taskName": "n" * 255, "payload": {"text": "y" * 5000}, "tags": ["t" * 60]})
    context = await browser.new_context(viewport={"width": 320, "height": 700})
    visitor = Visitor(context, any_server.url)
    for path in PAGES.values():
        page = await visitor.open(path)
        await is_drawn(page)
        sizes = await page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert sizes[0] <= sizes[1], path
    await context.close()


@ON_BOTH
async def test_a_viewer_only_reads(browser: Browser, database: dict[str, str], tmp_path: Path) -> None:
    keys = f"eye:viewer:{VIEWER},hand:operator:{OPERATOR}"
    settings = {"SIGNALBOX_API_KEYS": keys, "SIGNALBOX_UNKNOWN_TASK": "simulate", **database}
    server = ServerProcess(tmp_path / "keys", ["serve", "--port", "0"], settings).start()
    context = await browser.new_context()
    page = await Visitor(context, server.url).open("/jobs")
    await page.get_by_label("API key").fill("wrong-key-0123456789")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("The server refused that key.")).to_be_visible()
    await page.get_by_label("API key").fill(OPERATOR)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_test_id("connection")).to_have_text("Live")
    await page.get_by_role("button", name="Create five sample jobs").click()
    await expect(page.locator("tr[data-job]")).to_have_count(5)
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_label("API key").fill(VIEWER)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_test_id("read-only")).to_be_visible()
    await expect(page.get_by_test_id("connection")).to_have_text("Live")
    await expect(page.locator("tr[data-job]")).to_have_count(5)
    await expect(row(page, "5").get_by_role("button").and_(page.locator(":enabled"))).to_have_count(0)
    await expect(page.get_by_role("button", name="New job")).to_have_attribute("aria-disabled", "true")
    await page.goto(f"{server.url}/jobs/5")
    await expect(page.get_by_role("heading", name="simulate")).to_be_visible()
    await expect(page.get_by_test_id("read-only")).to_be_visible()
    for name in ("Run now", "Cancel", "Delete", "Run again with edits"):
        await expect(page.get_by_role("button", name=name)).to_have_attribute("aria-disabled", "true")
    [held, *_others] = before = await _jobs_of(page)
    for mutation in MUTATIONS:
        [error] = (await page.evaluate(SEND, mutation))["errors"]
        assert error["extensions"]["code"] == "FORBIDDEN", mutation
    [still_held, *_others] = after = await _jobs_of(page)  # the others may be running
    assert (still_held, [each["id"] for each in after]) == (held, [each["id"] for each in before])
    assert not [each for each in after if each["status"] == "CANCELLED"]
    await page.goto(f"{server.url}/schedules")
    await expect(page.get_by_role("button", name="New schedule")).to_have_attribute("aria-disabled", "true")
    await context.close()
    server.check_its_end()


async def _jobs_of(page: Page) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = (await page.evaluate(SEND, JOBS))["data"]["jobs"]["nodes"]
    return nodes


@pytest.mark.screenshots
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pictures(browser: Browser, server: ServerProcess, screenshots: Path, scheme: Scheme) -> None:
    empty = await browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
    for name, path in PAGES.items():
        if name != "job":
            page = await Visitor(empty, server.url).open(path)
            await is_drawn(page)
            await page.screenshot(path=screenshots / f"{name}-empty-{scheme}.png")
    await empty.close()
    await furnish(server.url)
    for width, suffix in ((1280, ""), (320, "-narrow")):
        context = await browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        visitor = Visitor(context, server.url)
        for name, path in PAGES.items():
            page = await visitor.open(path)
            await is_drawn(page)
            if name == "overview":
                await expect(page.locator("canvas")).to_have_count(2)  # once what has ended is counted
            await page.screenshot(path=screenshots / f"{name}{suffix}-{scheme}.png")
        assert visitor.complaints == []
        await context.close()
