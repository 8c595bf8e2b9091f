"""``signalbox jobs run``, ``cancel`` and ``retry``: jobs that are named, or all that match a filter."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from server.client import arguments, documents
from server.client.api import Api, Refused
from server.client.arguments import Json, Key, Priorities, Since, SomeIds, Statuses, Tag, TaskName, Until, Url
from server.client.output import encode, write_line
from server.client.session import ask, complain, finish, print_jobs, say

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many jobs it would be.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before many jobs are changed.")]
DONE = {"run": "run", "cancel": "cancelled", "retry": "retried"}
AT_ONCE = 8
"""Requests under way at the same time when several jobs are named."""


def changing(verb: str) -> Callable[..., None]:
    """The command that asks ``verb`` of jobs; all three take the same arguments."""

    def command(
        ids: SomeIds = None,
        status: Statuses = None,
        priority: Priorities = None,
        task: TaskName = None,
        tag: Tag = None,
        since: Since = None,
        until: Until = None,
        dry_run: DryRun = False,
        yes: Yes = False,
        as_json: Json = False,
        url: Url = None,
        api_key: Key = None,
    ) -> None:
        where = arguments.job_filter(status=status, priority=priority, task=task, tag=tag, since=since, until=until)
        _change(verb, ids or [], where, dry_run=dry_run, yes=yes, as_json=as_json, url=url, api_key=api_key)

    return command


def _change(
    verb: str,
    ids: Sequence[str],
    where: Mapping[str, Any],
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    url: str | None,
    api_key: str | None,
) -> None:
    """Change the jobs that are named, each for itself; or count those that match, ask, and change them."""
    if bool(ids) == bool(where):
        raise typer.BadParameter("give ids or a filter" + (", not both" if ids else f", as `jobs {verb} 42`"))
    if ids and dry_run:
        raise typer.BadParameter("--dry-run counts what a filter matches; it is not for ids")
    if ids:
        finish(ask(url, api_key, lambda api: _change_named(api, verb, ids, as_json=as_json)))
        return

    async def count(api: Api, *, is_dry: bool) -> int:
        answer = await api.run(documents.change_all(f"{verb}Jobs"), filter=where, dryRun=is_dry)
        return int(answer[f"{verb}Jobs"]["count"])

    if dry_run or not yes:
        would_be = ask(url, api_key, lambda api: count(api, is_dry=True))
        if dry_run or not would_be:
            _print_count(would_be, f"would be {DONE[verb]}", as_json=as_json)
            return
        _confirm(verb, would_be)
    _print_count(ask(url, api_key, lambda api: count(api, is_dry=False)), f"told to {verb}", as_json=as_json)


def _confirm(verb: str, count: int) -> None:
    question = f"{verb.capitalize()} {count} {'job' if count == 1 else 'jobs'}?"
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} There is nobody to ask here: say --yes.")
    if not typer.confirm(question, err=True):
        say("Nothing was changed.")
        raise SystemExit(1)


def _print_count(count: int, what: str, *, as_json: bool) -> None:
    write_line(encode({"count": count}) if as_json else f"{count} {'job' if count == 1 else 'jobs'} {what}")


async def _change_named(api: Api, verb: str, ids: Sequence[str], *, as_json: bool) -> bool:
    """Each job has an answer of its own; the others are changed when one is refused."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def change(job_id: str) -> dict[str, Any] | Refused:
        async with limit:
            try:
                answer = await api.run(documents.change(f"{verb}Job"), id=job_id)
            except Refused as error:
                return error
        job: dict[str, Any] = answer[f"{verb}Job"]["job"]
        return job

    answers = await asyncio.gather(*(change(job_id) for job_id in dict.fromkeys(ids)))
    changed = [each for each in answers if not isinstance(each, Refused)]
    if changed or as_json:
        print_jobs(changed, as_json=as_json, quiet=False)
    for each in answers:
        if isinstance(each, Refused):
            complain(str(each))
        elif verb == "cancel" and each["status"] == "RUNNING":
            say(f"Job {each['id']} is being interrupted; it is CANCELLED once its task has stopped.")
    return len(changed) == len(answers)
