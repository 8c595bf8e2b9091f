"""What every command does: reach the server, say what went wrong in one line, print jobs."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import typer

from server.client import tables
from server.client.address import Address, find_address
from server.client.api import Api, ClientError
from server.client.arguments import CLOCK
from server.client.output import console_for, encode, job_json, printable, write_line

Result = TypeVar("Result")
INTERRUPTED = 130


def ask(url: str | None, api_key: str | None, work: Callable[[Api], Awaitable[Result]]) -> Result:
    """Do ``work`` with the server's API; what goes wrong is one line and exit code 1."""
    try:
        address = find_address(url, api_key)
    except ValueError as error:
        raise typer.BadParameter(printable(str(error)), param_hint="--url") from None
    try:
        return asyncio.run(_with_api(address, work))
    except ClientError as error:
        complain(str(error))
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        raise SystemExit(INTERRUPTED) from None


async def _with_api(address: Address, work: Callable[[Api], Awaitable[Result]]) -> Result:
    async with Api.opened(address) as api:
        return await work(api)


def finish(is_fine: bool) -> None:
    if not is_fine:
        raise SystemExit(1)


def say(message: str) -> None:
    """A remark for the user, where it is in no program's way."""
    console_for(sys.stderr, is_error=True).print(printable(message), style="dim", soft_wrap=True)


def complain(message: str) -> None:
    sys.stderr.write(f"signalbox: {printable(message)}\n")


def print_jobs(
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
        console.print(tables.jobs_table(shown, CLOCK.now(), console.width, has_header=has_header))


def print_json_items(found: Sequence[Mapping[str, Any]], *, is_first: bool) -> None:
    """Items of one array that is written page by page."""
    for number, job in enumerate(found):
        sys.stdout.write(("[\n" if is_first and number == 0 else ",\n") + encode(job_json(job)))
