"""``signalbox jobs`` against running servers, as a person and as a script use it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp.web
import pytest
from client import Api, unique
from eventually import eventually
from launching import Launch
from processes import OURS, SAMPLE_TASKS, ServerProcess, environment, free_port, like_make_run
from typer.testing import CliRunner

from models.enums import JobPriority, JobStatus
from server.client.address import parse_address
from server.client.commands import jobs as app
from server.client.documents import Priority, Status

BIG = 18446744073709551615


class Command:
    """Runs ``signalbox jobs`` for one server."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "server.main", "jobs", *arguments],
            cwd=self.folder,
            env=environment({"SIGNALBOX_URL": self.url, "PYTHONUNBUFFERED": "1", **settings}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # a shell's background jobs ignore it, and so would what they start
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def __call__(self, *arguments: str, given: str = "", **settings: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error. It runs in this process, which is faster."""
        cleared: dict[str, str | None] = {name: None for name in os.environ if name.startswith(OURS)}
        with contextlib.chdir(self.folder):
            result = CliRunner().invoke(
                app,
                arguments,
                input=given,
                env={**cleared, "SIGNALBOX_URL": self.url, **settings},
                catch_exceptions=False,
            )
        return result.exit_code, result.stdout, result.stderr

    def json(self, *arguments: str, code: int = 0, given: str = "") -> Any:
        """What it printed as JSON."""
        ended, out, error = self(*arguments, "--json", given=given)
        assert ended == code, error
        return json.loads(out)


@pytest.fixture
def server_on_sqlite(running: Any) -> ServerProcess:
    process: ServerProcess = running.get("sqlite")
    return process


@pytest.fixture
def jobs(server_on_sqlite: ServerProcess, tmp_path: Path) -> Command:
    return Command(server_on_sqlite.url, tmp_path)


def test_the_words_are_the_servers() -> None:
    assert [each.value for each in Status] == [each.value for each in JobStatus]
    assert {each.value for each in Priority} == {each.name for each in JobPriority}


def test_create_show_run(jobs: Command, tmp_path: Path) -> None:
    (tmp_path / "payload.json").write_text(f'{{"seconds": 0, "n": {BIG}, "text": "[red]é"}}')
    tag = unique("tag")
    created = jobs.json("create", "simulate", "-p", "@payload.json", "--priority", "high", "--tag", tag)
    assert (created["status"], created["priority"], created["tags"]) == ("PENDING", "HIGH", [tag])
    assert created["payload"] == {"seconds": 0, "n": BIG, "text": "[red]é"}

    code, out, error = jobs("run", created["id"])
    assert (code, error) == (0, "")
    assert f"{created['id']}  " in out
    code, _out, _error = jobs("watch", created["id"])
    assert code == 0
    shown = jobs.json("show", created["id"], "--logs")
    assert (shown["status"], shown["attempts"][0]["outcome"]) == ("COMPLETED", "COMPLETED")
    assert isinstance(shown["logs"], list)

    code, page, _error = jobs("show", created["id"])
    assert code == 0
    assert str(BIG) in page
    assert "[red]é" in page


def test_the_payload_is_sent_as_it_was_written(jobs: Command) -> None:
    """1.0 stays 1.0, and an integer beyond 64 bits is refused rather than rounded."""
    out = jobs("create", "simulate", "-p", "-", "--json", given='{"x": 1.0, "n": 9007199254740993}')[1]
    assert '{"x":1.0,"n":9007199254740993}' in out
    code, out, error = jobs("create", "simulate", "-p", '{"n": 18446744073709551616}')
    assert (code, out) == (1, "")
    assert "64 bits" in error
    assert error.count("\n") == 1


def test_waiting_gives_the_outcome(jobs: Command) -> None:
    assert jobs.json("create", "simulate", "-p", '{"seconds": 0.1}', "--wait")["status"] == "COMPLETED"
    failing = ("create", "simulate", "-p", '{"seconds": 0, "fail": true}', "--max-attempts", "1")
    assert jobs.json(*failing, "--wait", code=1)["status"] == "FAILED"
    code, out, _error = jobs(*failing, "--watch")
    assert (code, [line.split()[2] for line in out.splitlines()][-1]) == (1, "RUNNING")
    assert "→ FAILED" in out.splitlines()[-1]


def test_the_same_key_gives_the_first_job(jobs: Command) -> None:
    key = unique("key")
    first = jobs.json("create", "simulate", "--idempotency-key", key)
    code, out, error = jobs("create", "simulate", "--idempotency-key", key, "-q")
    assert (code, out) == (0, f"{first['id']}\n")
    assert "was used before" in error
    code, out, error = jobs("create", "simulate", "-p", '{"seconds": 1}', "--idempotency-key", key)
    assert (code, out, "(CONFLICT)" in error) == (1, "", True)


def test_list_and_its_filters(jobs: Command) -> None:
    tag = unique("tag")
    ids = [jobs("create", "simulate", "--tag", tag, "-q")[1].strip() for _ in range(3)]
    assert jobs("list", "--tag", tag, "-q")[1].split() == ids[::-1]
    code, out, error = jobs("list", "--tag", tag, "-n", "2", "-q")
    assert (code, out.split(), error) == (0, ids[:0:-1], "")
    assert "--all" in jobs("list", "--tag", tag, "-n", "2")[2]
    assert [each["id"] for each in jobs.json("list", "--tag", tag, "--status", "pending")] == ids[::-1]
    assert jobs.json("list", "--tag", tag, "--status", "failed") == []
    assert jobs.json("list", "--tag", tag, "--until", "1h") == []
    assert len(jobs.json("list", "--tag", tag, "--since", "1h")) == 3
    code, out, error = jobs("list", "--tag", tag, "--status", "failed")
    assert (code, out, error) == (0, "", "No job matches.\n")


async def test_all_pages(jobs: Command, sqlite_api: Api) -> None:
    tag = unique("many")
    inputs = [{"taskName": "simulate", "tags": [tag]}] * 230
    mutation = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"
    made = await sqlite_api.data(mutation, inputs=inputs)
    ids = [job["id"] for job in made["createJobs"]["jobs"]]
    found = await asyncio.to_thread(jobs.json, "list", "--tag", tag, "--all")
    assert [job["id"] for job in found] == ids[::-1]
    found = await asyncio.to_thread(jobs.json, "list", "--tag", tag, "--first", "150")
    assert [job["id"] for job in found] == ids[:79:-1]
    out = (await asyncio.to_thread(jobs, "list", "--tag", tag, "--all"))[1]
    assert (out.count("STATUS"), len(out.splitlines())) == (1, 231)


def test_each_named_job_has_its_own_answer(jobs: Command) -> None:
    job = jobs("create", "simulate", "-q")[1].strip()
    code, out, error = jobs("cancel", job, "999999999", "x")
    assert (code, out.count("CANCELLED")) == (1, 1)
    assert error.splitlines() == [
        "signalbox: There is no job 999999999. (NOT_FOUND)",
        "signalbox: id: 'x' is not an id; ids are decimal numbers.",
    ]
    assert [each["status"] for each in jobs.json("retry", job)] == ["QUEUED"]


def test_many_jobs_by_a_filter(jobs: Command) -> None:
    tag = unique("tag")
    for _ in range(3):
        jobs("create", "simulate", "--tag", tag)
    assert jobs.json("cancel", "--tag", tag, "--dry-run") == {"count": 3}
    code, out, error = jobs("cancel", "--tag", tag)
    assert (code, out, "--yes" in error) == (2, "", True)
    assert len(jobs.json("list", "--tag", tag, "--status", "pending")) == 3
    assert jobs.json("cancel", "--tag", tag, "--yes") == {"count": 3}
    assert len(jobs.json("list", "--tag", tag, "--status", "cancelled")) == 3
    assert jobs("cancel", "--tag", tag)[:2] == (0, "0 jobs would be cancelled\n")


WRONG = [
    ("create",),
    ("create", "simulate", "-p", "{"),
    ("create", "simulate", "-p", "NaN"),
    ("create", "simulate", "-p", "@no-such-file"),
    ("create", "simulate", "--run", "--run-at", "10m"),
    ("create", "simulate", "--run-at", "tomorrow"),
    ("list", "--status", "done"),
    ("list", "--first", "0"),
    ("list", "--url", "ftp://x"),
    ("list", "--url", "http://x/?y"),
    ("list", "--api-key", "two words"),
    ("run",),
    ("run", "1", "--tag", "x"),
    ("cancel", "1", "--dry-run"),
    ("watch", "1", "--status", "failed"),
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_wrong_usage(arguments: tuple[str, ...], jobs: Command) -> None:
    code, out, error = jobs(*arguments)
    assert (code, out) == (2, "")
    assert "Usage: " in error


def test_a_server_that_is_not_there(jobs: Command) -> None:
    port = free_port()
    for arguments in (("list",), ("watch",), ("watch", "1"), ("create", "x")):
        code, out, error = jobs(*arguments, "--url", f"localhost:{port}")
        assert (code, out) == (1, "")
        assert error == (
            f"signalbox: http://localhost:{port}/graphql cannot be reached: Connection refused. "
            "Is `signalbox serve` running there?\n"
        )


ANSWERS = [
    (200, "text/html", "<html>", "does not answer as a Signalbox does (HTTP 200, text/html)"),
    (200, "application/json", "[1]", "does not answer as a Signalbox does"),
    (200, "application/json", '{"data": null}', "does not answer as a Signalbox does"),
    (401, "text/plain", "no", "wants an API key: set SIGNALBOX_API_KEY"),
    (503, "text/plain", "away", "is not available now (HTTP 503)"),
    (302, "text/plain", "", "sends on to "),
    (
        200,
        "application/json",
        '{"errors": [{"message": "evil \\u001b[31m\\u202e\\n", "extensions": {"code": "CONFLICT"}}]}',
        "signalbox: evil \\x1b[31m\\u202e\\n (CONFLICT)\n",
    ),
    (
        500,
        "application/json",
        '{"errors": [{"message": "Oops", "extensions": {"code": "INTERNAL", "requestId": "abc"}}]}',
        "signalbox: Oops (request id abc)\n",
    ),
    (
        401,
        "application/json",
        '{"errors": [{"message": "x", "extensions": {"code": "UNAUTHENTICATED"}}]}',
        "wants an API key",
    ),
]


@pytest.mark.parametrize(("status", "kind", "body", "said"), ANSWERS)
async def test_strange_answers(status: int, kind: str, body: str, said: str, tmp_path: Path) -> None:
    async def answer(_request: aiohttp.web.BaseRequest) -> aiohttp.web.Response:
        headers = {"Location": "https://elsewhere/graphql"} if status == 302 else {}
        return aiohttp.web.Response(status=status, text=body, content_type=kind, headers=headers)

    async with serving(answer) as url:
        code, out, error = await asyncio.to_thread(Command(url, tmp_path), "list")
    assert (code, out, error.count("\n")) == (1, "", 1)
    assert said in error


async def test_the_key_is_sent(tmp_path: Path) -> None:
    seen: list[str | None] = []

    async def answer(request: aiohttp.web.BaseRequest) -> aiohttp.web.Response:
        seen.append(request.headers.get("Authorization"))
        return aiohttp.web.json_response(
            {"data": {"jobs": {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}}}
        )

    async with serving(answer) as url:
        command = Command(url, tmp_path)
        assert (await asyncio.to_thread(command, "list", SIGNALBOX_API_KEY="k1"))[0] == 0
        assert (await asyncio.to_thread(command, "list", "--api-key", "k2", SIGNALBOX_API_KEY="k1"))[0] == 0
        (tmp_path / ".env").write_text("SIGNALBOX_API_KEY=k3\n")
        assert (await asyncio.to_thread(command, "list"))[0] == 0
    assert seen == ["Bearer k1", "Bearer k2", "Bearer k3"]


@contextlib.asynccontextmanager
async def serving(answer: Callable[..., Any]) -> Any:
    runner = aiohttp.web.ServerRunner(aiohttp.web.Server(answer))
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("localhost:8000", "http://localhost:8000/graphql"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/graphql"),
        ("https://example.com/scheduler", "https://example.com/scheduler/graphql"),
        ("https://example.com/scheduler/graphql/", "https://example.com/scheduler/graphql"),
        ("wss://example.com/graphql", "https://example.com/graphql"),
        ("http://[::1]:8000", "http://[::1]:8000/graphql"),
    ],
)
def test_urls(text: str, url: str) -> None:
    assert parse_address(text).shown == url


def test_a_password_in_the_url_is_not_shown() -> None:
    address = parse_address("https://me:hunter2@example.com")
    assert (address.url, address.shown) == (
        "https://me:hunter2@example.com/graphql",
        "https://example.com/graphql",
    )


class Watching:
    """A ``watch --json`` under way."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.changes: list[dict[str, Any]] = []
        self.said: list[str] = []

    async def read(self) -> None:
        def lines(stream: Any, keep: Callable[[str], None]) -> None:
            for line in stream:
                keep(line)

        await asyncio.gather(
            asyncio.to_thread(lines, self.process.stdout, lambda line: self.changes.append(json.loads(line))),
            asyncio.to_thread(lines, self.process.stderr, self.said.append),
        )


@contextlib.asynccontextmanager
async def watching(command: Command, *arguments: str) -> Any:
    process = command.start("watch", "--json", *arguments)
    found = Watching(process)
    reader = asyncio.create_task(found.read())
    try:
        yield found
    finally:
        process.send_signal(signal.SIGINT)
        await asyncio.to_thread(process.wait, 20)
        await reader
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


async def test_watch_survives_restarts_without_gap_or_repeat(
    launch: Launch, api_of: Callable[[ServerProcess], Api], tmp_path: Path
) -> None:
    port = free_port()
    arguments = ("serve", "--port", str(port), "--tasks", str(SAMPLE_TASKS), "--grace", "1", "--lease", "3")
    settings = like_make_run(port)
    home = tmp_path / "home"
    server = launch(*arguments, in_folder=home, **settings)
    api = api_of(server)
    await api.create("simulate", "id")

    async with watching(Command(server.url, tmp_path), "--task", "simulate") as watch:
        made: list[str] = []

        async def make(count: int) -> None:
            for _ in range(count):
                job = await api.create("simulate", "id", payload={"seconds": 0}, run=True)
                made.append(job["id"])

        async def is_live() -> bool:
            await make(1)
            return bool(watch.changes)

        await eventually(is_live, timeout_seconds=20)
        for number in (1, 2):
            await make(5)
            await asyncio.to_thread(server.stop if number == 1 else server.kill)
            server = launch(*arguments, in_folder=home, **settings)
            await make(5)
            await eventually(
                lambda count=number: len([line for line in watch.said if "Connected again" in line]) == count,
                timeout_seconds=30,
                message=f"{watch.said}",
            )
        for job_id in made:
            await api.job_in(job_id, "COMPLETED")
        events = [
            event["cursor"] for job_id in made for event in (await api.job(job_id, "events { cursor }"))["events"]
        ]
        wanted = sorted(map(int, events))
        await eventually(
            lambda: watch.changes and int(watch.changes[-1]["cursor"]) >= wanted[-1],
            timeout_seconds=20,
            message=f"{watch.said}",
        )
        seen = [int(each["cursor"]) for each in watch.changes]
        first = wanted.index(next(each for each in seen if each in wanted))
        assert [each for each in seen if each >= wanted[first]] == wanted[first:]
        assert len([line for line in watch.said if "Trying again" in line]) == 2
    assert watch.process.returncode == 130


async def test_watching_several_jobs_ends_with_the_last(jobs: Command, sqlite_api: Api) -> None:
    fine = await sqlite_api.create("simulate", "id", payload={"seconds": 0})
    bad = await sqlite_api.create("simulate", "id", payload={"seconds": 0, "fail": True}, maxAttempts=1)
    async with watching(jobs, fine["id"], bad["id"]) as watch:
        await eventually(lambda: len(watch.changes) == 2, timeout_seconds=20)
        await sqlite_api.change("runJob", fine["id"])
        await sqlite_api.change("runJob", bad["id"])
        assert await asyncio.to_thread(watch.process.wait, 20) == 1
    told = {job["id"]: [each["to"] for each in watch.changes if each["job"]["id"] == job["id"]] for job in (fine, bad)}
    assert told == {
        fine["id"]: ["PENDING", "QUEUED", "RUNNING", "COMPLETED"],
        bad["id"]: ["PENDING", "QUEUED", "RUNNING", "FAILED"],
    }


async def test_a_cursor_that_has_expired_is_said_so(tmp_path: Path) -> None:
    """The log's start is gone: the watch goes on from now."""
    async with fake_log() as url, watching(Command(url, tmp_path), "--after", "1") as watch:
        await eventually(lambda: watch.changes, timeout_seconds=20, message="nothing came")
        assert watch.changes[0]["cursor"] == "42"
        assert [line for line in watch.said if "some changes were missed" in line]


@contextlib.asynccontextmanager
async def fake_log() -> Any:
    """Answers as a server whose log begins at 41: ``after: 1`` has expired."""
    event = {"cursor": "41", "from": None, "to": "PENDING", "attempt": 0, "at": "2026-02-05T15:00:00.000Z"}

    async def answer(request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return aiohttp.web.json_response({"data": {"jobs": {"nodes": [{"events": [event]}]}}})
        socket = aiohttp.web.WebSocketResponse(protocols=("graphql-transport-ws",))
        await socket.prepare(request)
        await socket.receive_json()
        await socket.send_json({"type": "connection_ack"})
        while (message := await socket.receive_json(timeout=20))["type"] == "subscribe":
            after, operation = message["payload"]["variables"]["after"], message["id"]
            if after == "1":
                error = {"message": "expired", "extensions": {"code": "CURSOR_EXPIRED"}}
                await socket.send_json({"type": "error", "id": operation, "payload": [error]})
                continue
            assert after == "41"
            job = {"id": "7", "payloadText": None, "resultText": None}
            change = {**event, "cursor": "42", "job": job}
            await socket.send_json({"type": "next", "id": operation, "payload": {"data": {"jobStatusChanged": change}}})
            with contextlib.suppress(TypeError):
                await socket.receive_json(timeout=20)
            break
        return socket

    async with serving(answer) as url:
        yield url
