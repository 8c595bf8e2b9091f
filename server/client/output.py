"""How the client writes: JSON for programs, exact to the byte, and text for people that cannot harm a terminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import Any

import orjson
from rich.console import Console
from rich.text import Text

WIDTH_IN_PIPES = 160
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def console_for(stream: Any, *, is_error: bool = False) -> Console:
    """A console that takes text as it is given: no markup, no emoji codes, no guessing at what is a number.

    In a pipe there are no colours, and lines are not cut to a terminal's 80 columns unless COLUMNS says so.
    """
    is_terminal = stream.isatty()
    width = None if is_terminal or os.environ.get("COLUMNS", "").isdigit() else WIDTH_IN_PIPES
    return Console(file=stream, stderr=is_error, highlight=False, markup=False, emoji=False, width=width)


def prepare_streams() -> None:
    """Never fail on a character that the terminal's encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def printable(value: str) -> str:
    """``value`` on one line; what a terminal could obey, and what hides or reorders text, is written out."""
    if value.isprintable():
        return value
    return "".join(each if each.isprintable() else _written_out(each) for each in value)


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode()


def text(value: object, style: str = "") -> Text:
    """Text for a table, made harmless."""
    return Text("" if value is None else printable(str(value)), style, overflow="ellipsis", no_wrap=True)


def job_json(job: Mapping[str, Any]) -> dict[str, Any]:
    """A job with its payload and result as they are stored, never read as numbers of some other language."""
    found: dict[str, Any] = {}
    for name, value in job.items():
        if name in ("payloadText", "resultText"):
            found[name.removesuffix("Text")] = None if value is None else orjson.Fragment(value)
        else:
            found[name] = value
    return found


def encode(value: Any, *, is_one_line: bool = False) -> str:
    """JSON. On a terminal, characters that it could obey are written as escapes, which mean the same."""
    document = orjson.dumps(value, option=0 if is_one_line else orjson.OPT_INDENT_2).decode()
    if sys.stdout.isatty():
        return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", document)
    return document


def write_line(line: str) -> None:
    """One line to standard output, at once: the reader may be waiting for it."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
