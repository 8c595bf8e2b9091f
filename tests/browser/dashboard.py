"""A visitor of the dashboard, and a client that makes jobs for it to show."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from playwright.async_api import BrowserContext, Locator, Page
from requirements import give_up

ON_BOTH = pytest.mark.parametrize(
    "database",
    [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("sqlite", "mysql")],
    indirect=True,
)
"""For what depends on the database."""
AXE = Path(__file__).parents[2] / "playground" / "node_modules" / "axe-core" / "axe.min.js"
CREATE = "mutation ($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"


class Visitor:
    """Pages of one visitor, whose requests and complaints are kept."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.url = url
        self.requested: set[str] = set()
        self.complaints: list[str] = []

    async def open(self, path: str) -> Page:
        page = await self.context.new_page()
        page.on("request", lambda request: self.requested.add(request.url))
        page.on("websocket", lambda socket: self.requested.add(socket.url))
        page.on("console", lambda said: self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(self.url + path)
        return page

    @property
    def origins(self) -> set[str]:
        return {urlsplit(url).netloc for url in self.requested}


async def ask(url: str, query: str, variables: dict[str, Any] | None = None) -> Any:
    """The data of one operation, which must not fail."""
    body = {"query": query, "variables": variables or {}}
    async with aiohttp.ClientSession() as session, session.post(f"{url}/graphql", json=body) as response:
        answer = await response.json()
    assert "errors" not in answer, answer
    return answer["data"]


async def create(url: str, *inputs: dict[str, Any]) -> list[str]:
    """Ids of new jobs; ``simulate`` unless another task is named."""
    given = [{"taskName": "simulate", **each} for each in inputs]
    return [job["id"] for job in (await ask(url, CREATE, {"inputs": given}))["createJobs"]["jobs"]]


async def status_of(url: str, job_id: str) -> str:
    status: str = (await ask(url, "query ($id: ID!) { job(id: $id) { status } }", {"id": job_id}))["job"]["status"]
    return status


def row(page: Page, job_id: str) -> Locator:
    return page.locator(f'tr[data-job="{job_id}"]')


async def listed(page: Page) -> list[str]:
    """Ids in the order of the list."""
    return [await each.get_attribute("data-job") or "" for each in await page.locator("tr[data-job]").all()]


def need_axe(config: pytest.Config) -> None:
    """Skip a test that ``violations`` could do nothing for."""
    if not AXE.exists():
        give_up(config, "axe-core", "run `npm ci` in playground/")


async def violations(page: Page, name: str) -> list[str]:
    """What axe-core finds on a page of a context that bypasses its policy."""
    await page.add_script_tag(path=AXE)
    result = await page.evaluate("axe.run()")
    return [f"{name}: {each['id']}: {node['html'][:200]}" for each in result["violations"] for node in each["nodes"]]
