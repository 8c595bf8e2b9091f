"""docs/operations.md: what it tells people to ask and to read is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "docs" / name for name in ("operations.md", "scale.md")]
OPERATIONS = DOCS[0].read_text()
SCHEMA = build_schema((ROOT / "schema" / "schema.graphql").read_text())
SOURCES = "\n".join(path.read_text() for folder in ("engine", "server") for path in (ROOT / folder).rglob("*.py"))


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_its_operations_are_valid() -> None:
    blocks = re.findall(r"```graphql\n(.*?)```", OPERATIONS, re.DOTALL)
    assert blocks
    for block in blocks:
        assert validate(SCHEMA, parse(block)) == []


def test_its_log_events_are_written() -> None:
    events = {each for each in re.findall(r"`([a-z]+\.[a-z_]+)`", OPERATIONS) if not each.endswith(".yaml")}
    assert len(events) >= 8
    assert [event for event in sorted(events) if f'"{event}"' not in SOURCES] == []


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_its_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([\w-]+))?\)", page.read_text()):
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, f"{target}#{anchor}"


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_its_commands_are_there(page: Path) -> None:
    for script in re.findall(r"benchmarks/\w+\.py", page.read_text()):
        assert (ROOT / script).exists(), script


def test_its_settings_of_mysql_are_those_that_are_shipped() -> None:
    shipped = set(re.findall(r"^(?:loose_)?(\w+) = ", (ROOT / "deploy" / "mysql.cnf").read_text(), re.MULTILINE))
    section = OPERATIONS.partition("## Settings of MySQL and MariaDB")[2].partition("\n## ")[0]
    explained = set(re.findall(r"`(\w+)(?:=[\w-]+)?`", "\n".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE))))
    assert explained == shipped - {"character_set_server", "long_query_time"}
