"""The dashboard as people use it, in a real browser on a real server."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest
from dashboard import ON_BOTH, Visitor, ask, create, listed, row, status_of
from eventually import eventually
from playwright.async_api import Browser, Page, expect
from processes import ServerProcess, like_make_run
from proxying import Proxy
from requirements import give_up

from server.banner import Banner

pytestmark = pytest.mark.browser
STATUSES = ("Pending", "Scheduled", "Queued", "Running", "Completed", "Failed", "Cancelled")


@ON_BOTH
async def test_a_fresh_start(visitor: Visitor) -> None:
    page = await visitor.open("/")
    for status in STATUSES:
        await expect(page.locator(f'[data-tile="{status.upper()}"]')).to_have_text(f"{status}0")
    await expect(page.get_by_test_id("connection")).to_have_text("Live")
    await page.locator('[data-tile="FAILED"]').click()
    await expect(page).to_have_url(re.compile(r"/jobs\?status=FAILED$"))
    await expect(page.get_by_text("No job matches")).to_be_visible()
    assert visitor.complaints == []
    assert len(visitor.origins) == 1


@ON_BOTH
async def test_the_banners_command_makes_a_row_appear(visitor: Visitor, pytestconfig: pytest.Config) -> None:
    """What ``make run`` prints to be pasted; the row is there without a reload."""
    if shutil.which("curl") is None:
        give_up(pytestconfig, "curl", "install curl")
    banner = str(Banner("0", 0.1, visitor.url, "any", slots=10, tasks=1, keys=0, is_loopback=True))
    command = banner.split("Try:")[1]
    page = await visitor.open("/jobs")
    await expect(page.get_by_text("No jobs yet")).to_be_visible()
    await expect(page.get_by_test_id("connection")).to_have_text("Live")
    await page.evaluate("window.isTheSamePage = true")
    shell = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE)
    answer, _ = await shell.communicate()
    job = json.loads(answer)["data"]["createJob"]["job"]["id"]
    await expect(row(page, job)).to_be_visible()
    await expect(row(page, job)).to_contain_text("Completed")
    assert await page.evaluate("window.isTheSamePage")


async def test_a_hostile_payload_stays_text(visitor: Visitor) -> None:
    """A megabyte of it is never part of the list, and the page of its job copies all of it."""
    text = '<script>window.wasHacked = 1</script><img src=x onerror="window.wasHacked = 2">'
    payload = {"html": text, "link": "javascript:window.wasHacked = 3", "big": "y" * 999_000}
    named = {"taskName": text, "tags": ["<b>bold</b>"], "payload": payload}
    await create(visitor.url, {"taskName": "javascript:window.wasHacked = 4", "payload": payload})
    [job] = await create(visitor.url, named)
    page = await visitor.open("/")
    async with page.expect_response(lambda each: "DashboardJobs" in (each.request.post_data or "")) as listing:
        await page.get_by_role("link", name="Jobs", exact=True).click()
    assert len(await (await listing.value).body()) < 10_000
    await expect(row(page, job)).to_contain_text('{"html":"<script>')
    await row(page, job).get_by_role("link").first.click()
    shown = page.get_by_test_id("payload")
    await expect(shown).to_contain_text('{"html":"<script>window.wasHacked = 1</script><img src=x onerror=')
    assert len(await shown.inner_text()) < 50_000
    await page.get_by_role("button", name="Show all").click()
    stored = json.dumps(payload, separators=(",", ":"))
    assert await shown.text_content() == stored
    await visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.get_by_role("region", name="Payload").get_by_role("button", name="Copy").click()
    await expect(page.get_by_text("Copied")).to_be_attached()
    assert await page.evaluate("navigator.clipboard.readText()") == stored
    assert await page.evaluate("window.wasHacked") is None
    assert await page.locator("main script, main img").count() == 0
    assert visitor.complaints == []


@pytest.mark.slow
async def test_counts_stop_at_ten_thousand(browser: Browser, server: ServerProcess) -> None:
    for _ in range(10):
        await create(server.url, *({} for _ in range(1000)))
    context = await browser.new_context()
    page = await Visitor(context, server.url).open("/jobs")
    await expect(page.get_by_role("button", name="All 10k+")).to_be_visible()
    await expect(page.get_by_role("button", name="Pending 10k+")).to_be_visible()
    await expect(page.locator("tr[data-job]")).to_have_count(50)
    await page.get_by_role("button", name="Load 50 more").click()
    await expect(page.locator("tr[data-job]")).to_have_count(100)
    await context.close()


@ON_BOTH
async def test_rows_change_in_place(visitor: Visitor) -> None:
    jobs = await create(visitor.url, *({"payload": {"n": n}} for n in range(60)))
    page = await visitor.open("/jobs")
    await expect(row(page, jobs[-1])).to_be_visible()
    await expect(page.get_by_test_id("connection")).to_have_text("Live")
    await page.mouse.wheel(0, 700)
    await eventually(lambda: _scrolled(page), message="the page does not scroll")
    before, scrolled = await listed(page), await _scrolled(page)
    await ask(visitor.url, "mutation ($id: ID!) { runJob(id: $id) { job { id } } }", {"id": jobs[40]})
    await expect(row(page, jobs[40])).to_contain_text("Completed")
    newer = await create(visitor.url, {}, {}, {})
    await expect(page.get_by_role("button", name="3 new jobs")).to_be_visible()
    assert await listed(page) == before
    assert await _scrolled(page) == scrolled
    await page.get_by_role("button", name="3 new jobs").click()
    await expect(row(page, newer[-1])).to_be_visible()


async def _scrolled(page: object) -> float:
    found: float = await page.evaluate("window.scrollY")  # type: ignore[attr-defined]
    return found


async def _until_changes_arrive(visitor: Visitor, page: Page) -> None:
    """The socket is there before the subscription is: what happens in between is read from the list, not counted."""
    news = page.get_by_role("button", name=re.compile("new job"))
    while not await news.is_visible():
        await create(visitor.url, {})
        await asyncio.sleep(0.5)


async def test_pause_and_resume(visitor: Visitor) -> None:
    [job] = await create(visitor.url, {})
    page = await visitor.open("/jobs")
    await expect(row(page, job)).to_contain_text("Pending")
    await expect(page.get_by_test_id("connection")).to_have_text("Live")
    await _until_changes_arrive(visitor, page)
    await page.keyboard.press("p")
    await expect(page.get_by_test_id("connection")).to_have_text("Paused")
    await ask(visitor.url, "mutation ($id: ID!) { runJob(id: $id) { job { id } } }", {"id": job})
    await expect(page.get_by_test_id("connection")).to_have_text("Paused, 3 changes held back")
    await expect(row(page, job)).to_contain_text("Pending")
    await page.keyboard.press("p")
    await expect(row(page, job)).to_contain_text("Completed")


async def test_a_server_that_went_away_and_came_back(browser: Browser, any_server: ServerProcess) -> None:
    server = any_server
    context = await browser.new_context()
    visitor = Visitor(context, server.url)
    [job] = await create(server.url, {})
    page = await visitor.open("/jobs")
    await expect(row(page, job)).to_contain_text("Pending")
    await expect(page.get_by_test_id("connection")).to_have_text("Live")
    server.kill()
    await expect(page.get_by_test_id("connection")).to_have_text(re.compile(r"Reconnecting, data from \d\d:\d\d:\d\d"))
    await expect(row(page, job)).to_contain_text("Pending")
    since = len(server.lines)
    server.spawn().wait_for("signalbox.ready", since=since, timeout_seconds=60)
    await ask(server.url, "mutation ($id: ID!) { runJob(id: $id) { job { id } } }", {"id": job})
    await expect(row(page, job)).to_contain_text("Completed")
    await expect(page.get_by_test_id("connection")).to_have_text("Live")
    await context.close()


@ON_BOTH
async def test_filters_survive_reload_and_back(visitor: Visitor) -> None:
    [job, _other] = await create(visitor.url, {"tags": ["eu"], "priority": "HIGH"}, {"taskName": "Other"})
    page = await visitor.open("/jobs")
    await page.get_by_label("Priority", exact=True).select_option("HIGH")
    await page.get_by_role("textbox", name="Tag").fill("eu")
    await expect(page).to_have_url(re.compile(r"priority=HIGH.*tag=eu"))
    await expect(page.locator("tr[data-job]")).to_have_count(1)
    await page.reload()
    await expect(page.locator("tr[data-job]")).to_have_count(1)
    await expect(page.get_by_role("textbox", name="Tag")).to_have_value("eu")
    await row(page, job).get_by_role("link", name="simulate").click()
    await expect(page.get_by_role("heading", name="simulate")).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("textbox", name="Tag")).to_have_value("eu")
    await expect(page.locator("tr[data-job]")).to_have_count(1)


@ON_BOTH
async def test_all_that_match_are_those_that_were_counted(visitor: Visitor) -> None:
    old = await create(visitor.url, *({"taskName": "Bulk"} for _ in range(70)), {"taskName": "Other"})
    page = await visitor.open("/jobs?task=Bulk")
    await expect(page.locator("tr[data-job]")).to_have_count(50)
    await page.get_by_label("Select every job listed").check()
    await expect(page.get_by_text("50 jobs selected")).to_be_visible()
    await page.get_by_role("button", name="Select all 70 that match").click()
    await expect(page.get_by_text("All 70 that match, up to now")).to_be_visible()
    await asyncio.sleep(0.005)  # a later millisecond: the cut-off is as fine as the API's times
    [late] = await create(visitor.url, {"taskName": "Bulk"})
    await page.get_by_role("region", name="Selection").get_by_role("button", name="Cancel").click()
    await expect(page.get_by_test_id("bulk-preview")).to_contain_text("would change 70 jobs")
    await page.get_by_role("button", name="Cancel 70 jobs").click()
    await expect(page.get_by_text("Cancel: 70 jobs.")).to_be_visible()
    found = await ask(visitor.url, "{ jobs(status: [CANCELLED]) { totalCount } }")
    assert found["jobs"]["totalCount"] == 70
    assert [await status_of(visitor.url, job) for job in (late, old[-1])] == ["PENDING", "PENDING"]


async def test_cancel_asks_and_escape_gives_the_focus_back(visitor: Visitor) -> None:
    [job] = await create(visitor.url, {})
    page = await visitor.open("/jobs")
    button = row(page, job).get_by_role("button", name="Cancel job")
    await button.click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(button).to_be_focused()
    assert await status_of(visitor.url, job) == "PENDING"
    await button.click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel job").click()
    await expect(row(page, job)).to_contain_text("Cancelled")


async def test_an_edited_copy_links_to_its_original(visitor: Visitor) -> None:
    [job] = await create(visitor.url, {"payload": {"seconds": 0}})
    page = await visitor.open(f"/jobs/{job}")
    await page.get_by_role("button", name="Run again with edits").click()
    await page.get_by_role("dialog").get_by_role("textbox", name="Payload").fill('{"seconds":0,"n":12345678901234567}')
    await page.get_by_role("button", name="Create the new job").click()
    await expect(page).to_have_url(re.compile(rf"/jobs/(?!{job}$)\d+$"))
    await expect(page.get_by_test_id("payload")).to_have_text('{"seconds":0,"n":12345678901234567}')
    await page.get_by_role("link", name=f"job {job}").click()
    await expect(page.get_by_test_id("payload")).to_have_text('{"seconds":0}')


@ON_BOTH
async def test_large_integers_are_created_shown_and_copied(visitor: Visitor) -> None:
    page = await visitor.open("/jobs")
    await page.get_by_role("button", name="New job").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Task", exact=True).fill("Any Task")
    await dialog.get_by_role("textbox", name="Payload").fill('{"n":9007199254740993')
    await expect(dialog.get_by_text("No JSON")).to_be_visible()
    await dialog.get_by_role("textbox", name="Payload").fill('{"n":9007199254740993}')
    await dialog.get_by_label("Hold until somebody runs it").check()
    await dialog.get_by_role("button", name="Create job").click()
    await page.get_by_role("link", name="Any Task").click()
    await expect(page.get_by_test_id("payload")).to_have_text('{"n":9007199254740993}')
    await visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.get_by_role("button", name="Copy payload").or_(page.get_by_title("Copy payload")).first.click()

    async def copied() -> bool:
        found: bool = await page.evaluate("navigator.clipboard.readText()") == '{"n":9007199254740993}'
        return found

    await eventually(copied, message="the clipboard holds something else")


async def test_the_servers_error_stands_beside_its_field(visitor: Visitor) -> None:
    page = await visitor.open("/jobs")
    await page.get_by_role("button", name="New job").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Task", exact=True).fill("simulate")
    await dialog.get_by_role("textbox", name="Payload").fill('{"seconds": -1}')
    await dialog.get_by_role("button", name="Create job").click()
    await expect(dialog.get_by_role("textbox", name="Payload")).to_have_attribute("aria-invalid", "true")
    await expect(dialog.get_by_role("alert")).to_contain_text("seconds")
    assert (await ask(visitor.url, "{ jobs { totalCount } }"))["jobs"]["totalCount"] == 0


async def test_hostile_and_huge_payloads_stay_text(visitor: Visitor) -> None:
    script, link = "<script>window.hit = 1</script>", "javascript:window.hit=1"
    jobs = await create(visitor.url, {"taskName": script, "payload": {"a": script, "b": link}, "tags": [script[:20]]})
    for _ in range(10):
        jobs += await create(visitor.url, {"payload": {"big": "x" * 1_000_000}})
    page = await visitor.open("/jobs")
    await expect(row(page, jobs[-1])).to_contain_text('{"big":"xxx')
    await expect(row(page, jobs[0])).to_contain_text(script)
    text = await page.content()
    assert len(text) < 300_000
    await page.get_by_role("link", name=script).click()
    await expect(page.get_by_test_id("payload")).to_contain_text(link)
    await page.goto(f"{visitor.url}/jobs/{jobs[-1]}")
    await expect(page.get_by_role("button", name="Show all 1.0 MB").or_(page.get_by_text("Show all"))).to_be_visible()
    assert await page.evaluate("window.hit") is None
    assert visitor.complaints == []


@ON_BOTH
async def test_a_running_job_is_followed(visitor: Visitor) -> None:
    [job] = await create(visitor.url, {"payload": {"seconds": 4, "steps": 40}})
    page = await visitor.open(f"/jobs/{job}")
    await expect(page.get_by_test_id("connection")).to_have_text("Live")
    await page.get_by_role("button", name="Run now").click()
    await expect(page.get_by_role("heading", name="simulate")).to_contain_text("Running")
    await expect(page.get_by_role("progressbar", name="Progress")).to_be_visible()
    await expect(page.get_by_role("heading", name="simulate")).to_contain_text("Completed")
    await expect(page.get_by_test_id("result")).to_contain_text('"simulated":true')


async def test_behind_a_path_prefix(browser: Browser, database: dict[str, str], tmp_path: Path) -> None:
    """Every page, the API and the socket, through a proxy that takes the prefix away."""
    settings = {
        **like_make_run(0),
        "SIGNALBOX_ROOT_PATH": "/scheduler",
        "WEBHOOK_URL": "http://127.0.0.1:9/",
        **database,
    }
    server = ServerProcess(tmp_path / "server", ["serve", "--port", "0"], settings).start()
    context = await browser.new_context()
    async with Proxy(server.url, "/scheduler") as proxy:
        visitor = Visitor(context, proxy.url)
        [job] = await create(server.url, {})
        page = await visitor.open(f"/scheduler/jobs/{job}")
        await expect(page.get_by_role("heading", name="simulate")).to_be_visible()
        await page.get_by_role("link", name="Schedules").click()
        await expect(page).to_have_url(f"{proxy.url}/scheduler/schedules")
        await expect(page.get_by_text("No schedules yet")).to_be_visible()
        await page.get_by_role("link", name="Webhooks").click()
        await expect(page.get_by_text("No deliveries yet")).to_be_visible()
        await page.reload()
        await expect(page.get_by_text("No deliveries yet")).to_be_visible()
        await page.get_by_role("link", name="Overview", exact=True).click()
        await expect(page.locator('[data-tile="PENDING"]')).to_have_text("Pending1")
        await page.locator('[data-tile="PENDING"]').click()
        await expect(page.get_by_test_id("connection")).to_have_text("Live")
        await row(page, job).get_by_role("button", name="Run now").click()
        await page.get_by_role("button", name="All 1").click()
        await expect(row(page, job)).to_contain_text("Completed")
        await page.get_by_role("link", name="GraphiQL").click()
        await expect(page.get_by_role("tab", name="CreateJob")).to_be_visible()
        await context.close()
        assert proxy.astray == []
    assert visitor.complaints == []
    server.check_its_end()


@ON_BOTH
async def test_schedules(visitor: Visitor) -> None:
    page = await visitor.open("/schedules")
    await page.get_by_role("button", name="New schedule").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("nightly")
    await dialog.get_by_label("Task", exact=True).fill("simulate")
    await dialog.get_by_label("Cron rule").fill("0 3 * *")
    await dialog.get_by_label("Time zone").fill("Mars/Olympus")
    await expect(dialog.get_by_label("Time zone")).to_have_attribute("aria-invalid", "true")
    await dialog.get_by_label("Time zone").fill("Asia/Kolkata")
    await expect(dialog.get_by_role("alert")).to_contain_text("it has 4 fields")
    await expect(dialog.get_by_label("Cron rule")).to_have_attribute("aria-invalid", "true")
    await dialog.get_by_role("button", name="Create schedule").click()
    await expect(dialog.get_by_label("Cron rule")).to_have_attribute("aria-invalid", "true")
    await dialog.get_by_label("Cron rule").fill("0 3 * * *")
    await expect(dialog.get_by_text("At 03:00")).to_be_visible()
    firings = dialog.get_by_role("list", name="Next firings").get_by_role("listitem")
    await expect(firings).to_have_count(5)
    await expect(firings.first.locator("time")).to_have_attribute("datetime", re.compile("T21:30:00.000Z$"))
    await dialog.get_by_role("textbox", name="Payload").fill('{"n": 9007199254740993}')
    await dialog.get_by_role("button", name="Create schedule").click()
    await expect(page.get_by_role("heading", name="nightly")).to_be_visible()
    await page.get_by_role("button", name="Edit nightly").click()
    await expect(dialog.get_by_role("textbox", name="Payload")).to_have_value('{"n":9007199254740993}')
    await dialog.get_by_label("Cron rule").fill("30 4 * * 1-5")
    await dialog.get_by_label("Priority").select_option("HIGH")
    await dialog.get_by_role("button", name="Save changes").click()
    await expect(page.get_by_text("At 04:30, Monday through Friday")).to_be_visible()
    await expect(page.get_by_text("high priority")).to_be_visible()
    stored = await ask(visitor.url, "{ schedules { cron payloadText } }")
    assert stored["schedules"] == [{"cron": "30 4 * * 1-5", "payloadText": '{"n":9007199254740993}'}]
    await page.get_by_role("button", name="Pause", exact=True).click()
    await expect(page.get_by_role("heading", name="nightly")).to_contain_text("Paused")
    await page.get_by_role("button", name="Resume", exact=True).click()
    await page.get_by_role("button", name="Run now").click()
    await expect(page).to_have_url(re.compile(r"/jobs/\d+$"))


async def test_the_keyboard_alone(visitor: Visitor) -> None:
    page = await visitor.open("/")
    await expect(page.get_by_test_id("connection")).to_have_text("Live")
    await page.keyboard.press("g")
    await page.keyboard.press("j")
    await expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    await page.keyboard.press("n")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.type("simulate")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(row(page, "1")).to_contain_text("Completed")
    await page.keyboard.press("/")
    async with page.expect_response(lambda response: '"simul"' in (response.request.post_data or "")):
        await page.keyboard.type("simul")  # the rows are new ones once the answer is there
    await expect(page).to_have_url(re.compile("q=simul"))
    await page.keyboard.press("Escape")
    await expect(row(page, "1")).to_contain_text("Completed")
    await page.keyboard.press("j")
    await expect(row(page, "1").get_by_role("link").first).to_be_focused()
    await page.keyboard.press("r")
    await expect(page.get_by_text("Job 1 is queued again.")).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"/jobs/1$"))
    assert visitor.complaints == []
