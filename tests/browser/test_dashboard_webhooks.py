"""The page of webhooks: endpoints and their health, deliveries with what was sent and answered, and sending again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from dashboard import ON_BOTH, Visitor, ask, create
from eventually import eventually
from playwright.async_api import Browser, Locator, Page, expect
from processes import ServerProcess

pytestmark = pytest.mark.browser
ADMIN, OPERATOR, VIEWER = "admin-key-0123456789", "operator-key-0123456789", "viewer-key-0123456789"
ENDPOINTS = "{ webhookEndpoints { id url events taskNames enabled } }"
FAILED = "{ webhookDeliveries(filter: {status: [FAILED]}) { nodes { id endpoint { id } } } }"
CREATE = """mutation ($url: String!, $events: [WebhookEvent!]!) {
  createWebhookEndpoint(input: {url: $url, events: $events}) { endpoint { id } } }"""


def endpoint(page: Page, number: str) -> Locator:
    return page.locator(f'[data-endpoint="{number}"]')


async def add_endpoint(url: str, to: str, *events: str) -> str:
    made = await ask(url, CREATE, {"url": to, "events": events or ["JOB_COMPLETED"]})
    number: str = made["createWebhookEndpoint"]["endpoint"]["id"]
    return number


async def answering(url: str, answer: str) -> None:
    """Have the server's own receiver answer like this from now on."""
    async with aiohttp.ClientSession() as session, session.put(f"{url}/webhook-test?answer={answer}") as response:
        assert response.status == 200


