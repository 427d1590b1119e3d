"""The root Application installs everything as declared, without drift, for both cluster targets."""

import pytest

from constructs_lib.kubernetes.app import to_yaml
from constructs_lib.manifests.text import unwritable
from constructs_lib.model import Manifest
from local_cluster.processes import eventually
from tests.constructs_lib.test_text import MISREAD, ORDINARY
from tests.e2e.conftest import Claimed
from tests.e2e.installed import NAMESPACES, Installed
from tests.network import EVALUATORS, Endpoint
from tests.reach import declared, questions, wrong

for_both_targets = pytest.mark.external_secrets("v1beta1", "v1")


def declared_objects(installation: Installed, kind: str) -> list[Manifest]:
    return [obj for obj in installation.objects() if obj["kind"] == kind]


@for_both_targets
def test_every_application_is_synced_and_healthy(installation: Installed, claim: Claimed) -> None:
    with claim("The root Application installs everything: Synced and Healthy") as measured:
        installation.wait()
        applications = installation.argocd.applications()
        names = {obj["metadata"]["name"] for obj in declared_objects(installation, "Application")}
        assert names == set(applications)
        resources = sum(len(application.resources) for application in applications.values())
        measured(f"{len(applications)} Applications, {resources} objects")


@for_both_targets
def test_pods_are_admitted_and_run_on_arm64(installation: Installed, claim: Claimed) -> None:
    with claim("Pods pass Pod Security and quotas, and run on arm64 nodes") as measured:
        wanted = {
            obj["metadata"]["name"]: obj["spec"]["replicas"]
            for obj in declared_objects(installation, "Deployment")
        }
        running = list(installation.running().values())
        assert {app: running.count(app) for app in wanted} == wanted
        nodes = {pod["spec"]["nodeName"] for pod in installation.pods().values()}
        assert all(node.startswith("arm64-") for node in nodes), nodes
        refused = [
            event["message"]
            for namespace in NAMESPACES
            for event in installation.cluster.list("Event", namespace)
            if event.get("reason") == "FailedCreate" and "violates PodSecurity" in event["message"]
        ]
        assert not refused
        measured(f"{len(running)} pods on {len(nodes)} nodes")


@for_both_targets
def test_every_cron_job_runs_by_hand(installation: Installed, claim: Claimed) -> None:
    with claim("Every CronJob is accepted, and a manual run completes") as measured:
        jobs = [
            (obj["metadata"]["name"], f"--namespace={obj['metadata']['namespace']}")
            for obj in declared_objects(installation, "CronJob")
        ]
        kubectl = installation.cluster.kubectl
        complete = ("--for=condition=Complete", "--timeout=90s")
        for name, place in jobs:
            kubectl("create", "job", f"--from=cronjob/{name}", f"{name}-hand", place)
        for name, place in jobs:
            kubectl("wait", *complete, f"job/{name}-hand", place)
            kubectl("delete", "job", f"{name}-hand", place)
        measured(f"{len(jobs)} CronJobs")


@for_both_targets
def test_every_secret_has_the_keys_that_its_pods_read(
    installation: Installed, claim: Claimed
) -> None:
    with claim("Every ExternalSecret is SecretSynced with the keys that pods read") as measured:
        installation.wait_for_secrets()
        keys = 0
        for external in declared_objects(installation, "ExternalSecret"):
            metadata, spec = external["metadata"], external["spec"]
            secret = installation.cluster.get("Secret", metadata["name"], metadata["namespace"])
            assert secret, metadata["name"]
            template = spec["target"].get("template", {}).get("data")
            expected = set(template or (item["secretKey"] for item in spec["data"]))
            assert set(secret["data"]) == expected
            keys += len(expected)
        measured(f"{keys} keys")


@for_both_targets
def test_nothing_drifts(installation: Installed, claim: Claimed) -> None:
    with claim("After two refreshes, all is Synced, and a dry run shows no changes") as measured:
        for _ in range(2):
            installation.argocd.refresh()
            installation.wait()
        objects = installation.objects()
        assert installation.difference(objects) == ""
        measured(f"{len(objects)} objects compared")


@for_both_targets
def test_drift_is_detected(installation: Installed) -> None:
    objects = installation.objects("dist/cerebro/cerebro-api.k8s.yaml")
    deployment = next(o for o in objects if o["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "1001m"
    assert "1001m" in installation.difference(objects)
    eventually("still as committed", installation.is_as_committed)


def test_unusual_text_is_stored_unchanged(installation: Installed, claim: Claimed) -> None:
    with claim("The API server stores unusual text unchanged") as measured:
        texts = {f"text-{number}": text for number, text in enumerate([*MISREAD, *ORDINARY])}
        place = {"name": "texts", "namespace": "cerebro"}
        item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": place, "data": texts}
        assert not list(unwritable(item))
        cluster = installation.cluster
        cluster.kubectl("create", "--filename=-", stdin=to_yaml([item]))
        stored = cluster.get("ConfigMap", **place)
        cluster.delete("ConfigMap", **place)
        assert stored is not None
        assert stored["data"] == texts
        measured(f"{len(texts)} texts")


def test_the_policies_allow_what_is_declared(installation: Installed, claim: Claimed) -> None:
    with claim("NetworkPolicies allow what is declared, on Kubernetes and EKS") as measured:
        running, pods = installation.running(), installation.pods()
        endpoints = {
            app: Endpoint.pod(pods[uid]) for uid, app in running.items() if app in declared()
        }
        asked = list(questions(endpoints))
        cluster = installation.cluster
        stored = [*cluster.list("NetworkPolicy"), *cluster.list("Namespace")]
        assert wrong(stored, asked) == {name: [] for name in EVALUATORS}
        measured(
            f"{len(asked)} questions about {len(endpoints)} workloads, {len(EVALUATORS)} evaluators"
        )


def test_removing_a_service_removes_only_its_objects(
    installation: Installed, claim: Claimed
) -> None:
    service, applications = "dist/crawlers/nebula.k8s.yaml", "dist/argocd/applications.k8s.yaml"
    with claim("Removing a service removes only its objects") as measured:
        before = installation.identities()
        own = {
            (o["kind"], o["metadata"]["namespace"], o["metadata"]["name"])
            for o in installation.objects(service)
        }
        installation.repository.remove(service)
        rest = [o for o in installation.objects(applications) if o["metadata"]["name"] != "nebula"]
        installation.write_objects(applications, rest)
        installation.repository.commit("Remove nebula")
        installation.argocd.refresh("root")
        eventually("nebula gone", lambda: "nebula" not in installation.argocd.applications(), 120)
        installation.wait()
        assert before - installation.identities() == own
        measured(f"{len(own)} objects")
    installation.restore()
    assert installation.identities() == before
