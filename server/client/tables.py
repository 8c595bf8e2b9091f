"""What people see: tables, a job's page, and one line for each change. Widths follow the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from server.client.output import printable, text

Job = Mapping[str, Any]

STATUS_STYLES = {
    "PENDING": "dim",
    "SCHEDULED": "cyan",
    "QUEUED": "yellow",
    "RUNNING": "bold blue",
    "COMPLETED": "green",
    "FAILED": "bold red",
    "CANCELLED": "magenta",
    "DELIVERED": "green",
}
PRIORITY_STYLES = {"HIGH": "bold", "MEDIUM": "", "LOW": "dim"}
LEVEL_STYLES = {"error": "red", "critical": "bold red", "warning": "yellow", "debug": "dim"}
MAX_SHOWN = 20_000
"""Characters of a payload or a result on a job's page."""


def status(value: str) -> Text:
    return text(value, STATUS_STYLES.get(value, ""))


def moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def age(value: str | None, now: datetime) -> str:
    """How long ago, or how long until, in one unit: ``5m``, ``in 2h``."""
    at = moment(value)
    if at is None:
        return ""
    seconds = (now - at).total_seconds()
    return span(seconds) if seconds > -1 else f"in {span(-seconds)}"


def span(seconds: float) -> str:
    seconds = max(0.0, seconds)
    for unit, size, most in (("s", 1, 120), ("m", 60, 120), ("h", 3600, 48)):
        if seconds < size * most:
            return f"{int(seconds / size)}{unit}"
    return f"{int(seconds / 86_400)}d"


def preview(job: Job) -> Text:
    """The start of the payload; of a failed job, why it failed."""
    if job["status"] == "FAILED" and job["error"]:
        return text(f"{job['error']['code']}: {job['error']['message'][:200]}", "red")
    return text((job["payloadText"] or "")[:200], "dim")


def when(job: Job, now: datetime) -> Text:
    if job["status"] == "SCHEDULED":
        return text(age(job["runAt"], now), "cyan")
    return text(age(job["createdAt"], now))


def jobs_table(jobs: Iterable[Job], now: datetime, width: int, *, has_header: bool = True) -> Table:
    """One line a job. A narrow terminal gets fewer columns, and never a wrapped one."""
    table = _table()
    table.show_header = has_header
    table.add_column("ID", justify="right", no_wrap=True)
    table.add_column("STATUS", no_wrap=True, min_width=9)
    table.add_column("TASK", overflow="ellipsis")
    has_age, has_priority, has_more = width >= 56, width >= 66, width >= 84
    if has_priority:
        table.add_column("PRIORITY", no_wrap=True)
    if has_age:
        table.add_column("AGE", justify="right", no_wrap=True)
    if has_more:
        table.add_column("TRY", justify="right", no_wrap=True)
        table.add_column("PAYLOAD", overflow="ellipsis")
    for job in jobs:
        row = [text(job["id"]), _progress(job), text(job["taskName"])]
        if has_priority:
            row.append(text(job["priority"], PRIORITY_STYLES.get(job["priority"], "")))
        if has_age:
            row.append(when(job, now))
        if has_more:
            row += [text(f"{job['attempt']}/{job['maxAttempts']}" if job["attempt"] else ""), preview(job)]
        table.add_row(*row)
    return table


def tasks_table(tasks: Iterable[Mapping[str, Any]], width: int) -> Table:
    """One line a task; what it is for where there is room."""
    table = _table()
    table.add_column("TASK", overflow="ellipsis")
    table.add_column("STATE", no_wrap=True)
    table.add_column("ATTEMPTS", justify="right", no_wrap=True)
    table.add_column("TIMEOUT", justify="right", no_wrap=True)
    table.add_column("LIMITS", overflow="ellipsis")
    has_description = width >= 84
    if has_description:
        table.add_column("DESCRIPTION", overflow="ellipsis")
    for task in tasks:
        state = text("paused", "yellow") if task["paused"] else text("active", "dim")
        row = [
            text(task["name"]),
            state,
            text(task["maxAttempts"]),
            text(f"{task['timeoutSeconds']:g}s"),
            _limits(task),
        ]
        if has_description:
            row.append(text((task["description"] or "").split("\n")[0], "dim"))
        table.add_row(*row)
    return table


def _limits(task: Mapping[str, Any]) -> Text:
    """How many at once, of a key, and how often."""
    found = (
        ("maxConcurrency", "{} at once"),
        ("maxConcurrencyPerKey", "{} a key"),
        ("rateLimit", "{}"),
    )
    return text(", ".join(form.format(task[name]) for name, form in found if task[name] is not None), "dim")


def _progress(job: Job) -> Text:
    shown = status(job["status"])
    if job["status"] == "RUNNING" and job["progress"]:
        shown.append(f" {job['progress']:.0%}", "blue")
    return shown


def _table() -> Table:
    """Columns that may not wrap keep their width; the others share what is left, for their texts do not wrap."""
    return Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)


def change_line(change: Mapping[str, Any], width: int) -> Text:
    """One change on one line: when, which job, from what to what."""
    job, at = change["job"], moment(change["at"])
    line = text(f"{at.astimezone():%H:%M:%S} " if at is not None else "", "dim")
    line.append(f"{printable(job['id']):>6}  ", "bold")
    if width >= 64:
        line.append(f"{printable(change['from'] or ''):>9} ", "dim")
        line.append("→ ", "dim")
    line.append(f"{printable(change['to']):<9}", STATUS_STYLES.get(change["to"], ""))
    line.append(f"  {printable(job['taskName'])}")
    if job["attempt"] > 1 or (job["attempt"] and change["to"] == "SCHEDULED"):
        line.append(f"  attempt {job['attempt']}/{job['maxAttempts']}", "dim")
    if job["error"] and change["to"] in ("FAILED", "SCHEDULED", "QUEUED"):
        line.append(f"  {printable(job['error']['code'])}: {printable(job['error']['message'])}", "red")
    elif change["to"] == "COMPLETED" and job.get("resultText"):
        line.append(f"  {printable(job['resultText'][:200])}", "dim")
    line.truncate(width, overflow="ellipsis")
    return line


