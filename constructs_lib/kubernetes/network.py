"""NetworkPolicies: nothing in or out of a namespace but what a workload declares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from cdk8s_plus_27 import k8s

from constructs_lib.kubernetes.chart import Chart
from constructs_lib.kubernetes.manifest import int_or_string
from constructs_lib.model import Egress

NOT_PUBLIC = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
)
"""Private (RFC 1918), shared (RFC 6598), loopback and link-local addresses, IMDS among them."""

_DNS = k8s.NetworkPolicyEgressRule(
    to=[
        k8s.NetworkPolicyPeer(
            namespace_selector=k8s.LabelSelector(
                match_labels={"kubernetes.io/metadata.name": "kube-system"}
            ),
            pod_selector=k8s.LabelSelector(match_labels={"k8s-app": "kube-dns"}),
        )
    ],
    ports=[
        k8s.NetworkPolicyPort(port=int_or_string(53), protocol=protocol)
        for protocol in ("UDP", "TCP")
    ],
)


def deny_all(chart: Chart) -> None:
    """Refuse every connection of every pod of the chart's namespace that no policy allows."""
    chart.add(
        k8s.KubeNetworkPolicyProps(
            metadata=chart.metadata("default-deny"),
            spec=k8s.NetworkPolicySpec(
                pod_selector=k8s.LabelSelector(), policy_types=["Ingress", "Egress"]
            ),
        )
    )


def allow(
    chart: Chart,
    metadata: k8s.ObjectMeta,
    pods: k8s.LabelSelector,
    *,
    egress: Iterable[Egress],
    ingress: Sequence[k8s.NetworkPolicyIngressRule] = (),
) -> None:
    """Open for these pods: DNS, what `egress` names, and `ingress`."""
    chart.add(
        k8s.KubeNetworkPolicyProps(
            metadata=metadata,
            spec=k8s.NetworkPolicySpec(
                pod_selector=pods,
                policy_types=["Ingress", "Egress"],
                ingress=list(ingress) or None,
                egress=[_DNS, *(_egress_rule(rule) for rule in dict.fromkeys(egress))],
            ),
        )
    )


@cache
def from_ranges(port: int, ranges: tuple[str, ...]) -> k8s.NetworkPolicyIngressRule:
    """Callers of `port` from these CIDR ranges; none means from anywhere."""
    return k8s.NetworkPolicyIngressRule(
        from_=[k8s.NetworkPolicyPeer(ip_block=k8s.IpBlock(cidr=cidr)) for cidr in ranges] or None,
        ports=[k8s.NetworkPolicyPort(port=int_or_string(port), protocol="TCP")],
    )


@cache
def from_namespace(port: int) -> k8s.NetworkPolicyIngressRule:
    """Callers of `port` from the pods of the same namespace."""
    return k8s.NetworkPolicyIngressRule(
        from_=[k8s.NetworkPolicyPeer(pod_selector=k8s.LabelSelector())],
        ports=[k8s.NetworkPolicyPort(port=int_or_string(port), protocol="TCP")],
    )


@cache
def _egress_rule(egress: Egress) -> k8s.NetworkPolicyEgressRule:
    public = k8s.NetworkPolicyPeer(ip_block=k8s.IpBlock(cidr="0.0.0.0/0", except_=list(NOT_PUBLIC)))
    return k8s.NetworkPolicyEgressRule(
        to=[public] if egress.to == "public" else None,
        ports=[
            k8s.NetworkPolicyPort(
                port=int_or_string(port) if port is not None else None, protocol=protocol
            )
            for protocol in egress.protocols
            for port in egress.ports or (None,)
        ],
    )
