"""NetworkPolicies: directions, peers and address ranges. Routes from a host to a container port."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from constructs_lib.manifests.facts import Reading, Readings, fact
from constructs_lib.manifests.objects import Key, Object, Objects, at, once_per_objects
from constructs_lib.manifests.workload import Workload, behind, selected
from constructs_lib.model import Manifest
from constructs_lib.model.names import as_range

Peer = Manifest
"""An entry of `from` or `to`."""

PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
"""Possible address ranges of a VPC: private (RFC 1918) and shared (RFC 6598)."""
NOT_PUBLIC = tuple(sorted((*PRIVATE, "127.0.0.0/8", "169.254.0.0/16")))
"""PRIVATE, loopback, and link-local with the instance metadata."""
PEERS = {"Ingress": "from", "Egress": "to"}
"""The field with the peers of a rule, by direction."""

ALB = "alb.ingress.kubernetes.io/"
SCHEME = f"{ALB}scheme"
INTERNET = "the internet"
ACTION = f"{ALB}actions."
PLAIN_TYPES = {"Exact": 0, "Prefix": 1}
"""The path types without wildcards, and their place in the order; all others are last."""
FROM_ANNOTATION = "use-annotation"
"""Port name for which the load balancer itself responds, as configured by an annotation."""


class Block(NamedTuple):
    """An `ipBlock`: a range without its exceptions."""

    cidr: str
    exceptions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.cidr} except {', '.join(self.exceptions)}" if self.exceptions else self.cidr

    def overlaps(self, cidr: str) -> bool:
        """Whether it includes a part of a range, which no exception excludes as a whole."""
        excepted = (is_within(cidr, part) for part in self.exceptions)
        return as_range(self.cidr).overlaps(as_range(cidr)) and not any(excepted)

    def contains(self, cidr: str) -> bool:
        """Whether it includes a range, which no exception excludes as a whole."""
        return is_within(cidr, self.cidr) and self.overlaps(cidr)


def block_of(peer: Peer) -> Block | None:
    """The block of a peer; None if it is pods."""
    block = peer.get("ipBlock")
    return Block(block["cidr"], tuple(sorted(block.get("except") or ()))) if block else None


class PolicyRule(NamedTuple):
    """An ingress or egress rule of a NetworkPolicy."""

    policy: Object
    peers: Sequence[Peer]
    """Empty means all peers."""
    ports: Sequence[Manifest]
    """Empty means all ports."""

    @property
    def blocks(self) -> list[Block]:
        """The `ipBlock`s among its peers."""
        return list(filter(None, map(block_of, self.peers)))

    def has_port(self, port: int | str | None, protocol: str = "TCP") -> bool:
        """Whether it includes a port; None is every port."""
        return not self.ports or any(
            matches_port(stated, port) and stated.get("protocol", "TCP") == protocol
            for stated in self.ports
        )


def policy_rules(policy: Object, direction: str) -> list[PolicyRule]:
    """The rules of a NetworkPolicy in a direction."""
    return [
        PolicyRule(policy, rule.get(PEERS[direction]) or (), rule.get("ports") or ())
        for rule in policy.spec.get(direction.lower()) or ()
    ]


def directions(policy: Manifest) -> list[str]:
    """The policyTypes of a policy. By default, `Egress` only if it has egress rules."""
    spec = at(policy, "spec")
    default = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    return list(spec.get("policyTypes") or default)


@once_per_objects
def isolating(objects: Objects) -> Mapping[tuple[Key, str], list[Object]]:
    """The NetworkPolicies that select the pods of each workload, by workload and direction."""
    policies: dict[tuple[Key, str], list[Object]] = {}
    for policy in objects.of_kinds("NetworkPolicy"):
        for workload in selected(objects, policy.namespace, policy.spec.get("podSelector")):
            for direction in directions(policy.manifest):
                policies.setdefault((workload.key, direction), []).append(policy)
    return policies


def rules_of(objects: Objects, workload: Workload, direction: str) -> list[PolicyRule] | None:
    """The rules of all policies that select its pods; None if none does, and everything is open."""
    policies = isolating(objects).get((workload.key, direction))
    if policies is None:
        return None
    return [rule for policy in policies for rule in policy_rules(policy, direction)]


def selects_pods(peer: Peer) -> bool:
    """Whether a peer is pods, not addresses: without a podSelector, all pods of the namespaces."""
    return "podSelector" in peer or "namespaceSelector" in peer


def matches_port(stated: Manifest, port: int | str | None) -> bool:
    """Whether a `ports` entry (a port, a range, or all ports) includes a port."""
    first = stated.get("port")
    if isinstance(first, int) and isinstance(port, int):
        return bool(first <= port <= (stated.get("endPort") or first))
    return first in (None, port)


@cache
def is_within(part: str, whole: str) -> bool:
    """Whether a CIDR range is within another one. Raises DeclarationError."""
    inner, outer = as_range(part), as_range(whole)
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def admits_addresses(opened: Sequence[PolicyRule], ranges: Sequence[str]) -> bool:
    """Whether ingress rules admit all of some ranges, or, if none are known, private addresses."""
    if any(not rule.peers for rule in opened):
        return True
    blocks = [block for rule in opened for block in rule.blocks]
    admitted = (any(_admits(block, cidr) for block in blocks) for cidr in ranges or PRIVATE)
    return all(admitted) if ranges else any(admitted)


def _admits(block: Block, cidr: str) -> bool:
    """Whether a block contains a range or, of PRIVATE, a part of it."""
    is_part = cidr in PRIVATE and is_within(block.cidr, cidr)
    return block.contains(block.cidr if is_part else cidr)


def audience(ingress: Object) -> str:
    """The network that can reach its load balancer."""
    return INTERNET if ingress.annotations.get(SCHEME) == "internet-facing" else "the VPC"


def hosts(ingress: Object) -> list[str]:
    """The hosts that it serves, also those without paths; `*` is every host."""
    found = [str(rule.get("host") or "*") for rule in ingress.spec.get("rules") or ()]
    if ingress.spec.get("defaultBackend"):
        found.append("*")
    return list(dict.fromkeys(found))


class IngressPath(NamedTuple):
    """A path of an Ingress, with its backend."""

    host: str
    """`*` for every host."""
    path: str
    """`/*` for every path, as the controller reads an omitted one."""
    type: str
    backend: Manifest
    response: str
    """The annotation for a backend in which the load balancer itself responds; empty if none."""
    is_default: bool = False
    """Whether it is the `defaultBackend`."""

    @classmethod
    def of(cls, ingress: Object, host: str, path: Manifest) -> IngressPath:
        backend = path.get("backend") or {}
        response = ingress.annotations.get(f"{ACTION}{at(backend, 'service').get('name')}", "")
        type_ = str(path.get("pathType") or "ImplementationSpecific")
        every = "/*" if type_ == "ImplementationSpecific" else "/"
        return cls(host, str(path.get("path") or every), type_, backend, response)

    @property
    def precedence(self) -> tuple[int, int]:
        """Its place among the paths of its rule."""
        return PLAIN_TYPES.get(self.type, 2), -len(self.path) if self.type == "Prefix" else 0

    @property
    def action(self) -> str:
        """The name of the annotation that it needs; empty if a Service responds."""
        service = at(self.backend, "service")
        itself = at(service, "port").get("name") == FROM_ANNOTATION
        return f"{ACTION}{service.get('name')}" if itself else ""

    @property
    def service(self) -> str | None:
        """The Service that responds, if any."""
        return None if self.action else at(self.backend, "service").get("name")


@lru_cache(maxsize=256)
def paths(ingress: Object) -> tuple[IngressPath, ...]:
    """The paths of all rules in the order of the controller, then the default backend."""
    found: list[IngressPath] = []
    for rule in ingress.spec.get("rules") or ():
        host = str(rule.get("host") or "*")
        of_rule = (
            IngressPath.of(ingress, host, one) for one in at(rule, "http").get("paths") or ()
        )
        found += sorted(of_rule, key=lambda path: path.precedence)
    if default := ingress.spec.get("defaultBackend"):
        path = IngressPath.of(ingress, "*", {"pathType": "Prefix", "backend": default})
        found.append(path._replace(is_default=True))
    return tuple(found)


def backends(ingress: Object) -> Iterator[tuple[Key, Manifest]]:
    """The backend Services, with the reference to their port by number or name."""
    for path in paths(ingress):
        if path.service:
            key = Key("", "Service", ingress.namespace, path.service)
            yield key, at(path.backend, "service", "port")


def port_of(service: Object, reference: Manifest) -> Manifest | None:
    """The Service port that a backend references by number or name."""
    field = "name" if "name" in reference else "port"
    wanted = reference.get("name", reference.get("number"))
    ports = service.spec.get("ports") or ()
    return next((port for port in ports if port.get(field) == wanted), None)


def listening(workload: Workload, target: int | str | None, protocol: str) -> list[Manifest]:
    """The ports of a number or name that its containers declare."""
    return [
        port
        for port in workload.ports
        if target in (port.get("name"), port.get("containerPort"))
        and port.get("protocol", "TCP") == protocol
    ]


def targets(objects: Objects, ingress: Object) -> Iterator[tuple[Workload, Manifest]]:
    """The workloads to which its load balancer sends, with the declared container port."""
    for key, reference in backends(ingress):
        service = objects.get(key)
        if service and (port := port_of(service, reference)):
            yield from receiving(objects, service, port)


def receiving(
    objects: Objects, service: Object, port: Manifest
) -> Iterator[tuple[Workload, Manifest]]:
    """The container ports behind a port of a Service."""
    target, protocol = port.get("targetPort", port.get("port")), port.get("protocol", "TCP")
    for workload in behind(objects, service):
        yield from ((workload, declared) for declared in listening(workload, target, protocol))


@once_per_objects
def ports_from_outside(objects: Objects) -> Mapping[Key, set[int | str]]:
    """The container ports that receive traffic from a load balancer or node port, by workload.

    Both their numbers and their names.
    """
    found: dict[Key, set[int | str]] = defaultdict(set)
    reached = [target for item in objects.of_kinds("Ingress") for target in targets(objects, item)]
    for service in objects.of_kinds("Service"):
        if service.spec.get("type") in ("LoadBalancer", "NodePort"):
            for port in service.spec.get("ports") or ():
                reached += receiving(objects, service, port)
    for workload, declared in reached:
        found[workload.key] |= {declared["containerPort"], declared.get("name", "")}
    return found


@once_per_objects
def served_pods(objects: Objects) -> frozenset[Key]:
    """The workloads that are backends of a Service."""
    services = objects.of_kinds("Service")
    return frozenset(workload.key for service in services for workload in behind(objects, service))


@fact("Service", risk="downtime")
def pods_of_a_service(service: Object, objects: Objects) -> Readings:
    """The selector of a Service decides which pods get its requests."""
    names = [workload.name for workload in behind(objects, service)]
    labels = [f"{name}={value}" for name, value in (service.spec.get("selector") or {}).items()]
    # controllers can create pods that no workload declares
    pods = f"the pods of {', '.join(names)}" if names else f"pods with {', '.join(labels)}"
    says = "sends its requests to {}" if labels else "sends to no pods, as it has no selector"
    yield Reading(says, pods if labels else "", None, "high")
