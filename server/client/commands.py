"""``signalbox jobs``: what can be asked of a running server. Exit codes: 0 fine, 1 failed, 2 wrong usage."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import typer

from server.client import arguments, documents, tables
from server.client.address import Address, find_address
from server.client.api import Api, ClientError, Refused
from server.client.arguments import Json, Key, Priorities, Since, Statuses, Tag, TaskName, Until, Url
from server.client.documents import Priority
from server.client.output import console_for, encode, job_json, prepare_streams, printable, write_line
from server.client.watching import MAX_JOBS, Watcher

Result = TypeVar("Result")
SomeIds = Annotated[list[str] | None, typer.Argument(metavar="ID", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many jobs it would be.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before many jobs are changed.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print ids alone.")]

PAGE = 100
DONE = {"run": "run", "cancel": "cancelled", "retry": "retried"}
AT_ONCE = 8
"""Requests under way at the same time when several jobs are named."""
INTERRUPTED = 130

jobs = typer.Typer(
    name="jobs",
    help="Create, list, run and watch the jobs of a running server.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """``signalbox jobs`` alone: it starts without all that a server needs."""
    root = typer.Typer(name="signalbox", pretty_exceptions_enable=False)
    root.callback()(lambda: None)
    root.add_typer(jobs)
    root()


@jobs.callback()
def _prepare() -> None:
    prepare_streams()


@jobs.command()
def create(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task's name.", show_default=False)],
    payload: Annotated[
        str | None, typer.Option("--payload", "-p", metavar="JSON|@FILE|-", help="JSON, a file, or standard input.")
    ] = None,
    priority: Annotated[Priority, typer.Option(case_sensitive=False)] = Priority.MEDIUM,
    run: Annotated[bool, typer.Option("--run", help="Run it now, instead of holding it until it is told to.")] = False,
    run_at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Run it then: 2026-02-05T15:00:00Z, or in ten minutes as 10m.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="May be given several times.")] = None,
    max_attempts: Annotated[int | None, typer.Option(min=1)] = None,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS", help="For each attempt.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="The same key with the same input gives the first job again.")
    ] = None,
    webhook_url: Annotated[str | None, typer.Option(metavar="URL", help="Also POST this job's webhook there.")] = None,
    concurrency_key: Annotated[str | None, typer.Option(metavar="KEY")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Run it, and show what happens until it ends.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Run it, and print it when it has ended.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
    url: Url = None,
    api_key: Key = None,
) -> None:
    """Create a job. With --watch or --wait the exit code is 1 unless it completes."""
    given = {
        "taskName": task,
        "payload": arguments.read_payload(payload),
        "priority": priority.value,
        "tags": tag,
        "run": (run or watch or wait) and run_at is None,
        "runAt": arguments.instant(run_at, "--run-at", is_past=False),
        "maxAttempts": max_attempts,
        "timeoutSeconds": timeout,
        "idempotencyKey": idempotency_key,
        "webhookUrl": webhook_url,
        "concurrencyKey": concurrency_key,
    }
    if run and run_at is not None:
        raise typer.BadParameter("give --run or --run-at, not both")

    async def work(api: Api) -> bool:
        found = {name: value for name, value in given.items() if value is not None}
        answer = (await api.run(documents.CREATE, input=found))["createJob"]
        job = answer["job"]
        if not answer["created"]:
            _say(f"The key was used before: this is job {job['id']} of then.")
        if watch:
            if quiet:
                write_line(job["id"])
            return await Watcher(api, (lambda _change: None) if quiet else _teller(as_json), _say).created(job)
        is_completed = True
        if wait:
            is_completed = await Watcher(api, lambda _change: None, _say).created(job)
            job = (await api.run(documents.WATCHED, id=job["id"]))["job"]
        _print_jobs([job], as_json=as_json, quiet=quiet, is_one=True)
        return is_completed

    _finish(_ask(url, api_key, work))


@jobs.command("list")
def list_jobs(
    status: Statuses = None,
    priority: Priorities = None,
    task: TaskName = None,
    tag: Tag = None,
    search: Annotated[str | None, typer.Option(metavar="TEXT", help="Part of a task's name, or an exact id.")] = None,
    since: Since = None,
    until: Until = None,
    first: Annotated[int, typer.Option("--first", "-n", min=1, help="At most so many, newest first.")] = 50,
    every: Annotated[bool, typer.Option("--all", help="However many there are.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
    url: Url = None,
    api_key: Key = None,
) -> None:
    """List jobs, newest first."""
    where = arguments.job_filter(status=status, priority=priority, task=task, tag=tag, since=since, until=until)
    if search is not None:
        where["search"] = search
    limit = sys.maxsize if every else first

    async def work(api: Api) -> None:
        document = documents.LIST % (documents.JOB if as_json else documents.ROW)
        left, after, printed = limit, None, 0
        while left > 0:
            page = (await api.run(document, **where, first=min(PAGE, left), after=after))["jobs"]
            after, left = page["pageInfo"]["endCursor"], left - len(page["nodes"])
            if as_json:
                _print_json_items(page["nodes"], is_first=printed == 0)
            else:
                _print_jobs(page["nodes"], as_json=False, quiet=quiet, has_header=printed == 0)
            printed += len(page["nodes"])
            if not page["pageInfo"]["hasNextPage"]:
                break
        else:
            if not quiet:
                _say(f"There are more: --first N, or --all. These are the newest {printed}.")
        if as_json:
            write_line("\n]" if printed else "[]")
        elif not printed and not quiet:
            _say("No job matches." if where else "There are no jobs.")

    _ask(url, api_key, work)


@jobs.command()
def show(
    job_id: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    logs: Annotated[bool, typer.Option("--logs", help="Also what its task logged.")] = False,
    as_json: Json = False,
    url: Url = None,
    api_key: Key = None,
) -> None:
    """Show all about one job."""

    async def work(api: Api) -> None:
        job = (await api.run(documents.SHOW, id=job_id))["job"]
        if job is None:
            raise ClientError(f"There is no job {job_id}.")
        lines = await _read_logs(api, job_id) if logs else []
        if as_json:
            write_line(encode({**job_json(job), **({"logs": lines} if logs else {})}))
            return
        console = console_for(sys.stdout)
        console.print(tables.job_page(job, arguments.CLOCK.now(), console.width))
        if logs:
            console.print()
        for line in lines:
            console.print(tables.log_line(line), soft_wrap=True)
        if logs and not lines:
            _say("It has logged nothing.")

    _ask(url, api_key, work)


@jobs.command()
def run(
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
    """Run held or scheduled jobs now: those named, or all that match the filter."""
    where = arguments.job_filter(status=status, priority=priority, task=task, tag=tag, since=since, until=until)
    _change("run", ids or [], where, dry_run=dry_run, yes=yes, as_json=as_json, url=url, api_key=api_key)


@jobs.command()
def cancel(
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
    """Cancel jobs, running ones included: those named, or all that match the filter."""
    where = arguments.job_filter(status=status, priority=priority, task=task, tag=tag, since=since, until=until)
    _change("cancel", ids or [], where, dry_run=dry_run, yes=yes, as_json=as_json, url=url, api_key=api_key)


@jobs.command()
def retry(
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
    """Run ended jobs again, with their attempts counted afresh: those named, or all that match the filter."""
    where = arguments.job_filter(status=status, priority=priority, task=task, tag=tag, since=since, until=until)
    _change("retry", ids or [], where, dry_run=dry_run, yes=yes, as_json=as_json, url=url, api_key=api_key)


@jobs.command()
def watch(
    ids: SomeIds = None,
    status: Statuses = None,
    priority: Priorities = None,
    task: TaskName = None,
    tag: Tag = None,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Begin after this change, as --json gives cursors.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
    api_key: Key = None,
) -> None:
    """Show changes as they happen.

    With ids: until those jobs have ended; the exit code is 1 unless all completed. Otherwise every change that matches,
    until Ctrl-C (exit code 130). With --json one change a line.
    """
    where = arguments.job_filter(status=status, priority=priority, task=task, tag=tag)
    named = list(dict.fromkeys(ids or []))
    if named and (where or after):
        raise typer.BadParameter("give ids, or a filter or --after, not both")
    if len(named) > MAX_JOBS:
        raise typer.BadParameter(f"{len(named)} ids; at most {MAX_JOBS} can be watched by id")

    async def work(api: Api) -> bool:
        watcher = Watcher(api, _teller(as_json), _say)
        if named:
            return await watcher.jobs(named)
        await watcher.all(where, after)
        return True

    _finish(_ask(url, api_key, work))


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
        _finish(_ask(url, api_key, lambda api: _change_named(api, verb, ids, as_json=as_json)))
        return

    async def count(api: Api, *, is_dry: bool) -> int:
        answer = await api.run(documents.change_all(f"{verb}Jobs"), filter=where, dryRun=is_dry)
        return int(answer[f"{verb}Jobs"]["count"])

    if dry_run or not yes:
        would_be = _ask(url, api_key, lambda api: count(api, is_dry=True))
        if dry_run or not would_be:
            _print_count(would_be, f"would be {DONE[verb]}", as_json=as_json)
            return
        _confirm(verb, would_be)
    _print_count(_ask(url, api_key, lambda api: count(api, is_dry=False)), f"told to {verb}", as_json=as_json)


def _confirm(verb: str, count: int) -> None:
    question = f"{verb.capitalize()} {count} {'job' if count == 1 else 'jobs'}?"
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} There is nobody to ask here: say --yes.")
    if not typer.confirm(question, err=True):
        _say("Nothing was changed.")
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
        _print_jobs(changed, as_json=as_json, quiet=False)
    for each in answers:
        if isinstance(each, Refused):
            _complain(str(each))
        elif verb == "cancel" and each["status"] == "RUNNING":
            _say(f"Job {each['id']} is being interrupted; it is CANCELLED once its task has stopped.")
    return len(changed) == len(answers)


async def _read_logs(api: Api, job_id: str) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    after = None
    while True:
        job = (await api.run(documents.LOGS, id=job_id, after=after))["job"]
        if job is None:
            return lines
        lines += job["logs"]["nodes"]
        if not job["logs"]["pageInfo"]["hasNextPage"]:
            return lines
        after = job["logs"]["pageInfo"]["endCursor"]


def _teller(as_json: bool) -> Callable[[Mapping[str, Any]], None]:
    """Prints changes, each on one line."""
    if as_json:
        return lambda change: write_line(encode({**change, "job": job_json(change["job"])}, is_one_line=True))
    console = console_for(sys.stdout)

    def tell(change: Mapping[str, Any]) -> None:
        console.print(tables.change_line(change, console.width), soft_wrap=True)
        sys.stdout.flush()

    return tell


def _print_jobs(
    found: Sequence[Mapping[str, Any]], *, as_json: bool, quiet: bool, is_one: bool = False, has_header: bool = True
) -> None:
    shown = [{name: value for name, value in job.items() if name != "events"} for job in found]
    if as_json:
        documents_ = [job_json(job) for job in shown]
        write_line(encode(documents_[0] if is_one else documents_))
    elif quiet:
        for job in shown:
            write_line(job["id"])
    elif shown:
        console = console_for(sys.stdout)
        console.print(tables.jobs_table(shown, arguments.CLOCK.now(), console.width, has_header=has_header))


def _print_json_items(found: Sequence[Mapping[str, Any]], *, is_first: bool) -> None:
    """Items of one array that is written page by page."""
    for number, job in enumerate(found):
        sys.stdout.write(("[\n" if is_first and number == 0 else ",\n") + encode(job_json(job)))


def _say(message: str) -> None:
    """A remark for the user, where it is in no program's way."""
    console_for(sys.stderr, is_error=True).print(printable(message), style="dim", soft_wrap=True)


def _complain(message: str) -> None:
    sys.stderr.write(f"signalbox: {printable(message)}\n")


def _ask(url: str | None, api_key: str | None, work: Callable[[Api], Awaitable[Result]]) -> Result:
    """Do ``work`` with the server's API; what goes wrong is one line and exit code 1."""
    try:
        address = find_address(url, api_key)
    except ValueError as error:
        raise typer.BadParameter(printable(str(error)), param_hint="--url") from None
    try:
        return asyncio.run(_with_api(address, work))
    except ClientError as error:
        _complain(str(error))
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        raise SystemExit(INTERRUPTED) from None


async def _with_api(address: Address, work: Callable[[Api], Awaitable[Result]]) -> Result:
    async with Api.opened(address) as api:
        return await work(api)


def _finish(is_fine: bool) -> None:
    if not is_fine:
        raise SystemExit(1)
