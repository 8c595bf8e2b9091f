"""The chart of the overview: what it shows, in words too, and how it is used."""

from __future__ import annotations

import itertools
import re
import time
from typing import Any, Literal

import pytest
from dashboard import Visitor, create, need_axe, violations
from eventually import eventually
from playwright.async_api import Browser, Page, expect
from processes import ServerProcess

pytestmark = pytest.mark.browser
COLOURS = """(kind) => {
  const canvas = document.querySelector(`[data-chart=${kind}] canvas`)
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  const wanted = getComputedStyle(document.querySelector(`.text-${kind}`)).color.match(/\\d+/g).slice(0, 3).join()
  let count = 0
  for (let at = 0; at < data.length; at += 4)
    if (data[at + 3] === 255 && `${data[at]},${data[at + 1]},${data[at + 2]}` === wanted) count += 1
  return count
}"""
"""How many pixels of a row of bars have its colour."""
SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
COUNTS = re.compile(r"^Last hour: 5 completed, 1 failed \(16\.7 %\), busiest minute \d\d:\d\d with \d\.$")


async def end_six(url: str) -> None:
    """Five jobs that complete and one that fails."""
    await create(url, *({"run": True} for _ in range(5)))
    await create(url, {"run": True, "maxAttempts": 1, "payload": {"fail": "no luck"}})


async def is_counted(page: Page) -> None:
    await expect(page.get_by_test_id("throughput")).to_have_text(COUNTS)


async def test_it_appears_and_is_used(browser: Browser, server: ServerProcess) -> None:
    context = await browser.new_context(viewport={"width": 1360, "height": 850}, timezone_id="Asia/Kolkata")
    visitor = Visitor(context, server.url)
    page = await visitor.open("/")
    said = page.get_by_test_id("throughput")
    await expect(said).to_have_text("No job completed or failed in the last hour.")
    await expect(page.locator("canvas")).to_have_count(0)
    await end_six(server.url)
    await is_counted(page)
    assert await page.evaluate(COLOURS, "completed") > 50
    assert await page.evaluate(COLOURS, "failed") > 50

    await page.get_by_role("button", name="7 d", exact=True).click()
    await expect(page).to_have_url(re.compile(r"/\?period=7d$"))
    await expect(said).to_have_text(re.compile(r"^Last 7 days: 5 completed, 1 failed .* busiest hour .* with \d\.$"))
    await page.reload()
    await expect(page.get_by_role("button", name="7 d", exact=True)).to_have_attribute("aria-pressed", "true")
    await expect(said).to_contain_text("Last 7 days: 5 completed")
    await page.get_by_role("button", name="24 h", exact=True).click()
    await expect(said).to_contain_text("busiest quarter of an hour")
    await page.get_by_role("button", name="1 h", exact=True).click()
    await expect(page).to_have_url(re.compile(r"/$"))
    await is_counted(page)
    await page.goto(f"{server.url}/?period=nonsense")
    await is_counted(page)
    assert visitor.complaints == []
    await context.close()


async def test_exact_numbers_by_keys_and_pointer(browser: Browser, server: ServerProcess) -> None:
    await end_six(server.url)
    context = await browser.new_context(viewport={"width": 1360, "height": 850}, timezone_id="Asia/Kolkata")
    visitor = Visitor(context, server.url)
    page = await visitor.open("/?period=7d")
    await expect(page.get_by_test_id("throughput")).to_contain_text("5 completed, 1 failed")
    slider, step = page.get_by_role("slider"), page.get_by_test_id("step")
    await page.get_by_role("button", name="7 d", exact=True).focus()
    await page.keyboard.press("Tab")
    await expect(slider).to_be_focused()
    await page.keyboard.press("Home")
    await expect(step).to_have_text(re.compile(r":30–\d\d:30: 0 completed, 0 failed, 0 cancelled, 0 created$"))
    assert await slider.get_attribute("aria-valuetext") == await step.inner_text()
    found = []
    await page.keyboard.press("End")
    for _ in range(2):  # the hour may have ended meanwhile
        found.append(await step.inner_text())
        await page.keyboard.press("ArrowLeft")
    assert sum(int(number) for each in found for number in re.findall(r"(\d+) completed", each)) == 5
    assert sum(int(number) for each in found for number in re.findall(r"(\d+) failed", each)) == 1
    await slider.blur()
    await expect(step).to_contain_text("Point at a bar")

    plot = page.locator("[data-chart=failed] .u-over")
    box = await plot.bounding_box()
    assert box is not None
    await plot.hover(position={"x": box["width"] - 2, "y": box["height"] / 2})
    await expect(step).to_have_text(found[0])
    await page.get_by_role("button", name="Times are local").click()
    await plot.hover(position={"x": box["width"] - 3, "y": box["height"] / 2})
    await expect(step).to_have_text(re.compile(r":00–\d\d:00: "))
    assert visitor.complaints == []
    await context.close()


