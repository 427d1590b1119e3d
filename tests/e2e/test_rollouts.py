"""Rolling updates keep all endpoints ready, and single writers never run twice."""

from __future__ import annotations

import pytest

from local_cluster.installation import Installation
from local_cluster.waiting import eventually
from tests.e2e.conftest import Claimed
from tests.e2e.sampling import Samples, sampled

_FILES = {"cerebro-api": "cerebro/cerebro-api", "nebula": "crawlers/nebula"}


@pytest.fixture(autouse=True)
def restored(installation: Installation):  # type: ignore[no-untyped-def]
    yield
    installation.restore()


def rolled_out(installation: Installation, app: str, commit: str, **strategy: object) -> Samples:
    """Pin an image through git, and sample the service until all old pods are gone."""
    file = f"{_FILES[app]}.k8s.yaml"
    namespace = file.partition("/")[0]
    with installation.changed(file, "Deployment", app) as deployment:
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        container["image"] = f"ghcr.io/gnosischain/{app}:sha-{commit * 40}"
        deployment["spec"]["strategy"] = strategy or deployment["spec"]["strategy"]
        replicas = deployment["spec"]["replicas"]
    service = app if app == "cerebro-api" else ""
    with sampled(installation.cluster, namespace, app=app, service=service) as samples:
        installation.sync(f"Pin {app} to {commit * 7}", app)
        eventually(
            "old pods gone",
            lambda: len(installation.cluster.list("Pod", namespace, f"app={app}")) == replicas,
        )
    images = {pod["spec"]["containers"][0]["image"] for pod in installation.pods(app).values()}
    assert images == {container["image"]}
    return samples


def rolling(unavailable: int) -> dict[str, object]:
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": unavailable},
    }


def test_the_api_keeps_two_ready_and_starts_one_more(
    installation: Installation, claim: Claimed
) -> None:
    with claim("A new image of cerebro-api: never fewer than two ready, one surge pod") as measured:
        samples = rolled_out(installation, "cerebro-api", "a")
        assert samples.fewest_ready == 2, samples
        assert samples.most_wanted_pods == 3, samples
        measured(samples)


def test_an_unsafe_strategy_is_detected(installation: Installation, claim: Claimed) -> None:
    with claim("... and with maxUnavailable 1 the same test fails") as measured:
        samples = rolled_out(installation, "cerebro-api", "b", **rolling(1))
        assert samples.fewest_ready < 2, samples
        measured(samples)


def test_a_single_writer_never_runs_twice(installation: Installation, claim: Claimed) -> None:
    with claim("A new image of nebula: never two pods at once") as measured:
        samples = rolled_out(installation, "nebula", "a")
        assert samples.most_pods == 1, samples
        measured(samples)


def test_a_rolling_update_of_a_single_writer_is_detected(
    installation: Installation, claim: Claimed
) -> None:
    with claim("... and as RollingUpdate the same test fails") as measured:
        samples = rolled_out(installation, "nebula", "b", **rolling(0))
        assert samples.most_pods > 1, samples
        measured(samples)
