"""The other commands, and every way of starting wrongly: one line, and the exit code that scripts look at."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from graphql import build_schema
from graphql.utilities import find_breaking_changes
from processes import OURS, SAMPLE_TASKS, run_command
from redis_server import RedisServer

import server.cli

ROOT = Path(__file__).parents[2]
CONTRACT = Path(__file__).parent / "contract.graphql"
NOT_BUILT_YET = {"TYPE_REMOVED", "FIELD_REMOVED", "ARG_REMOVED", "VALUE_REMOVED_FROM_ENUM"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and none of the product's settings."""
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in this process, which is faster: exit code, standard output, standard error."""
    monkeypatch.setattr(server.cli, "configure_logs", lambda _style, _redactor: None)
    monkeypatch.setattr(server.cli.Server, "run", lambda _server: pytest.fail("it has begun to serve"))

    def main(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["signalbox", *arguments])
        with pytest.raises(SystemExit) as ended:
            server.cli.main()
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err

    return main


SETTINGS = [
    (
        "SIGNALBOX_UNKNOWN_TAKS",
        "simulate",
        "SIGNALBOX_UNKNOWN_TAKS is not a setting; did you mean SIGNALBOX_UNKNOWN_TASK?",
    ),
    ("SIGNALBOX_QQQ", "1", "SIGNALBOX_QQQ is not a setting; there are "),
    ("SIGNALBOX_UNKNOWN_TASK", "ignore", "SIGNALBOX_UNKNOWN_TASK: "),
    ("SIGNALBOX_ROOT_PATH", "scheduler", "SIGNALBOX_ROOT_PATH: "),
    ("SIGNALBOX_WEBHOOK_TEST", "perhaps", "SIGNALBOX_WEBHOOK_TEST: "),
    ("SIGNALBOX_WEBHOOK_ALLOW", "10.0.0.0/8,http://x", "SIGNALBOX_WEBHOOK_ALLOW: "),
    ("SIGNALBOX_API_KEYS", "hunter2-hunter2-hunter2", "SIGNALBOX_API_KEYS: entry 1 is not name:role:key"),
    ("SIGNALBOX_API_KEYS", "me:root:hunter2-hunter2-hunter2", "SIGNALBOX_API_KEYS: entry 1: its role is none of"),
    ("SIGNALBOX_RATE_LIMIT", "0", "SIGNALBOX_RATE_LIMIT: "),
    ("SIGNALBOX_WEBHOOK_RETRIES", "5s,5 parsecs", "SIGNALBOX_WEBHOOK_RETRIES: "),
    ("SIGNALBOX_WEBHOOK_RETRIES", "169h", "SIGNALBOX_WEBHOOK_RETRIES: "),
    ("WEBHOOK_SECRET", "whsec_hunter2", "WEBHOOK_SECRET: "),
    ("WEBHOOK_SECRET", "hunter2", "WEBHOOK_SECRET: "),
    ("WEBHOOK_URL", "ftp://user:hunter2@example.com", "WEBHOOK_URL: "),
    ("WEBHOOK_URL", "not a url", "WEBHOOK_URL: "),
    ("SMTP_URL", "http://user:hunter2@example.com", "SMTP_URL: "),
    ("DATABASE_URL", "postgres://user:hunter2@host/name", "DATABASE_URL: "),
    ("DATABASE_URL", "mysql://user:hunter2@host:port/name", "DATABASE_URL: "),
    ("DATABASE_URL", "mysql://user:hunter2@host", "DATABASE_URL: "),
    ("DATABASE_URL", "user:hunter2@host/name", "DATABASE_URL: "),
    ("DATABASE_URL", "mysql:user:hunter2@host/name", "DATABASE_URL: "),
    ("DATABASE_URL", "mysql://user:hun/ter2@host/name", "DATABASE_URL: "),
    ("DATABASE_URL", "mysql://us[er:hunter2@host/name", "DATABASE_URL: "),
    ("DATABASE_URL", "sqlite://", "DATABASE_URL: "),
    ("DATABASE_URL", "sqlite:///no/such/folder/x.db", "sqlite /no/such/folder/x.db"),
    ("DATABASE_URL", "sqlite:///etc", "sqlite /etc"),
    ("DATABASE_URL", "sqlite:///etc/passwd", "sqlite /etc/passwd"),
    ("DATABASE_URL", "", "DATABASE_URL: "),
    ("SIGNALBOX_NOTIFIER", "pigeon", "SIGNALBOX_NOTIFIER: "),
    ("SIGNALBOX_NOTIFIER", "redis", "SIGNALBOX_NOTIFIER=redis needs REDIS_URL"),
    ("REDIS_URL", "http://user:hunter2@host", "REDIS_URL: use redis://"),
    ("REDIS_URL", "redis://user:hunter2@host:port/0", "REDIS_URL: the port"),
    ("REDIS_URL", "redis://user:hun/ter2@host/0", "REDIS_URL: the port"),
    ("REDIS_URL", "redis://user:hunter2@host/name", "REDIS_URL: after the port"),
    ("REDIS_URL", "redis://us[er:hunter2@host/0", "REDIS_URL: this is no URL"),
    ("REDIS_URL", "redis://user:hunter2@℀host/0", "REDIS_URL: this is no URL"),
    ("REDIS_URL", "redis://:hunter2@/0", "REDIS_URL: needs a host"),
    ("REDIS_URL", "redis://:hunter2@host/0?socket_timeout=hunter2", "REDIS_URL: an option"),
    ("REDIS_URL", "redis://:hunter2@host/0?colour=hunter2", "REDIS_URL: an option"),
    ("REDIS_URL", "unix://", "REDIS_URL: needs a path"),
]


@pytest.mark.parametrize(("name", "value", "said"), SETTINGS)
def test_settings_that_cannot_be_used(
    name: str, value: str, said: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    code, _out, error = run("serve", "--port", "0")
    assert code == 1
    assert error.startswith("signalbox: ")
    assert error.count("\n") == 1
    assert said in error
    assert "hunter2" not in error
    assert "ter2" not in error
    assert len(error) < 700


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_worker_for_a_task_that_is_not_there(command: str, run: Run) -> None:
    code, _out, error = run(command, "--tasks", str(SAMPLE_TASKS), "--only", "http.request", "--only", "mial")
    assert (code, error.count("\n")) == (1, 1)
    assert error.startswith("signalbox: --only mial: this process knows no such task; it knows ")
    assert ", http.request, " in error


def test_an_unknown_name_in_the_env_file(home: Path, run: Run) -> None:
    (home / ".env").write_text("SIGNALBOX_ROOTPATH=/x\n")
    code, _out, error = run("serve")
    assert (code, "did you mean SIGNALBOX_ROOT_PATH?" in error) == (1, True)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_beyond_loopback_only_when_told_to(host: str, home: Path, run: Run) -> None:
    code, _out, error = run("serve", "--host", host)
    assert (code, error.count("\n")) == (1, 1)
    assert "--insecure" in error
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("setting", ["SIGNALBOX_API_KEYS", "SIGNALBOX_API_KEYS_FILE"])
def test_with_keys_it_listens_anywhere(
    setting: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = "ci:operator:0123456789abcdef"
    (home / "keys").write_text(f"# ours\n{key}\n")
    monkeypatch.setenv(setting, "keys" if setting.endswith("FILE") else key)
    monkeypatch.setattr(server.cli, "configure_logs", lambda _style, _redactor: None)
    served = []
    monkeypatch.setattr(server.cli, "_serve", lambda _app, application, host, *_: served.append((host, application)))
    monkeypatch.setattr(sys, "argv", ["signalbox", "serve", "--host", "0.0.0.0"])
    with pytest.raises(SystemExit) as ended:
        server.cli.main()
    assert (ended.value.code, capsys.readouterr().err) == (0, "")
    [(host, application)] = served
    assert (host, len(application.keys), application.keys.is_open) == ("0.0.0.0", 1, False)


def test_a_key_file_that_is_not_there(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_API_KEYS_FILE", "no-such-file")
    for command in (("serve",), ("serve", "--host", "0.0.0.0"), ("check",)):
        code, _out, error = run(*command)
        assert (code, error) == (1, "signalbox: SIGNALBOX_API_KEYS_FILE: no-such-file: No such file or directory\n")


TASK_FILES = {
    "raises.py": "raise RuntimeError('no such module')",
    "syntax.py": "def (",
    "empty.py": "x = 1",
    "named_twice.py": "from signalbox import task\n@task('a')\nasync def a(): ...\n@task('a')\nasync def b(): ...\n",
    "positional.py": "from signalbox import task\n@task('a')\nasync def a(x, /): ...\n",
    "attempts.py": "from signalbox import task\n@task('a', max_attempts=0)\nasync def a(): ...\n",
}


@pytest.mark.parametrize("name", [*TASK_FILES, "missing.py", "no_such_module"])
def test_tasks_that_cannot_be_loaded(name: str, home: Path, run: Run) -> None:
    if name in TASK_FILES:
        (home / name).write_text(TASK_FILES[name])
    code, _out, error = run("check", "--tasks", name)
    assert (code, error.count("\n")) == (1, 1)
    assert error.startswith("signalbox: ")


@pytest.mark.parametrize(
    "arguments", [("serve", "--port", "x"), ("serve", "--slots", "0"), ("sevre",), ("--no",)], ids=str
)
def test_wrong_usage(arguments: tuple[str, ...], run: Run) -> None:
    code, _out, error = run(*arguments)
    assert (code, "Traceback" in error) == (2, False)


def test_a_failed_start_as_a_process(home: Path) -> None:
    ended = run_command(home, "serve", settings={"SIGNALBOX_SLOTS": "4"})
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith("signalbox: SIGNALBOX_SLOTS is not a setting")


def test_a_misspelt_port_as_a_process(home: Path) -> None:
    assert run_command(home, "serve", "--port", "http").returncode == 2


def test_schema_is_the_committed_one(run: Run) -> None:
    assert run("schema") == (0, (ROOT / "schema" / "schema.graphql").read_text(), "")


def test_the_schema_keeps_the_contract() -> None:
    """Parts of the contract may not be built yet; what is built may not differ from it."""
    contract, ours = build_schema(CONTRACT.read_text()), build_schema((ROOT / "schema/schema.graphql").read_text())
    breaks = [each for each in find_breaking_changes(contract, ours) if each.type.name not in NOT_BUILT_YET]
    assert [each.description for each in breaks] == []


def test_migrate_then_check(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_URL", "https://example.com/hook")
    code, said, error = run("check")
    assert (code, "run `signalbox migrate`" in said, error) == (1, True, "")
    migrated = run_command(home, "migrate")
    assert (migrated.returncode, migrated.stdout) == (0, "")
    assert '"event": "database.migrated"' in migrated.stderr
    assert run("check", "--tasks", str(SAMPLE_TASKS)) == (
        0,
        "settings    fine; 12 tasks\nAPI keys    none: everyone who can reach it is an admin\n"
        "database    sqlite signalbox.db: fine\nnotifier    poll\n"
        "webhook     https://example.com/hook (unsigned)\n",
        "",
    )


def test_redis_is_checked(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer) -> None:
    run_command(home, "migrate")
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    at = f"redis 127.0.0.1:{redis_server.port}/0"
    code, said, error = run("check")
    assert (code, f"notifier    {at}\n" in said, error) == (0, True, "")
    redis_server.ask("CONFIG", "SET", "requirepass", "sesame")
    monkeypatch.setenv("REDIS_URL", redis_server.url.replace("//", "//:hunter2@"))
    code, said, error = run("check")
    assert (code, f"notifier    {at}: " in said, error) == (1, True, "")
    assert "hunter2" not in said
    redis_server.kill()
    code, said, error = run("check")
    assert (code, f"notifier    {at}: " in said, error) == (1, True, "")


def test_memory_is_for_one_process(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_NOTIFIER", "memory")
    for command in (("worker",), ("serve", "--no-worker"), ("serve", "--processes", "2")):
        code, _out, error = run(*command)
        assert (code, "SIGNALBOX_NOTIFIER=memory is for one server" in error) == (1, True)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mysql://user:hunter2@127.0.0.1:9/name", "mysql user@127.0.0.1:9/name"),
        ("sqlite://missing/x.db", "sqlite missing/x.db"),
    ],
)
def test_a_database_that_is_away(url: str, shown: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    code, said, error = run("check")
    assert (code, error, "hunter2" in said) == (1, "", False)
    assert f"database    {shown}: cannot be reached" in said
    code, said, error = run("migrate")
    assert (code, said, "hunter2" in error, error.count("\n")) == (1, "", False, 1)
    assert error.startswith(f"signalbox: The database {shown} cannot be migrated")
