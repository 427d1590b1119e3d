"""Checks of cluster DNS: where it answers, and whether NetworkPolicies allow it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from catalogue.target import TARGET
from constructs_lib.manifests.image import short_name
from ops.checklist.model import Answer, failed, not_checked, passed, passed_if
from ops.cluster import Cluster, Object

_DNS_POSITION = 10
"""EKS gives DNS the tenth address of the service range; the Service `kubernetes` has the first."""
_KUBERNETES_SERVICE = "/api/v1/namespaces/default/services/kubernetes"
_KUBE_DNS_SERVICE = "/api/v1/namespaces/kube-system/services/kube-dns"
_IPV4 = 4


def address_family(cluster: Cluster) -> Iterator[Answer]:
    """Check that the cluster is IPv4: the NetworkPolicies allow only IPv4 ranges."""
    first = _spec(cluster, _KUBERNETES_SERVICE).get("clusterIP")
    if not first:
        yield not_checked("unknown, because the Service default/kubernetes does not exist")
        return
    yield passed_if(
        ip_address(first).version == _IPV4,
        "IPv4",
        "the cluster is IPv6, which this platform does not support: its NetworkPolicies allow only "
        "IPv4 ranges, so pods could not connect outside the cluster. Use an IPv4 cluster",
    )


def cluster_dns(cluster: Cluster) -> Iterator[Answer]:
    """Check that pods may reach cluster DNS: pods of kube-dns, or addresses on the node."""
    ready = [pod for pod in cluster.pods("kube-system", "k8s-app=kube-dns") if pod.ready]
    allowed = dict.fromkeys(TARGET.dns_addresses, "which is in dns_addresses")
    service = _spec(cluster, _KUBE_DNS_SERVICE).get("clusterIP")
    service = None if service == "None" else service
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


def _node_caches(cluster: Cluster) -> list[Object]:
    """Return the pod specs of NodeLocal DNSCache, found by DaemonSet name or by image."""
    found = cluster.connection.items("/apis/apps/v1/namespaces/kube-system/daemonsets")
    return [
        item["spec"]["template"]["spec"]
        for item in found
        if item["metadata"]["name"] == "node-local-dns"
        or any(
            short_name(container["image"]) == "k8s-dns-node-cache"
            for container in item["spec"]["template"]["spec"]["containers"]
        )
    ]


def _addresses_of(cache: Object) -> list[str]:
    """Return the addresses of the `-localip` argument, a comma-separated list."""
    found = []
    for container in cache["containers"]:
        words = " ".join([*container.get("command", ()), *container.get("args", ())])
        for listed in re.findall(r"(?:^|\s)--?localip[=\s]\s*([\d.,\s]+)", words):
            found += [one.strip() for one in listed.split(",") if one.strip()]
    return found


def _auto_mode(cluster: Cluster, service: str | None) -> dict[str, str]:
    """Return the cluster DNS address if EKS Auto Mode nodes answer it."""
    label = {"labelSelector": "eks.amazonaws.com/compute-type=auto"}
    if not cluster.connection.items("/api/v1/nodes", **label):
        return {}
    first = _spec(cluster, _KUBERNETES_SERVICE).get("clusterIP")
    if not service and not first:
        return {}
    return {service or str(ip_address(str(first)) + _DNS_POSITION - 1): "EKS Auto Mode"}


def _spec(cluster: Cluster, path: str) -> Object:
    spec: Object = (cluster.connection.get(path) or {}).get("spec", {})
    return spec
