"""Evaluates NetworkPolicy objects without a cluster, as Kubernetes and as EKS evaluate them.

Ports are container ports, not Service ports. Not supported: traffic from a pod's own node (always
allowed, for probes), pods on the host network, and other network plugins. Plugins differ on whether
an ipBlock matches pods by address; here it does, as on EKS. The cluster IP of a Service, which EKS
treats like the pods of the Service, is not supported either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from itertools import chain
from typing import Any

from constructs_lib.manifests.network import PolicyRule, directions, policy_rules
from constructs_lib.manifests.objects import Object, selects
from constructs_lib.model import Manifest
from constructs_lib.model.names import Range, as_range

Fields = Mapping[str, Any]
_EVERY_ADDRESS: tuple[Fields, ...] = ({"cidr": "0.0.0.0/0"}, {"cidr": "::/0"})
_EVERY_PORT: Fields = {"protocol": "ANY"}


@dataclass(frozen=True)
class Endpoint:
    """One side of a connection: a pod, or an address outside the cluster."""

    ip: str | None = None
    """None for a pod that has no address yet, which no ipBlock matches."""
    namespace: str | None = None
    """None outside the cluster."""
    labels: Mapping[str, str] = field(default_factory=dict)
    named_ports: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Container port numbers by name and protocol."""

    @classmethod
    def pod(cls, pod: Fields, namespace: str | None = None) -> Endpoint:
        """The endpoint of a Pod, or of a pod template in `namespace`."""
        metadata = pod.get("metadata", {})
        return cls(
            ip=pod.get("status", {}).get("podIP"),
            namespace=namespace or metadata["namespace"],
            labels=metadata.get("labels", {}),
            named_ports={
                (port["name"], port.get("protocol", "TCP")): port["containerPort"]
                for container in pod["spec"]["containers"]
                for port in container.get("ports", ())
                if "name" in port
            },
        )


@dataclass(frozen=True)
class Connection:
    """The destination port of a connection."""

    number: int
    protocol: str = "TCP"
    named_ports: Mapping[tuple[str, str], int] = field(default_factory=dict, hash=False)
    """Port numbers of the destination pod, by name and protocol."""

    def is_in(self, ports: Sequence[Fields]) -> bool:
        """Whether the `ports` of a rule include it. Empty means all ports."""
        return not ports or any(self._matches(port) for port in ports)

    def _matches(self, port: Fields) -> bool:
        if port is _EVERY_PORT:
            return True
        if port.get("protocol", "TCP") != self.protocol:
            return False
        first = port.get("port")
        if isinstance(first, str):
            return self.named_ports.get((first, self.protocol)) == self.number
        return first is None or bool(first <= self.number <= port.get("endPort", first))


@dataclass(frozen=True)
class Opening:
    """One rule of a policy, evaluated for one peer."""

    ports: Sequence[Fields]
    """Empty means all ports."""
    blocks: Sequence[Fields]
    """Its `ipBlock` peers."""
    anyone: bool
    """Whether the rule has no peers, which means all peers."""
    selects: bool
    """Whether one of its selectors matches the peer."""

    @classmethod
    def of(cls, rule: PolicyRule, *, selects: bool) -> Opening:
        blocks = [peer["ipBlock"] for peer in rule.peers if "ipBlock" in peer]
        return cls(rule.ports, blocks, anyone=not rule.peers, selects=selects)


Evaluator = Callable[[Sequence[Opening], str | None, Connection], bool]
"""Whether the openings allow a peer with this address. None: the peer has no address yet."""


def kubernetes(openings: Sequence[Opening], ip: str | None, connection: Connection) -> bool:
    """As documented by the NetworkPolicy API: one matching rule is enough."""
    return any(
        connection.is_in(opening.ports)
        and (
            opening.anyone or opening.selects or any(_covers(block, ip) for block in opening.blocks)
        )
        for opening in openings
    )


def eks(openings: Sequence[Opening], ip: str | None, connection: Connection) -> bool:
    """As evaluated by EKS's network plugin, the VPC CNI with its network policy agent 1.4.

    It puts all rules of a pod into one table of address ranges. Only the most specific range
    applies. Without an address, falls back to `kubernetes`.
    """
    if ip is None:
        return kubernetes(openings, ip, connection)
    address, table = ip_address(ip), _table(openings, ip)
    containing = [cidr for cidr in table if address in cidr]
    narrowest = max(containing, key=lambda cidr: cidr.prefixlen, default=None)
    ports = table[narrowest] if narrowest else ()
    return bool(ports) and connection.is_in(ports)


