"""The directions, peers and address ranges of NetworkPolicies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from constructs_lib.errors import DeclarationError
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
