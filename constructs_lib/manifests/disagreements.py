"""Finds rules that EKS's network plugin evaluates differently from Kubernetes' documentation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from itertools import groupby
from typing import Any

from constructs_lib.manifests.readings import (
    NOT_PUBLIC,
    PRIVATE,
    Connection,
    Opening,
    Table,
    as_range,
    blocks_of,
    kubernetes,
    peers_of,
)

Rule = Mapping[str, Any]
"""An ingress or egress rule of a NetworkPolicy."""

MOST_PORTS = 24
"""Maximum pairs of port and protocol per range in the plugin. It drops the others."""
_PUBLIC = "203.0.113.1"
_LAST_PORT = 65535


@dataclass(frozen=True)
class Disagreement:
    """Connections that only one of Kubernetes' documentation and the plugin allows."""

    addresses: str
    """The narrowest known range, or `public addresses`."""
    protocol: str
    first: int
    last: int
    """The range of ports, inclusive."""
    documented: bool
    """Whether Kubernetes' documentation allows them."""

    @property
    def ports(self) -> str:
        """`TCP 8443`, `UDP 1-52` or `every TCP port`."""
        if (self.first, self.last) == (1, _LAST_PORT):
            return f"every {self.protocol} port"
        last = f"-{self.last}" if self.last > self.first else ""
        return f"{self.protocol} {self.first}{last}"


def described(found: Sequence[Disagreement]) -> list[str]:
    """One sentence per group of ranges with the same result for the same ports."""
    ports: dict[tuple[bool, str], list[str]] = {}
    for one in found:
        ports.setdefault((one.documented, one.addresses), []).append(one.ports)
    ranges: dict[tuple[bool, str], list[str]] = {}
    for (documented, addresses), of_range in ports.items():
        ranges.setdefault((documented, ", ".join(of_range)), []).append(addresses)
    return [
        "EKS's network plugin {} {} on {}, which Kubernetes {}".format(
            "denies" if documented else "allows",
            ", ".join(addresses),
            of_ranges,
            "allows" if documented else "denies",
        )
        for (documented, of_ranges), addresses in ranges.items()
    ]


def disagreements(rules: Sequence[Rule], direction: str) -> tuple[Disagreement, ...]:
    """All addresses and ports for which the two evaluations of the rules differ.

    Complete for IPv4: tests one address of each part into which the ranges and exceptions divide
    the address space, as a host and as a pod matched by each selector, at every port where a rule
    starts or ends. Without exceptions, both evaluations are the same.

    Args:
        rules: The rules of all policies that select the same pods.
        direction: `Ingress` or `Egress`.
    """
    if not any(block.get("except") for rule in rules for block in blocks_of(rule, direction)):
        return ()
    return _compared(json.dumps([rules, direction], sort_keys=True))


def most_ports(rules: Sequence[Rule], direction: str) -> int:
    """The maximum number of pairs of port and protocol per range in the plugin.

    Each pod is a separate range. Its address is assumed to be private.
    """
    if sum(len(rule.get("ports") or ()) for rule in rules) <= MOST_PORTS:
        return 0
    private = [as_range(cidr) for cidr in PRIVATE]
    tables = (
        Table(_openings(rules, direction, picks), address)
        for picks in _selecting(rules, direction)
        for address in _addresses(rules, direction)
        if not picks or any(ip_address(address) in cidr for cidr in private)
    )
    return max(table.most_ports for table in tables)


@lru_cache(maxsize=256)
def _compared(text: str) -> tuple[Disagreement, ...]:
    rules, direction = json.loads(text)
    starts = _starts(rules)
    differing: dict[tuple[str, str, bool], set[int]] = {}
    for picks in _selecting(rules, direction):
        openings = _openings(rules, direction, picks)
        for address, name in _addresses(rules, direction).items():
            table = Table(openings, address)
            for protocol in _protocols(rules):
                for start in starts:
                    connection = Connection(start, protocol)
                    documented = kubernetes(openings, address, connection)
                    if documented != table.allows(address, connection):
                        differing.setdefault((name, protocol, documented), set()).add(start)
    return tuple(
        Disagreement(name, protocol, first, last, documented)
        for (name, protocol, documented), ports in differing.items()
        for first, last in _spans(ports, starts)
    )


def _spans(ports: set[int], starts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The port ranges from each of `ports` to the next of `starts`, with adjacent ranges merged."""
    bounds = [*starts, _LAST_PORT + 1]
    for differs, group in groupby(range(len(starts)), lambda index: starts[index] in ports):
        indexes = list(group)
        if differs:
            yield bounds[indexes[0]], bounds[indexes[-1] + 1] - 1


def _selecting(rules: Sequence[Rule], direction: str) -> list[frozenset[int]]:
    """The sets of rule indexes that select the same peer. The empty set is a host.

    A pod is selected by all rules with the same selector, and by those that select every pod.
    """
    by_selector: dict[str, set[int]] = {}
    for index, rule in enumerate(rules):
        for peer in peers_of(rule, direction):
            if not peer.get("ipBlock"):
                by_selector.setdefault(json.dumps(peer, sort_keys=True), set()).add(index)
    every = by_selector.get('{"podSelector": {}}', set())
    return [frozenset(), *(frozenset(of | every) for of in by_selector.values())]


def _openings(rules: Sequence[Rule], direction: str, picks: frozenset[int]) -> list[Opening]:
    return [Opening.of(rule, direction, selects=index in picks) for index, rule in enumerate(rules)]


def _addresses(rules: Sequence[Rule], direction: str) -> dict[str, str]:
    """One address of every part of the address space, with the name of that part.

    The first address of each range, and the one after its last, cover all parts.
    """
    stated = {
        cidr
        for rule in rules
        for block in blocks_of(rule, direction)
        for cidr in (block["cidr"], *(block.get("except") or ()))
    }
    ranges = [one for one in map(as_range, (*NOT_PUBLIC, *sorted(stated))) if one.version == 4]
    edges = {ip_address(_PUBLIC)}
    for one in ranges:
        edges.add(one.network_address)
        if int(one.broadcast_address) < 2**32 - 1:
            edges.add(one.broadcast_address + 1)
    every = as_range("0.0.0.0/0")
    found = {}
    for edge in sorted(edges, key=int):
        around = [one for one in ranges if edge in one and one != every]
        narrowest = max(around, key=lambda one: one.prefixlen, default=None)
        found[str(edge)] = str(narrowest) if narrowest else "public addresses"
    return found


def _starts(rules: Sequence[Rule]) -> list[int]:
    """The first port of every range, the port after every range, and 1."""
    numbers = {1}
    for port in (port for rule in rules for port in rule.get("ports") or ()):
        if isinstance(first := port.get("port"), int):
            numbers |= {first, min(port.get("endPort", first) + 1, _LAST_PORT)}
    return sorted(numbers)


def _protocols(rules: Sequence[Rule]) -> list[str]:
    stated = (port.get("protocol", "TCP") for rule in rules for port in rule.get("ports") or ())
    return list(dict.fromkeys(("TCP", "UDP", *stated)))
