"""GraphiQL as a newcomer uses it: create the example job, run it, and see it complete live."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import aiohttp
import pytest
from dashboard import ON_BOTH, ask
from eventually import eventually
from playwright.async_api import Browser, BrowserContext, Page, expect
from processes import ServerProcess

pytestmark = pytest.mark.browser
EXECUTE = re.compile("Execute query")
EDITOR = "Operation Editor"


class Visit:
    """Pages of one visitor, whose requests and complaints are kept."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.url = url
        self.requested: set[str] = set()
        self.complaints: list[str] = []

    async def open(self) -> Page:
        page = await self.watched()
        await page.goto(f"{self.url}/graphql")
        await is_drawn(page)
        return page

    async def watched(self, page: Page | None = None) -> Page:
        page = page or await self.context.new_page()
        page.on("request", lambda request: self.requested.add(request.url))
        page.on("websocket", lambda socket: self.requested.add(socket.url))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page


async def is_drawn(page: Page) -> None:
    """Until the editor shows the first tab: before that, GraphiQL hears no click on another one."""
    await expect(page.get_by_role("region", name=EDITOR)).to_contain_text("CreateJob")


async def execute(page: Page, tab: str) -> None:
    await page.get_by_role("tab", name=tab).click()
    await expect(page.get_by_role("region", name=EDITOR)).to_contain_text(tab)
    await page.get_by_role("button", name=EXECUTE).click()


async def result_of(page: Page, *texts: str) -> None:
    """The answer holds ``texts``, spaces aside: the editor wraps lines and draws spaces of its own."""
    shown = page.get_by_role("region", name="Result Window")

    async def holds() -> bool:
        found = "".join((await shown.text_content() or "").split())
        return all("".join(text.split()) in found for text in texts)

    await eventually(holds, timeout_seconds=15.0, message=f"the answer does not hold {texts}")


async def test_the_example(browser: Browser, any_server: ServerProcess, screenshots: Path) -> None:
    context = await browser.new_context(viewport={"width": 1360, "height": 820})
    visit = Visit(context, any_server.url)
    watching, working = await visit.open(), await visit.open()
    assert [await each.inner_text() for each in await working.get_by_role("tab").all()] == [
        *("CreateJob", "RunJob", "Watch", "Jobs")
    ]

    await watching.bring_to_front()
    await execute(watching, "Watch")
    await expect(watching.get_by_role("button", name=re.compile("Stop query"))).to_be_visible()
    await working.bring_to_front()
    await execute(working, "CreateJob")
    await result_of(working, '"id": "1"', '"status": "PENDING"', '"taskName": "Send Test Email"')
    await watching.bring_to_front()
    await result_of(watching, '"to": "PENDING"')
    await working.bring_to_front()
    await execute(working, "RunJob")
    await result_of(working, '"status": "QUEUED"')
    await watching.bring_to_front()
    # GraphiQL shows the latest answer of a subscription
    await result_of(watching, '"from": "RUNNING"', '"to": "COMPLETED"', '"status": "COMPLETED"', '"simulated": true')
    await watching.screenshot(path=screenshots / "graphiql.png")
    await working.bring_to_front()
    await execute(working, "Jobs")
    await result_of(working, '"totalCount": 1', '"status": "COMPLETED"')

    async with aiohttp.ClientSession() as session, session.get(f"{any_server.url}/webhook-test") as response:
        [webhook] = (await response.json())["received"]
    assert list(webhook["body"]) == ["jobId", "taskName", "priority", "payload", "completedAt"]
    assert (webhook["body"]["priority"], webhook["body"]["payload"]) == ("High", {"email": "example@test.com"})
    assert {urlsplit(url).netloc for url in visit.requested if not url.startswith(("data:", "blob:"))} == {
        urlsplit(any_server.url).netloc
    }
    assert visit.complaints == []
    await context.close()


@pytest.mark.parametrize(("width", "scheme"), [(480, "light"), (1360, "dark")])
async def test_narrow_and_dark(
    browser: Browser, server: ServerProcess, tmp_path: Path, width: int, scheme: str
) -> None:
    context = await browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    visit = Visit(context, server.url)
    page = await visit.open()
    await execute(page, "Jobs")
    await result_of(page, '"totalCount": 0')
    await page.screenshot(path=tmp_path / f"graphiql-{width}-{scheme}.png")
    assert visit.complaints == []
    await context.close()


