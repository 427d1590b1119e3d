"""Who may reach whom, answered from NetworkPolicy objects as their API documents it.

For clusters in which no network plugin enforces policies, and for manifests that no cluster has
seen yet. Ports are those of the pods, after a Service has translated its own. Not modelled: traffic
from a pod's own node (always allowed, so that probes work), pods on the host's network, and what a
plugin adds beyond the API. Plugins differ on whether an ipBlock covers pods by their address; here
it does, as on EKS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from constructs_lib.manifests.selectors import selects

NOT_PUBLIC = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
)
"""Private (RFC 1918), shared (RFC 6598), loopback and link-local addresses, IMDS among them."""

Object = Mapping[str, Any]
ALL: Object = {}
"""A selector or a rule that leaves nothing out."""


@dataclass(frozen=True)
class Endpoint:
    """One side of a connection: a pod, or an address outside the cluster."""

    ip: str | None = None
    """None for a pod that has not got its address yet: no ipBlock covers it."""
    namespace: str | None = None
    """None outside the cluster."""
    labels: Mapping[str, str] = field(default_factory=dict)
    named_ports: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Number of a container's port by its name and protocol."""

    @classmethod
    def pod(cls, obj: Object, namespace: str | None = None) -> Endpoint:
        """A Pod, or a pod template together with the namespace of its workload."""
        metadata = obj.get("metadata", {})
        ports = [
            port for container in obj["spec"]["containers"] for port in container.get("ports", ())
        ]
        return cls(
            ip=obj.get("status", {}).get("podIP"),
            namespace=namespace or metadata["namespace"],
            labels=metadata.get("labels", {}),
            named_ports={
                (port["name"], port.get("protocol", "TCP")): port["containerPort"]
                for port in ports
                if "name" in port
            },
        )


@dataclass(frozen=True)
class _Port:
    """The port that a connection is wanted to."""

    owner: Endpoint
    number: int
    protocol: str

    def is_in(self, rule: Object) -> bool:
        ports = rule.get("ports")
        return not ports or any(self._is(one) for one in ports)

    def _is(self, stated: Object) -> bool:
        if stated.get("protocol", "TCP") != self.protocol:
            return False
        first = stated.get("port")
        if isinstance(first, str):
            return self.owner.named_ports.get((first, self.protocol)) == self.number
        return first is None or bool(first <= self.number <= stated.get("endPort", first))


class Network:
    """The policies and namespaces of a cluster, and the question which connections they allow."""

    def __init__(self, objects: Iterable[Object]) -> None:
        """objects: of any kinds; NetworkPolicies and Namespaces are picked."""
        self._policies = []
        self._namespaces: dict[str, Mapping[str, str]] = {}
        for obj in objects:
            metadata = obj["metadata"]
            if obj["kind"] == "NetworkPolicy":
                self._policies.append(obj)
            elif obj["kind"] == "Namespace":
                name = {"kubernetes.io/metadata.name": metadata["name"]}
                self._namespaces[metadata["name"]] = {**metadata.get("labels", {}), **name}

    def allows(self, source: Endpoint, target: Endpoint, port: int, protocol: str = "TCP") -> bool:
        """Whether source may open a connection to this port of target: both ends have to agree."""
        wanted = _Port(target, port, protocol)
        return self._agrees("egress", source, target, wanted) and self._agrees(
            "ingress", target, source, wanted
        )

    def _agrees(self, direction: str, pod: Endpoint, peer: Endpoint, wanted: _Port) -> bool:
        """What the policies for one end say; an end that no policy selects agrees to everything."""
        policies = [one for one in self._policies if _isolates(one, direction, pod)]
        if not policies or pod == peer:
            return True
        return any(
            wanted.is_in(rule)
            and self._peers_match(rule, direction, policy["metadata"]["namespace"], peer)
            for policy in policies
            for rule in policy["spec"].get(direction) or ()
        )

    def _peers_match(self, rule: Object, direction: str, namespace: str, peer: Endpoint) -> bool:
        peers = rule.get("from" if direction == "ingress" else "to")
        return not peers or any(self._peer_matches(one, namespace, peer) for one in peers)

    def _peer_matches(self, selectors: Object, namespace: str, peer: Endpoint) -> bool:
        if "ipBlock" in selectors:
            return _block_covers(selectors["ipBlock"], peer.ip)
        if peer.namespace is None:
            return False
        if "namespaceSelector" in selectors:
            if peer.namespace not in self._namespaces:
                raise ValueError(f"no Namespace object for {peer.namespace}: its labels decide")
            in_namespace = selects(selectors["namespaceSelector"], self._namespaces[peer.namespace])
        else:
            in_namespace = peer.namespace == namespace
        return in_namespace and selects(selectors.get("podSelector", ALL), peer.labels)


def directions(policy: Object) -> list[str]:
    """What a policy decides: `Ingress`, `Egress`; by default egress only where it has rules."""
    spec = policy["spec"]
    default = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    return list(spec.get("policyTypes") or default)


def _isolates(policy: Object, direction: str, pod: Endpoint) -> bool:
    return (
        policy["metadata"]["namespace"] == pod.namespace
        and direction.capitalize() in directions(policy)
        and selects(policy["spec"].get("podSelector", ALL), pod.labels)
    )


def _block_covers(block: Object, ip: str | None) -> bool:
    if ip is None:
        return False
    address = ip_address(ip)
    inside = address in ip_network(block["cidr"])
    return inside and not any(address in ip_network(cidr) for cidr in block.get("except") or ())
