"""Alerts, dashboard and scaling ask for metrics that there are, and each alert has a section that says what to do."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from processes import ServerProcess
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[1]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
RULES: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "signalbox.json").read_text())
ADAPTER: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "prometheus-adapter.yaml").read_text())
SCALING: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "worker-scaling.yaml").read_text())
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
METRICS_PAGE = (ROOT / "docs" / "metrics.md").read_text()
OF_PROMETHEUS = {"instance", "job", "namespace", "pod", "le"}
"""Labels that are not ours to give."""
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


@dataclass(frozen=True)
class Documented:
    """What the table in docs/metrics.md says of a metric."""

    labels: frozenset[str]
    row: str
    alarm: str


def documented() -> dict[str, Documented]:
    """The metrics of the table, by name."""
    found = {}
    for line in METRICS_PAGE.splitlines():
        if line.startswith("| `signalbox_"):
            metrics, _means, alarm = (cell.strip() for cell in line.strip("|").split("|"))
            for name, labels in re.findall(r"`(signalbox_\w+)(?:\{([\w,]+)\})?`", metrics):
                found[name] = Documented(frozenset(filter(None, labels.split(","))), metrics, alarm)
    return found


@pytest.fixture(scope="module")
def exposition(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a server with a worker tells Prometheus."""
    process = ServerProcess(tmp_path_factory.mktemp("server"), ["serve", "--port", "0"]).start()
    try:
        with urllib.request.urlopen(f"{process.url}/metrics") as answer:
            text: str = answer.read().decode()
    finally:
        process.check_its_end()
    return text


@pytest.fixture(scope="module")
def samples(exposition: str) -> dict[str, str]:
    """The names that samples have, each with that of its metric as docs/metrics.md writes it."""
    endings = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    return {
        f"{name}{ending}": name
        for name, kind in re.findall(r"^# TYPE (signalbox_\w+) (\w+)$", exposition, re.MULTILINE)
        if not name.endswith("_created")
        for ending in endings[kind]
    }


def expressions() -> list[tuple[str, str]]:
    """Everything that Prometheus is asked, with who asks."""
    found = [(f"alert {rule['alert']}", rule["expr"]) for rule in RULES]
    for panel in PANELS:
        found += [(f"panel {panel['title']}", target["expr"]) for target in panel["targets"]]
    for rule in ADAPTER["rules"]["external"] + ADAPTER["rules"]["custom"]:
        filled = rule["metricsQuery"].replace("<<.LabelMatchers>>", 'namespace="a"').replace("<<.GroupBy>>", "pod")
        found += [("series of the adapter", rule["seriesQuery"]), ("query of the adapter", filled)]
    return found


def parsed(expression: str) -> promql_parser.Expr:
    return promql_parser.parse(expression.replace("$__rate_interval", "5m").replace("$instance", ".*"))


@pytest.mark.parametrize(("asker", "expression"), expressions())
def test_what_is_asked_for_is_there(asker: str, expression: str, samples: dict[str, str]) -> None:
    known = documented()
    nodes: list[Any] = []
    promql_parser.walk(parsed(expression), nodes.append)
    selectors = [node for node in nodes if isinstance(node, promql_parser.VectorSelector)]
    assert selectors
    may_have: set[str] = set(OF_PROMETHEUS)
    for selector in selectors:
        assert selector.name in samples, f"{asker}: no process tells {selector.name}"
        labels = known[samples[selector.name]].labels
        may_have |= labels
        given = {matcher.name for matcher in selector.matchers.matchers}
        assert given <= labels | OF_PROMETHEUS, asker
    for node in nodes:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            assert set(node.modifier.labels) <= may_have, asker


def test_the_table_of_metrics_is_complete(exposition: str, samples: dict[str, str]) -> None:
    known = documented()
    assert set(known) == set(samples.values())
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name in samples:
                assert set(sample.labels) <= known[samples[sample.name]].labels | {"le"}, sample


def test_each_alarm_of_the_table_is_an_alert(samples: dict[str, str]) -> None:
    watched: set[str] = set()
    for rule in RULES:
        watched |= {samples[name] for name in re.findall(r"signalbox_\w+", rule["expr"])}
    known = documented()
    assert {each.row for each in known.values() if each.alarm} == {known[name].row for name in watched}


def test_each_alert_has_a_section() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    assert re.findall(r"^### (Signalbox\w+)$", OPERATIONS, re.MULTILINE) == names, "the same, in the same order"
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"].endswith(".")


def test_the_dashboard_is_whole() -> None:
    identifiers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(identifiers)) == len(identifiers)
    for panel in PANELS:
        assert panel["description"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}", "wherever it is imported"
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = set(
            itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"]))
        )
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, f"{panel['title']} lies upon another"
        taken |= cells


def test_the_dashboard_shows_everything(samples: dict[str, str]) -> None:
    shown = {samples[name] for name in re.findall(r"signalbox_\w+", json.dumps(DASHBOARD)) if name in samples}
    assert shown == set(samples.values())


def test_the_autoscaler_asks_for_what_the_adapter_gives() -> None:
    asked = {metric["type"]: metric[metric["type"].lower()]["metric"]["name"] for metric in SCALING["spec"]["metrics"]}
    given = {
        "External": {rule["name"]["as"] for rule in ADAPTER["rules"]["external"]},
        "Pods": {rule["name"]["as"] for rule in ADAPTER["rules"]["custom"]},
    }
    assert {kind: {name} for kind, name in asked.items()} == given
    [external] = ADAPTER["rules"]["external"]
    assert "signalbox_queue_age_seconds" in external["metricsQuery"]


@pytest.mark.parametrize(("command", "file"), [("rules", "alerts.yml"), ("config", "prometheus.yml")])
def test_promtool_agrees(command: str, file: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool")
    subprocess.run([promtool, "check", command, str(ALERTS.parent / file)], check=True, capture_output=True)


def test_the_alerts_go_off() -> None:
    """alerts.test.yml has series, and says which alerts they set off."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool")
    subprocess.run([promtool, "test", "rules", "alerts.test.yml"], cwd=ALERTS.parent, check=True, capture_output=True)
