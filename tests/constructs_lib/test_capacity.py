"""Peak usage of any Kubernetes object, and the properties of kinds."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.manifests import capacity
from constructs_lib.manifests.objects import (
    CLUSTER_SCOPED,
    Objects,
    gives_power,
    is_cluster_scoped,
    pod_template,
)
from constructs_lib.model import Manifest
from tests.conftest import manifest


def peak(objects: list[Manifest]) -> dict[str, capacity.Amounts]:
    return capacity.peak(Objects.of(objects))


def holding(**requests: Any) -> Manifest:
    """A container."""
    return {"name": "one", "resources": {"requests": requests}}


def pods(kind: str, /, **spec: Any) -> Manifest:
    """A workload with one core per pod, so that the number of cores is the number of pods."""
    template = {"spec": {"containers": [holding(cpu=1)]}}
    return manifest(kind, {"template": template, **spec})


def cron(job: Manifest, **spec: Any) -> Manifest:
    inner = pods("batch/v1/Job", **job)["spec"]
    return manifest("batch/v1/CronJob", {"jobTemplate": {"spec": inner}, **spec})


def scaler(kind: str, most: int) -> Manifest:
    spec = {"scaleTargetRef": {"kind": kind, "name": "one"}, "maxReplicas": most}
    return manifest("autoscaling/v2/HorizontalPodAutoscaler", spec)


def rolling(surge: Any) -> Manifest:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge}}


DEPLOYMENT = "apps/v1/Deployment"
RECREATE = {"type": "Recreate"}


@pytest.mark.parametrize(
    ("count", "objects"),
    [
        (1, [manifest("v1/Pod", {"containers": [holding(cpu="1")]})]),
        (3, [pods(DEPLOYMENT)]),  # old, new, and 25% of one rounded up
        (3, [pods(DEPLOYMENT, strategy={})]),
        (22 + 3, [pods(DEPLOYMENT, replicas=11)]),
        (22 + 2, [pods(DEPLOYMENT, replicas=11, strategy=rolling(2))]),
        (22 + 6, [pods(DEPLOYMENT, replicas=11, strategy=rolling("50%"))]),
        (22 + 3, [pods(DEPLOYMENT, replicas=11, strategy=rolling(None))]),
        (11, [pods(DEPLOYMENT, replicas=11, strategy=RECREATE)]),
        (0, [pods(DEPLOYMENT, replicas=0)]),
        (7, [scaler("Deployment", 7), pods(DEPLOYMENT, strategy=RECREATE)]),
        (0, [scaler("Deployment", 7), pods(DEPLOYMENT, replicas=0)]),
        (1, [scaler("StatefulSet", 7), pods(DEPLOYMENT, strategy=RECREATE)]),
        (7, [pods("apps/v1/StatefulSet", replicas=2), scaler("StatefulSet", 7)]),
        (2, [pods("apps/v1/ReplicaSet", replicas=2)]),
        (1, [pods("v1/ReplicationController")]),
        (1, [pods("apps/v1/DaemonSet")]),
        (9, [pods("argoproj.io/v1alpha1/Rollout", replicas=4)]),
        (8, [pods("argoproj.io/v1alpha1/Rollout", replicas=4, strategy={"blueGreen": {}})]),
        (1, [pods("batch/v1/Job")]),
        (4, [pods("batch/v1/Job", parallelism=4)]),
        (2, [pods("batch/v1/Job", parallelism=4, completions=2)]),
        (0, [pods("batch/v1/Job", suspend=True)]),
        (1, [cron({})]),
        (3, [cron({"parallelism": 3}, concurrencyPolicy="Forbid")]),
        (6, [cron({"parallelism": 3}, concurrencyPolicy="Replace")]),
        (0, [cron({"parallelism": 3}, suspend=True)]),
    ],
)
def test_peak_pods(count: int, objects: list[Manifest]) -> None:
    assert peak(objects) == {"space": {"pods": count, "requests.cpu": count}}


SIDECAR = {**holding(cpu=2), "restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("asked", "pod"),
    [
        ({"requests.cpu": 3}, {"containers": [holding(cpu=1), holding(cpu=2)]}),
        ({}, {"containers": [{"name": "states nothing"}]}),
        ({}, {"containers": [{"name": "states nothing", "resources": None}], "volumes": None}),
        (
            {"requests.cpu": 2, "requests.memory": 1, "limits.memory": 1},
            {"containers": [{"resources": {"requests": {"cpu": 2}, "limits": {"memory": 1}}}]},
        ),
        # the larger of containers and init containers, by resource
        (
            {"requests.cpu": 5, "requests.memory": 4},
            {
                "initContainers": [holding(cpu=5, memory=2), holding(cpu=4)],
                "containers": [holding(cpu=1, memory=4)],
            },
        ),
        ({"requests.cpu": 3}, {"initContainers": [SIDECAR], "containers": [holding(cpu=1)]}),
        (
            {"requests.cpu": 5},
            {"initContainers": [SIDECAR, holding(cpu=3)], "containers": [holding(cpu=1)]},
        ),
        (
            {"requests.cpu": 3},
            {"initContainers": [holding(cpu=3), SIDECAR], "containers": [holding(cpu=1)]},
        ),
        # pod level: overhead, and resources that override those of the containers
        (
            {"requests.cpu": 3, "requests.memory": 7, "limits.cpu": 3},
            {
                "containers": [{"resources": {"limits": {"cpu": 1}}}],
                "overhead": {"cpu": 2, "memory": 7},
            },
        ),
        (
            {"requests.cpu": 4, "limits.cpu": 9},
            {"containers": [holding(cpu=4)], "resources": {"limits": {"cpu": 9}}},
        ),
    ],
)
def test_the_effective_requests_and_limits_of_a_pod(asked: Manifest, pod: Manifest) -> None:
    (sums,) = peak([manifest("v1/Pod", pod)]).values()
    assert sums == {"pods": 1, **asked}


def test_a_limit_range_sets_the_defaults_of_containers() -> None:
    bounds = {
        "type": "Container",
        "default": {"cpu": 4, "memory": 8},
        "defaultRequest": {"cpu": 1},
        "max": {"memory": 9},
    }
    limits = [{"type": "Pod", "max": {"cpu": 99}}, bounds]
    containers = [{"name": "bare"}, {"resources": {"limits": {"cpu": 3}}}]
    pod = manifest("v1/Pod", {"containers": containers})
    asked = {"pods": 1, "requests.cpu": 4, "requests.memory": 16}
    assert peak([pod, manifest("v1/LimitRange", {"limits": limits})]) == {
        "space": {**asked, "limits.cpu": 7, "limits.memory": 16}
    }
    elsewhere = manifest("v1/LimitRange", {"limits": limits}, namespace="elsewhere")
    assert peak([pod, elsewhere])["space"]["requests.cpu"] == 3


def test_quotas_are_the_smallest_of_each_resource() -> None:
    specs: list[Manifest] = [
        {"hard": {"cpu": 2, "pods": "1e1"}},
        {"hard": {"requests.cpu": "1500m"}},
        {"hard": {"pods": 1}, "scopes": ["Terminating"]},
        {"hard": None},
    ]
    objects = Objects.of(manifest("v1/ResourceQuota", spec) for spec in specs)
    assert capacity.quotas(objects) == {"space": {"requests.cpu": 1.5, "pods": 10}}
    assert capacity.quotas(Objects.of([manifest("v1/ResourceQuota", {})])) == {"space": {}}


def test_volumes_are_counted_and_their_bytes_if_a_quota_limits_them() -> None:
    claim: Manifest = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    template = {"spec": {"volumes": [{"ephemeral": {"volumeClaimTemplate": claim}}]}}
    spec = {"replicas": 3, "template": template, "volumeClaimTemplates": [claim]}
    objects = [
        manifest("v1/PersistentVolumeClaim", claim["spec"]),
        manifest("apps/v1/StatefulSet", spec),
    ]
    asked = {"persistentvolumeclaims": 7, "pods": 3}
    assert peak(objects) == {"space": asked}
    objects.append(manifest("v1/ResourceQuota", {"hard": {"requests.storage": "1Ti"}}))
    assert peak(objects) == {"space": {**asked, "requests.storage": 14 * 2**30}}


@pytest.mark.parametrize(
    "item",
    [
        pods("batch.volcano.sh/v1alpha1/Job"),
        pods("serving.example.org/v1/Deployment"),
        manifest("argoproj.io/v1alpha1/Rollout", {"workloadRef": {"name": "one"}}),
        manifest(DEPLOYMENT, {}),
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "one"}},
    ],
)
def test_objects_without_pods_use_nothing(item: Manifest) -> None:
    assert pod_template(item) is None
    assert peak([item]) == {}


_CREATED = re.compile(
    r"""'201': "\w*V\d[a-z\d]*(\w+)"(?:(?!'201').)*?'POST',\s+resource_path='([^']+)'""", re.DOTALL
)
"""A kind that an API of the client creates, and its path."""


