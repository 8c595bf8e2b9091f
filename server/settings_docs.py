"""The table of settings in the README, made from server/settings.py: ``--write FILE`` or ``--check FILE``."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import SecretStr

from server.settings import Settings

START, END = "<!-- settings -->", "<!-- /settings -->"


def table() -> str:
    """The settings as a Markdown table."""
    lines = ["| name | means | default |", "| --- | --- | --- |"]
    for field in Settings.model_fields.values():
        default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        shown = "none" if default in (None, "", ()) else f"`{str(default).lower() if default is False else default}`"
        lines.append(f"| `{field.validation_alias}` | {field.description} | {shown} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Returns 1 when the file's table is not what it should be."""
    if len(arguments) != 2 or arguments[0] not in ("--write", "--check"):
        sys.stderr.write("usage: python -m server.settings_docs --write|--check FILE\n")
        return 2
    path = Path(arguments[1])
    text = path.read_text()
    head, start, rest = text.partition(START)
    _old, end, tail = rest.partition(END)
    if not (start and end):
        sys.stderr.write(f"{path} has no {START} ... {END}\n")
        return 1
    wanted = f"{head}{START}\n{table()}\n{END}{tail}"
    if arguments[0] == "--write":
        path.write_text(wanted)
        return 0
    if wanted != text:
        sys.stderr.write(f"the settings in {path} are out of date: run `make settings-docs`\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
