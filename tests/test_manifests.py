"""The Kubernetes manifests: valid by Kubernetes' own schemas, and of one piece with the product."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer.main
import yaml
from settings_reading import settings_from

from server.cli import cli

FOLDER = Path(__file__).parents[1] / "deploy" / "kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
OF_OTHERS = {"PodMonitor": "monitoring.coreos.com/v1"}
"""Kinds that Kubernetes itself does not know."""
NO_MANIFESTS = {"kustomization.yaml", "prometheus-adapter.yaml"}
OLDEST_KUBERNETES = "1.30"
DOCUMENTS: list[tuple[str, dict[str, Any]]] = [
    (path.name, document)
    for path in FILES
    if path.name not in NO_MANIFESTS
    for document in yaml.safe_load_all(path.read_text())
]
PODS = {
    document["metadata"]["name"]: document["spec"]["template"]["spec"]
    for _file, document in DOCUMENTS
    if document["kind"] in ("Deployment", "Job")
}


def named(kind: str, name: str) -> dict[str, Any]:
    [found] = [each for _file, each in DOCUMENTS if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


@pytest.mark.parametrize("version", [OLDEST_KUBERNETES, kubernetes_validate.latest_version()])
@pytest.mark.parametrize(("file", "document"), DOCUMENTS, ids=[f"{file}-{each['kind']}" for file, each in DOCUMENTS])
def test_it_is_valid(file: str, document: dict[str, Any], version: str) -> None:
    if document["kind"] in OF_OTHERS:
        assert document["apiVersion"] == OF_OTHERS[document["kind"]]
        return
    kubernetes_validate.validate(document, version, strict=True)
    assert "namespace" not in document["metadata"], "it goes where the user says"


def test_the_schemas_find_errors() -> None:
    deployment = named("Deployment", "signalbox-server")
    broken = {**deployment, "spec": {**deployment["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, OLDEST_KUBERNETES, strict=True)


def test_the_kustomization_has_all_but_examples() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    there = {path.name for path in FILES} - NO_MANIFESTS
    assert set(listed) == {name for name in there if ".example." not in name}


def test_kustomize_builds_it() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl")
    built = subprocess.run([kubectl, "kustomize", str(FOLDER)], capture_output=True, text=True, check=True).stdout
    kinds = sorted(each["kind"] for each in yaml.safe_load_all(built))
    assert kinds.count("Deployment") == 2
    images = {
        container["image"]
        for each in yaml.safe_load_all(built)
        if each["kind"] in ("Deployment", "Job")
        for container in each["spec"]["template"]["spec"]["containers"]
    }
    assert len(images) == 1, "one image, of one version"


@pytest.mark.parametrize("name", PODS)
def test_its_pods_may_do_nothing_but_their_work(name: str) -> None:
    pod = PODS[name]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001, "the user of the image"
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}


@pytest.mark.parametrize("name", PODS)
def test_its_commands_are_ours(name: str) -> None:
    [container] = PODS[name]["containers"]
    command, *arguments = container["args"]
    typer.main.get_command(cli).commands[command].make_context(command, arguments)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["signalbox-server", "signalbox-worker"])
def test_it_is_given_the_time_that_it_takes_to_stop(name: str) -> None:
    pod = PODS[name]
    [container] = pod["containers"]
    arguments = container["args"]
    grace = float(arguments[arguments.index("--grace") + 1])
    before = 0.0
    if "lifecycle" in container:
        before = float(container["lifecycle"]["preStop"]["exec"]["command"][-1])
    # uvicorn's timeout, and the worker's for attempts that heed nothing, are 5 s more
    assert pod["terminationGracePeriodSeconds"] >= before + grace + 5 + 10


@pytest.mark.parametrize("name", ["signalbox-server", "signalbox-worker"])
def test_its_probes_find_what_they_ask_for(name: str) -> None:
    [container] = PODS[name]["containers"]
    [port] = container["ports"]
    settings = named("ConfigMap", "signalbox")["data"]
    arguments = container["args"]
    listens = (
        arguments[arguments.index("--port") + 1] if name == "signalbox-server" else settings["SIGNALBOX_METRICS_PORT"]
    )
    assert port == {"name": "http", "containerPort": int(listens)}
    paths = {probe: container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")}
    assert paths["readiness"] == {"path": "/readyz", "port": "http"}
    assert paths["startup"] == paths["liveness"] == {"path": "/healthz", "port": "http"}, "not killed for its database"


def test_settings_are_known_and_usable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = {**named("ConfigMap", "signalbox")["data"], **named("Secret", "signalbox")["stringData"]}
    assert not set(named("ConfigMap", "signalbox")["data"]) & set(named("Secret", "signalbox")["stringData"])
    settings = settings_from(given, monkeypatch, tmp_path)
    assert settings.database.dialect == "mysql"
    mounts = {
        mount["mountPath"]
        for mount in PODS["signalbox-server"]["containers"][0]["volumeMounts"]
        if mount["name"] == "api-keys"
    }
    [key] = named("Secret", "signalbox-api-keys")["stringData"]
    assert {str(settings.api_keys_file)} == {f"{mount}/{key}" for mount in mounts}


@pytest.mark.parametrize("name", PODS)
def test_the_service_sets_no_settings(name: str) -> None:
    """Links would be variables as SIGNALBOX_PORT and SIGNALBOX_SERVICE_HOST, and those are refused as unknown."""
    assert PODS[name]["enableServiceLinks"] is False
    assert named("Service", "signalbox")


def test_selectors_select() -> None:
    def labels(deployment: str) -> dict[str, str]:
        found: dict[str, str] = named("Deployment", deployment)["spec"]["template"]["metadata"]["labels"]
        return found

    for name in ("signalbox-server", "signalbox-worker"):
        assert named("Deployment", name)["spec"]["selector"]["matchLabels"] == labels(name)
        assert named("PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"] == labels(name)
    assert named("Service", "signalbox")["spec"]["selector"] == labels("signalbox-server")
    policy = named("NetworkPolicy", "signalbox")["spec"]["podSelector"]["matchLabels"]
    assert all(policy.items() <= labels(name).items() for name in ("signalbox-server", "signalbox-worker"))
    scaled = named("HorizontalPodAutoscaler", "signalbox-worker")["spec"]["scaleTargetRef"]
    assert (scaled["kind"], scaled["name"]) == ("Deployment", "signalbox-worker")
    assert "replicas" not in named("Deployment", "signalbox-worker")["spec"], "the autoscaler says how many"
