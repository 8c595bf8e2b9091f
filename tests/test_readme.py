"""Every command of the README is run as it is written there, but for the port and the database of this test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eventually import eventually
from graphql import build_schema, parse, validate
from processes import environment, free_port
from requirements import give_up

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"(?:<!-- test: ([\w ]+) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)
BLOCKS = [match.groups() for match in BLOCK.finditer(README)]
COMMANDS = {name: text for name, language, text in BLOCKS if language == "sh"}
TESTED = {"run", "first request", "webhook", "jobs", "tasks", "mysql"}
START_SECONDS = 60.0


def block(language: str) -> str:
    """The README's only block in this language."""
    [found] = [text for _name, written_in, text in BLOCKS if written_in == language]
    return found


@contextlib.contextmanager
def in_shell(text: str, port: int, log: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command that goes on until it is told to stop, in the checkout, as a user would type it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", text],
            cwd=ROOT,
            env=environment({"PORT": str(port), **settings}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(START_SECONDS)


def shell(text: str, **settings: str) -> str:
    """What a command prints; it must succeed."""
    return subprocess.run(
        ["bash", "-c", text],
        cwd=ROOT,
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=START_SECONDS,
    ).stdout


async def is_ready(port: int, log: Path) -> None:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    await eventually(lambda: asyncio.to_thread(answers), timeout_seconds=START_SECONDS, message=f"see {log}")


def on(port: int, text: str) -> str:
    return text.replace(":8000", f":{port}")


def test_every_command_is_tested() -> None:
    assert set(COMMANDS) == TESTED


async def test_the_start(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """``make run``, the first request, and the webhook that comes of it."""
    if shutil.which("curl") is None:
        give_up(pytestconfig, "curl", "install curl")
    port, log = free_port(), tmp_path / "log"
    with in_shell(COMMANDS["run"], port, log, DATABASE_URL=f"sqlite://{tmp_path}/readme.db"):
        await is_ready(port, log)
        created = json.loads(await asyncio.to_thread(shell, on(port, COMMANDS["first request"])))
        assert created == {"data": {"createJob": {"job": {"id": "1", "status": "QUEUED"}}}}

        async def received() -> list[dict[str, Any]]:
            answer: dict[str, Any] = json.loads(await asyncio.to_thread(shell, on(port, COMMANDS["webhook"])))
            found: list[dict[str, Any]] = answer["received"]
            return found

        [webhook] = await eventually(received, timeout_seconds=10.0)
        printed = await asyncio.to_thread(shell, COMMANDS["jobs"], SIGNALBOX_URL=f"http://127.0.0.1:{port}")
        assert printed.count("COMPLETED") >= 3, "the one that was waited for, and both of them listed"
    shown = json.loads(block("json"))
    assert list(webhook["body"]) == list(shown)
    assert {**webhook["body"], "completedAt": None} == {**shown, "completedAt": None}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", webhook["body"]["completedAt"])


def test_the_subscription_is_valid() -> None:
    schema = build_schema((ROOT / "schema" / "schema.graphql").read_text())
    assert validate(schema, parse(block("graphql"))) == []


def test_the_tasks(tmp_path: Path, sqlite_template: Path) -> None:
    """The command, and the code above it as a file of one's own."""
    shown = tmp_path / "shown.py"
    shown.write_text(block("python"))
    for command in (COMMANDS["tasks"], COMMANDS["tasks"].replace("examples/tasks.py", str(shown))):
        assert "settings    fine;" in shell(command, DATABASE_URL=f"sqlite://{sqlite_template}")


@pytest.mark.mariadb
async def test_mysql(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("servers").get("mariadb").create(is_migrated=False)
    port, log, worker_log = free_port(), tmp_path / "log", tmp_path / "worker log"
    assert COMMANDS["mysql"].count("mysql://user:password@host:3306/name") == 1
    export, migrate, serve, worker = COMMANDS["mysql"].replace("mysql://user:password@host:3306/name", url).splitlines()
    await asyncio.to_thread(shell, f"{export}\n{migrate}")
    with (
        in_shell(f"{export}\nexec {serve} --port {port}", port, log),
        in_shell(f"{export}\nexec {worker}", port, worker_log),
    ):
        await is_ready(port, log)
        await eventually(lambda: "worker.ready" in worker_log.read_text(), timeout_seconds=START_SECONDS)
