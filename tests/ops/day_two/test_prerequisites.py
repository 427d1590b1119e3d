"""Every prerequisite of the cluster passes if present, and fails if missing; where DNS answers."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from catalogue.hosts import Hosts
from constructs_lib.model import ClusterTarget
from ops.checklist import prerequisites
from ops.checklist.results import Outcome, Results, results_of
from ops.cluster import Cluster
from tests import fixed
from tests.ops.day_two.api_server import ApiServer, Object
from tests.ops.day_two.world import World

pytestmark = pytest.mark.usefixtures("run")
Change = Callable[[ApiServer], object]
FAILED, PASSED, NOT_CHECKED = Outcome.FAILED, Outcome.PASSED, Outcome.NOT_CHECKED
KUBE_SYSTEM = "namespaces/kube-system"
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def stored(path: str, labels: dict[str, str] | None = None, **content: Any) -> dict[str, Object]:
    """Return an object by its path."""
    place, _, name = path.rpartition("/")
    namespace = place.partition("/namespaces/")[2].partition("/")[0]
    created = {"creationTimestamp": "2026-01-01T00:00:00Z"}
    metadata = {"name": name, "namespace": namespace, "labels": labels or {}, **created}
    return {path: {"metadata": metadata, **content}}


def workload(path: str, image: str, *arguments: str) -> dict[str, Object]:
    containers = [{"name": "main", "image": image, "args": list(arguments)}]
    spec = {"template": {"spec": {"containers": containers}}}
    status = {"readyReplicas": 1, "numberReady": 1}
    return stored(f"/apis/apps/v1/{KUBE_SYSTEM}/{path}", spec=spec, status=status)


def service(namespace: str, name: str, cluster_ip: str | None) -> dict[str, Object]:
    path = f"/api/v1/namespaces/{namespace}/services/{name}"
    return stored(path, spec={"clusterIP": cluster_ip})


def node_local(*arguments: str, name: str = "node-local-dns") -> dict[str, Object]:
    return workload(f"daemonsets/{name}", "registry.k8s.io/dns/k8s-dns-node-cache:1.23", *arguments)


DNS_PODS = stored(
    f"/api/v1/{KUBE_SYSTEM}/pods/dns",
    {"k8s-app": "kube-dns"},
    spec={"containers": [{}]},
    status=READY,
)
AUTO_MODE = stored("/api/v1/nodes/auto", {"eks.amazonaws.com/compute-type": "auto"})


@pytest.fixture
def equipped(world: World, monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    """A cluster with every prerequisite."""
    world.api.objects |= deepcopy(
        {
            **workload("deployments/argocd", "quay.io/argoproj/argocd:v2.14"),
            **workload("deployments/eso", "oci.example.org/external-secrets:v0.9@sha256:1"),
            **workload("deployments/albc", "ecr.example.org/aws-load-balancer-controller:v2"),
            **workload("deployments/reloader", "ghcr.io/stakater/reloader:v1.4.0"),
            **workload("daemonsets/identity", "public.ecr.aws/eks/eks-pod-identity-agent:1"),
            **workload(
                "daemonsets/aws-node", "ecr.example.org/agent", "--enable-network-policy=true"
            ),
            **stored("/api/v1/nodes/one", {"kubernetes.io/arch": "arm64"}, status=READY),
            **stored("/apis/external-secrets.io/v1beta1/clustersecretstores/aws-ssm", status=READY),
            **stored("/apis/networking.k8s.aws/v1alpha1/namespaces/cerebro/policyendpoints/x"),
            **service("default", "kubernetes", "10.100.0.1"),
            **DNS_PODS,
        }
    )
    for path, ingress in world.api.objects.items():
        if "/ingresses/" in path:
            ingress["status"] = {"loadBalancer": {"ingress": [{"hostname": "alb.example.org"}]}}
    monkeypatch.setattr(prerequisites, "addresses", lambda _: {"192.0.2.1"})
    hosts = [host for host in Hosts if host.fqdn in fixed.platform().hosts]
    monkeypatch.setattr(prerequisites, "Hosts", hosts)
    return world.api


def outcomes(results: Results) -> set[str]:
    return {result.outcome for checked in results.values() for result in checked}


@pytest.mark.usefixtures("equipped")
def test_a_cluster_that_has_everything_passes() -> None:
    assert outcomes(results_of(prerequisites.CHECKS, Cluster())) == {PASSED}


def without(end: str) -> Change:
    return lambda api: api.objects.pop(next(path for path in api.objects if path.endswith(end)))


def replaced(objects: dict[str, Object]) -> Change:
    return lambda api: api.objects.update(objects)


def only_as_init_container(api: ApiServer) -> None:
    """As in the Deployment of dex, which runs without the rest of Argo CD."""
    pod = api.objects[f"/apis/apps/v1/{KUBE_SYSTEM}/deployments/argocd"]["spec"]["template"]["spec"]
    pod["initContainers"] = pod["containers"]
    pod["containers"] = [{"name": "dex", "image": "ghcr.io/dexidp/dex:v2"}]


def only_v1(api: ApiServer) -> None:
    api.served["external-secrets.io/v1"] = api.served.pop("external-secrets.io/v1beta1")


POLICIES = "NetworkPolicies are enforced"


@pytest.mark.parametrize(
    ("name", "change", "outcome", "detail"),
    [
        ("arm64 nodes", without("/nodes/one"), FAILED, "no ready node has kubernetes.io/arch"),
        ("Argo CD", without("/deployments/argocd"), FAILED, "argocd is not in the cluster"),
        ("Argo CD", only_as_init_container, FAILED, "argocd is not in the cluster"),
        ("External Secrets", without("/deployments/eso"), FAILED, "external-secrets is not in"),
        ("External Secrets", without("stores/aws-ssm"), FAILED, "ClusterSecretStore aws-ssm: is"),
        ("External Secrets", only_v1, FAILED, "it serves v1, but dist/ uses v1beta1"),
        ("AWS Load Balancer Controller", without("/deployments/albc"), FAILED, "no Ingress gets"),
        ("Reloader", without("/deployments/reloader"), FAILED, "web services use old secret"),
        (POLICIES, without("/policyendpoints/x"), FAILED, "no PolicyEndpoint exists"),
        (POLICIES, replaced(workload("daemonsets/aws-node", "ecr.example.org/agent")), FAILED,
         "every pod may connect anywhere"),
        (POLICIES, without("/daemonsets/aws-node"), NOT_CHECKED, "unknown network plugin"),
        ("Pod Identity agent", without("/daemonsets/identity"), FAILED, "gets no role"),
        ("Address family", replaced(service("default", "kubernetes", "fd00::1")), FAILED,
         "which this platform does not support"),
        ("Address family", without("/services/kubernetes"), NOT_CHECKED, "does not exist"),
        ("Cluster DNS", without("/pods/dns"), FAILED, "has no ready pod with k8s-app=kube-dns"),
        ("Public DNS", without("/ingresses/cerebro-api"), FAILED, "has no load balancer yet"),
    ],
)  # fmt: skip
def test_only_the_missing_prerequisite_fails(
    equipped: ApiServer, name: str, change: Change, outcome: Outcome, detail: str
) -> None:
    change(equipped)
    found = results_of(prerequisites.CHECKS, Cluster())
    assert any(result.outcome is outcome and detail in result.detail for result in found.pop(name))
    assert outcomes(found) == {PASSED}


@pytest.mark.usefixtures("equipped")
def test_a_host_that_resolves_elsewhere_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = {"alb.example.org": {"192.0.2.1"}, "api.analytics.gnosis.io": {"198.51.100.1"}}
    monkeypatch.setattr(prerequisites, "addresses", lambda name: resolved.get(name, set()))
    assert {result.outcome for result in prerequisites.public_dns(Cluster())} == {FAILED}


LINK_LOCAL, CLUSTER_IP = "169.254.20.10", "172.20.0.10"
KUBE_DNS = (PASSED, "1 pods with k8s-app=kube-dns")


@pytest.mark.parametrize(
    ("objects", "addresses", "expected"),
    [
        (DNS_PODS, (LINK_LOCAL,), [KUBE_DNS]),
        ({}, (LINK_LOCAL,), [(FAILED, "the NetworkPolicies allow no working DNS server")]),
        *(
            ({**DNS_PODS, **node_local(*arguments, name="cache")}, (LINK_LOCAL,),
             [KUBE_DNS, (PASSED, f"NodeLocal DNSCache answers at {LINK_LOCAL}, which is in dns_")])
            for arguments in (("-localip", LINK_LOCAL), (f"--localip={LINK_LOCAL}",))
        ),
        ({**DNS_PODS, **service("kube-system", "kube-dns", CLUSTER_IP),
          **node_local("-localip", f"169.254.20.25,{CLUSTER_IP}")}, (LINK_LOCAL,),
         [KUBE_DNS,
          (FAILED, "which the NetworkPolicies block: all pods would lose DNS. Set dns_addresses="
                   f'("{LINK_LOCAL}", "169.254.20.25") in catalogue/target.py'),
          (PASSED, "the cluster IP of kube-dns")]),
        ({**DNS_PODS, **node_local("-localip", "169.254.20.25")}, (LINK_LOCAL,),
         [KUBE_DNS, (FAILED, "NodeLocal DNSCache answers at 169.254.20.25, which the Netw")]),
        ({**DNS_PODS, **node_local("-localip", "169.254.20.25, ")}, (),
         [KUBE_DNS, (FAILED, 'dns_addresses=("169.254.20.25",) in catalogue/target.py')]),
        ({**DNS_PODS, **node_local("-conf", "x")}, (LINK_LOCAL,),
         [KUBE_DNS, (NOT_CHECKED, "its DaemonSet has no -localip argument")]),
        *(
            ({**AUTO_MODE, **cluster_ip}, (LINK_LOCAL,),
             [(FAILED, f"EKS Auto Mode answers at {CLUSTER_IP}, which the NetworkPolicies block: "
                       f'all pods would lose DNS. Set dns_addresses=("{LINK_LOCAL}", '
                       f'"{CLUSTER_IP}") in catalogue/target.py')])
            for cluster_ip in (
                {},
                service("kube-system", "kube-dns", "None"),
                service("kube-system", "kube-dns", CLUSTER_IP),
            )
        ),
        (AUTO_MODE, (LINK_LOCAL, CLUSTER_IP), [(PASSED, "which is in dns_addresses")]),
        ({**AUTO_MODE, **DNS_PODS, **service("kube-system", "kube-dns", CLUSTER_IP)}, (),
         [KUBE_DNS, (PASSED, "the cluster IP of kube-dns")]),
    ],
)  # fmt: skip
def test_where_dns_answers_is_compared_with_the_settings(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    *,
    objects: dict[str, Object],
    addresses: tuple[str, ...],
    expected: list[tuple[Outcome, str]],
) -> None:
    monkeypatch.setattr(prerequisites, "TARGET", ClusterTarget(dns_addresses=addresses))
    world.api.objects |= service("default", "kubernetes", "172.20.0.1") | objects
    results = list(prerequisites.cluster_dns(Cluster()))
    for result, (outcome, detail) in zip(results, expected, strict=True):
        assert (result.outcome, detail in result.detail) == (outcome, True), result.detail
