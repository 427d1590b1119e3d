"""`exposure` by NetworkPolicies: which connections to and from pods are allowed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from constructs_lib.manifests.network import as_range, directions, is_within, peers_of
from constructs_lib.manifests.objects import Key, Object, Objects, selects
from constructs_lib.manifests.workload import workloads
from constructs_lib.model import Manifest
from ops.review.diff import Comparison, ObjectPair
from ops.review.model import TEMPLATE, Finding, Risk, Severity, effect
from ops.review.wording import listed

_ANYONE = "any address"
_EVERY_PORT = "all ports"
_DIRECTIONS = {"Ingress": "be reached from", "Egress": "connect to"}


@dataclass(frozen=True)
class Opening:
    """One peer on one port."""

    peer: str
    port: str

    def within(self, other: Opening) -> bool:
        """Whether `other` allows at least as much."""
        protocol = self.port.partition(" ")[0]
        ports = (self.port, f"all {protocol} ports", _EVERY_PORT)
        return other.port in ports and (
            other.peer in (self.peer, _ANYONE) or _is_part(self.peer, other.peer)
        )


@dataclass(frozen=True)
class Pods:
    """Some pods, with their labels before and after."""

    name: str
    before: dict[str, str]
    after: dict[str, str]


@effect("connections-changed")
def connections_changed(comparison: Comparison) -> Iterator[Finding]:
    """NetworkPolicies, or new labels of pods, allow other connections of existing pods."""
    for pair in comparison.pairs("NetworkPolicy"):
        yield from _reach_changes(comparison, pair.item.key, list(_selected(comparison, pair)))
    for change, before, after in comparison.workloads(*TEMPLATE):
        if before.labels != after.labels:
            pods = Pods(change.key.name, before.labels, after.labels)
            yield from _reach_changes(comparison, change.key, [pods])


def _reach_changes(comparison: Comparison, key: Key, selected: list[Pods]) -> Iterator[Finding]:
    explains = comparison.differences(key, ("spec",)) if key.kind == "NetworkPolicy" else ()
    for direction, verb in _DIRECTIONS.items():
        named: dict[tuple[Severity, str], list[str]] = defaultdict(list)
        for pods in selected:
            was = _openings(comparison.before, key.namespace, pods.before, direction)
            now = _openings(comparison.after, key.namespace, pods.after, direction)
            for severity, openings in (
                (Severity.HIGH, _beyond(now, was)),
                (Severity.MEDIUM, _beyond(was, now)),
            ):
                if openings:
                    named[severity, _spelled(openings)].append(pods.name)
        for (severity, openings_text), names in named.items():
            can = "can now" if severity is Severity.HIGH else "can no longer"
            text = f"{listed(names)} {can} {verb} {openings_text}"
            yield Finding(Risk.EXPOSURE, severity, key, text, explains)


def _beyond(openings: list[Opening], others: list[Opening]) -> list[Opening]:
    return [each for each in openings if not any(each.within(other) for other in others)]


def _selected(comparison: Comparison, pair: ObjectPair) -> Iterator[Pods]:
    """Workloads that a policy selects, before or after."""
    policies = [policy for policy in pair if policy]
    former = {workload.key for workload in workloads(comparison.before)}
    selected = [
        workload
        for workload in workloads(comparison.after)
        if any(_selects(policy, workload.key.namespace, workload.labels) for policy in policies)
    ]
    for workload in selected:
        if workload.key in former:
            yield Pods(workload.key.name, workload.labels, workload.labels)
    labels = policies[-1].spec.get("podSelector", {}).get("matchLabels") or {}
    if not labels:
        namespace = pair.item.key.namespace
        if all(namespace in one.namespaces for one in (comparison.before, comparison.after)):
            yield Pods("all other pods in the namespace", {}, {})
    elif not selected and len(policies) == 2:
        name = "pods " + listed([f"{name}={label}" for name, label in labels.items()])
        yield Pods(name, labels, labels)


def _selects(policy: Object, namespace: str, labels: dict[str, str]) -> bool:
    return policy.key.namespace == namespace and selects(policy.spec.get("podSelector"), labels)


def _openings(
    snapshot: Objects, namespace: str, labels: dict[str, str], direction: str
) -> list[Opening]:
    """What all policies of a namespace together allow for some pods."""
    selecting = [
        policy
        for policy in snapshot.of_kinds("NetworkPolicy")
        if _selects(policy, namespace, labels) and direction in directions(policy.manifest)
    ]
    if not selecting:
        return [Opening(_ANYONE, _EVERY_PORT)]
    return [
        Opening(peer, port)
        for policy in selecting
        for rule in policy.spec.get(direction.lower()) or ()
        for peer in map(_peer, peers_of(rule, direction) or [{}])
        for port in map(_port, rule.get("ports") or [{}])
    ]


def _peer(peer: Mapping[str, Any]) -> str:
    if block := peer.get("ipBlock"):
        excluded = ", ".join(sorted(block.get("except") or ()))
        return f"{block['cidr']} except {excluded}" if excluded else str(block["cidr"])
    if not peer:
        return _ANYONE
    pods = f"pods{_labeled(peer.get('podSelector'))}"
    namespaces = peer.get("namespaceSelector")
    if namespaces is None:
        return f"{pods} in its namespace"
    labels = _labeled(namespaces)
    return f"{pods} in namespaces{labels}" if labels else f"{pods} in all namespaces"


def _labeled(selector: Manifest | None) -> str:
    labels = [
        f"{name}={label}" for name, label in ((selector or {}).get("matchLabels") or {}).items()
    ]
    rules = [str(rule) for rule in (selector or {}).get("matchExpressions") or ()]
    return "".join(f" {each}" for each in (*labels, *rules))


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
        return is_within(as_range(addresses.partition(" ")[0]), as_range(of))
    return False


def _spelled(openings: list[Opening]) -> str:
    ports: dict[str, list[str]] = defaultdict(list)
    for opening in dict.fromkeys(openings):
        ports[_brief(opening.peer)].append(opening.port)
    return "; ".join(f"{peer} on {', '.join(of_peer)}" for peer, of_peer in ports.items())


def _brief(peer: str) -> str:
    addresses, _, excluded = peer.partition(" except ")
    ranges = excluded.split(", ")
    return f"{addresses} except {len(ranges)} ranges" if len(ranges) > 3 else peer
