"""Where the pods of a cluster ask for DNS, and whether the NetworkPolicies let them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from catalogue.target import TARGET
from constructs_lib.manifests.image import short_name
from ops.checklist.model import Answer, either, failed, not_checked, passed
from ops.cluster import Cluster, Object

_TENTH = 10
"""Kubernetes gives the first address of the service range to its own Service `kubernetes`; EKS
gives the tenth to the cluster DNS."""
_OF_KUBERNETES = "/api/v1/namespaces/default/services/kubernetes"
_OF_KUBE_DNS = "/api/v1/namespaces/kube-system/services/kube-dns"
_IPV4 = 4


def address_family(cluster: Cluster) -> Iterator[Answer]:
    """An IPv4 cluster: the NetworkPolicies open no IPv6 range."""
    first = _spec(cluster, _OF_KUBERNETES).get("clusterIP")
    if not first:
        yield not_checked("the Service default/kubernetes, whose address says it, is not there")
        return
    yield either(
        ip_address(first).version == _IPV4,
        "IPv4",
        "the cluster is IPv6, which this platform does not support: its NetworkPolicies open IPv4 "
        "ranges only, so pods would reach nothing outside the cluster. Use an IPv4 cluster",
    )


def cluster_dns(cluster: Cluster) -> Iterator[Answer]:
    """Whether pods may ask whatever answers DNS here: pods of kube-dns, or addresses of a node."""
    ready = [pod for pod in cluster.pods("kube-system", "k8s-app=kube-dns") if pod.ready]
    opened = dict.fromkeys(TARGET.dns_addresses, "one of dns_addresses")
    service = _spec(cluster, _OF_KUBE_DNS).get("clusterIP")
    service = None if service == "None" else service
    if ready:
        yield passed(f"{len(ready)} pods with k8s-app=kube-dns")
        if service:
            opened.setdefault(service, "the cluster IP of kube-dns, which is open with its pods")
    caches = _node_caches(cluster)
    on_nodes = {
        **{address: "NodeLocal DNSCache" for cache in caches for address in _addresses_of(cache)},
        **_auto_mode(cluster, service),
    }
    if caches and not any(map(_addresses_of, caches)):
        yield not_checked(
            "NodeLocal DNSCache runs, but its DaemonSet names no -localip; compare the address "
            "that it answers at with dns_addresses in catalogue/target.py"
        )
    elif not ready and not on_nodes:
        yield failed(
            "no ready pod in kube-system has k8s-app=kube-dns, and there is neither NodeLocal "
            "DNSCache nor EKS Auto Mode: nothing answers DNS that the NetworkPolicies let pods ask"
        )
    for address, by in on_nodes.items():
        yield either(
            address in opened,
            f"{by} answers at {address}, {opened.get(address)}",
            f"{by} answers at {address}, which the NetworkPolicies do not let pods ask: all pods "
            f"would lose DNS. {_setting(address for address in on_nodes if address not in opened)}",
        )


def _setting(missing: Iterable[str]) -> str:
    listed = ", ".join(f'"{address}"' for address in (*TARGET.dns_addresses, *missing))
    comma = "" if ", " in listed else ","
    return f"Set dns_addresses=({listed}{comma}) in catalogue/target.py, and run `make synth`"


def _node_caches(cluster: Cluster) -> list[Object]:
    """The pods' specs of NodeLocal DNSCache, by the name of its DaemonSet or by its image."""
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
    """The `-localip` argument of its containers, a list separated by commas."""
    found = []
    for container in cache["containers"]:
        words = " ".join([*container.get("command", ()), *container.get("args", ())])
        for listed in re.findall(r"(?:^|\s)--?localip[=\s]\s*([\d.,\s]+)", words):
            found += [one.strip() for one in listed.split(",") if one.strip()]
    return found


def _auto_mode(cluster: Cluster, service: str | None) -> dict[str, str]:
    """The cluster DNS address, where nodes of EKS Auto Mode answer it themselves."""
    label = {"labelSelector": "eks.amazonaws.com/compute-type=auto"}
    if not cluster.connection.items("/api/v1/nodes", **label):
        return {}
    first = _spec(cluster, _OF_KUBERNETES).get("clusterIP")
    if not service and not first:
        return {}
    return {service or str(ip_address(str(first)) + _TENTH - 1): "EKS Auto Mode"}


def _spec(cluster: Cluster, path: str) -> Object:
    spec: Object = (cluster.connection.get(path) or {}).get("spec", {})
    return spec
