"""The control plane itself, proven on a toy service: what these tests cannot see, no claim can."""

from base64 import b64decode
from pathlib import Path

import pytest

from tests.e2e.conftest import Claimed
from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.sampling import Samples, sampled
from tests.e2e.harness.waiting import eventually

TOY = Path(__file__).with_name("toy")
SERVICE = "toy/service/service.yaml"
PARAMETER = "/cerebro/clickhouse/password"


@pytest.fixture(scope="module")
def toy(control_plane: ControlPlane) -> ControlPlane:
    """A control plane whose Argo CD has synced the toy's repository."""
    control_plane.aws.put_parameter(PARAMETER, "first")
    repository = control_plane.repository
    repository.add(
        TOY,
        "toy",
        {
            "https://example.invalid/toy.git": repository.url,
            "external-secrets.io/v1beta1": control_plane.external_secrets.api_version,
        },
    )
    repository.commit("Add the toy")
    control_plane.cluster.apply(*repository.objects("toy/cluster"))
    control_plane.argocd.wait("toy", revision=repository.head)
    return control_plane


def password(toy: ControlPlane) -> str:
    secret = toy.cluster.get("Secret", "toy-secrets", "toy")
    assert secret, "no Secret toy-secrets"
    return b64decode(secret["data"]["CLICKHOUSE_PASSWORD"]).decode()


def rolled_out(toy: ControlPlane, image: str, max_unavailable: int) -> Samples:
    """Release an image and sample the toy until its last old pod is gone."""
    with toy.repository.edited(SERVICE, "Deployment", "toy") as deployment:
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = image
        deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] = max_unavailable
    head = toy.repository.commit(f"Release {image}")
    with sampled(toy.cluster, "toy", app="toy", service="toy") as samples:
        toy.argocd.refresh("toy")
        toy.argocd.wait("toy", revision=head)
        eventually("old pods gone", lambda: len(toy.cluster.list("Pod", "toy", "app=toy")) == 2)
    return samples


@pytest.mark.external_secrets("v1beta1", "v1")
def test_argo_cd_syncs_the_repository(toy: ControlPlane, claim: Claimed) -> None:
    with claim("The toy is Synced and Healthy, its Secret filled, its pods on arm64") as measured:
        application = toy.argocd.wait("toy", revision=toy.repository.head)["toy"]
        assert toy.external_secrets.wait_until_synced() == 1
        assert password(toy) == "first"
        nodes = {pod["spec"]["nodeName"] for pod in toy.cluster.list("Pod", "toy")}
        assert {node[:5] for node in nodes} == {"arm64"}
        measured(f"{len(application.resources)} objects, pods on {', '.join(sorted(nodes))}")


def test_drift_is_seen(toy: ControlPlane) -> None:
    objects = toy.repository.objects(SERVICE)
    assert toy.cluster.difference(objects) == ""
    deployment = next(obj for obj in objects if obj["kind"] == "Deployment")
    deployment["spec"]["replicas"] = 3
    assert "+  replicas: 3" in toy.cluster.difference(objects)


def test_a_job_runs_by_hand(toy: ControlPlane) -> None:
    toy.cluster.kubectl("create", "job", "--from=cronjob/toy-nightly", "by-hand", "-n", "toy")
    toy.cluster.kubectl("wait", "--for=condition=Complete", "job/by-hand", "-n", "toy")


def test_a_rollout_that_loses_endpoints_is_seen(toy: ControlPlane, claim: Claimed) -> None:
    with claim("A rolling update is sampled, and one that loses endpoints is told apart") as told:
        careful = rolled_out(toy, "example.invalid/toy:2", max_unavailable=0)
        assert (careful.fewest_ready, careful.most_wanted_pods) == (2, 3), careful
        careless = rolled_out(toy, "example.invalid/toy:3", max_unavailable=1)
        assert careless.fewest_ready < 2, careless
        told(f"{careful}; with maxUnavailable 1: {careless}")


def test_values_outlive_an_outage_of_aws(toy: ControlPlane) -> None:
    with toy.aws.unreachable():
        toy.external_secrets.force_sync("toy-secrets", "toy")
        eventually("outage noticed", lambda: not ready(toy))
        assert password(toy) == "first"
    toy.aws.put_parameter(PARAMETER, "second")
    toy.external_secrets.force_sync("toy-secrets", "toy")
    eventually("new value in the Secret", lambda: password(toy) == "second")


def ready(toy: ControlPlane) -> bool:
    return bool(toy.external_secrets.ready("toy-secrets", "toy").get("status") == "True")


def test_everything_recovers_from_a_killed_api_server(toy: ControlPlane, claim: Claimed) -> None:
    with claim("The API server is killed in the middle of a sync; the sync ends all the same"):
        with toy.repository.edited(SERVICE, "Deployment", "toy") as deployment:
            deployment["spec"]["replicas"] = 4
        head = toy.repository.commit("Four replicas")
        toy.argocd.refresh("toy")
        toy.argocd.wait_until_syncing("toy")
        toy.processes["kube-apiserver"].restart()
        toy.argocd.wait("toy", revision=head)
        pods = toy.cluster.list("Pod", "toy", "app=toy")
        assert len(pods) == 4


def test_a_deleted_application_takes_its_objects_along(toy: ControlPlane) -> None:
    toy.argocd.delete("toy")
    assert toy.cluster.get("Namespace", "toy") is None
