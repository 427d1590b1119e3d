"""The kinds that the cluster serves are asked for when a command needs them."""

import pytest

from ops.cluster import Cluster
from tests.ops.day_two.api_server import ApiServer
from tests.ops.day_two.conftest import Run
from tests.ops.day_two.world import World

BATCH, METRICS = "/apis/batch/v1", "metrics.k8s.io/v1beta1"


@pytest.mark.usefixtures("world")
def test_only_the_needed_api_versions_are_read_once(api: ApiServer, run: Run) -> None:
    assert run("jobs").exit_code == 0
    roots = [path for path in api.reads if "/namespaces" not in path]
    assert roots == ["/api/v1", BATCH]


def test_a_kind_that_is_not_served_has_no_objects(world: World, run: Run) -> None:
    del world.api.served["batch/v1"]
    world.api.answers[f"GET {BATCH}"] = (404, "404 page not found")
    assert run("jobs").stdout.count("not in the cluster") > 1


@pytest.mark.usefixtures("world")
def test_a_kind_is_not_missing_because_its_server_is_down(api: ApiServer, run: Run) -> None:
    api.answers[f"GET {BATCH}"] = (503, {"message": "starting"})
    assert run.refused("jobs") == f"the cluster refuses GET {BATCH}: starting"


def test_every_version_is_read_even_if_one_server_is_down(api: ApiServer) -> None:
    api.served |= {METRICS: ("PodMetrics",), "batch/v2": ("Job",)}
    api.answers[f"GET /apis/{METRICS}"] = (503, {})
    resources = Cluster().resources
    assert resources.silent == (METRICS,)
    assert resources.versions(("batch", "Job")) == ["batch/v1", "batch/v2"]
    assert resources.preferred["apps", "Deployment"].path("x", "y") == (
        "/apis/apps/v1/namespaces/y/deployments/x"
    )
    api.answers["GET /apis"] = (403, {"message": "no"})
    with pytest.raises(Exception, match="lacks a permission in the cluster: no"):
        _ = Cluster().resources.silent
