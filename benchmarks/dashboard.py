"""How soon the dashboard's list shows its first rows when there are many jobs.

    python benchmarks/dashboard.py [--jobs N] [--loads N] [DATABASE_URL ...]

Without a URL: SQLite. A database that is given is emptied first. The jobs are copies of some that have lived. What is
printed: from a reload of ``/jobs`` to the first rows in Chromium, in milliseconds: median and worst of some reloads.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.async_api import async_playwright, expect

from benchmarks.growth import grow
from benchmarks.harness import Client, empty, machine, server_name, serving
from benchmarks.lifecycle import LIVED, work_off


async def reloads(client: Client, loads: int) -> list[float]:
    """Milliseconds of each."""
    async with async_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = await browser.new_page()
        rows = page.locator("tr[data-job]")
        await page.goto(client.url.replace("/graphql", "/jobs"))
        await expect(rows).to_have_count(50)
        took = []
        for _ in range(loads):
            start = time.perf_counter()
            await page.reload(wait_until="commit")
            await expect(rows.first).to_be_visible()
            took.append((time.perf_counter() - start) * 1000)
        await browser.close()
    return took


async def measure(url: str, jobs: int, loads: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite://{folder}/dashboard.db" if url == "sqlite" else url
        await empty(url)
        async with serving(database) as client:
            await work_off(client, min(LIVED, jobs))
        has = await grow(database, jobs)
        async with serving(database, "--no-worker") as client:
            took = await reloads(client, loads)
    name, median = await server_name(url), statistics.median(took)
    print(f"{name}, {has:,} jobs: first rows after {median:.0f} ms, worst {max(took):.0f}", flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="*", default=["sqlite"])
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--loads", type=int, default=20)
    options = parser.parse_args()
    print(f"dashboard: {machine()}")
    for url in options.urls:
        await measure(url, options.jobs, options.loads)


if __name__ == "__main__":
    asyncio.run(main())
