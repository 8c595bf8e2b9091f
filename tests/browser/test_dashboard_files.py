"""What of the dashboard needs no browser: how much it loads, its policy, and that its operations fit the schema."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from graphql import build_schema, parse, validate

from playground.assets import DASHBOARD_DIR, dashboard_page
from server.dashboard import HEADERS, PAGES

FIRST_LOAD_BYTES = 150_000
ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "playground" / "dashboard" / "api" / "operations.ts"


def test_the_first_load_is_small() -> None:
    scripts = re.findall(r'(?:src|href)="\./static/dashboard/(assets/[^"]+\.js)"', dashboard_page().decode())
    assert len(scripts) >= 2
    assert sum(len(gzip.compress((DASHBOARD_DIR / each).read_bytes())) for each in scripts) <= FIRST_LOAD_BYTES


def test_the_page_runs_nothing_inline() -> None:
    page = dashboard_page().decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"\son\w+=|<style|https?://", page)
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_the_base_leads_to_the_top_from_every_page() -> None:
    for path in PAGES:
        depth = path.count("/") - 1
        assert f'<base href="{"../" * depth or "./"}" />' in dashboard_page(depth).decode()


def test_its_operations_fit_the_schema() -> None:
    source = OPERATIONS.read_text()
    parts = dict(re.findall(r"^const ([A-Z]+) = `(.*?)`;", source, re.DOTALL | re.MULTILINE))
    arguments = "".join(re.findall(r"'([^']*)'", source.split("COUNT_ARGUMENTS =")[1].split(";")[0]))

    def count(found: re.Match[str]) -> str:
        return f"{found[1]}: jobs({found[2]}{arguments}) {{ totalCount(atMost: 10000) }}"

    schema = build_schema((ROOT / "schema" / "schema.graphql").read_text())
    documents = re.findall(r"export const [A-Z_]+ = `(.*?)`;", source, re.DOTALL)
    assert len(documents) > 30
    for text in documents:
        whole = re.sub(r"\$\{([A-Z]+)\}", lambda part: parts[part[1]], text)
        filled = re.sub(r"\$\{count\('(\w+)', '([^']*)'\)\}", count, whole)
        assert validate(schema, parse(filled)) == [], filled
