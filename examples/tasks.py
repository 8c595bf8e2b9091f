"""Three tasks to copy: send an email, render a report, sync a table. `signalbox serve --tasks examples/tasks.py`.

They are set up by the environment: SMTP_URL, MAIL_FROM; API_URL, API_KEY, REPORT_FOLDER; ITEMS_URL, ITEMS_FILE.
"""

import asyncio
import csv
import html
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiohttp
import aiosmtplib
from pydantic import AwareDatetime, BaseModel, TypeAdapter

from signalbox import PermanentError, TaskContext, task

# Send an email


@task("Send Test Email", max_attempts=5, timeout_seconds=60)
async def send_test_email(
    ctx: TaskContext, email: str, subject: str = "A test", text: str = "It works."
) -> dict[str, bool]:
    """Send one message. The payload's keys are these arguments: {"email": "example@test.com"}."""
    server = urlsplit(os.environ.get("SMTP_URL", "smtp://127.0.0.1:25"))
    message = EmailMessage()
    message.set_content(text)
    try:
        message["From"] = os.environ.get("MAIL_FROM", "signalbox@example.com")
        message["To"] = email
        message["Subject"] = subject
        message["Message-ID"] = f"<signalbox-job-{ctx.job_id}@example.com>"  # a retry's message is known as the same
    except ValueError as error:  # a line break, which would begin a header of its own
        raise PermanentError(str(error)) from error
    try:
        await aiosmtplib.send(
            message,
            hostname=server.hostname,
            port=server.port,
            username=unquote(server.username) if server.username else None,
            password=unquote(server.password) if server.password else None,
            use_tls=server.scheme == "smtps",
            start_tls=True if "starttls=true" in server.query else None,  # None: if the server offers it
            timeout=30,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        if error.recipients[0].code < 500:
            raise
        raise PermanentError(f"{email} was refused: {error.recipients[0].message}") from error  # for good
    await ctx.log(f"sent to {email}")
    return {"sent": True}


# Render a report

COLUMNS = ("id", "taskName", "status", "priority", "attempt", "createdAt", "finishedAt")
JOBS = """query($start: DateTime!, $end: DateTime!, $after: String) {
  jobs(createdAfter: $start, createdBefore: $end, first: 100, after: $after) {
    nodes { %s } pageInfo { hasNextPage endCursor }
  }
}""" % " ".join(COLUMNS)  # noqa: UP031 - braces are GraphQL's


async def read_jobs(start: AwareDatetime, end: AwareDatetime) -> AsyncIterator[list[str]]:
    """The jobs created in a period, newest first, page by page, from the server's own API."""
    key = os.environ.get("API_KEY")
    variables: dict[str, str | None] = {"start": start.isoformat(), "end": end.isoformat(), "after": None}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"} if key else None) as session:
        while True:
            body = {"query": JOBS, "variables": variables}
            async with session.post(os.environ.get("API_URL", "http://127.0.0.1:8000/graphql"), json=body) as response:
                answer = await response.json()
            if "errors" in answer:
                raise RuntimeError(answer["errors"][0]["message"])
            page = answer["data"]["jobs"]
            for job in page["nodes"]:
                yield ["" if job[column] is None else str(job[column]) for column in COLUMNS]
            if not page["pageInfo"]["hasNextPage"]:
                return
            variables["after"] = page["pageInfo"]["endCursor"]


def csv_cell(text: str) -> str:
    """Spreadsheets run what begins like a formula; behind an apostrophe it is text."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def write_report(path: Path, title: str, rows: list[list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *([csv_cell(cell) for cell in row] for row in rows)])
    lines = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
    head = "".join(f"<th>{name}</th>" for name in COLUMNS)
    path.with_suffix(".html").write_text(
        f'<!doctype html><meta charset="utf-8"><title>{html.escape(title)}</title><h1>{html.escape(title)}</h1>\n'
        f"<table><tr>{head}</tr>\n" + "\n".join(f"<tr>{line}</tr>" for line in lines) + "\n</table>\n",
        encoding="utf-8",
    )


@task("Render Report", timeout_seconds=300)
async def render_report(ctx: TaskContext, start: AwareDatetime, end: AwareDatetime) -> dict[str, int | str]:
    """Write the jobs of a period as HTML and CSV: {"start": "2026-02-01T00:00:00Z", "end": "2026-03-01T00:00:00Z"}."""
    rows = [row async for row in read_jobs(start, end)]
    path = Path(os.environ.get("REPORT_FOLDER", "reports")) / f"jobs-{start:%Y%m%dT%H%M%S}-{end:%Y%m%dT%H%M%S}"
    await asyncio.to_thread(write_report, path, f"Jobs from {start} to {end}", rows)
    await ctx.log(f"{len(rows)} jobs")
    return {"jobs": len(rows), "html": f"{path}.html", "csv": f"{path}.csv"}


# Sync a table with an API


class Item(BaseModel):
    id: int
    name: str
    price: float


def upsert(items: list[Item]) -> int:
    """Bring the table up to date, all of it or nothing; how many rows that changed."""
    with closing(sqlite3.connect(os.environ.get("ITEMS_FILE", "items.db"))) as file, file:
        file.execute(
            "CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL NOT NULL)"
        )
        return file.executemany(
            "INSERT INTO items (id, name, price) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE "
            "SET name = excluded.name, price = excluded.price "
            "WHERE (items.name, items.price) IS NOT (excluded.name, excluded.price)",
            [(item.id, item.name, item.price) for item in items],
        ).rowcount


@task("Sync Items", max_attempts=5, timeout_seconds=120)
async def sync_items(ctx: TaskContext) -> dict[str, int]:
    """Copy a JSON list of {"id", "name", "price"} into a table. Running it twice changes nothing."""
    url = os.environ.get("ITEMS_URL", "http://127.0.0.1:9000/items")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session, session.get(url) as response:
        if response.status in (401, 403, 404, 410):
            raise PermanentError(f"{url} answered {response.status}")
        response.raise_for_status()  # anything else may pass: it is tried again
        items = TypeAdapter(list[Item]).validate_json(await response.read())
    await ctx.progress(0.5)
    changed = await asyncio.to_thread(upsert, items)
    await ctx.log(f"{len(items)} items, {changed} changed")
    return {"items": len(items), "changed": changed}
