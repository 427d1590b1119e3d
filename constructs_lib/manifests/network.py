"""Evaluates NetworkPolicy objects without a cluster.

Ports are container ports, not Service ports. Not supported: traffic from a pod's own node (always
allowed, for probes), pods on the host network, and extensions of network plugins. Plugins differ on
whether an ipBlock matches pods by address; here it does, as on EKS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from constructs_lib.manifests.objects import selects
from constructs_lib.manifests.readings import Connection, Opening, Reading, kubernetes, peers_of

Object = Mapping[str, Any]
ALL: Object = {}
"""A selector or rule that matches everything."""


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
    def pod(cls, obj: Object, namespace: str | None = None, ip: str | None = None) -> Endpoint:
        """The endpoint of a Pod, or of a pod template in `namespace`.

        `ip` is its address if its status has none.
        """
        metadata = obj.get("metadata", {})
        ports = [
            port for container in obj["spec"]["containers"] for port in container.get("ports", ())
        ]
        return cls(
            ip=obj.get("status", {}).get("podIP", ip),
            namespace=namespace or metadata["namespace"],
            labels=metadata.get("labels", {}),
            named_ports={
                (port["name"], port.get("protocol", "TCP")): port["containerPort"]
                for port in ports
                if "name" in port
            },
        )


class Network:
    """The policies and namespaces of a cluster."""

    def __init__(self, objects: Iterable[Object], reading: Reading = kubernetes) -> None:
        """Read the NetworkPolicies and Namespaces among objects of any kind."""
        self._reading = reading
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
        """Whether the policies of both ends allow a connection from source to target."""
        wanted = Connection(port, protocol, target.named_ports)
        return self._allows("Egress", source, target, wanted) and self._allows(
            "Ingress", target, source, wanted
        )

    def _allows(self, direction: str, pod: Endpoint, peer: Endpoint, wanted: Connection) -> bool:
        """Whether the policies of one end allow it. A pod without policies allows everything."""
        policies = [one for one in self._policies if _isolates(one, direction, pod)]
        if not policies or pod == peer:
            return True
        openings = [
            Opening.of(
                rule, direction, selects=self._picks(peers_of(rule, direction), policy, peer)
            )
            for policy in policies
            for rule in policy["spec"].get(direction.lower()) or ()
        ]
        return self._reading(openings, peer.ip, wanted)

    def _picks(self, peers: Iterable[Object], policy: Object, peer: Endpoint) -> bool:
        """Whether a selector among the peers of a rule matches `peer`."""
        namespace = policy["metadata"]["namespace"]
        return any(self._selects(one, namespace, peer) for one in peers if not one.get("ipBlock"))

    def _selects(self, selectors: Object, namespace: str, peer: Endpoint) -> bool:
        if peer.namespace is None:
            return False
        if "namespaceSelector" in selectors:
            if peer.namespace not in self._namespaces:
                raise ValueError(f"no Namespace object for {peer.namespace}; add it for its labels")
            in_namespace = selects(selectors["namespaceSelector"], self._namespaces[peer.namespace])
        else:
            in_namespace = peer.namespace == namespace
        return in_namespace and selects(selectors.get("podSelector", ALL), peer.labels)


def directions(policy: Object) -> list[str]:
    """The policyTypes of a policy. By default, `Egress` only if it has egress rules."""
    spec = policy["spec"]
    default = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    return list(spec.get("policyTypes") or default)


def _isolates(policy: Object, direction: str, pod: Endpoint) -> bool:
    return (
        policy["metadata"]["namespace"] == pod.namespace
        and direction in directions(policy)
        and selects(policy["spec"].get("podSelector", ALL), pod.labels)
    )
