"""Who may reach whom, answered from NetworkPolicy objects.

For clusters in which no network plugin enforces policies, and for manifests that no cluster has
seen yet. Ports are those of the pods, after a Service has translated its own. Not modelled: traffic
from a pod's own node (always allowed, so that probes work), pods on the host's network, and what a
plugin adds beyond the API. Plugins differ on whether an ipBlock covers pods by their address; here
it does, as on EKS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from constructs_lib.manifests.readings import Connection, Opening, Reading, kubernetes, peers_of
from constructs_lib.manifests.selectors import selects

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
    def pod(cls, obj: Object, namespace: str | None = None, ip: str | None = None) -> Endpoint:
        """A Pod, or a pod template together with the namespace of its workload.

        ip: its address, where its status gives none.
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
    """The policies and namespaces of a cluster, and the question which connections they allow."""

    def __init__(self, objects: Iterable[Object], reading: Reading = kubernetes) -> None:
        """Pick the NetworkPolicies and Namespaces among objects of any kinds.

        reading: how rules are evaluated: `kubernetes`, or `eks`.
        """
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
        """Whether source may open a connection to this port of target: both ends have to agree."""
        wanted = Connection(port, protocol, target.named_ports)
        return self._agrees("Egress", source, target, wanted) and self._agrees(
            "Ingress", target, source, wanted
        )

    def _agrees(self, direction: str, pod: Endpoint, peer: Endpoint, wanted: Connection) -> bool:
        """What the policies for one end say; an end that no policy selects agrees to everything."""
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
        """Whether one of the selectors among a rule's peers picks this one."""
        namespace = policy["metadata"]["namespace"]
        return any(self._selects(one, namespace, peer) for one in peers if not one.get("ipBlock"))

    def _selects(self, selectors: Object, namespace: str, peer: Endpoint) -> bool:
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
        and direction in directions(policy)
        and selects(policy["spec"].get("podSelector", ALL), pod.labels)
    )
