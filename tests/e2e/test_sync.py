"""The root Application installs everything, without drift, for both cluster targets."""

from __future__ import annotations

import pytest

from local_cluster.installation import SERVICES, Installation
from local_cluster.waiting import eventually
from tests.e2e.conftest import Claimed

pytestmark = pytest.mark.external_secrets("v1beta1", "v1")


def test_every_application_is_synced_and_healthy(
    installation: Installation, claim: Claimed
) -> None:
    with claim("The root Application installs everything: Synced and Healthy") as measured:
        installation.wait()
        applications = installation.argocd.applications()
        declared = {
            o["metadata"]["name"] for o in installation.objects() if o["kind"] == "Application"
        }
        assert declared == set(applications)
        resources = sum(len(one.resources) for one in applications.values())
        measured(f"{len(applications)} Applications, {resources} objects")


def test_pods_are_admitted_and_run_on_arm64(installation: Installation, claim: Claimed) -> None:
    with claim("Pods pass Pod Security and quotas, and run on arm64 nodes") as measured:
        wanted = {
            o["metadata"]["name"]: o["spec"]["replicas"]
            for o in installation.objects()
            if o["kind"] == "Deployment"
        }
        running = list(installation.running().values())
        assert {app: running.count(app) for app in wanted} == wanted
        nodes = {pod["spec"]["nodeName"] for pod in installation.pods().values()}
        assert all(node.startswith("arm64-") for node in nodes), nodes
        refused = [
            e["message"]
            for namespace in SERVICES
            for e in installation.cluster.list("Event", namespace)
            if e.get("reason") == "FailedCreate" and "violates PodSecurity" in e["message"]
        ]
        assert not refused
        measured(f"{len(running)} pods on {len(nodes)} nodes")


def test_every_cron_job_runs_by_hand(installation: Installation, claim: Claimed) -> None:
    with claim("Every CronJob is accepted, and a manual run completes") as measured:
        jobs = [(o["metadata"]["namespace"], o["metadata"]["name"])
                for o in installation.objects() if o["kind"] == "CronJob"]  # fmt: skip
        kubectl = installation.cluster.kubectl
        for namespace, name in jobs:
            kubectl("create", "job", f"--from=cronjob/{name}", f"{name}-hand", "-n", namespace)
        for namespace, name in jobs:
            kubectl("wait", "--for=condition=Complete", f"job/{name}-hand", "-n", namespace,
                    "--timeout=90s")  # fmt: skip
            kubectl("delete", "job", f"{name}-hand", "-n", namespace)
        measured(f"{len(jobs)} CronJobs")


def test_every_secret_has_the_keys_that_its_pods_read(
    installation: Installation, claim: Claimed
) -> None:
    with claim("Every ExternalSecret is SecretSynced with the keys that pods read") as measured:
        installation.external_secrets.wait_until_synced()
        keys = 0
        for declared in (o for o in installation.objects() if o["kind"] == "ExternalSecret"):
            metadata = declared["metadata"]
            secret = installation.cluster.get("Secret", metadata["name"], metadata["namespace"])
            assert secret, metadata["name"]
            template = declared["spec"]["target"].get("template", {}).get("data")
            expected = set(template or (item["secretKey"] for item in declared["spec"]["data"]))
            assert set(secret["data"]) == expected
            keys += len(expected)
        measured(f"{keys} keys")


def test_nothing_drifts(installation: Installation, claim: Claimed) -> None:
    with claim("After two refreshes, all is Synced, and a dry run shows no changes") as measured:
        for _ in range(2):
            installation.argocd.refresh()
            installation.wait()
        objects = installation.objects()
        assert installation.cluster.difference(objects) == ""
        measured(f"{len(objects)} objects compared")


def test_drift_is_detected(installation: Installation) -> None:
    objects = installation.objects("dist/cerebro/cerebro-api.k8s.yaml")
    deployment = next(o for o in objects if o["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "1001m"
    assert "1001m" in installation.cluster.difference(objects)
    eventually("still as committed", installation.is_as_committed)
