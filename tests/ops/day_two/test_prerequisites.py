"""Every prerequisite of the cluster passes if present, and fails if missing; where DNS answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from catalogue.hosts import Hosts
from constructs_lib.model import ClusterTarget
from ops.checklist import prerequisites
from ops.checklist.results import Outcome
from ops.cluster import Cluster
from tests import fixed
from tests.ops.day_two.api_server import ApiServer, Object
from tests.ops.day_two.conftest import Run
from tests.ops.day_two.world import World

FAILED, PASSED, NOT_CHECKED = Outcome.FAILED, Outcome.PASSED, Outcome.NOT_CHECKED


def workload(kind: str, image: str, **spec: Any) -> Object:
    containers = [{"name": "main", "image": image, **spec}]
    return {
        "metadata": {"name": kind, "namespace": "kube-system"},
        "spec": {"template": {"spec": {"containers": containers}}},
        "status": {"readyReplicas": 1, "numberReady": 1},
    }


@pytest.fixture
def equipped(world: World, monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    """A cluster with every prerequisite."""
    api = world.api
    apps = "/apis/apps/v1/namespaces/kube-system"
    for place, item in {
        "deployments/argocd": workload("argocd", "quay.io/argoproj/argocd:v2.14"),
        "deployments/eso": workload("eso", "oci.example.org/external-secrets:v0.9@sha256:1"),
        "deployments/albc": workload("albc", "ecr.example.org/eks/aws-load-balancer-controller:v2"),
        "deployments/reloader": workload("reloader", "ghcr.io/stakater/reloader:v1.4.0"),
        "daemonsets/aws-node": workload(
            "aws-node", "ecr.example.org/agent", args=["--enable-network-policy=true"]
        ),
        "daemonsets/identity": workload("identity", "public.ecr.aws/eks/eks-pod-identity-agent:1"),
    }.items():
        item["metadata"]["name"] = place.rpartition("/")[2]
        api.objects[f"{apps}/{place}"] = item
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    api.objects["/api/v1/nodes/one"] = {
        "metadata": {"name": "one", "labels": {"kubernetes.io/arch": "arm64"}}, "status": ready,
    }  # fmt: skip
    api.objects["/apis/external-secrets.io/v1beta1/clustersecretstores/aws-ssm"] = {
        "metadata": {"name": "aws-ssm"}, "status": ready,
    }  # fmt: skip
    policy = "/apis/networking.k8s.aws/v1alpha1/namespaces/cerebro/policyendpoints/x"
    api.objects[policy] = {"metadata": {"name": "x"}}
    api.objects["/api/v1/namespaces/kube-system/pods/dns"] = {
        "metadata": {"name": "dns", "labels": {"k8s-app": "kube-dns"},
                     "creationTimestamp": world.tick()},
        "spec": {"containers": [{}]}, "status": ready,
    }  # fmt: skip
    api.objects["/api/v1/namespaces/default/services/kubernetes"] = {
        "metadata": {"name": "kubernetes"}, "spec": {"clusterIP": "10.100.0.1"},
    }  # fmt: skip
    for path, item in api.objects.items():
        if "/ingresses/" in path:
            item["status"] = {"loadBalancer": {"ingress": [{"hostname": "alb.example.org"}]}}
    monkeypatch.setattr(prerequisites, "addresses", lambda _: {"192.0.2.1"})
    hosts = [host for host in Hosts if host.fqdn in fixed.platform().hosts]
    monkeypatch.setattr(prerequisites, "Hosts", hosts)
    return api


def found(run: Run) -> dict[str, set[str]]:
    del run
    findings: dict[str, set[str]] = {}
    for name, finding in prerequisites.check(Cluster()):
        findings.setdefault(name, set()).add(finding.outcome)
    return findings


def test_a_cluster_that_has_everything_passes(equipped: ApiServer, run: Run) -> None:
    assert equipped
    assert set.union(*found(run).values()) == {PASSED}


@pytest.mark.parametrize(
    ("name", "removed"),
    [
        ("arm64 nodes", "/nodes/one"),
        ("Argo CD", "/deployments/argocd"),
        ("External Secrets", "/deployments/eso"),
        ("External Secrets", "/clustersecretstores/aws-ssm"),
        ("AWS Load Balancer Controller", "/deployments/albc"),
        ("Reloader", "/deployments/reloader"),
        ("NetworkPolicies are enforced", "/policyendpoints/x"),
        ("Pod Identity agent", "/daemonsets/identity"),
        ("Cluster DNS", "/pods/dns"),
        ("Public DNS", "/ingresses/cerebro-api"),
    ],
)
def test_only_the_missing_prerequisite_fails(
    equipped: ApiServer, run: Run, name: str, removed: str
) -> None:
    (path,) = [path for path in equipped.objects if path.endswith(removed)]
    del equipped.objects[path]
    findings = found(run)
    assert FAILED in findings.pop(name)
    assert set.union(*findings.values()) == {PASSED}


def test_an_api_version_that_is_not_served_fails(equipped: ApiServer, run: Run) -> None:
    equipped.served["external-secrets.io/v1"] = equipped.served.pop("external-secrets.io/v1beta1")
    assert FAILED in found(run)["External Secrets"]


def test_a_plugin_that_only_stores_policies_fails(equipped: ApiServer, run: Run) -> None:
    plugin = equipped.objects["/apis/apps/v1/namespaces/kube-system/daemonsets/aws-node"]
    (agent,) = plugin["spec"]["template"]["spec"]["containers"]
    agent["args"] = ["--enable-network-policy=false"]
    assert found(run)["NetworkPolicies are enforced"] == {FAILED}
    plugin["metadata"]["name"] = "unheard-of"
    assert found(run)["NetworkPolicies are enforced"] == {NOT_CHECKED}


def test_a_host_that_resolves_elsewhere_fails(
    equipped: ApiServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert equipped
    resolved = {"alb.example.org": {"192.0.2.1"}, "api.analytics.gnosis.io": {"198.51.100.1"}}
    monkeypatch.setattr(prerequisites, "addresses", lambda name: resolved.get(name, set()))
    assert found(run)["Public DNS"] == {FAILED}


Place = Callable[[ApiServer], None]


def node_local(*arguments: str, name: str = "node-local-dns") -> Place:
    container = {
        "name": "cache",
        "image": "registry.k8s.io/dns/k8s-dns-node-cache:1.23",
        "args": list(arguments),
    }
    path = f"/apis/apps/v1/namespaces/kube-system/daemonsets/{name}"
    daemon_set = {
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }

    def place(api: ApiServer) -> None:
        api.objects[path] = daemon_set

    return place


def auto_mode(api: ApiServer) -> None:
    labels = {"eks.amazonaws.com/compute-type": "auto"}
    api.objects["/api/v1/nodes/auto"] = {"metadata": {"name": "auto", "labels": labels}}


def service(namespace: str, name: str, **spec: Any) -> Place:
    path = f"/api/v1/namespaces/{namespace}/services/{name}"

    def place(api: ApiServer) -> None:
        api.objects[path] = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}

    return place


def kube_dns(api: ApiServer) -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    api.objects["/api/v1/namespaces/kube-system/pods/dns"] = {
        "metadata": {"name": "dns", "labels": {"k8s-app": "kube-dns"},
                     "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"containers": [{}]}, "status": ready,
    }  # fmt: skip


LINK_LOCAL, CLUSTER_IP = "169.254.20.10", "172.20.0.10"
KUBE_DNS = (PASSED, "1 pods with k8s-app=kube-dns")


@pytest.mark.parametrize(
    ("places", "addresses", "expected"),
    [
        ((kube_dns,), (LINK_LOCAL,), [KUBE_DNS]),
        ((), (LINK_LOCAL,), [(FAILED, "the NetworkPolicies allow no working DNS server")]),
        *(
            ((kube_dns, node_local(*arguments, name="cache")), (LINK_LOCAL,),
             [KUBE_DNS, (PASSED, f"NodeLocal DNSCache answers at {LINK_LOCAL}, which is in dns_")])
            for arguments in (("-localip", LINK_LOCAL), (f"--localip={LINK_LOCAL}",))
        ),
        ((kube_dns, service("kube-system", "kube-dns", clusterIP=CLUSTER_IP),
          node_local("-localip", f"169.254.20.25,{CLUSTER_IP}")), (LINK_LOCAL,),
         [KUBE_DNS,
          (FAILED, "which the NetworkPolicies block: all pods would lose DNS. Set dns_addresses="
                   f'("{LINK_LOCAL}", "169.254.20.25") in catalogue/target.py'),
          (PASSED, "the cluster IP of kube-dns")]),
        ((kube_dns, node_local("-localip", "169.254.20.25, ")), (),
         [KUBE_DNS, (FAILED, 'dns_addresses=("169.254.20.25",) in catalogue/target.py')]),
        ((kube_dns, node_local("-conf", "x")), (LINK_LOCAL,),
         [KUBE_DNS, (NOT_CHECKED, "its DaemonSet has no -localip argument")]),
        *(
            ((auto_mode, *cluster_ip), (LINK_LOCAL,),
             [(FAILED, f"EKS Auto Mode answers at {CLUSTER_IP}, which the NetworkPolicies block: "
                       f'all pods would lose DNS. Set dns_addresses=("{LINK_LOCAL}", '
                       f'"{CLUSTER_IP}") in catalogue/target.py')])
            for cluster_ip in (
                (),
                (service("kube-system", "kube-dns", clusterIP="None"),),
                (service("kube-system", "kube-dns", clusterIP=CLUSTER_IP),),
            )
        ),
        ((auto_mode,), (LINK_LOCAL, CLUSTER_IP), [(PASSED, "which is in dns_addresses")]),
    ],
)  # fmt: skip
def test_where_dns_answers_is_compared_with_the_settings(
    world: World,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    *,
    places: tuple[Place, ...],
    addresses: tuple[str, ...],
    expected: list[tuple[Outcome, str]],
) -> None:
    del run
    monkeypatch.setattr(prerequisites, "TARGET", ClusterTarget(dns_addresses=addresses))
    for place in (service("default", "kubernetes", clusterIP="172.20.0.1"), *places):
        place(world.api)
    results = list(prerequisites.cluster_dns(Cluster()))
    for result, (outcome, detail) in zip(results, expected, strict=True):
        assert (result.outcome, detail in result.detail) == (outcome, True), result.detail


@pytest.mark.parametrize(
    ("address", "outcome"),
    [("10.100.0.1", PASSED), ("fd00::1", FAILED), (None, NOT_CHECKED)],
)
def test_an_ipv6_cluster_fails(
    world: World, run: Run, address: str | None, outcome: Outcome
) -> None:
    del run
    service("default", "kubernetes", clusterIP=address)(world.api)
    (answer,) = prerequisites.address_family(Cluster())
    assert answer.outcome is outcome
    assert (outcome is FAILED) == ("does not support" in answer.detail)