async def test_it_asks_again_no_more_than_it_must(browser: Browser, server: ServerProcess) -> None:
    """Every five seconds, whatever happens meanwhile; and not at all while the reader has paused it."""
    context = await browser.new_context()
    visitor = Visitor(context, server.url)
    asked: list[float] = []

    def note(request: Any) -> None:
        if "DashboardThroughput" in (request.post_data or ""):
            asked.append(time.monotonic())

    context.on("request", note)
    page = await visitor.open("/")
    await expect(page.get_by_test_id("connection")).to_have_text("Live")
    await expect(page.get_by_test_id("throughput")).to_be_visible()
    await page.wait_for_timeout(600)  # connecting asks for all again
    before = len(asked)
    await end_six(server.url)
    await is_counted(page)
    for _ in range(20):
        await create(server.url, {"run": True})
    await eventually(lambda: len(asked) >= before + 2, timeout_seconds=20)
    times = asked[before:]
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) > 4.0

    await page.keyboard.press("p")
    await expect(page.get_by_test_id("connection")).to_have_text(re.compile("Paused"))
    paused = len(asked)
    await page.wait_for_timeout(6000)
    assert len(asked) <= paused + 1  # one may have been on its way
    await page.keyboard.press("p")
    await eventually(lambda: len(asked) > paused + 1, timeout_seconds=20)
    await context.close()


async def test_without_the_chart_the_rest_is_there(browser: Browser, server: ServerProcess) -> None:
    context = await browser.new_context()
    await context.route("**/Throughput-*.js", lambda route: route.abort())
    page = await Visitor(context, server.url).open("/")
    await expect(page.get_by_role("region", name="Throughput")).to_contain_text("The chart could not be loaded.")
    await expect(page.get_by_role("region", name="Workers")).to_contain_text("slots busy")
    await context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_for_everyone(
    browser: Browser, server: ServerProcess, pytestconfig: pytest.Config, scheme: Literal["light", "dark"]
) -> None:
    need_axe(pytestconfig)
    await end_six(server.url)
    context = await browser.new_context(color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    visitor = Visitor(context, server.url)
    page = await visitor.open("/")
    await is_counted(page)
    assert await violations(page, scheme) == []
    other: Literal["light", "dark"] = "light" if scheme == "dark" else "dark"
    for width in (1280, 320, 700):
        await page.set_viewport_size({"width": width, "height": 800})
        canvas = page.locator("[data-chart=completed] canvas")
        await eventually(lambda width=width: _is_as_wide(page, width))
        assert (await canvas.bounding_box() or {})["width"] < width
        assert not await page.evaluate(SIDEWAYS), width
    await page.emulate_media(color_scheme=other)
    await eventually(lambda: _is_coloured(page))
    assert await violations(page, f"from {scheme} to {other}") == []
    await context.close()


async def _is_as_wide(page: Page, width: int) -> bool:
    box = await page.locator("[data-chart=failed] canvas").bounding_box()
    return box is not None and width * 0.6 < box["width"] < width


async def _is_coloured(page: Page) -> bool:
    found: int = await page.evaluate(COLOURS, "completed")
    return found > 50
