"""More jobs than tabs count: they count to ten thousand, and tiles count all."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pymysql
import pytest
from dashboard import Visitor
from playwright.async_api import Browser, expect
from processes import ServerProcess, free_port, like_make_run

from models.connection import DatabaseURL
from models.migrate import migrate

pytestmark = pytest.mark.browser
FILL = """
INSERT INTO jobs (task_name, payload, priority, status, attempt, max_attempts, timeout_seconds, created_at, updated_at,
  listed_at, run_at, listed_status)
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})
SELECT {task}, '{{"to":"someone@example.test"}}', 1 + n % 3, {status}, 1, 3, 60, '2026-11-01 00:00:00.000000',
  '2026-11-01 00:00:00.000000', '2026-11-01 00:00:00.000000', '2036-11-01 00:00:00.000000', {status}
FROM numbers
"""
STATUS = "CASE WHEN n % 3 = 0 THEN 'COMPLETED' WHEN n % 3 = 1 THEN 'PENDING' ELSE 'FAILED' END"
JOBS = 33_000


def fill(url: DatabaseURL) -> None:
    if url.dialect == "sqlite":
        with closing(sqlite3.connect(url.database)) as file, file:
            file.execute(FILL.format(task="'task ' || n % 50", status=STATUS, last=JOBS - 1))
        return
    with closing(
        pymysql.connect(host=url.host, port=url.port, user=url.user, password=url.password, database=url.database)
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("SET SESSION cte_max_recursion_depth = 100000")
        cursor.execute(FILL.format(task="CONCAT('task ', n % 50)", status=STATUS, last=JOBS - 1))
        connection.commit()
        cursor.execute("ANALYZE TABLE jobs")


@pytest.fixture(params=[pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("sqlite", "mysql")])
def full_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that has many jobs."""
    if request.param == "mysql":
        database = request.getfixturevalue("servers").get("mysql").create()
    else:
        database = f"sqlite://{tmp_path}/many.db"
        asyncio.run(migrate(DatabaseURL.parse(database)))
    fill(DatabaseURL.parse(database))
    port = free_port()
    settings = {**like_make_run(port), "DATABASE_URL": database}
    server = ServerProcess(tmp_path / "server", ["serve", "--port", str(port), "--grace", "1"], settings).start()
    yield server
    server.check_its_end()


async def test_many_jobs(browser: Browser, full_server: ServerProcess) -> None:
    context = await browser.new_context(viewport={"width": 1360, "height": 850})
    visitor = Visitor(context, full_server.url)
    page = await visitor.open("/jobs")
    rows = page.locator("tr[data-job]")
    await expect(rows).to_have_count(50)
    for tab in ("All 10k+", "Completed 10k+", "Failed 10k+", "Pending 10k+"):
        await expect(page.get_by_role("button", name=tab)).to_be_visible()
    await page.get_by_role("button", name="Failed 10k+").click()
    await expect(rows.first).to_contain_text("Failed")
    await expect(rows).to_have_count(50)
    await page.get_by_role("button", name="Load 50 more").click()
    await expect(rows).to_have_count(100)
    await page.get_by_role("link", name="Overview", exact=True).click()
    await expect(page.locator('[data-tile="COMPLETED"]')).to_have_text("Completed11,000")
    assert visitor.complaints == []
    await context.close()