async def test_behind_a_path_prefix(browser: Browser, tmp_path: Path) -> None:
    """The page finds its files and its API relative to its own address."""
    server = ServerProcess(
        tmp_path / "prefixed", ["serve", "--port", "0"], {"SIGNALBOX_UNKNOWN_TASK": "simulate"}
    ).start()
    context = await browser.new_context()
    prefix = "/scheduler"
    # the proxy: what is asked for under the prefix is fetched from the server without it
    await context.route(
        f"{server.url}{prefix}/**", lambda route: route.continue_(url=route.request.url.replace(prefix, "", 1))
    )
    page = await context.new_page()
    await page.goto(f"{server.url}{prefix}/graphql")
    await is_drawn(page)
    await execute(page, "Jobs")
    await result_of(page, '"totalCount": 0')
    await context.close()
    server.check_its_end()


@ON_BOTH
@pytest.mark.parametrize("has_been_here", [False, True])
async def test_the_add_form_opens_in_it(browser: Browser, any_server: ServerProcess, has_been_here: bool) -> None:
    """What the form would send, as it was typed, in a tab of its own; the others are still there."""
    context = await browser.new_context(viewport={"width": 1360, "height": 820})
    visit = Visit(context, any_server.url)
    if has_been_here:
        await (await visit.open()).close()
    form = await visit.watched()
    await form.goto(f"{any_server.url}/jobs")
    await form.get_by_role("button", name="New job").first.click()
    dialog = form.get_by_role("dialog")
    await dialog.get_by_label("Task", exact=True).fill("It's & 100 % #1")
    await dialog.get_by_role("textbox", name="Payload").fill('{"n":9007199254740993, "plus": "a+b"}')
    async with context.expect_page() as opening:
        await dialog.get_by_role("link", name="GraphiQL").click()
    page = await visit.watched(await opening.value)
    await is_drawn(page)
    titles = [await each.inner_text() for each in await page.get_by_role("tab").all()]
    assert sorted(titles) == ["CreateJob", "CreateJob", "Jobs", "RunJob", "Watch"]
    assert page.url == f"{any_server.url}/graphql"
    await page.get_by_role("button", name=EXECUTE).click()
    await result_of(page, '"id": "1"', '"status": "QUEUED"')
    made = "{ job(id: 1) { taskName payloadText } }"
    job = (await ask(any_server.url, made))["job"]
    assert job["taskName"] == "It's & 100 % #1"
    assert "".join(job["payloadText"].split()) == '{"n":9007199254740993,"plus":"a+b"}'
    assert visit.complaints == []
    await context.close()


async def test_the_explorer_builds_an_operation(browser: Browser, server: ServerProcess, tmp_path: Path) -> None:
    context = await browser.new_context(viewport={"width": 1360, "height": 820})
    visit = Visit(context, server.url)
    page = await visit.open()
    await page.get_by_role("button", name="New tab").click()
    await page.get_by_role("button", name="Show GraphiQL Explorer").click()
    await page.get_by_text("version", exact=True).click()
    await expect(page.get_by_role("region", name=EDITOR)).to_contain_text("version")
    await page.get_by_role("button", name=EXECUTE).click()
    await result_of(page, '"version":')
    await page.screenshot(path=tmp_path / "graphiql-explorer.png")
    assert visit.complaints == []
    await context.close()


@ON_BOTH
async def test_large_integers_stay_exact(browser: Browser, any_server: ServerProcess) -> None:
    """In variables, in answers, and in what arrives over the websocket."""
    context = await browser.new_context(viewport={"width": 1360, "height": 820})
    visit = Visit(context, any_server.url)
    watching = await visit.watched()
    watch = "subscription Live { jobStatusChanged { to job { payload } } }"
    await watching.goto(f"{any_server.url}/graphql#{urlencode({'query': watch})}")
    await expect(watching.get_by_role("region", name=EDITOR)).to_contain_text("Live")
    await watching.get_by_role("button", name=EXECUTE).click()
    await expect(watching.get_by_role("button", name=re.compile("Stop query"))).to_be_visible()
    making = await visit.watched()
    make = 'mutation Make($p: JSON!) { createJob(input: {taskName: "T", payload: $p}) { job { payload } } }'
    variables = '{"p": {"n": 9007199254740993, "many": [1.0, 12345678901234567890]}}'
    await making.goto(f"{any_server.url}/graphql#{urlencode({'query': make, 'variables': variables})}")
    await expect(making.get_by_role("region", name=EDITOR)).to_contain_text("Make")
    await making.get_by_role("button", name=EXECUTE).click()
    for page in (making, watching):
        await page.bring_to_front()
        await result_of(page, '"n": 9007199254740993', "12345678901234567890")
    assert visit.complaints == []
    await context.close()
