"""NetworkPolicies: deny all traffic except what a workload declares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from cdk8s_plus_27 import k8s

from constructs_lib.kubernetes.manifest import int_or_string
from constructs_lib.manifests.network import NOT_PUBLIC, PRIVATE
from constructs_lib.model import Egress


@cache
def _namespace(name: str) -> k8s.LabelSelector:
    return k8s.LabelSelector(match_labels={"kubernetes.io/metadata.name": name})


@cache
def _block(cidr: str, excepted: tuple[str, ...] = ()) -> k8s.NetworkPolicyPeer:
    return k8s.NetworkPolicyPeer(
        ip_block=k8s.IpBlock(cidr=cidr, except_=list(excepted) if excepted else None)
    )


_PUBLIC = (_block("0.0.0.0/0", NOT_PUBLIC),)
_ANYWHERE = (*_PUBLIC, *map(_block, PRIVATE))
"""The block of _PUBLIC, and the allowed exceptions as separate blocks. EKS's network plugin then
evaluates rules of both kinds together as Kubernetes does."""


@cache
def _dns(addresses: tuple[str, ...]) -> k8s.NetworkPolicyEgressRule:
    return k8s.NetworkPolicyEgressRule(
        to=[
            k8s.NetworkPolicyPeer(
                namespace_selector=_namespace("kube-system"),
                pod_selector=k8s.LabelSelector(match_labels={"k8s-app": "kube-dns"}),
            ),
            *(_block(f"{address}/32") for address in addresses),
        ],
        ports=[
            k8s.NetworkPolicyPort(port=int_or_string(53), protocol=protocol)
            for protocol in ("UDP", "TCP")
        ],
    )


def deny_all() -> k8s.NetworkPolicySpec:
    """The default-deny policy of a namespace."""
    return k8s.NetworkPolicySpec(
        pod_selector=k8s.LabelSelector(), policy_types=["Ingress", "Egress"]
    )


def allow(
    selector: k8s.LabelSelector,
    *,
    dns_addresses: tuple[str, ...],
    egress: Iterable[Egress],
    ingress: Sequence[k8s.NetworkPolicyIngressRule] = (),
) -> k8s.NetworkPolicySpec:
    """Allow DNS, `egress` and `ingress` for the selected pods."""
    return k8s.NetworkPolicySpec(
        pod_selector=selector,
        policy_types=["Ingress", "Egress"],
        ingress=list(ingress) or None,
        egress=[_dns(dns_addresses), *(_egress_rule(rule) for rule in dict.fromkeys(egress))],
    )


def pods(name: str, namespace: str | None = None) -> k8s.NetworkPolicyPeer:
    """The pods of a workload. `namespace` is needed if it differs from that of the policy."""
    return k8s.NetworkPolicyPeer(
        namespace_selector=_namespace(namespace) if namespace else None,
        pod_selector=k8s.LabelSelector(match_labels={"app": name}),
    )


def to_pods(peer: k8s.NetworkPolicyPeer, port: int) -> k8s.NetworkPolicyEgressRule:
    return k8s.NetworkPolicyEgressRule(to=[peer], ports=[_tcp(port)])


def from_pods(peer: k8s.NetworkPolicyPeer, port: int) -> k8s.NetworkPolicyIngressRule:
    return k8s.NetworkPolicyIngressRule(from_=[peer], ports=[_tcp(port)])


@cache
def from_ranges(port: int, ranges: tuple[str, ...]) -> k8s.NetworkPolicyIngressRule:
    """Allow `port` from these CIDR ranges, or from anywhere if empty."""
    return k8s.NetworkPolicyIngressRule(
        from_=[_block(cidr) for cidr in ranges] or None,
        ports=[_tcp(port)],
    )


@cache
def from_namespace(port: int) -> k8s.NetworkPolicyIngressRule:
    """Allow `port` from pods of the same namespace."""
    return k8s.NetworkPolicyIngressRule(
        from_=[k8s.NetworkPolicyPeer(pod_selector=k8s.LabelSelector())], ports=[_tcp(port)]
    )


@cache
def _tcp(port: int) -> k8s.NetworkPolicyPort:
    return k8s.NetworkPolicyPort(port=int_or_string(port), protocol="TCP")


@cache
def _egress_rule(egress: Egress) -> k8s.NetworkPolicyEgressRule:
    return k8s.NetworkPolicyEgressRule(
        to=list(_PUBLIC if egress.to == "public" else _ANYWHERE),
        ports=[
            k8s.NetworkPolicyPort(
                port=int_or_string(port) if port is not None else None, protocol=protocol
            )
            for protocol in egress.protocols
            for port in egress.ports or (None,)
        ],
    )
