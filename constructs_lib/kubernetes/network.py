"""NetworkPolicies: deny all traffic except what a workload declares."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from constructs_lib.errors import one_line
from constructs_lib.manifests.network import NOT_PUBLIC, PRIVATE
from constructs_lib.model import Calls, Egress, Manifest

if TYPE_CHECKING:
    from constructs_lib.kubernetes.workload import ProgramConstruct


def _block(cidr: str, excepted: Sequence[str] | None = None) -> Manifest:
    return {"ipBlock": {"cidr": cidr, "except": excepted}}


_PUBLIC = (_block("0.0.0.0/0", NOT_PUBLIC),)
_ANYWHERE = (*_PUBLIC, *map(_block, PRIVATE))
"""The block of _PUBLIC, and the allowed exceptions as separate blocks. EKS's network plugin then
evaluates rules of both kinds together as Kubernetes does."""

DENY_ALL: Manifest = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
"""The default-deny policy of a namespace."""


def allow(
    workload: ProgramConstruct, egress: Iterable[Egress], ingress: Sequence[Manifest]
) -> Manifest:
    """Allow DNS, `egress` and `ingress` for the pods of a workload."""
    dns = {
        "to": [
            {
                "namespaceSelector": _namespace("kube-system"),
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            },
            *(_block(f"{address}/32") for address in workload.platform.target.dns_addresses),
        ],
        "ports": [_port(53, "UDP"), _port(53)],
    }
    return {
        "podSelector": workload.selector,
        "policyTypes": ["Ingress", "Egress"],
        "ingress": ingress or None,
        "egress": [dns, *map(_egress_rule, egress)],
    }


def from_ranges(port: int, ranges: tuple[str, ...]) -> Manifest:
    """Allow `port` from these CIDR ranges, or from anywhere if empty."""
    return {"from": [_block(cidr) for cidr in ranges] or None, "ports": [_port(port)]}


def from_namespace(port: int) -> Manifest:
    """Allow `port` from pods of the same namespace."""
    return {"from": [{"podSelector": {}}], "ports": [_port(port)]}


def _egress_rule(egress: Egress) -> Manifest:
    return {
        "to": _PUBLIC if egress.to == "public" else _ANYWHERE,
        "ports": [
            _port(port, protocol)
            for protocol in egress.protocols
            for port in egress.ports or (None,)
        ],
    }


def _port(port: int | None, protocol: str = "TCP") -> Manifest:
    return {"port": port, "protocol": protocol}


def _namespace(name: str | None) -> Manifest:
    return {"matchLabels": {"kubernetes.io/metadata.name": name}}


class CallDirectory:
    """The calls inside the cluster, allowed in the NetworkPolicies of both caller and callee.

    It knows the declared callees, and the calls to services that are not declared yet, by namespace
    and name.
    """

    def __init__(self) -> None:
        self._offered: dict[tuple[str | None, str], ProgramConstruct] = {}
        self._waiting: dict[tuple[str | None, str], list[tuple[ProgramConstruct, Calls]]] = (
            defaultdict(list)
        )
        self._refused: list[str] = []

    def offer(self, callee: ProgramConstruct) -> None:
        """Register `callee`, and connect the callers that were declared before it."""
        address = (callee.chart.namespace, callee.name)
        self._offered[address] = callee
        for caller, call in self._waiting.pop(address, ()):
            self._connect(caller, callee, call)

    def call(self, caller: ProgramConstruct, call: Calls) -> None:
        """Connect `caller`, now or when the callee is declared."""
        address = (call.namespace or caller.chart.namespace, call.service)
        callee = self._offered.get(address)
        if callee:
            self._connect(caller, callee, call)
        else:
            self._waiting[address].append((caller, call))

    def problems(self) -> Iterator[str]:
        """A message for each call to a service, or port, that is not declared."""
        yield from self._refused
        declared = sorted(f"{namespace}/{name}" for namespace, name in self._offered)
        for (namespace, name), calls in self._waiting.items():
            for caller, _ in calls:
                yield one_line(
                    f"{caller.network_policy.declared}: {caller.chart.namespace}/{caller.name} "
                    f"calls {namespace}/{name}, which is not declared; declared WebServices: "
                    f"{', '.join(declared) or 'none'}"
                )

    def _connect(self, caller: ProgramConstruct, callee: ProgramConstruct, call: Calls) -> None:
        port = callee.service_ports.get(call.port)
        if port is None:
            self._refused.append(
                f"{caller.network_policy.declared}: {caller.name} calls port {call.port!r} of "
                f"{callee.name}, but its Service only has {', '.join(callee.service_ports)}; use "
                "one of them"
            )
            return
        to = {"to": [_pods(callee, seen_by=caller)], "ports": [_port(port)]}
        from_ = {"from": [_pods(caller, seen_by=callee)], "ports": [_port(port)]}
        caller.network_policy.merge({"spec": {"egress": [to]}})
        callee.network_policy.merge({"spec": {"ingress": [from_]}})


def _pods(workload: ProgramConstruct, *, seen_by: ProgramConstruct) -> Mapping[str, Manifest]:
    """The pods of a workload, with their namespace if it is another."""
    pods = {"podSelector": {"matchLabels": {"app": workload.name}}}
    if workload.chart.namespace == seen_by.chart.namespace:
        return pods
    return {"namespaceSelector": _namespace(workload.chart.namespace), **pods}
