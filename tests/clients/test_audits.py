"""The specification of GraphQL over HTTP, as the audits of npm's ``graphql-http`` have it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from processes import ServerProcess

COUNT = 61

pytestmark = pytest.mark.clients


def test_all_audits_pass(node: Callable[..., str], server: ServerProcess, table: Callable[..., None]) -> None:
    audits = json.loads(node("audits.mjs", f"{server.url}/graphql"))
    for each in audits:
        table("graphql-http audits", audit=each["id"], rule=each["name"], got=each["status"])
    failed = [each for each in audits if each["status"] != "ok"]
    table("graphql-http audits", audit="", rule="passed", got=f"{len(audits) - len(failed)} of {len(audits)}")
    assert failed == []
    assert len(audits) == COUNT