async def received(url: str) -> list[dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/webhook-test") as response:
        found: list[dict[str, Any]] = (await response.json())["received"]
        return found


@ON_BOTH
async def test_the_life_of_an_endpoint(visitor: Visitor) -> None:
    page = await visitor.open("/")
    await expect(page.get_by_test_id("connection")).to_have_text("Live")
    await page.keyboard.press("g")
    await page.keyboard.press("w")
    await expect(endpoint(page, "0")).to_contain_text("WEBHOOK_URL of the settings")
    await expect(endpoint(page, "0").get_by_role("button", name="Edit")).to_have_attribute("aria-disabled", "true")
    await page.get_by_role("button", name="New endpoint").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("URL").fill("http://user:password@receiver.test/")
    await dialog.get_by_role("button", name="Create endpoint").click()
    await expect(dialog.get_by_label("URL")).to_have_attribute("aria-invalid", "true")
    await dialog.get_by_label("URL").fill("http://receiver.test/hook")
    await dialog.get_by_label("Job failed").check()
    await dialog.get_by_label("Tasks").fill("billing.invoice\n\nmedia.transcode\n")
    await dialog.get_by_role("button", name="Create endpoint").click()
    secret = await page.get_by_test_id("secret").inner_text()
    assert secret.startswith("whsec_")
    await visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await dialog.get_by_role("button", name="Copy the secret").click()
    await expect(dialog.get_by_text("Copied")).to_be_attached()
    assert await page.evaluate("navigator.clipboard.readText()") == secret
    await dialog.get_by_role("button", name="I have kept it").click()
    assert secret not in await page.content()

    [_own, made] = (await ask(visitor.url, ENDPOINTS))["webhookEndpoints"]
    number = made["id"]
    assert made == {
        "id": number,
        "url": "http://receiver.test/hook",
        "events": ["JOB_COMPLETED", "JOB_FAILED"],
        "taskNames": ["billing.invoice", "media.transcode"],
        "enabled": True,
    }
    await endpoint(page, number).get_by_role("button", name="Edit").click()
    await dialog.get_by_label("Job completed").uncheck()
    await dialog.get_by_label("Tasks").fill("")
    await dialog.get_by_role("button", name="Save changes").click()
    await expect(endpoint(page, number)).to_contain_text("Job failed · every task")
    await answering(visitor.url, "500")
    await endpoint(page, "0").get_by_role("button", name="Send a test").click()
    await expect(page.get_by_test_id("trial")).to_contain_text("It failed: HTTP 500")
    await answering(visitor.url, "200")
    await dialog.get_by_role("button", name="Send another").click()
    await expect(page.get_by_test_id("trial")).to_contain_text("It was received: HTTP 200")
    await expect(dialog.get_by_test_id("request-body")).to_contain_text('"jobId":0,"taskName":"signalbox.test"')
    await dialog.get_by_role("button", name="Done").click()
    await endpoint(page, number).get_by_role("button", name="Disable").click()
    await expect(endpoint(page, number)).to_contain_text("Disabled by an admin")
    await endpoint(page, number).get_by_role("button", name="Enable").click()
    await expect(endpoint(page, number)).to_contain_text("Healthy")
    await endpoint(page, number).get_by_role("button", name="Rotate secret").click()
    await dialog.get_by_role("button", name="Rotate secret").click()
    await expect(dialog.get_by_role("button", name="I have kept it")).to_be_visible()
    await expect(dialog).to_contain_text("signs beside it for 24 hours")
    assert await page.get_by_test_id("secret").inner_text() != secret
    await page.keyboard.press("Escape")
    await endpoint(page, number).get_by_role("button", name="Delete").click()
    await dialog.get_by_role("button", name="Delete endpoint").click()
    await expect(endpoint(page, number)).to_have_count(0)
    assert len((await ask(visitor.url, ENDPOINTS))["webhookEndpoints"]) == 1


@ON_BOTH
async def test_what_was_sent_and_answered(visitor: Visitor) -> None:
    """Large integers stand in the request as they were given, and what a receiver answers is text."""
    await answering(visitor.url, "410")  # that ends a delivery: no try of its own comes between
    payload = {"n": 9007199254740993, "html": "<img src=x onerror=alert(1)>"}
    [job] = await create(visitor.url, {"payload": payload, "run": True})
    page = await visitor.open("/webhooks")
    delivery = page.locator("[data-delivery]")
    await expect(delivery).to_contain_text("the receiver answered 410")
    await expect(endpoint(page, "0")).to_contain_text("Failing: 1 failure in a row")
    await delivery.get_by_role("button", name="Details of the delivery").click()
    await expect(delivery.get_by_test_id("request-body")).to_contain_text(
        '"payload":{"n":9007199254740993,"html":"<img'
    )
    await expect(delivery.get_by_role("listitem")).to_contain_text("HTTP 410")
    await expect(delivery.get_by_label("Response to try 1")).to_have_text('{"received":true}')
    await answering(visitor.url, "200")
    await delivery.get_by_role("button", name="Resend").click()
    await expect(delivery).to_contain_text("Delivered")
    await expect(delivery.get_by_label("Response to try 2")).to_be_visible()
    await expect(endpoint(page, "0")).to_contain_text("Healthy")
    sent = await received(visitor.url)
    assert len({each["headers"]["webhook-id"] for each in sent}) == 1
    assert visitor.complaints == []
    await delivery.get_by_role("link", name=f"simulate #{job}").click()
    await expect(page.get_by_role("region", name="Webhook deliveries")).to_contain_text("Delivered")


@ON_BOTH
async def test_all_failed_are_those_that_were_counted(visitor: Visitor) -> None:
    """410 disables an endpoint of the API at once; what failed is sent when it is enabled again."""
    number = await add_endpoint(visitor.url, f"{visitor.url}/webhook-test", "JOB_FAILED")
    await answering(visitor.url, "410")
    await create(visitor.url, *({"payload": {"fail": "no"}, "maxAttempts": 1, "run": True} for _ in range(3)))

    async def failed() -> bool:
        return len((await ask(visitor.url, FAILED))["webhookDeliveries"]["nodes"]) == 3

    await eventually(failed, timeout_seconds=20.0)
    page = await visitor.open("/webhooks")
    await expect(endpoint(page, number)).to_contain_text("Disabled by the server: It answered 410 Gone.")
    await page.get_by_role("link", name="Overview", exact=True).click()
    worry = page.get_by_role("region", name="Needs attention").get_by_role("listitem").filter(has_text="webhook")
    await expect(worry).to_contain_text("was disabled: It answered 410 Gone.")
    await worry.get_by_role("link", name="Show").click()
    await expect(page.get_by_label("Endpoint", exact=True)).to_have_value(number)
    await page.get_by_label("Endpoint", exact=True).select_option("")
    await page.get_by_role("button", name="Failed 3").click()
    await expect(page).to_have_url(re.compile("status=FAILED"))
    await page.reload()
    await expect(page.locator("[data-delivery]")).to_have_count(3)
    await page.get_by_label("Event").select_option("JOB_COMPLETED")
    await expect(page.get_by_text("No delivery matches")).to_be_visible()
    await page.go_back()
    await expect(page.locator("[data-delivery]")).to_have_count(3)
    await page.get_by_role("button", name="Resend all failed").click()
    await expect(page.get_by_test_id("resend-preview")).to_contain_text("0 deliveries")
    await page.keyboard.press("Escape")
    await answering(visitor.url, "200")
    await endpoint(page, number).get_by_role("button", name="Enable").click()
    await expect(endpoint(page, number)).not_to_contain_text("Disabled")
    before = len(await received(visitor.url))
    await page.get_by_role("button", name="Resend all failed").click()
    await page.get_by_label("Created since").select_option("15m")
    await expect(page.get_by_test_id("resend-preview")).to_contain_text("3 deliveries")
    await page.get_by_role("button", name="Resend 3 deliveries").click()
    await expect(page.get_by_text("3 deliveries will be sent again.")).to_be_visible()
    await expect(page.get_by_role("button", name="Delivered 3")).to_be_visible()
    assert len(await received(visitor.url)) == before + 3


async def test_who_may_do_what(browser: Browser, tmp_path: Path) -> None:
    keys = f"root:admin:{ADMIN},hand:operator:{OPERATOR},eye:viewer:{VIEWER}"
    settings = {
        "SIGNALBOX_API_KEYS": keys,
        "SIGNALBOX_UNKNOWN_TASK": "simulate",
        "SIGNALBOX_WEBHOOK_ALLOW": "127.0.0.0/8",
        "WEBHOOK_URL": "http://127.0.0.1:9/",
    }
    server = ServerProcess(tmp_path / "keys", ["serve", "--port", "0"], settings).start()
    create_job = 'mutation { createJob(input: {taskName: "simulate", run: true}) { job { id } } }'
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{server.url}/graphql", json={"query": create_job}) as response,
    ):
        assert "errors" not in await response.json()
    for key, may_see, may_send in ((ADMIN, True, True), (OPERATOR, False, True), (VIEWER, False, False)):
        context = await browser.new_context()
        page = await Visitor(context, server.url).open("/webhooks")
        await page.get_by_label("API key").fill(key)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.locator("[data-delivery]")).to_have_count(1)
        await expect(endpoint(page, "0")).to_have_count(int(may_see))
        await expect(page.get_by_test_id("no-permission")).to_have_count(int(not may_see))
        await expect(page.get_by_role("alert")).to_have_count(0)
        await expect(page.get_by_test_id("read-only")).to_have_count(int(not may_send))
        new, resend = (page.get_by_role("button", name=name) for name in ("New endpoint", "Resend delivery"))
        disabled = page.locator("[aria-disabled=true]")
        await expect(new.and_(disabled)).to_have_count(int(not may_see))
        await expect(resend.and_(disabled)).to_have_count(int(not may_send))
        await context.close()
    server.check_its_end()