def job_page(job: Job, now: datetime, width: int) -> RenderableType:
    """All about one job."""
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in _facts(job, now):
        if isinstance(value, str):
            facts.add_row(name, Text(printable(value), overflow="fold"))
        elif value is not None:
            facts.add_row(name, value)
    parts: list[RenderableType] = [facts]
    parts += _document("payload", job["payloadText"]) + _document("result", job["resultText"])
    if job["attempts"]:
        parts += [Text(), _attempts(job["attempts"], now, width)]
    if job["deliveries"]:
        parts += [Text(), _deliveries(job["deliveries"], width)]
    return Group(*parts)


def _facts(job: Job, now: datetime) -> list[tuple[str, Text | str | None]]:
    def at(name: str) -> str | None:
        return None if job[name] is None else f"{_local(job[name])}  ({_ago(job[name], now)})"

    error = job["error"]
    return [
        ("job", Text(printable(job["id"]), "bold")),
        ("task", job["taskName"]),
        ("status", _progress(job)),
        ("waits", job["waitingFor"]),
        ("error", None if error is None else Text(f"{printable(error['code'])}: {printable(error['message'])}", "red")),
        ("priority", job["priority"]),
        ("tags", ", ".join(job["tags"]) or None),
        ("attempt", f"{job['attempt']} of {job['maxAttempts']}, {job['timeoutSeconds']:g} s each"),
        ("created", at("createdAt")),
        ("run at", at("runAt")),
        ("started", at("startedAt")),
        ("finished", at("finishedAt")),
        ("took", _took(job)),
        ("schedule", f"{job['schedule']['name']} ({job['schedule']['id']})" if job["schedule"] else None),
        ("copy of", job["copyOf"]["id"] if job["copyOf"] else None),
        ("key", job["idempotencyKey"]),
    ]


def _took(job: Job) -> str | None:
    start, end = moment(job["startedAt"]), moment(job["finishedAt"])
    return None if start is None or end is None else _seconds((end - start).total_seconds())


def _seconds(value: float) -> str:
    return f"{value:.3f} s" if value < 10 else f"{value:.1f} s" if value < 120 else span(value)


def _local(value: str) -> str:
    at = moment(value)
    return "" if at is None else f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def _ago(value: str, now: datetime) -> str:
    shown = age(value, now)
    return shown if shown.startswith("in ") else f"{shown} ago"


def _document(title: str, source: str | None) -> list[RenderableType]:
    """JSON, indented; each line made harmless."""
    if source is None:
        return []
    try:
        pretty = json.dumps(json.loads(source), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        pretty = source
    shown = "\n".join(f"  {printable(line)}" for line in pretty[:MAX_SHOWN].split("\n"))
    rest = (
        [Text(f"  … {len(pretty) - MAX_SHOWN} more characters; see --json", "dim")] if len(pretty) > MAX_SHOWN else []
    )
    return [Text(), Text(title, "dim"), Text(shown, overflow="fold"), *rest]


def _attempts(attempts: Sequence[Mapping[str, Any]], now: datetime, width: int) -> Table:
    table = _table()
    table.add_column("ATTEMPT", justify="right", no_wrap=True)
    table.add_column("OUTCOME", no_wrap=True)
    table.add_column("TOOK", justify="right", no_wrap=True)
    table.add_column("ERROR", overflow="ellipsis")
    if width >= 100:
        table.add_column("STARTED", no_wrap=True)
        table.add_column("WORKER", overflow="ellipsis")
    for each in attempts:
        start, end = moment(each["startedAt"]), moment(each["finishedAt"]) or now
        error = each["error"]
        row = [
            text(each["number"]),
            status(each["outcome"] or "RUNNING"),
            text(_seconds((end - start).total_seconds()) if start else ""),
            text(f"{error['code']}: {error['message']}" if error else "", "red"),
        ]
        if width >= 100:
            row += [text(_local(each["startedAt"]), "dim"), text(each["worker"], "dim")]
        table.add_row(*row)
    return table


def _deliveries(deliveries: Sequence[Mapping[str, Any]], width: int) -> Table:
    table = _table()
    table.add_column("WEBHOOK", no_wrap=True)
    table.add_column("STATUS", no_wrap=True)
    table.add_column("TRIES", justify="right", no_wrap=True)
    table.add_column("LAST", overflow="ellipsis")
    if width >= 80:
        table.add_column("URL", overflow="ellipsis")
    for each in deliveries:
        last = each["tries"][-1] if each["tries"] else None
        outcome = "" if last is None else last["error"] or last["responseStatus"]
        row = [text(each["event"]), status(each["status"]), text(len(each["tries"])), text(outcome)]
        if width >= 80:
            row.append(text(each["url"], "dim"))
        table.add_row(*row)
    return table


def log_line(line: Mapping[str, Any]) -> Text:
    """One line that a task logged; what follows its first newline is indented below it."""
    at = moment(line["at"])
    shown = Text(f"{at.astimezone():%H:%M:%S} " if at is not None else "", "dim")
    level = line["level"]
    shown.append(f"{printable(level):<7} ", LEVEL_STYLES.get(level.lower(), "dim"))
    first, *others = line["message"].split("\n")
    shown.append(printable(first))
    for each in others:
        shown.append(f"\n{'':17}{printable(each)}")
    return shown
