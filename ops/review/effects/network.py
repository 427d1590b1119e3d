"""`exposure` by Services and NetworkPolicies: which connections reach pods, or leave them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from constructs_lib.manifests.network import directions, is_within, policy_rules
from constructs_lib.manifests.objects import Key, Object, Objects, selects
from constructs_lib.manifests.workload import workloads
from constructs_lib.model import Manifest
from ops.review.diff import Comparison, ObjectPair, field_finding, gains_and_losses
from ops.review.effects.exposure import UNREACHABLE, reachability
from ops.review.model import HIGH, LOW, MEDIUM, TEMPLATE, Finding, Risk, Severity, effect
from ops.review.wording import listed

_INSIDE = "pods in the cluster"
_CLIENTS = {
    "LoadBalancer": "clients of its load balancer",
    "NodePort": "clients that can reach a node",
}
"""Who can reach a Service, by type; by default, pods."""
_SERVICE_SETTINGS = (
    "externalIPs",
    "externalTrafficPolicy",
    "loadBalancerSourceRanges",
    "selector",
)
_ANYONE = "any address"
_EVERY_PORT = "all ports"
_DIRECTIONS = {"Ingress": "be reached from", "Egress": "connect to"}
Labels = Mapping[str, str]


@effect
def service_reachability_changed(comparison: Comparison) -> Iterator[Finding]:
    """The type of a Service decides whether clients outside the cluster can reach it."""
    for before, after in comparison.pairs("Service"):
        was, now = (
            _CLIENTS.get(service.spec.get("type", ""), _INSIDE) if service else _INSIDE
            for service in (before, after)
        )
        if after and was != now:
            severity = MEDIUM if now == _INSIDE else HIGH
            text = reachability(was if before else UNREACHABLE, now)
            differences = comparison.differences(after.key, ("spec", "type"))
            yield Finding(Risk.EXPOSURE, severity, after.key, text, differences)


@effect
def service_ports_changed(comparison: Comparison) -> Iterator[Finding]:
    """Clients reach a Service only on its ports."""
    for change in comparison.changed("Service"):
        yield from gains_and_losses(
            Risk.EXPOSURE,
            change.key,
            _service_ports(change.before),
            _service_ports(change.after),
            words=("now listens on", "no longer listens on"),
            severities=(MEDIUM, MEDIUM),
            explains=change.at("spec", "ports"),
        )
        for difference in change.at("spec", "ports"):
            if difference.path[-1] == "name":
                yield field_finding(Risk.UPDATE, LOW, change.key, difference, "port name")


def _service_ports(service: Object) -> list[str]:
    return [
        f"{port.get('protocol', 'TCP')} {port['port']} "
        f"(targetPort {port.get('targetPort', port['port'])})"
        for port in service.spec.get("ports") or ()
    ]


@effect
def service_settings_changed(comparison: Comparison) -> Iterator[Finding]:
    """Other pods serve a Service, or other addresses reach it."""
    for change in comparison.changed("Service"):
        for field in _SERVICE_SETTINGS:
            for difference in change.at("spec", field):
                label = f"spec.{field}"
                yield field_finding(Risk.EXPOSURE, MEDIUM, change.key, difference, label)


class Allowed(NamedTuple):
    """A peer with which pods may connect, and the port."""

    peer: str
    port: str

    def within(self, other: Allowed) -> bool:
        """Whether `other` allows at least as much."""
        protocol = self.port.partition(" ")[0]
        ports = (self.port, f"all {protocol} ports", _EVERY_PORT)
        return other.port in ports and (
            other.peer in (self.peer, _ANYONE) or _is_part(self.peer, other.peer)
        )


class Pods(NamedTuple):
    """Some pods, with their labels before and after."""

    name: str
    before: Labels
    after: Labels


@effect
def connections_changed(comparison: Comparison) -> Iterator[Finding]:
    """NetworkPolicies, or new labels of pods, allow other connections of existing pods."""
    selected = {
        pair.item.key: list(_selected(comparison, pair))
        for pair in comparison.pairs("NetworkPolicy")
    }
    for change, before, after in comparison.workloads(*TEMPLATE):
        if before.pod_labels != after.pod_labels:
            selected[change.key] = [Pods(change.key.name, before.pod_labels, after.pod_labels)]
    for key, pods in selected.items():
        yield from _connections(comparison, key, pods)


def _connections(comparison: Comparison, key: Key, selected: list[Pods]) -> Iterator[Finding]:
    """What some pods can do that they could not, and the reverse."""
    explains = comparison.differences(key, ("spec",)) if key.kind == "NetworkPolicy" else ()
    for direction, verb in _DIRECTIONS.items():
        names: dict[tuple[Severity, str], list[str]] = defaultdict(list)
        for pods in selected:
            was = _allowed(comparison.before, key.namespace, pods.before, direction)
            now = _allowed(comparison.after, key.namespace, pods.after, direction)
            if opened := _beyond(now, was):
                names[HIGH, f"can now {verb} {_spelled(opened)}"].append(pods.name)
            if closed := _beyond(was, now):
                names[MEDIUM, f"can no longer {verb} {_spelled(closed)}"].append(pods.name)
        for (severity, text), of_pods in names.items():
            yield Finding(Risk.EXPOSURE, severity, key, f"{listed(of_pods)} {text}", explains)


def _beyond(allowed: list[Allowed], others: list[Allowed]) -> list[Allowed]:
    return [one for one in allowed if not any(one.within(other) for other in others)]


def _selected(comparison: Comparison, pair: ObjectPair) -> Iterator[Pods]:
    """Pods on both sides that a policy selects, before or after."""
    policies = [policy for policy in pair if policy]
    selected = [
        workload
        for workload in workloads(comparison.after)
        if any(_selects(policy, workload.namespace, workload.pod_labels) for policy in policies)
    ]
    former = {workload.key for workload in workloads(comparison.before)}
    for workload in selected:
        if workload.key in former:
            yield Pods(workload.name, workload.pod_labels, workload.pod_labels)
    labels = policies[-1].spec.get("podSelector", {}).get("matchLabels") or {}
    if not labels:
        sides = (comparison.before, comparison.after)
        if all(pair.item.namespace in side.namespaces for side in sides):
            yield Pods("all other pods in the namespace", {}, {})
    elif not selected and len(policies) == 2:
        name = "pods " + listed([f"{name}={label}" for name, label in labels.items()])
        yield Pods(name, labels, labels)


def _selects(policy: Object, namespace: str, labels: Labels) -> bool:
    return policy.namespace == namespace and selects(policy.spec.get("podSelector"), labels)


def _allowed(objects: Objects, namespace: str, labels: Labels, direction: str) -> list[Allowed]:
    """What all policies of a namespace together allow for some pods."""
    selecting = [
        policy
        for policy in objects.of_kinds("NetworkPolicy")
        if _selects(policy, namespace, labels) and direction in directions(policy.manifest)
    ]
    if not selecting:
        return [Allowed(_ANYONE, _EVERY_PORT)]
    return [
        Allowed(peer, port)
        for policy in selecting
        for rule in policy_rules(policy, direction)
        for peer in map(_peer, rule.peers or [{}])
        for port in map(_port, rule.ports or [{}])
    ]


def _peer(peer: Mapping[str, Any]) -> str:
    if block := peer.get("ipBlock"):
        excluded = ", ".join(sorted(block.get("except") or ()))
        return f"{block['cidr']} except {excluded}" if excluded else str(block["cidr"])
    if not peer:
        return _ANYONE
    pods, namespaces = (_labeled(peer.get(f"{kind}Selector")) for kind in ("pod", "namespace"))
    if peer.get("namespaceSelector") is None:
        return f"pods{pods} in its namespace"
    return f"pods{pods} in {f'namespaces{namespaces}' if namespaces else 'all namespaces'}"


def _labeled(selector: Manifest | None) -> str:
    labels = (selector or {}).get("matchLabels") or {}
    rules = (selector or {}).get("matchExpressions") or ()
    terms = [*(f"{name}={label}" for name, label in labels.items()), *map(str, rules)]
    return "".join(f" {term}" for term in terms)


def _port(port: Manifest) -> str:
    if not port:
        return _EVERY_PORT
    protocol = port.get("protocol", "TCP")
    if port.get("port") is None:
        return f"all {protocol} ports"
    last = f"-{port['endPort']}" if port.get("endPort") else ""
    return f"{protocol} {port['port']}{last}"


def _is_part(addresses: str, of: str) -> bool:
    """Whether a range is within another one that has no exceptions."""
    with suppress(ValueError):
        return is_within(addresses.partition(" ")[0], of)
    return False


def _spelled(allowed: list[Allowed]) -> str:
    ports: dict[str, list[str]] = defaultdict(list)
    for peer, port in dict.fromkeys(allowed):
        addresses, _, excluded = peer.partition(" except ")
        count = len(excluded.split(", "))
        ports[f"{addresses} except {count} ranges" if count > 3 else peer].append(port)
    return "; ".join(f"{peer} on {', '.join(of_peer)}" for peer, of_peer in ports.items())
