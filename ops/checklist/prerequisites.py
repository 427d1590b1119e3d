"""The checks of the cluster's prerequisites."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from ipaddress import ip_address

from catalogue.hosts import Hosts
from catalogue.installation import INSTALLATION
from catalogue.target import TARGET
from constructs_lib.manifests.references import ImageReference
from constructs_lib.model import Manifest
from ops import rendered
from ops.checklist.results import (
    CheckResult,
    Outcome,
    failed,
    not_checked,
    passed,
    passed_if,
    results_of,
)
from ops.cluster import Cluster, SyncState

_POLICY_ENGINES = {"calico-node": "Calico", "cilium": "Cilium"}
"""Network plugins that always enforce NetworkPolicies, by DaemonSet."""
_EXTERNAL_SECRETS = "external-secrets.io"
_WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet")
_DNS_POSITION = 10
"""EKS gives DNS the tenth address of the service range; the Service `kubernetes` has the first."""
_KUBERNETES_SERVICE = ("kubernetes", "default")
_KUBE_DNS_SERVICE = ("kube-dns", "kube-system")
_IPV4 = 4


def check(cluster: Cluster) -> list[tuple[str, CheckResult]]:
    """Return the results of every check, with their names."""
    return [
        (name, result) for name, check in _CHECKS.items() for result in results_of(check, cluster)
    ]


def nodes(cluster: Cluster) -> Iterator[CheckResult]:
    """Check for nodes that match the pods' node selector."""
    found = cluster.items("v1", "Node", selector="kubernetes.io/arch=arm64")
    ready = [
        node
        for node in found
        for condition in node.get("status", {}).get("conditions", ())
        if (condition["type"], condition["status"]) == ("Ready", "True")
    ]
    yield passed_if(
        ready,
        f"{len(ready)} ready",
        "no ready node has kubernetes.io/arch=arm64, so no pod can run; add Graviton nodes",
    )


def _controller(cluster: Cluster, image: str, without: str) -> Iterator[CheckResult]:
    """Check that a workload with this image, from any registry, has a ready pod."""
    state = "is not in the cluster"
    for item in (item for kind in _WORKLOADS for item in _workloads(cluster, kind)):
        references = [container["image"] for container in _containers(item)]
        for reference in (ref for ref in references if ImageReference.of(ref).name == image):
            status, metadata = item.get("status", {}), item["metadata"]
            if status.get("readyReplicas") or status.get("numberReady"):
                yield passed(f"{metadata['namespace']}/{metadata['name']}, {reference}")
                return
            state = "has no ready pod"
    yield failed(f"{image} {state}: {without}")


def external_secrets(cluster: Cluster) -> Iterator[CheckResult]:
    """Check the operator, the API version that dist/ uses, and the store."""
    yield from _controller(cluster, "external-secrets", "no Secret is created")
    api_versions = cluster.resources.versions((_EXTERNAL_SECRETS, "ClusterSecretStore"))
    served = [version.rpartition("/")[2] for version in api_versions]
    wanted = TARGET.external_secrets
    if wanted not in served:
        yield failed(
            f"it serves {', '.join(served) or 'nothing'}, but dist/ uses {wanted}; change "
            "external_secrets in catalogue/target.py"
        )
        return
    yield passed(f"serves {', '.join(served)}; dist/ uses {wanted}")
    (name,) = (item.name for item in rendered.objects().of_kinds("ClusterSecretStore"))
    store = cluster.get(f"{_EXTERNAL_SECRETS}/{wanted}", "ClusterSecretStore", name)
    state = SyncState.of(store) if store else None
    yield passed_if(
        state and state.ready,
        f"ClusterSecretStore {name} is ready",
        f"ClusterSecretStore {name}: {state.message if state else 'is not in the cluster'}",
    )


