"""``signalbox tasks`` against a running server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from client import Api
from eventually import eventually
from processes import OURS, environment
from typer.testing import CliRunner

from server.client.task_commands import tasks as app


@pytest.fixture
async def tasks(sqlite_api: Api) -> Any:
    """Runs the command: its exit code, standard output and standard error."""

    async def are_known() -> bool:
        found: list[Any] = (await sqlite_api.data("{ tasks { name } }"))["tasks"]
        return bool(found)

    def run(*arguments: str) -> tuple[int, str, str]:
        cleared: dict[str, str | None] = {name: None for name in os.environ if name.startswith(OURS)}
        settings = {**cleared, "SIGNALBOX_URL": sqlite_api.base}
        result = CliRunner().invoke(app, arguments, env=settings, catch_exceptions=False)
        return result.exit_code, result.stdout, result.stderr

    await eventually(are_known)
    return run


def test_pause_list_and_resume(tasks: Any) -> None:
    assert tasks("pause", "talk") == (0, "", "talk is paused.\n")
    code, out, _ = tasks("list")
    assert code == 0
    lines = {line.split()[0]: line.split()[1] for line in out.splitlines()}
    assert (lines["TASK"], lines["talk"], lines["nap"]) == ("STATE", "paused", "active")
    code, out, _ = tasks("resume", "talk", "--json")
    assert code == 0
    assert json.loads(out) == {
        "name": "talk",
        "description": "Write to the job's log, and once by Python's logging.",
        "maxAttempts": 3,
        "timeoutSeconds": 300.0,
        "maxConcurrency": None,
        "maxConcurrencyPerKey": None,
        "rateLimit": None,
        "paused": False,
    }
    _, out, _ = tasks("list", "--json")
    assert not any(each["paused"] for each in json.loads(out))


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_name_that_no_task_has(tasks: Any, command: str) -> None:
    code, out, error = tasks(command, "nobody")
    assert (code, out) == (1, "")
    assert "There is no task 'nobody'" in error
    assert len(error.splitlines()) == 1


def test_it_starts_without_the_servers_modules(tmp_path: Path) -> None:
    """As ``signalbox jobs`` does; nothing answers there."""
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "server.main", "tasks", "list", "--url", "http://127.0.0.1:9"],
        cwd=tmp_path,
        env=environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "server.client.task_commands" in imported
    assert not imported & {"server.cli", "strawberry", "tortoise"}
