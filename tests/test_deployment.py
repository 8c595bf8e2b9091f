"""The compose file starts what there is: its commands are ours, and its settings are known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from server.cli import cli
from server.settings import names

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service.get("image") == "signalbox"}


def test_the_services() -> None:
    assert set(COMPOSE["services"]) == {"mysql", "redis", "migrate", "server", "worker"}
    assert set(OURS) == {"migrate", "server", "worker"}
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["depends_on"]
    assert OURS["migrate"]["depends_on"]["mysql"] == {"condition": "service_healthy"}
    for name in ("server", "worker"):
        assert OURS[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert "container_name" not in OURS["worker"]
    assert "ports" not in OURS["worker"], "it could not be scaled"
    assert all(port.startswith("127.0.0.1:") for port in OURS["server"]["ports"])


@pytest.mark.parametrize("service", OURS)
def test_its_command_is_one_of_ours(service: str) -> None:
    name, *arguments = OURS[service]["command"]
    group = typer.main.get_command(cli)
    command = group.commands[name]  # type: ignore[attr-defined]
    command.make_context(name, arguments)  # raises what a user would be told


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
def test_its_settings_are_known(service: str) -> None:
    given = set(OURS[service]["environment"])
    assert given <= set(names())


def test_the_image_runs_as_nobody_in_particular() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert len(re.findall(r"^FROM ", dockerfile, re.MULTILINE)) == 2
    assert re.search(r"^USER signalbox$", dockerfile, re.MULTILINE)
    assert "HEALTHCHECK" in dockerfile
    copied = set(re.findall(r"^COPY (\w+) \1$", dockerfile, re.MULTILINE))
    assert {"engine", "models", "schema", "resolvers", "server", "signalbox", "tasks"} <= copied
