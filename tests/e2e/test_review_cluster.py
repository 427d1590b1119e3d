"""`ops review --cluster` predicts the changes of a sync."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from constructs_lib.model import Manifest
from local_cluster.argocd import CONTROLLER
from local_cluster.processes import eventually
from tests.conftest import ROOT
from tests.e2e import commands
from tests.e2e.commands import ops
from tests.e2e.conftest import Claimed
from tests.e2e.installed import Installed

API = "Deployment cerebro/cerebro-api"
Findings = set[tuple[str, str, str]]
"""Severity, class and object."""


def review(installation: Installed) -> dict[str, Any]:
    """The report on a sync of the repository."""
    options = ("review", "--cluster", "--format", "json")
    report: dict[str, Any] = commands.report(
        installation, *options, folder=installation.repository.path
    )
    return report


def named(thing: Mapping[str, str]) -> str:
    """`Deployment cerebro/cerebro-api`."""
    return f"{thing['kind']} {'/'.join(filter(None, (thing['namespace'], thing['name'])))}"


def findings(report: Mapping[str, Any]) -> Findings:
    return {
        (finding["severity"], finding["class"], named(finding["object"]))
        for finding in report["findings"]
    }


def texts(report: Mapping[str, Any], thing: str) -> list[str]:
    return [finding["text"] for finding in report["findings"] if named(finding["object"]) == thing]


def differences(report: Mapping[str, Any], thing: str) -> dict[str, tuple[Any, Any]]:
    """The values before and after, by path."""
    return {
        field["path"]: (field.get("before"), field.get("after"))
        for obj in report["objects"]
        if named(obj["object"]) == thing
        for field in obj["differences"]
    }


@contextmanager
def argo_cd_stopped(installation: Installed) -> Iterator[None]:
    controller = installation.processes[CONTROLLER]
    controller.send(signal.SIGSTOP)
    try:
        yield
    finally:
        controller.send(signal.SIGCONT)


@pytest.mark.external_secrets("v1beta1", "v1")
def test_a_cluster_in_sync_has_no_change(installation: Installed, claim: Claimed) -> None:
    with claim("`ops review --cluster`: a synced cluster has no changes") as measured:
        started = time.monotonic()
        report = review(installation)
        ours = time.monotonic() - started
        assert report["findings"] == []
        started = time.monotonic()
        installation.is_as_committed()
        theirs = time.monotonic() - started
        measured(f"{ours:.1f} s, kubectl diff {theirs:.1f} s, ratio {ours / theirs:.1f}")


def test_manual_changes_are_reported(installation: Installed, claim: Claimed) -> None:
    cluster = installation.cluster
    with claim("`ops review --cluster`: reports drift, but not the writes of controllers"):
        with argo_cd_stopped(installation):
            image = "cerebro-api=ghcr.io/gnosischain/cerebro-api:by-hand"
            api, nebula = "deployment/cerebro-api", "deployment/nebula"
            cluster.kubectl("-n", "cerebro", "set", "image", api, image)
            cluster.kubectl("-n", "cerebro", "scale", api, "--replicas=1")
            cluster.patch("NetworkPolicy", "cerebro-api", "cerebro", {"spec": {"ingress": None}})
            cluster.kubectl("-n", "crawlers", "set", "env", nebula, "BY_HAND=1")
            report = review(installation)
            reloaded(installation, "cryo-indexer")
            cluster.kubectl("-n", "crawlers", "rollout", "restart", "deployment/ip-crawler")
            assert findings(review(installation)) == findings(report)
        assert {key for _, _, key in findings(report)} == {
            API, "NetworkPolicy cerebro/cerebro-api", "Deployment crawlers/nebula",
            "Namespace cerebro",
        }  # fmt: skip
        assert {("high", "image", API), ("low", "restart", API), ("low", "update", API),
                ("high", "exposure", "NetworkPolicy cerebro/cerebro-api"),
                ("medium", "update", "Deployment crawlers/nebula")} <= findings(report)  # fmt: skip
        assert set(differences(report, API)) == {
            "spec.replicas",
            "spec.template.spec.containers[cerebro-api].image",
        }
        assert texts(report, "Deployment crawlers/nebula") == [
            "fields set by kubectl-set stay, because dist/ does not set them: "
            "spec.template.spec.containers[nebula].env[BY_HAND]"
        ]
    cluster.kubectl("-n", "crawlers", "set", "env", nebula, "BY_HAND-")
    installation.restore()
    eventually("the cluster as committed", installation.is_as_committed)


def reloaded(installation: Installed, name: str) -> None:
    """Restart a Deployment as Reloader does."""
    variable = {"name": "STAKATER_X_SECRET", "value": "1"}
    pod = {"spec": {"containers": [{"name": name, "env": [variable]}]}}
    patch = json.dumps({"spec": {"template": pod}})
    installation.cluster.kubectl(
        "-n", "crawlers", "patch", "deployment", name, "--field-manager=Reloader", "--patch", patch
    )


def test_other_objects_are_reported(installation: Installed, claim: Claimed) -> None:
    cluster = installation.cluster
    with claim("`ops review --cluster`: reports another Application's objects, and duplicates"):
        objects = installation.objects("dist/cerebro/cerebro-api.k8s.yaml")
        service = [o for o in objects if o["kind"] == "Service"]
        installation.write_objects("legacy/service.yaml", service)
        installation.repository.commit("Another Application's objects")
        cluster.apply(legacy(installation), duplicate(installation))
        eventually(
            "legacy compared", lambda: any(installation.argocd.applications()["legacy"].resources)
        )
        report = review(installation)
        assert texts(report, "Service cerebro/cerebro-api") == [
            "Application legacy syncs it too: they overwrite each other, and legacy may delete "
            "it; remove it from legacy first, with Prune=false on the object"
        ]
        assert texts(report, "CronJob crawlers/ember-by-hand") == [
            "runs the same command as crawlers/click-runner-ember: suspend or delete it when "
            "the one in dist/ runs",
            "is not in dist/; Argo CD does not change it",
        ]
    cluster.delete("CronJob", "ember-by-hand", "crawlers")
    cluster.delete("Application", "legacy", "argocd")
    installation.repository.remove("legacy")
    installation.restore()


def legacy(installation: Installed) -> Manifest:
    application = next(
        o
        for o in installation.objects("dist/argocd/applications.k8s.yaml")
        if o["metadata"]["name"] == "cerebro-api"
    )
    source = {**application["spec"]["source"], "path": "legacy", "directory": {}}
    spec = {**application["spec"], "source": source, "syncPolicy": {}}
    return {**application, "metadata": {"name": "legacy", "namespace": "argocd"}, "spec": spec}


def duplicate(installation: Installed) -> Manifest:
    ember = installation.cluster.get("CronJob", "click-runner-ember", "crawlers")
    assert ember
    metadata = {"name": "ember-by-hand", "namespace": "crawlers"}
    spec = {**ember["spec"], "suspend": True}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec}


def test_the_documented_role_is_sufficient(
    installation: Installed, claim: Claimed, tmp_path: Path
) -> None:
    """Uses the role in docs/review.md."""
    cluster = installation.cluster

    def as_reviewer() -> tuple[int, str, str]:
        folder = installation.repository.path
        done = ops(installation, "review", "--cluster", kubeconfig=file, folder=folder)
        return done.returncode, done.stdout, done.stderr

    text = (ROOT / "docs" / "review.md").read_text()
    role = next(block for block in text.split("```") if "kind: ClusterRole" in block)
    cluster.apply(*yaml.safe_load_all(role.removeprefix("yaml\n")))
    cluster.kubectl("create", "serviceaccount", "reviewer")
    binding = ("--clusterrole=review-dist", "--serviceaccount=default:reviewer")
    cluster.kubectl("create", "clusterrolebinding", "reviewer", *binding)
    kubeconfig = yaml.safe_load(cluster.kubeconfig.read_text())
    token = cluster.kubectl("create", "token", "reviewer").strip()
    kubeconfig["users"][0]["user"] = {"token": token}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(kubeconfig))
    with claim("`ops review --cluster`: the documented role is sufficient"):
        status, shown, errors = as_reviewer()
        assert status == 0, errors
        assert shown.startswith("No change between the cluster of context local and")
        cluster.delete("ClusterRoleBinding", "reviewer")
        status, shown, errors = as_reviewer()
        assert (status, shown) == (2, "")
        assert "error: context local lacks permissions in the cluster: get " in errors
