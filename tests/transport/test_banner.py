"""What a terminal shows at the start, read from a real pseudo-terminal, and its command, run by a real shell."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment, free_port
from requirements import give_up

from server.banner import Banner


def test_a_terminal_gets_a_banner_whose_command_works(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    port = free_port()
    try:
        ours, theirs = pty.openpty()
    except OSError as error:
        give_up(pytestconfig, "a terminal", f"mount /dev/pts: {error}")
    process = subprocess.Popen(
        [sys.executable, "-m", "server.cli", "serve", "--port", str(port)],
        cwd=tmp_path,
        env=environment({"SIGNALBOX_UNKNOWN_TASK": "simulate"}),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        shown = ""
        while "Try:" not in shown or not shown.endswith("\n"):
            shown += os.read(ours, 4096).decode()
        lines = [line.strip() for line in shown.splitlines()]
        assert f"Dashboard  http://127.0.0.1:{port}/" in lines
        assert f"GraphiQL   http://127.0.0.1:{port}/graphql" in lines
        assert "Database   sqlite signalbox.db" in lines
        assert "Auth       off (loopback only)" in lines
        [command] = [line.removeprefix("Try:") for line in lines if line.startswith("Try:")]
        answer = subprocess.run(["sh", "-c", command], capture_output=True, check=True, timeout=20)
        assert json.loads(answer.stdout)["data"]["createJob"]["job"] == {"id": "1", "status": "QUEUED"}
    finally:
        process.terminate()
        process.wait(30)
        os.close(ours)


def test_what_it_says_of_keys_and_workers() -> None:
    text = str(Banner("0.1.0", 0.94, "http://h:1", "sqlite a.db", slots=0, tasks=4, keys=1, is_loopback=False))
    assert "ready in 0.9 s" in text
    assert "Worker     none here" in text
    assert "Auth       1 key\n" in text
    assert "-H 'authorization: Bearer KEY'" in text
    text = str(Banner("0.1.0", 0.94, "http://h:1", "sqlite a.db", slots=1, tasks=4, keys=0, is_loopback=False))
    assert "Worker     1 slot, 4 tasks" in text
    assert "Auth       off (anyone who reaches it may run jobs)" in text