def test_the_scope_of_kinds_matches_the_api() -> None:
    """Reads the source of the client, because its import takes seconds."""
    spec = find_spec("kubernetes")
    assert spec
    scopes: dict[bool, set[tuple[str, str]]] = {True: set(), False: set()}
    for file in Path(spec.origin or "").parent.glob("client/api/*_v*_api.py"):
        for kind, path in _CREATED.findall(file.read_text("utf-8")):
            if "{name}" not in path:
                group = re.match(r"/apis/([^/]+)", path)
                scopes["{namespace}" in path].add((group[1] if group else "", kind))
    assert ("apps", "Deployment") in scopes[True]
    assert ("", "Namespace") in scopes[False]
    assert scopes[False] <= CLUSTER_SCOPED
    assert not scopes[True] & CLUSTER_SCOPED


def test_privileged_kinds() -> None:
    powerful = ("rbac.authorization.k8s.io", "Role"), ("argoproj.io", "Application"), ("", "Node")
    harmless = ("", "ServiceAccount"), ("argoproj.io", "Rollout"), ("apps", "Deployment")
    assert all(gives_power(*one) for one in powerful)
    assert not any(gives_power(*one) for one in harmless)
    assert is_cluster_scoped(manifest("storage.k8s.io/v1/StorageClass", {}))
    assert not is_cluster_scoped(manifest("example.org/v1/Namespace", {}))
