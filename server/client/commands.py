"""``signalbox jobs``: what can be asked of a running server. Exit codes: 0 fine, 1 failed, 2 wrong usage."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from server.client import arguments, documents, tables
from server.client.api import Api, ClientError
from server.client.arguments import Json, Key, Priorities, Since, SomeIds, Statuses, Tag, TaskName, Until, Url
from server.client.changes import changing
from server.client.documents import Priority
from server.client.output import console_for, encode, job_json, prepare_streams, write_line
from server.client.session import ask, finish, print_jobs, print_json_items, say
from server.client.task_commands import tasks
from server.client.watching import MAX_JOBS, Watcher

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print ids alone.")]

PAGE = 100

jobs = typer.Typer(
    name="jobs",
    help="Create, list, run and watch the jobs of a running server.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """``signalbox jobs`` and ``tasks`` alone: they start without all that a server needs."""
    root = typer.Typer(name="signalbox", pretty_exceptions_enable=False)
    root.callback()(lambda: None)
    root.add_typer(jobs)
    root.add_typer(tasks)
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
            say(f"The key was used before: this is job {job['id']} of then.")
        if watch:
            if quiet:
                write_line(job["id"])
            return await Watcher(api, (lambda _change: None) if quiet else _teller(as_json), say).created(job)
        is_completed = True
        if wait:
            is_completed = await Watcher(api, lambda _change: None, say).created(job)
            job = (await api.run(documents.WATCHED, id=job["id"]))["job"]
        print_jobs([job], as_json=as_json, quiet=quiet, is_one=True)
        return is_completed

    finish(ask(url, api_key, work))


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
                print_json_items(page["nodes"], is_first=printed == 0)
            else:
                print_jobs(page["nodes"], as_json=False, quiet=quiet, has_header=printed == 0)
            printed += len(page["nodes"])
            if not page["pageInfo"]["hasNextPage"]:
                break
        else:
            if not quiet:
                say(f"There are more: --first N, or --all. These are the newest {printed}.")
        if as_json:
            write_line("\n]" if printed else "[]")
        elif not printed and not quiet:
            say("No job matches." if where else "There are no jobs.")

    ask(url, api_key, work)


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
            say("It has logged nothing.")

    ask(url, api_key, work)


jobs.command("run", help="Run held or scheduled jobs now: those named, or all that match the filter.")(changing("run"))
jobs.command("cancel", help="Cancel jobs, running ones included: those named, or all that match the filter.")(
    changing("cancel")
)
jobs.command(
    "retry",
    help="Run ended jobs again, with their attempts counted afresh: those named, or all that match the filter.",
)(changing("retry"))


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
        watcher = Watcher(api, _teller(as_json), say)
        if named:
            return await watcher.jobs(named)
        await watcher.all(where, after)
        return True

    finish(ask(url, api_key, work))


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