def network_policies(cluster: Cluster) -> Iterator[CheckResult]:
    """Check for a network plugin that enforces NetworkPolicies."""
    by_name = {item["metadata"]["name"]: item for item in _workloads(cluster, "DaemonSet")}
    for name, engine in _POLICY_ENGINES.items():
        if name in by_name:
            yield passed(f"by {engine}")
            return
    if "aws-node" not in by_name:
        yield not_checked("unknown network plugin; test a connection that should be denied")
        return
    containers = _containers(by_name["aws-node"])
    arguments = [argument for container in containers for argument in container.get("args", ())]
    if "--enable-network-policy=true" not in arguments:
        yield failed(
            "the VPC CNI does not enforce them: every pod may connect anywhere. Set "
            "enableNetworkPolicy in the configuration of the vpc-cni add-on"
        )
        return
    yield passed_if(
        cluster.items("networking.k8s.aws/v1alpha1", "PolicyEndpoint"),
        "by the VPC CNI",
        "the VPC CNI agent is enabled, but no PolicyEndpoint exists: the controller that creates "
        "them is part of the managed vpc-cni add-on",
    )


def pod_identity(cluster: Cluster) -> Iterator[CheckResult]:
    """Check for the agent that gives External Secrets its role."""
    if INSTALLATION.oidc_provider_arn:
        detail = "the role trusts the cluster's OIDC provider"
        yield CheckResult(Outcome.NOT_APPLICABLE, detail)
    else:
        without = "External Secrets gets no role"
        yield from _controller(cluster, "eks-pod-identity-agent", without)


def address_family(cluster: Cluster) -> Iterator[CheckResult]:
    """Check that the cluster is IPv4: the NetworkPolicies allow only IPv4 ranges."""
    first = _cluster_ip(cluster, _KUBERNETES_SERVICE)
    if not first:
        yield not_checked("unknown, because the Service default/kubernetes does not exist")
        return
    yield passed_if(
        ip_address(first).version == _IPV4,
        "IPv4",
        "the cluster is IPv6, which this platform does not support: its NetworkPolicies allow only "
        "IPv4 ranges, so pods could not connect outside the cluster. Use an IPv4 cluster",
    )


def cluster_dns(cluster: Cluster) -> Iterator[CheckResult]:
    """Check that pods may reach cluster DNS: pods of kube-dns, or addresses on the node."""
    ready = [pod for pod in cluster.pods("kube-system", "k8s-app=kube-dns") if pod.ready]
    allowed = dict.fromkeys(TARGET.dns_addresses, "which is in dns_addresses")
    service = _cluster_ip(cluster, _KUBE_DNS_SERVICE)
    if ready:
        yield passed(f"{len(ready)} pods with k8s-app=kube-dns")
        if service:
            allowed.setdefault(service, "the cluster IP of kube-dns, which is allowed")
    caches = _node_caches(cluster)
    on_nodes = {
        **{address: "NodeLocal DNSCache" for cache in caches for address in _addresses_of(cache)},
        **_auto_mode(cluster, service),
    }
    if caches and not any(map(_addresses_of, caches)):
        yield not_checked(
            "NodeLocal DNSCache runs, but its DaemonSet has no -localip argument; compare its "
            "address with dns_addresses in catalogue/target.py"
        )
    elif not ready and not on_nodes:
        yield failed(
            "kube-system has no ready pod with k8s-app=kube-dns, and the cluster has neither "
            "NodeLocal DNSCache nor EKS Auto Mode: the NetworkPolicies allow no working DNS server"
        )
    for address, by in on_nodes.items():
        yield passed_if(
            address in allowed,
            f"{by} answers at {address}, {allowed.get(address)}",
            f"{by} answers at {address}, which the NetworkPolicies block: all pods would lose DNS. "
            f"{_setting(address for address in on_nodes if address not in allowed)}",
        )


def _setting(missing: Iterable[str]) -> str:
    listed = ", ".join(f'"{address}"' for address in (*TARGET.dns_addresses, *missing))
    comma = "" if ", " in listed else ","
    return f"Set dns_addresses=({listed}{comma}) in catalogue/target.py, and run `make synth`"


