"""Checks of the cluster's prerequisites."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from functools import lru_cache

from catalogue.hosts import Hosts
from catalogue.installation import INSTALLATION
from catalogue.target import TARGET
from constructs_lib.manifests.image import short_name
from ops import rendered
from ops.checklist import dns
from ops.checklist.model import Answer, failed, not_applicable, not_checked, passed, passed_if
from ops.cluster import Cluster, ClusterError, Object, SyncState

_POLICY_ENGINES = {"calico-node": "Calico", "cilium": "Cilium"}
"""Network plugins that always enforce NetworkPolicies, by DaemonSet."""
_EXTERNAL_SECRETS = "/apis/external-secrets.io"
_WORKLOADS = ("deployments", "daemonsets", "statefulsets")


def required(cluster: Cluster) -> list[tuple[str, Answer]]:
    """Return the results of every prerequisite check, by name."""
    checks: dict[str, Callable[[Cluster], Iterator[Answer]]] = {
        "arm64 nodes": nodes,
        "Argo CD": argo_cd,
        "External Secrets": external_secrets,
        "AWS Load Balancer Controller": load_balancer_controller,
        "Reloader": reloader,
        "NetworkPolicies are enforced": network_policies,
        "Pod Identity agent": pod_identity,
        "Address family": dns.address_family,
        "Cluster DNS": dns.cluster_dns,
        "Public DNS": public_dns,
    }
    return [(name, one) for name, check in checks.items() for one in _results(check, cluster)]


def _results(check: Callable[[Cluster], Iterator[Answer]], cluster: Cluster) -> list[Answer]:
    try:
        return list(check(cluster))
    except ClusterError as error:
        return [not_checked(error)]


def nodes(cluster: Cluster) -> Iterator[Answer]:
    """Check for nodes that match the pods' node selector."""
    found = cluster.connection.items("/api/v1/nodes", labelSelector="kubernetes.io/arch=arm64")
    ready = [node for node in found if _condition(node, "Ready") == "True"]
    yield passed_if(
        ready,
        f"{len(ready)} ready",
        "no ready node has kubernetes.io/arch=arm64, so no pod can run; add Graviton nodes",
    )


def argo_cd(cluster: Cluster) -> Iterator[Answer]:
    """Check for the controller that applies dist/."""
    yield _ready(cluster, "argocd", "nothing applies dist/")


def external_secrets(cluster: Cluster) -> Iterator[Answer]:
    """Check the operator, the API version that dist/ uses, and the store."""
    yield _ready(cluster, "external-secrets", "no Secret is created")
    served = [
        version["version"]
        for version in (cluster.connection.get(_EXTERNAL_SECRETS) or {}).get("versions", ())
    ]
    wanted = TARGET.external_secrets
    if wanted not in served:
        yield failed(
            f"it serves {', '.join(served) or 'nothing'}, but dist/ uses {wanted}; change "
            "external_secrets in catalogue/target.py"
        )
        return
    yield passed(f"serves {', '.join(served)}; dist/ uses {wanted}")
    (name,) = (
        item["metadata"]["name"]
        for item in rendered.objects()
        if item["kind"] == "ClusterSecretStore"
    )
    store = cluster.connection.get(f"{_EXTERNAL_SECRETS}/{wanted}/clustersecretstores/{name}")
    state = SyncState.of(store) if store else None
    yield passed_if(
        state and state.ready,
        f"ClusterSecretStore {name} is ready",
        f"ClusterSecretStore {name}: {state.message if state else 'is not in the cluster'}",
    )


def load_balancer_controller(cluster: Cluster) -> Iterator[Answer]:
    """Check for the controller that creates load balancers for Ingresses."""
    yield _ready(cluster, "aws-load-balancer-controller", "no Ingress gets a load balancer")


def reloader(cluster: Cluster) -> Iterator[Answer]:
    """Check for the controller that restarts web services when their Secrets change."""
    without = "web services use old secret values until they are restarted"
    yield _ready(cluster, "reloader", without)


def network_policies(cluster: Cluster) -> Iterator[Answer]:
    """Check for a network plugin that enforces NetworkPolicies."""
    found = _workloads(cluster, "daemonsets")
    by_name = {item["metadata"]["name"]: item for item in found}
    for name, engine in _POLICY_ENGINES.items():
        if name in by_name:
            yield passed(f"by {engine}")
            return
    if "aws-node" not in by_name:
        yield not_checked("unknown network plugin; test a connection that should be denied")
        return
    arguments = [
        argument
        for container in by_name["aws-node"]["spec"]["template"]["spec"]["containers"]
        for argument in container.get("args", ())
    ]
    if "--enable-network-policy=true" not in arguments:
        yield failed(
            "the VPC CNI does not enforce them: every pod may connect anywhere. Set "
            "enableNetworkPolicy in the configuration of the vpc-cni add-on"
        )
        return
    endpoints = cluster.connection.items("/apis/networking.k8s.aws/v1alpha1/policyendpoints")
    yield passed_if(
        endpoints,
        "by the VPC CNI",
        "the VPC CNI agent is enabled, but no PolicyEndpoint exists: the controller that creates "
        "them is part of the managed vpc-cni add-on",
    )


def pod_identity(cluster: Cluster) -> Iterator[Answer]:
    """Check for the agent that gives External Secrets its role."""
    if INSTALLATION.oidc_provider_arn:
        yield not_applicable("the role trusts the cluster's OIDC provider")
        return
    yield _ready(cluster, "eks-pod-identity-agent", "External Secrets gets no role")


def public_dns(cluster: Cluster) -> Iterator[Answer]:
    """Check that each host resolves to its load balancer."""
    ingresses = cluster.connection.items("/apis/networking.k8s.io/v1/ingresses")
    balancers = {
        rule.get("host"): [
            entry.get("hostname") or entry.get("ip", "")
            for entry in item.get("status", {}).get("loadBalancer", {}).get("ingress", ())
        ]
        for item in ingresses
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


def _points_to(host: str, balancers: list[str]) -> Answer:
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


def _ready(cluster: Cluster, image: str, without: str) -> Answer:
    """Check that a workload with this image, from any registry, has a ready pod."""
    seen = False
    for kind in _WORKLOADS:
        for item in _workloads(cluster, kind):
            references = [c["image"] for c in item["spec"]["template"]["spec"]["containers"]]
            matching = [one for one in references if short_name(one) == image]
            if not matching:
                continue
            seen = True
            status = item.get("status", {})
            if status.get("readyReplicas") or status.get("numberReady"):
                place = f"{item['metadata']['namespace']}/{item['metadata']['name']}"
                return passed(f"{place}, {matching[0]}")
    state = "has no ready pod" if seen else "is not in the cluster"
    return failed(f"{image} {state}: {without}")


@lru_cache(maxsize=len(_WORKLOADS))
def _workloads(cluster: Cluster, kind: str) -> list[Object]:
    return cluster.connection.items(f"/apis/apps/v1/{kind}")


def _condition(item: Object, kind: str) -> str:
    conditions = item.get("status", {}).get("conditions", ())
    return next((str(one["status"]) for one in conditions if one["type"] == kind), "")