EVALUATORS: Mapping[str, Evaluator] = {"Kubernetes": kubernetes, "EKS": eks}


def _table(openings: Iterable[Opening], ip: str) -> dict[Range, list[Fields]]:
    """The plugin's open ports by address range, for the peer with the address `ip`.

    Wider ranges come first, and narrower ones inherit their ports.
    """
    ports: dict[Range, list[Fields]] = {}
    exceptions: dict[Range, set[Range]] = {}
    entries = [
        (as_range(block["cidr"]), block.get("except") or (), opening.ports or [_EVERY_PORT])
        for opening in openings
        for block in _blocks_for(opening, ip)
    ]
    for cidr, excepted, opened in sorted(entries, key=lambda entry: entry[0].prefixlen):
        first = cidr.network_address
        if cidr not in ports:
            wider = [
                other
                for other, excluded in exceptions.items()
                if first in other and not any(first in part for part in excluded)
            ]
            ports[cidr] = [port for other in wider for port in ports[other]]
        ports[cidr] += opened
        exceptions.setdefault(cidr, set()).update(map(as_range, excepted))
    for denied in chain.from_iterable(exceptions.values()):
        ports.setdefault(denied, [])
    return ports


def _blocks_for(opening: Opening, ip: str) -> Iterator[Fields]:
    yield from _EVERY_ADDRESS if opening.anyone else opening.blocks
    if opening.selects:
        yield {"cidr": str(ip_network(ip))}


def _covers(block: Fields, ip: str | None) -> bool:
    if ip is None:
        return False
    address = ip_address(ip)
    return address in as_range(block["cidr"]) and not any(
        address in as_range(cidr) for cidr in block.get("except") or ()
    )


class Network:
    """The policies and namespaces of a cluster."""

    def __init__(self, objects: Iterable[Manifest], evaluator: Evaluator = kubernetes) -> None:
        """Read the NetworkPolicies and Namespaces among objects of any kind."""
        self._evaluator = evaluator
        self._policies = []
        self._namespaces: dict[str, Mapping[str, str]] = {}
        for manifest in objects:
            metadata = manifest["metadata"]
            if manifest["kind"] == "NetworkPolicy":
                self._policies.append(Object.of(manifest))
            elif manifest["kind"] == "Namespace":
                name = {"kubernetes.io/metadata.name": metadata["name"]}
                self._namespaces[metadata["name"]] = {**metadata.get("labels", {}), **name}

    def allows(self, source: Endpoint, target: Endpoint, port: int, protocol: str = "TCP") -> bool:
        """Whether the policies of both ends allow a connection from source to target."""
        wanted = Connection(port, protocol, target.named_ports)
        return self._allows("Egress", source, target, wanted) and self._allows(
            "Ingress", target, source, wanted
        )

    def _allows(self, direction: str, pod: Endpoint, peer: Endpoint, wanted: Connection) -> bool:
        """Whether the policies of one end allow it. A pod without policies allows everything."""
        policies = [policy for policy in self._policies if _isolates(policy, direction, pod)]
        if not policies or pod == peer:
            return True
        openings = [
            Opening.of(
                rule,
                selects=any(
                    self._selects(selectors, policy.namespace, peer)
                    for selectors in rule.peers
                    if not selectors.get("ipBlock")
                ),
            )
            for policy in policies
            for rule in policy_rules(policy, direction)
        ]
        return self._evaluator(openings, peer.ip, wanted)

    def _selects(self, selectors: Fields, namespace: str, peer: Endpoint) -> bool:
        if peer.namespace is None:
            return False
        if "namespaceSelector" in selectors:
            if peer.namespace not in self._namespaces:
                raise ValueError(f"no Namespace object for {peer.namespace}; add it for its labels")
            in_namespace = selects(selectors["namespaceSelector"], self._namespaces[peer.namespace])
        else:
            in_namespace = peer.namespace == namespace
        return in_namespace and selects(selectors.get("podSelector"), peer.labels)


def _isolates(policy: Object, direction: str, pod: Endpoint) -> bool:
    return (
        policy.namespace == pod.namespace
        and direction in directions(policy.manifest)
        and selects(policy.spec.get("podSelector"), pod.labels)
    )
