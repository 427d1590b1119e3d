"""`ops review --cluster` predicts the changes of a sync."""

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_cluster.argocd import CONTROLLER
from local_cluster.processes import eventually
from tests.conftest import ROOT
from tests.e2e.conftest import Claimed
from tests.e2e.installed import Installed

RELOADED = """\
{"spec": {"template": {"spec": {"containers":
[{"name": "cryo-indexer", "env": [{"name": "STAKATER_X_SECRET", "value": "1"}]}]}}}}
"""
"""A restart by Reloader."""
API = "Deployment cerebro/cerebro-api"
NEBULA = "Deployment crawlers/nebula"


def review(installation: Installed) -> dict[str, Any]:
    """The report on a sync of the repository."""
    options = ("review", "--cluster", "--format", "json")
    report: dict[str, Any] = installation.report(*options, folder=installation.repository.path)
    return report


def named(thing: Mapping[str, str]) -> str:
    """`Deployment cerebro/cerebro-api`."""
    return f"{thing['kind']} {'/'.join(filter(None, (thing['namespace'], thing['name'])))}"


def findings(report: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    """Severity, class and object of each finding."""
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

    def kubectl(namespace: str, *arguments: str) -> None:
        cluster.kubectl("--namespace", namespace, *arguments)

    with claim("`ops review --cluster`: reports drift, but not the writes of controllers"):
        with argo_cd_stopped(installation):
            api, nebula = "deployment/cerebro-api", "deployment/nebula"
            by_hand = "cerebro-api=ghcr.io/gnosischain/cerebro-api:by-hand"
            kubectl("cerebro", "set", "image", api, by_hand)
            kubectl("cerebro", "scale", api, "--replicas=1")
            cluster.patch("NetworkPolicy", "cerebro-api", "cerebro", {"spec": {"ingress": None}})
            kubectl("crawlers", "set", "env", nebula, "BY_HAND=1")
            report = review(installation)
            # restarts, by Reloader and by a user
            reloader = ("patch", "deployment/cryo-indexer", "--field-manager=Reloader")
            kubectl("crawlers", *reloader, f"--patch={RELOADED}")
            kubectl("crawlers", "rollout", "restart", "deployment/ip-crawler")
            assert findings(review(installation)) == findings(report)
        policy = "NetworkPolicy cerebro/cerebro-api"
        reported = {API, policy, NEBULA, "Ingress cerebro/cerebro-api", "Namespace cerebro"}
        assert {key for _, _, key in findings(report)} == reported
        assert {
            ("high", "image", API),
            ("low", "restart", API),
            ("low", "downtime", API),
            ("high", "exposure", policy),
            ("medium", "update", NEBULA),
        } <= findings(report)
        assert set(differences(report, API)) == {
            "spec.replicas",
            "spec.template.spec.containers[cerebro-api].image",
        }
        assert texts(report, NEBULA) == [
            "fields set by kubectl-set stay, because dist/ does not set them: "
            "spec.template.spec.containers[nebula].env[BY_HAND]"
        ]
    kubectl("crawlers", "set", "env", nebula, "BY_HAND-")
    installation.restore()
    eventually("the cluster as committed", installation.is_as_committed)


def test_another_application_is_reported(installation: Installed, claim: Claimed) -> None:
    with claim("`ops review --cluster`: reports another Application's objects"):
        objects = installation.objects("dist/cerebro/cerebro-api.k8s.yaml")
        service = [obj for obj in objects if obj["kind"] == "Service"]
        installation.write_objects("legacy/service.yaml", service)
        installation.repository.commit("Another Application's objects")
        applications = installation.objects("dist/argocd/applications.k8s.yaml")
        legacy = next(o for o in applications if o["metadata"]["name"] == "cerebro-api")
        legacy["metadata"] = {"name": "legacy", "namespace": "argocd"}
        legacy["spec"]["source"] |= {"path": "legacy", "directory": {}}
        legacy["spec"]["syncPolicy"] = {}
        installation.cluster.apply(legacy)
        eventually(
            "legacy compared", lambda: any(installation.argocd.applications()["legacy"].resources)
        )
        assert texts(review(installation), "Service cerebro/cerebro-api") == [
            "Application legacy syncs it too: they overwrite each other, and legacy may delete "
            "it; remove it from legacy first, with Prune=false on the object"
        ]
    installation.cluster.delete("Application", "legacy", "argocd")
    installation.repository.remove("legacy")
    installation.restore()


def test_the_documented_role_is_sufficient(
    installation: Installed, claim: Claimed, tmp_path: Path
) -> None:
    """Uses the role in docs/review.md."""
    cluster = installation.cluster

    def as_reviewer(status: int) -> tuple[str, str]:
        folder = installation.repository.path
        review = ("review", "--cluster")
        done = installation.ops(*review, status=status, kubeconfig=kubeconfig, folder=folder)
        return done.stdout, done.stderr

    text = (ROOT / "docs" / "review.md").read_text()
    role = next(block for block in text.split("```") if "kind: ClusterRole" in block)
    cluster.apply(*yaml.safe_load_all(role.removeprefix("yaml\n")))
    cluster.kubectl("create", "serviceaccount", "reviewer")
    binding = ("--clusterrole=review-dist", "--serviceaccount=default:reviewer")
    cluster.kubectl("create", "clusterrolebinding", "reviewer", *binding)
    token = cluster.kubectl("create", "token", "reviewer").strip()
    kubeconfig = installation.kubeconfig_of({"token": token}, tmp_path / "kubeconfig")
    with claim("`ops review --cluster`: the documented role is sufficient"):
        shown, _ = as_reviewer(status=0)
        assert shown.startswith("No change between the cluster of context local and")
        cluster.delete("ClusterRoleBinding", "reviewer")
        shown, errors = as_reviewer(status=2)
        assert shown == ""
        assert "error: context local lacks permissions in the cluster: get " in errors
