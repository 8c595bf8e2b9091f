"""``signalbox tasks``: the tasks that workers have declared, paused and resumed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from server.client import documents, tables
from server.client.api import Api
from server.client.arguments import Json, Key, Url
from server.client.output import console_for, encode, prepare_streams, write_line
from server.client.session import ask, say

Name = Annotated[str, typer.Argument(metavar="NAME", help="The task's name.", show_default=False)]

tasks = typer.Typer(
    name="tasks",
    help="List, pause and resume the tasks of a running server.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@tasks.callback()
def _prepare() -> None:
    prepare_streams()


@tasks.command("list")
def list_tasks(as_json: Json = False, url: Url = None, api_key: Key = None) -> None:
    """List the tasks that workers have declared."""
    found: Sequence[Mapping[str, Any]] = ask(url, api_key, lambda api: api.run(documents.TASKS))["tasks"]
    if as_json:
        write_line(encode(found))
    elif found:
        console = console_for(sys.stdout)
        console.print(tables.tasks_table(found, console.width))
    else:
        say("No worker has declared a task yet.")


@tasks.command()
def pause(name: Name, as_json: Json = False, url: Url = None, api_key: Key = None) -> None:
    """Run no job of a task until it is resumed. Jobs that run go on."""
    _change("pauseTask", name, "is paused", as_json=as_json, url=url, api_key=api_key)


@tasks.command()
def resume(name: Name, as_json: Json = False, url: Url = None, api_key: Key = None) -> None:
    """Run the jobs of a task again."""
    _change("resumeTask", name, "goes on", as_json=as_json, url=url, api_key=api_key)


def _change(mutation: str, name: str, done: str, *, as_json: bool, url: str | None, api_key: str | None) -> None:
    async def work(api: Api) -> Any:
        return (await api.run(documents.change_task(mutation), name=name))[mutation]["task"]

    task = ask(url, api_key, work)
    if as_json:
        write_line(encode(task))
    else:
        say(f"{task['name']} {done}.")