def _node_caches(cluster: Cluster) -> list[Manifest]:
    """Return the DaemonSets of NodeLocal DNSCache, found by name or by image."""
    return [
        item
        for item in _workloads(cluster, "DaemonSet")
        if item["metadata"]["namespace"] == "kube-system"
        if item["metadata"]["name"] == "node-local-dns"
        or any(
            ImageReference.of(container["image"]).name == "k8s-dns-node-cache"
            for container in _containers(item)
        )
    ]


def _addresses_of(cache: Manifest) -> list[str]:
    """Return the addresses of the `-localip` argument, a comma-separated list."""
    found = []
    for container in _containers(cache):
        words = " ".join([*container.get("command", ()), *container.get("args", ())])
        for listed in re.findall(r"(?:^|\s)--?localip[=\s]\s*([\d.,\s]+)", words):
            found += [address.strip() for address in listed.split(",") if address.strip()]
    return found


def _auto_mode(cluster: Cluster, service: str | None) -> dict[str, str]:
    """Return the cluster DNS address if EKS Auto Mode nodes answer it."""
    if not cluster.items("v1", "Node", selector="eks.amazonaws.com/compute-type=auto"):
        return {}
    first = _cluster_ip(cluster, _KUBERNETES_SERVICE)
    if not service and not first:
        return {}
    return {service or str(ip_address(str(first)) + _DNS_POSITION - 1): "EKS Auto Mode"}


def public_dns(cluster: Cluster) -> Iterator[CheckResult]:
    """Check that each host resolves to its load balancer."""
    balancers = {
        rule.get("host"): [
            entry.get("hostname") or entry.get("ip", "")
            for entry in item.get("status", {}).get("loadBalancer", {}).get("ingress", ())
        ]
        for item in cluster.items("networking.k8s.io/v1", "Ingress")
        for rule in item["spec"].get("rules", ())
    }
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
        return failed(f"{host}: its Ingress has no load balancer yet")
    found = addresses(host)
    if not found:
        return failed(f"{host} does not resolve from here; point it to {balancers[0]}")
    expected = {address for balancer in balancers for address in addresses(balancer)}
    if not expected:
        return not_checked(f"{host} resolves, but its load balancer {balancers[0]} does not")
    return passed_if(
        found & expected,
        f"{host} resolves to {balancers[0]}",
        f"{host} resolves to {', '.join(sorted(found))}, not to {balancers[0]}",
    )


@lru_cache(maxsize=len(_WORKLOADS))
def _workloads(cluster: Cluster, kind: str) -> list[Manifest]:
    return cluster.items("apps/v1", kind)


def _containers(workload: Manifest) -> list[Manifest]:
    containers: list[Manifest] = workload["spec"]["template"]["spec"]["containers"]
    return containers


def _cluster_ip(cluster: Cluster, service: tuple[str, str]) -> str | None:
    """Return the cluster IP of a Service; None if it has none or does not exist."""
    found = cluster.get("v1", "Service", *service) or {}
    address: str | None = found.get("spec", {}).get("clusterIP")
    return None if address == "None" else address


_CHECKS: dict[str, Callable[[Cluster], Iterator[CheckResult]]] = {
    "arm64 nodes": nodes,
    "Argo CD": partial(_controller, image="argocd", without="nothing applies dist/"),
    "External Secrets": external_secrets,
    "AWS Load Balancer Controller": partial(
        _controller,
        image="aws-load-balancer-controller",
        without="no Ingress gets a load balancer",
    ),
    "Reloader": partial(
        _controller,
        image="reloader",
        without="web services use old secret values until they are restarted",
    ),
    "NetworkPolicies are enforced": network_policies,
    "Pod Identity agent": pod_identity,
    "Address family": address_family,
    "Cluster DNS": cluster_dns,
    "Public DNS": public_dns,
}
