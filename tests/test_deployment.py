"""The compose file starts what there is: its commands are ours, and its settings are known."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer.main
import yaml
from private_servers import SBIN
from processes import environment
from requirements import give_up
from settings_reading import settings_from

from models.connection import STATEMENT_SLOTS
from server.cli import cli
from server.settings import names

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service.get("image") == "signalbox"}
UNIT_SECONDS = {"s": 1, "m": 60}
SCALED = 2 + 4
"""Processes of the example in the file's first lines."""


def test_it_is_a_compose_file() -> None:
    """By the schema of the compose specification."""
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"),
            ROOT / "docker-compose.yml",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_compose_agrees(pytestconfig: pytest.Config) -> None:
    """It reads the file, and puts in what is given; no engine is needed for that."""
    candidates = [[shutil.which(name), *more] for name, *more in (("docker", "compose"), ("docker-compose",))]
    compose = next((each for each in candidates if each[0] and _succeeds([*each, "version"])), None)
    if compose is None:
        give_up(pytestconfig, "docker compose", "install docker-compose")
    shown = subprocess.run(
        [*compose, "-f", ROOT / "docker-compose.yml", "config"],
        env=environment({"SIGNALBOX_API_KEYS": "alice:admin:0123456789abcdef"}),
        capture_output=True,
        text=True,
        check=True,
    )
    services = yaml.safe_load(shown.stdout)["services"]
    assert set(services) == set(SERVICES)
    assert services["server"]["environment"]["SIGNALBOX_API_KEYS"] == "alice:admin:0123456789abcdef"


def _succeeds(command: list[str | None]) -> bool:
    return subprocess.run([str(each) for each in command], capture_output=True, check=False).returncode == 0


def test_the_services() -> None:
    assert set(SERVICES) == {"mysql", "redis", "migrate", "server", "worker", "nginx"}
    assert set(OURS) == {"migrate", "server", "worker"}
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["depends_on"]
    assert OURS["migrate"]["depends_on"]["mysql"] == {"condition": "service_healthy"}
    for name in ("server", "worker"):
        assert OURS[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert OURS[name]["depends_on"]["redis"] == {"condition": "service_started"}, "they work without it"
        assert not {"container_name", "ports"} & set(OURS[name]), "it could not be scaled"
    for name, service in SERVICES.items():
        assert service["mem_limit"], name
        assert service["restart"] == ("on-failure" if name == "migrate" else "unless-stopped")
        assert "ports" not in service or name == "nginx", "one door"
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["nginx"]["ports"])


@pytest.mark.parametrize("service", OURS)
def test_its_command_is_one_of_ours(service: str) -> None:
    name, *arguments = OURS[service]["command"]
    group = typer.main.get_command(cli)
    command = group.commands[name]  # type: ignore[attr-defined]
    command.make_context(name, arguments)  # raises what a user would be told


@pytest.mark.parametrize("service", ["server", "worker"])
def test_it_is_given_the_time_that_it_takes_to_stop(service: str) -> None:
    command, *arguments = OURS[service]["command"]
    parsed = typer.main.get_command(cli).commands[command].make_context(command, arguments)  # type: ignore[attr-defined]
    number, unit = OURS[service]["stop_grace_period"][:-1], OURS[service]["stop_grace_period"][-1]
    # uvicorn's timeout, and the worker's for attempts that heed nothing, are 5 s more
    assert int(number) * UNIT_SECONDS[unit] >= parsed.params["grace"] + 5 + 10


def test_the_health_check_finds_a_port() -> None:
    """The image's asks 127.0.0.1:8000, and every service that runs on serves there what it asks for."""
    found = re.search(r"^HEALTHCHECK .*\n.*http://127\.0\.0\.1:(\d+)/readyz", (ROOT / "Dockerfile").read_text(), re.M)
    assert found is not None
    commands = typer.main.get_command(cli).commands  # type: ignore[attr-defined]
    for name, option in (("server", "port"), ("worker", "metrics_port")):
        assert "healthcheck" not in OURS[name], "the image's is used"
        command, *arguments = OURS[name]["command"]
        assert commands[command].make_context(command, arguments).params[option] == int(found[1])
    assert OURS["migrate"]["healthcheck"] == {"disable": True}


@pytest.mark.parametrize("service", OURS)
def test_its_settings_are_usable(service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As they are where nothing is set outside: what has no value then is not passed on."""
    given = {
        name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
        for name, value in OURS[service]["environment"].items()
        if value is not None
    }
    settings = settings_from(given, monkeypatch, tmp_path)
    assert settings.database.host in SERVICES
    assert settings.redis_url is not None
    assert urlsplit(settings.redis_url.get_secret_value()).hostname in SERVICES
    assert set(OURS[service]["environment"]) <= set(names())


def test_what_is_mounted_is_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], volume


def test_nginx_stands_where_its_configuration_says() -> None:
    nginx, text = SERVICES["nginx"], (ROOT / "deploy" / "nginx.conf").read_text()
    [listens] = re.findall(r"listen (\d+);", text)
    assert [port.rpartition(":")[2] for port in nginx["ports"]] == [listens]
    assert nginx["healthcheck"]["test"][-1] == f"http://127.0.0.1:{listens}/-/nginx"
    assert "location = /-/nginx {" in text
    assert "http://server:8000;" in text, "the service, at the port of its command"
    written = set(re.findall(r"^\s*(?:pid|\w+_temp_path) (\S+);", text, re.MULTILINE))
    assert all(path.startswith("/tmp/") for path in written)
    assert nginx["tmpfs"] == ["/tmp"]


def test_the_database_has_connections_for_the_example() -> None:
    text = (ROOT / "deploy" / "mysql.cnf").read_text()
    [most] = re.findall(r"^max_connections = (\d+)$", text, re.MULTILINE)
    assert int(most) >= SCALED * (STATEMENT_SLOTS + 1) * 2, "twice, for a rolling upgrade"


def test_mariadb_knows_its_settings() -> None:
    daemon = shutil.which("mariadbd", path=SBIN)
    if daemon is None:
        pytest.skip("no mariadbd")
    shown = subprocess.run(
        [daemon, f"--defaults-file={ROOT}/deploy/mysql.cnf", "--verbose", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    complaints = [line for line in shown.stderr.splitlines() if re.search(r"unknown|\[ERROR\]", line)]
    assert all("loose_" in line for line in complaints), complaints
    values = dict(re.findall(r"^([a-z-]+) +(\S+)$", shown.stdout, re.MULTILINE))
    assert values["transaction-isolation"] == "READ-COMMITTED"
    assert values["innodb-flush-log-at-trx-commit"] == "1"


def test_mysql_knows_its_settings(servers: Any) -> None:
    server = servers.get("mysql")
    for line in (ROOT / "deploy" / "mysql.cnf").read_text().splitlines():
        if (found := re.match(r"([a-z_]+) = ", line)) and not found[1].startswith("loose_"):
            server.execute(f"SELECT @@GLOBAL.{found[1]}")  # raises for a name that it does not know


def test_the_image_runs_as_nobody_in_particular() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert len(re.findall(r"^FROM ", dockerfile, re.MULTILINE)) == 2
    assert re.search(r"^USER signalbox$", dockerfile, re.MULTILINE)
    assert "HEALTHCHECK" in dockerfile
    copied = set(re.findall(r"^COPY (\w+) \1$", dockerfile, re.MULTILINE))
    assert {"engine", "models", "schema", "resolvers", "server", "signalbox", "tasks"} <= copied
