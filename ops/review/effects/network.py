"""`exposure` by Services and NetworkPolicies: which connections reach pods, or leave them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from constructs_lib.manifests.network import (
    block_of,
    directions,
    is_within,
    policy_rules,
    receiving,
)
from constructs_lib.manifests.objects import Key, Object, Objects, at, once_per_objects, selects
from constructs_lib.manifests.workload import selected, workloads
from constructs_lib.model import Manifest
from ops.review.diff import ANY_STATE, NOTHING, PODS, Change, Comparison, Difference
from ops.review.effects.fields import owned
from ops.review.model import HIGH, MEDIUM, Finding, Findings, Severity, effect, listed

_INSIDE = "pods in the cluster"
_CLIENTS = {
    "LoadBalancer": "clients of its load balancer",
    "NodePort": "clients that can reach a node",
}
"""Who can reach a Service, by type; by default, pods."""
_ANYONE = "any address"
_EVERY_PORT = "all ports"
_DIRECTIONS = {"Ingress": "be reached from", "Egress": "connect to"}
Labels = Mapping[str, str]


@effect("Service", risk="exposure", states=("added", "changed"))
def service_reachability_changed(change: Change, _: Comparison) -> Findings:
    """The type of a Service decides whether clients outside the cluster can reach it."""
    was, now = (
        _CLIENTS.get(service.spec.get("type", ""), _INSIDE)
        for service in (change.before, change.after)
    )
    if was != now:
        before = "not reachable" if change.state == "added" else f"from {was}"
        text = f"reachable from {now} (before: {before})"
        severity = MEDIUM if now == _INSIDE else HIGH
        yield Finding(severity, text, change.at("spec", "type"))


@effect("Service", risk="exposure")
def service_ports_changed(change: Change, comparison: Comparison) -> Findings:
    """Clients reach a Service only on its ports."""
    fields = owned(change, "service-ports-changed")
    was = dict(_service_ports(change.before, comparison.before))
    now = dict(_service_ports(change.after, comparison.after))
    texts = [
        f"{port} now leads to port {target} of its pods (before: {was[port]})"
        for port, target in now.items()
        if target != was.get(port, target)
    ]
    texts += (f"now listens on {port}" for port in now if port not in was)
    texts += (f"no longer listens on {port}" for port in was if port not in now)
    if texts:
        yield Finding(MEDIUM, "; ".join(texts), fields)


def _service_ports(service: Object, objects: Objects) -> Iterator[tuple[str, str]]:
    """Each port, and the port of the pods that it leads to."""
    for port in service.spec.get("ports") or ():
        named = {declared["containerPort"] for _, declared in receiving(objects, service, port)}
        target = named.pop() if len(named) == 1 else port.get("targetPort", port["port"])
        yield f"{port.get('protocol', 'TCP')} {port['port']}", str(target)


class Allowed(NamedTuple):
    """A peer with which pods may connect, and the port."""

    peer: str
    port: str

    def within(self, other: Allowed) -> bool:
        """Whether `other` allows at least as much."""
        protocol = self.port.partition(" ")[0]
        if other.port not in (self.port, f"all {protocol} ports", _EVERY_PORT):
            own, of = _numbers(self.port), _numbers(other.port)
            if not (own and other.port.startswith(protocol) and own[0] in of and own[-1] in of):
                return False
        if other.peer in (self.peer, _ANYONE):
            return True
        with suppress(ValueError):  # pods, or `other` has exceptions
            return is_within(self.peer.partition(" ")[0], other.peer)
        return False


Pods = tuple[str, Labels, Labels]
"""The name of some pods, and their labels before and after."""


@effect(risk="exposure")
def connections_changed(comparison: Comparison) -> Findings:
    """NetworkPolicies, or new labels of pods, allow other connections of existing pods."""
    for policy in comparison.changed(["NetworkPolicy"], ANY_STATE):
        pods = list(_selected(comparison, policy))
        yield from _connections(comparison, policy.key, pods, policy.at("spec"))
    for change in comparison.changed(PODS):
        before, after = change.workloads
        if before.pod_labels != after.pod_labels:
            pods = [(after.name, before.pod_labels, after.pod_labels)]
            yield from _connections(comparison, change.key, pods)


def _connections(
    comparison: Comparison, key: Key, affected: list[Pods], explains: tuple[Difference, ...] = ()
) -> Findings:
    """What some pods can do that they could not, and the reverse."""
    for direction, verb in _DIRECTIONS.items():
        names: dict[tuple[Severity, str], list[str]] = defaultdict(list)
        for name, before, after in affected:
            was = _allowed(comparison.before, key.namespace, before, direction)
            now = _allowed(comparison.after, key.namespace, after, direction)
            if opened := _beyond(now, was):
                names[HIGH, f"can now {verb} {_spelled(opened)}"].append(name)
            if closed := _beyond(was, now):
                names[MEDIUM, f"can no longer {verb} {_spelled(closed)}"].append(name)
        for (severity, text), of_pods in names.items():
            yield Finding(severity, f"{listed(of_pods)} {text}", explains, key=key)


def _beyond(allowed: list[Allowed], others: list[Allowed]) -> list[Allowed]:
    return [one for one in allowed if one not in others and not any(map(one.within, others))]


def _selected(comparison: Comparison, change: Change) -> Iterator[Pods]:
    """Pods on both sides that a policy selects, before or after."""
    keys = {
        workload.key
        for policy in (change.before, change.after)
        if policy is not NOTHING
        for workload in selected(comparison.after, policy.namespace, policy.spec.get("podSelector"))
    }
    for workload in workloads(comparison.after):
        if workload.key in keys and comparison.before.get(workload.key):
            yield workload.name, workload.pod_labels, workload.pod_labels
    labels = at(change.object.spec, "podSelector").get("matchLabels") or {}
    if not labels:
        if change.key.namespace in comparison.before.namespaces & comparison.after.namespaces:
            yield "all other pods in the namespace", {}, {}
    elif not keys and change.state == "changed":
        name = "pods " + listed([f"{name}={label}" for name, label in labels.items()])
        yield name, labels, labels


@once_per_objects
def _by_label(objects: Objects) -> Mapping[tuple[str, str, str], list[tuple[int, Object]]]:
    """The NetworkPolicies with their number, by namespace and the first label that they match."""
    policies: dict[tuple[str, str, str], list[tuple[int, Object]]] = defaultdict(list)
    for number, policy in enumerate(objects.of_kinds("NetworkPolicy")):
        labels = at(policy.spec, "podSelector").get("matchLabels") or {"": ""}
        name, label = next(iter(labels.items()))
        policies[policy.namespace, name, label].append((number, policy))
    return policies


def _allowed(objects: Objects, namespace: str, labels: Labels, direction: str) -> list[Allowed]:
    """What all policies of a namespace together allow for some pods."""
    index = _by_label(objects)
    selecting = sorted(
        (number, policy)
        for label in [("", ""), *labels.items()]
        for number, policy in index.get((namespace, *label), ())
        if selects(policy.spec.get("podSelector"), labels)
        and direction in directions(policy.manifest)
    )
    if not selecting:
        return [Allowed(_ANYONE, _EVERY_PORT)]
    return [
        Allowed(peer, port)
        for _, policy in selecting
        for rule in policy_rules(policy, direction)
        for peer in map(_peer, rule.peers or [{}])
        for port in map(_port, rule.ports or [{}])
    ]


def _peer(peer: Manifest) -> str:
    if block := block_of(peer):
        return str(block)
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


def _numbers(port: str) -> range:
    """Those of `TCP 8000-9000`; none of a port by name."""
    first, _, last = port.rpartition(" ")[2].partition("-")
    return range(int(first), int(last or first) + 1) if first.isdigit() else range(0)


def _spelled(allowed: list[Allowed]) -> str:
    ports: dict[str, list[str]] = defaultdict(list)
    for peer, port in dict.fromkeys(allowed):
        addresses, _, excluded = peer.partition(" except ")
        count = len(excluded.split(", "))
        ports[f"{addresses} except {count} ranges" if count > 3 else peer].append(port)
    return "; ".join(f"{peer} on {', '.join(of_peer)}" for peer, of_peer in ports.items())
