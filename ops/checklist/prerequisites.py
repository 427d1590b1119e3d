"""The checks of the cluster's prerequisites."""

import re
import socket
from collections.abc import Iterator
from functools import lru_cache, partial
from ipaddress import IPv4Address, ip_address

from catalogue.hosts import Hosts
from catalogue.installation import INSTALLATION
from catalogue.target import TARGET
from constructs_lib.manifests.objects import Objects
from constructs_lib.manifests.references import ImageReference
from constructs_lib.manifests.workload import Workload, workloads
from ops import rendered
from ops.checklist.results import Check, CheckResult, Outcome, passed_if
from ops.cluster import Cluster, SyncState, is_ready

_POLICY_ENGINES = {"calico-node": "Calico", "cilium": "Cilium"}
"""Network plugins that always enforce NetworkPolicies, by DaemonSet."""
_EXTERNAL_SECRETS = "external-secrets.io"
_KINDS = ("Deployment", "DaemonSet", "StatefulSet")


def nodes(cluster: Cluster) -> CheckResult:
    """Check for nodes that match the pods' node selector."""
    found = cluster.items("v1", "Node", selector="kubernetes.io/arch=arm64")
    ready = list(filter(is_ready, found))
    return passed_if(
        ready,
        f"{len(ready)} ready",
        "no ready node has kubernetes.io/arch=arm64, so no pod can run; add Graviton nodes",
    )


def _controller(image: str, without: str, cluster: Cluster) -> CheckResult:
    """Check that a workload with this image, from any registry, has a ready pod."""
    state = "is not in the cluster"
    for workload in (workload for kind in _KINDS for workload in _workloads(cluster, kind)):
        if reference := _reference(workload, image):
            status = workload.manifest.get("status", {})
            if status.get("readyReplicas") or status.get("numberReady"):
                return Outcome.PASSED(f"{workload}, {reference}")
            state = "has no ready pod"
    return Outcome.FAILED(f"{image} {state}: {without}")


def external_secrets(cluster: Cluster) -> Iterator[CheckResult]:
    """Check the operator, the API version that dist/ uses, and the store."""
    yield _controller("external-secrets", "no Secret is created", cluster)
    api_versions = cluster.resources.versions((_EXTERNAL_SECRETS, "ClusterSecretStore"))
    served = [version.rpartition("/")[2] for version in api_versions]
    wanted = TARGET.external_secrets
    if wanted not in served:
        yield Outcome.FAILED(
            f"it serves {', '.join(served) or 'nothing'}, but dist/ uses {wanted}; change "
            "external_secrets in catalogue/target.py"
        )
        return
    yield Outcome.PASSED(f"serves {', '.join(served)}; dist/ uses {wanted}")
    (name,) = (item.name for item in rendered.objects().of_kinds("ClusterSecretStore"))
    store = cluster.get(f"{_EXTERNAL_SECRETS}/{wanted}", "ClusterSecretStore", name)
    state = SyncState.of(store) if store else None
    yield passed_if(
        state and state.ready,
        f"ClusterSecretStore {name} is ready",
        f"ClusterSecretStore {name}: {state.message if state else 'is not in the cluster'}",
    )


def network_policies(cluster: Cluster) -> CheckResult:
    """Check for a network plugin that enforces NetworkPolicies."""
    by_name = {plugin.name: plugin for plugin in _workloads(cluster, "DaemonSet")}
    for name, engine in _POLICY_ENGINES.items():
        if name in by_name:
            return Outcome.PASSED(f"by {engine}")
    if "aws-node" not in by_name:
        return Outcome.NOT_CHECKED(
            "unknown network plugin; test a connection that should be denied"
        )
    containers = by_name["aws-node"].containers
    if not any("--enable-network-policy=true" in each.arguments for each in containers):
        return Outcome.FAILED(
            "the VPC CNI does not enforce them: every pod may connect anywhere. Set "
            "enableNetworkPolicy in the configuration of the vpc-cni add-on"
        )
    return passed_if(
        cluster.items("networking.k8s.aws/v1alpha1", "PolicyEndpoint"),
        "by the VPC CNI",
        "the VPC CNI agent is enabled, but no PolicyEndpoint exists: the controller that creates "
        "them is part of the managed vpc-cni add-on",
    )


def pod_identity(cluster: Cluster) -> CheckResult:
    """Check for the agent that gives External Secrets its role."""
    if INSTALLATION.oidc_provider_arn:
        return Outcome.NOT_APPLICABLE("the role trusts the cluster's OIDC provider")
    return _controller("eks-pod-identity-agent", "External Secrets gets no role", cluster)


def address_family(cluster: Cluster) -> CheckResult:
    """Check that the cluster is IPv4: the NetworkPolicies allow only IPv4 ranges."""
    first = _cluster_ip(cluster, "default", "kubernetes")
    if not first:
        return Outcome.NOT_CHECKED("unknown, because the Service default/kubernetes does not exist")
    return passed_if(
        isinstance(ip_address(first), IPv4Address),
        "IPv4",
        "the cluster is IPv6, which this platform does not support: its NetworkPolicies allow only "
        "IPv4 ranges, so pods could not connect outside the cluster. Use an IPv4 cluster",
    )


