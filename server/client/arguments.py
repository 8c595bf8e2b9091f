"""What users write on the command line, read: payloads, instants and the options that several commands share."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from engine.clock import SystemClock
from server.client.documents import Priority, Status

CLOCK = SystemClock()
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")

Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="The server. [env: SIGNALBOX_URL; default: http://127.0.0.1:8000]"),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        metavar="KEY",
        help="Better in the environment, where others cannot see it. [env: SIGNALBOX_API_KEY]",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, with payloads and results as they are stored.")]
SomeIds = Annotated[list[str] | None, typer.Argument(metavar="ID", show_default=False)]
Statuses = Annotated[
    list[Status] | None, typer.Option("--status", case_sensitive=False, help="May be given several times.")
]
Priorities = Annotated[
    list[Priority] | None, typer.Option("--priority", case_sensitive=False, help="May be given several times.")
]
TaskName = Annotated[str | None, typer.Option("--task", metavar="NAME", help="Jobs of this task.")]
Tag = Annotated[str | None, typer.Option("--tag", metavar="TAG", help="Jobs with this tag.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Created after: 2026-02-05T15:00:00Z, or 2h ago as 2h.")
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Created before; as --since.")]


def read_payload(source: str | None) -> orjson.Fragment | None:
    """The payload as it was written: JSON, ``@FILE``, or ``-`` for standard input. It is sent byte for byte.

    Raises:
        typer.BadParameter: it is not JSON, or the file cannot be read.
    """
    if source is None:
        return None
    name = "the payload"
    try:
        if source == "-":
            name, written = "standard input", sys.stdin.buffer.read()
        elif source.startswith("@"):
            name, written = source[1:], Path(source[1:]).read_bytes()
        else:
            written = source.encode()
        # json and not orjson, which reads 2**65 as a float: the server is to judge the number that was written
        json.loads(written.decode("utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise typer.BadParameter(f"{name} cannot be read: {error.strerror}", param_hint="--payload") from None
    except UnicodeError:
        raise typer.BadParameter(f"{name} is not UTF-8", param_hint="--payload") from None
    except RecursionError:
        raise typer.BadParameter(f"{name} is nested too deeply", param_hint="--payload") from None
    except ValueError as error:
        raise typer.BadParameter(f"{name} is not JSON: {error}", param_hint="--payload") from None
    return orjson.Fragment(written)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def instant(text: str | None, option: str, *, is_past: bool) -> str | None:
    """An instant as the API takes it. ``2h`` is that long ago, or ahead; a time without an offset is local.

    Raises:
        typer.BadParameter: it is no time.
    """
    if text is None:
        return None
    try:
        if found := _DURATION.fullmatch(text.strip().removeprefix("in ").removesuffix(" ago").strip()):
            delta = timedelta(seconds=float(found[1]) * UNITS[found[2]])
            return (CLOCK.now() + (-delta if is_past else delta)).isoformat()
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError):
        example = "2h for two hours ago" if is_past else "10m for in ten minutes"
        raise typer.BadParameter(
            f"{text!r} is no time; write 2026-02-05T15:00:00Z, or {example}", param_hint=option
        ) from None


def job_filter(
    *,
    status: list[Status] | None = None,
    priority: list[Priority] | None = None,
    task: str | None = None,
    tag: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> dict[str, Any]:
    """What was given of the filter, as variables and as ``JobFilter`` have it."""
    values = {
        "status": [each.value for each in status or ()],
        "priority": [each.value for each in priority or ()],
        "taskName": task,
        "tag": tag,
        "createdAfter": instant(since, "--since", is_past=True),
        "createdBefore": instant(until, "--until", is_past=True),
    }
    return {name: value for name, value in values.items() if value not in (None, [])}
