"""NetworkPolicies: directions, peers and address ranges. Routes from a host to a container port."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import chain
from typing import Any, NamedTuple

from constructs_lib.errors import DeclarationError
from constructs_lib.manifests.objects import Key, Object, Objects, once_per_objects
from constructs_lib.manifests.workload import Workload, behind
from constructs_lib.model import Manifest

PolicyRule = Mapping[str, Any]
"""An ingress or egress rule of a NetworkPolicy."""
Peer = Mapping[str, Any]
"""An entry of `from` or `to`."""
Range = IPv4Network | IPv6Network

PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
"""Possible address ranges of a VPC: private (RFC 1918) and shared (RFC 6598)."""
NOT_PUBLIC = tuple(sorted((*PRIVATE, "127.0.0.0/8", "169.254.0.0/16")))
"""PRIVATE, loopback, and link-local with the instance metadata."""
PEERS = {"Ingress": "from", "Egress": "to"}
"""The field with the peers of a rule, by direction."""

ALB = "alb.ingress.kubernetes.io/"
SCHEME = f"{ALB}scheme"
ACTION = f"{ALB}actions."
FROM_ANNOTATION = "use-annotation"
"""Port name for which the load balancer itself responds, as configured by an annotation."""


def directions(policy: Manifest) -> list[str]:
    """The policyTypes of a policy. By default, `Egress` only if it has egress rules."""
    spec = policy["spec"]
    default = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    return list(spec.get("policyTypes") or default)


def peers_of(rule: PolicyRule, direction: str) -> Sequence[Peer]:
    """The peers of a rule. None means all peers."""
    return rule.get(PEERS[direction]) or ()


def blocks_of(rule: PolicyRule, direction: str) -> list[Mapping[str, Any]]:
    """The `ipBlock`s among the peers of a rule."""
    return [peer["ipBlock"] for peer in peers_of(rule, direction) if peer.get("ipBlock")]


def selects_pods(peer: Peer) -> bool:
    """Whether a peer is pods, not addresses: without a podSelector, all pods of the namespaces."""
    return "podSelector" in peer or "namespaceSelector" in peer


@cache
def as_range(cidr: str) -> Range:
    """Parse a CIDR range. Raises DeclarationError, also for an address without a prefix."""
    if "/" not in cidr:
        raise DeclarationError(
            f"{cidr!r} is not a CIDR range; add a prefix length, such as {cidr}/32"
        )
    try:
        return ip_network(cidr)
    except ValueError as error:
        raise DeclarationError(f"{error}; correct the range") from error


def is_within(part: Range, whole: Range) -> bool:
    if isinstance(part, IPv4Network) and isinstance(whole, IPv4Network):
        return part.subnet_of(whole)
    if isinstance(part, IPv6Network) and isinstance(whole, IPv6Network):
        return part.subnet_of(whole)
    return False


def scheme(ingress: Object) -> str:
    """`internet-facing` or `internal`, the default of the controller."""
    return ingress.annotations.get(SCHEME, "internal")


def audience(ingress: Object) -> str:
    """The network that can reach its load balancer."""
    return "the internet" if scheme(ingress) == "internet-facing" else "the VPC"


def hosts(ingress: Object) -> list[str]:
    """The hosts that it serves, also those without paths; an empty one is every host."""
    found = [str(rule.get("host") or "") for rule in ingress.spec.get("rules") or ()]
    if ingress.spec.get("defaultBackend"):
        found.append("")
    return list(dict.fromkeys(found))


class IngressPath(NamedTuple):
    """A path of an Ingress, with its backend."""

    host: str
    """Empty for every host."""
    path: str
    type: str
    backend: Manifest


def paths_by_rule(ingress: Object) -> Iterator[list[IngressPath]]:
    """The paths of each rule that has some, in order."""
    for rule in ingress.spec.get("rules") or ():
        host = str(rule.get("host") or "")
        paths_of_rule = (rule.get("http") or {}).get("paths") or ()
        if paths_of_rule:
            yield [
                IngressPath(
                    host,
                    str(path.get("path") or "/"),
                    str(path.get("pathType") or "ImplementationSpecific"),
                    path.get("backend") or {},
                )
                for path in paths_of_rule
            ]


def paths(ingress: Object) -> Iterator[IngressPath]:
    """The paths of all rules, then the default backend."""
    yield from chain.from_iterable(paths_by_rule(ingress))
    if default := ingress.spec.get("defaultBackend"):
        yield IngressPath("", "/", "Prefix", default)


def answers_itself(backend: Manifest) -> bool:
    """Whether the load balancer itself responds, not a Service."""
    port = (backend.get("service") or {}).get("port") or {}
    return bool(port.get("name") == FROM_ANNOTATION)


def backends(ingress: Object) -> Iterator[Manifest]:
    """The backend Services with their ports, as in the manifest."""
    for path in paths(ingress):
        if path.backend.get("service") and not answers_itself(path.backend):
            yield path.backend["service"]


def port_of(service: Object, reference: Manifest) -> Manifest | None:
    """The Service port that a backend references by number or name."""
    field = "name" if "name" in reference else "port"
    wanted = reference.get("name", reference.get("number"))
    ports = service.spec.get("ports") or ()
    return next((port for port in ports if port.get(field) == wanted), None)


def is_listening(workload: Workload, target: int | str, protocol: str = "TCP") -> bool:
    """Whether a container declares a port, by number or name."""
    field = "name" if isinstance(target, str) else "containerPort"
    return any(
        port.get(field) == target and port.get("protocol", "TCP") == protocol
        for port in workload.ports
    )


@once_per_objects
def ports_from_outside(objects: Objects) -> Mapping[Key, frozenset[int]]:
    """The container ports that receive traffic from a load balancer or node port, by workload."""
    found: dict[Key, set[int]] = {}
    for ingress in objects.of_kinds("Ingress"):
        for backend in backends(ingress):
            service = objects.get(Key("", "Service", ingress.namespace, str(backend.get("name"))))
            port = port_of(service, backend.get("port") or {}) if service else None
            if service and port:
                _add_targets(found, objects, service, port)
    for service in objects.of_kinds("Service"):
        if service.spec.get("type") in ("LoadBalancer", "NodePort"):
            for port in service.spec.get("ports") or ():
                _add_targets(found, objects, service, port)
    return {key: frozenset(ports) for key, ports in found.items()}


def _add_targets(
    found: dict[Key, set[int]], objects: Objects, service: Object, port: Manifest
) -> None:
    target = port.get("targetPort", port.get("port"))
    for workload in behind(objects, service):
        numbers = {
            one["containerPort"]
            for one in workload.ports
            if target in (one.get("name"), one.get("containerPort"))
        }
        found.setdefault(workload.key, set()).update(numbers)


@once_per_objects
def served_pods(objects: Objects) -> frozenset[Key]:
    """The workloads that are backends of a Service."""
    services = objects.of_kinds("Service")
    return frozenset(workload.key for one in services for workload in behind(objects, one))