def cluster_dns(cluster: Cluster) -> Iterator[CheckResult]:
    """Check that pods may reach cluster DNS: pods of kube-dns, or addresses on the node."""
    ready = [pod for pod in cluster.pods("kube-system", "k8s-app=kube-dns") if pod.ready]
    allowed = dict.fromkeys(TARGET.dns_addresses, "which is in dns_addresses")
    service = _cluster_ip(cluster, "kube-system", "kube-dns")
    if ready:
        yield Outcome.PASSED(f"{len(ready)} pods with k8s-app=kube-dns")
        if service:
            allowed.setdefault(service, "the cluster IP of kube-dns, which is allowed")
    caches = [
        workload
        for workload in _workloads(cluster, "DaemonSet")
        if workload.namespace == "kube-system"
        if workload.name == "node-local-dns" or _reference(workload, "k8s-dns-node-cache")
    ]
    by_cache = [address for workload in caches for address in _addresses_of(workload)]
    on_nodes = dict.fromkeys(by_cache, "NodeLocal DNSCache") | _auto_mode(cluster, service)
    if caches and not by_cache:
        yield Outcome.NOT_CHECKED(
            "NodeLocal DNSCache runs, but its DaemonSet has no -localip argument; compare its "
            "address with dns_addresses in catalogue/target.py"
        )
    elif not ready and not on_nodes:
        yield Outcome.FAILED(
            "kube-system has no ready pod with k8s-app=kube-dns, and the cluster has neither "
            "NodeLocal DNSCache nor EKS Auto Mode: the NetworkPolicies allow no working DNS server"
        )
    missing = [address for address in on_nodes if address not in allowed]
    setting = str((*TARGET.dns_addresses, *missing)).replace("'", '"')
    for address, by in on_nodes.items():
        yield passed_if(
            address in allowed,
            f"{by} answers at {address}, {allowed.get(address)}",
            f"{by} answers at {address}, which the NetworkPolicies block: all pods would lose DNS. "
            f"Set dns_addresses={setting} in catalogue/target.py, and run `make synth`",
        )


def _addresses_of(cache: Workload) -> Iterator[str]:
    """Return the addresses of the `-localip` argument, a comma-separated list."""
    for container in cache.containers:
        words = " ".join(container.arguments)
        for listed in re.findall(r"(?:^|\s)--?localip[=\s]\s*([\d.,\s]+)", words):
            yield from listed.replace(",", " ").split()


def _auto_mode(cluster: Cluster, service: str | None) -> dict[str, str]:
    """Return the cluster DNS address if EKS Auto Mode nodes answer it."""
    if not cluster.items("v1", "Node", selector="eks.amazonaws.com/compute-type=auto"):
        return {}
    if not service and (first := _cluster_ip(cluster, "default", "kubernetes")):
        # EKS gives DNS the tenth address of the service range; `kubernetes` has the first
        service = str(ip_address(first) + 9)
    return {service: "EKS Auto Mode"} if service else {}


def public_dns(cluster: Cluster) -> Iterator[CheckResult]:
    """Check that each host resolves to its load balancer."""
    balancers: dict[str, list[str]] = {}
    for ingress in cluster.items("networking.k8s.io/v1", "Ingress"):
        entries = ingress.get("status", {}).get("loadBalancer", {}).get("ingress", ())
        names = [entry.get("hostname") or entry.get("ip", "") for entry in entries]
        balancers |= {rule.get("host"): names for rule in ingress["spec"].get("rules", ())}
    for host in Hosts:
        yield _points_to(host.fqdn, balancers.get(host.fqdn, []))


def addresses(name: str) -> set[str]:
    """Return the addresses that a name resolves to here; empty if it does not resolve."""
    try:
        found = socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {str(address[0]) for *_, address in found}


def _points_to(host: str, balancers: list[str]) -> CheckResult:
    if not balancers:
        return Outcome.FAILED(f"{host}: its Ingress has no load balancer yet")
    found = addresses(host)
    if not found:
        return Outcome.FAILED(f"{host} does not resolve from here; point it to {balancers[0]}")
    expected = {address for balancer in balancers for address in addresses(balancer)}
    if not expected:
        return Outcome.NOT_CHECKED(
            f"{host} resolves, but its load balancer {balancers[0]} does not"
        )
    return passed_if(
        found & expected,
        f"{host} resolves to {balancers[0]}",
        f"{host} resolves to {', '.join(sorted(found))}, not to {balancers[0]}",
    )


@lru_cache(maxsize=len(_KINDS))
def _workloads(cluster: Cluster, kind: str) -> tuple[Workload, ...]:
    return workloads(Objects.of(cluster.items("apps/v1", kind)))


def _reference(workload: Workload, name: str) -> str | None:
    """Return the image with this name, if a container runs it.

    Init containers do not count: that of dex has the image of Argo CD.
    """
    images = (container.get("image", "") for container in workload.containers)
    return next((image for image in images if ImageReference.of(image).name == name), None)


def _cluster_ip(cluster: Cluster, namespace: str, service: str) -> str | None:
    """Return the cluster IP of a Service; None if it has none or does not exist."""
    found = cluster.get("v1", "Service", service, namespace) or {}
    address: str | None = found.get("spec", {}).get("clusterIP")
    return None if address == "None" else address


CHECKS: dict[str, Check] = {
    "arm64 nodes": nodes,
    "Argo CD": partial(_controller, "argocd", "nothing applies dist/"),
    "External Secrets": external_secrets,
    "AWS Load Balancer Controller": partial(
        _controller, "aws-load-balancer-controller", "no Ingress gets a load balancer"
    ),
    "Reloader": partial(
        _controller, "reloader", "web services use old secret values until they are restarted"
    ),
    "NetworkPolicies are enforced": network_policies,
    "Pod Identity agent": pod_identity,
    "Address family": address_family,
    "Cluster DNS": cluster_dns,
    "Public DNS": public_dns,
}
