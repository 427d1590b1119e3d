"""Evaluates NetworkPolicy rules as Kubernetes documents them, and as EKS's network plugin does.

The plugin, the VPC CNI with its network policy agent (version 1.4), puts all rules of a pod into
one table of address ranges. Only the most specific range applies. For overlapping ranges with
different exceptions, this differs from the documentation.

Not supported: traffic from a pod's own node, which the plugin always allows, and the cluster IP of
a Service, which it treats like the Service's pods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import chain
from typing import Any

from constructs_lib.errors import DeclarationError

Object = Mapping[str, Any]
Range = IPv4Network | IPv6Network

PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
"""Possible address ranges of a VPC: private (RFC 1918) and shared (RFC 6598)."""
NOT_PUBLIC = tuple(sorted((*PRIVATE, "127.0.0.0/8", "169.254.0.0/16")))
"""PRIVATE, loopback, and link-local with the instance metadata."""
PEERS = {"Ingress": "from", "Egress": "to"}
"""The field with the peers of a rule, by direction."""
_EVERY_ADDRESS: tuple[Object, ...] = ({"cidr": "0.0.0.0/0"}, {"cidr": "::/0"})
_EVERY_PORT: Object = {"protocol": "ANY"}


@dataclass(frozen=True)
class Connection:
    """The destination port of a connection."""

    number: int
    protocol: str = "TCP"
    named_ports: Mapping[tuple[str, str], int] = field(default_factory=dict, hash=False)
    """Port numbers of the destination pod, by name and protocol."""

    def __str__(self) -> str:
        return f"{self.protocol} {self.number}"

    def is_in(self, ports: Sequence[Object]) -> bool:
        """Whether the `ports` of a rule include it. Empty means all ports."""
        return not ports or any(self._matches(one) for one in ports)

    def _matches(self, stated: Object) -> bool:
        if stated is _EVERY_PORT:
            return True
        if stated.get("protocol", "TCP") != self.protocol:
            return False
        first = stated.get("port")
        if isinstance(first, str):
            return self.named_ports.get((first, self.protocol)) == self.number
        return first is None or bool(first <= self.number <= stated.get("endPort", first))


@dataclass(frozen=True)
class Opening:
    """One rule of a policy, evaluated for one peer."""

    ports: Sequence[Object]
    """Empty means all ports."""
    blocks: Sequence[Object]
    """Its `ipBlock` peers."""
    anyone: bool
    """Whether the rule has no peers, which means all peers."""
    selects: bool
    """Whether one of its selectors matches the peer."""

    @classmethod
    def of(cls, rule: Object, direction: str, *, selects: bool) -> Opening:
        return cls(
            ports=rule.get("ports") or (),
            blocks=blocks_of(rule, direction),
            anyone=not peers_of(rule, direction),
            selects=selects,
        )


def peers_of(rule: Object, direction: str) -> Sequence[Object]:
    return rule.get(PEERS[direction]) or ()


def blocks_of(rule: Object, direction: str) -> list[Object]:
    """The `ipBlock`s among the peers of a rule."""
    return [peer["ipBlock"] for peer in peers_of(rule, direction) if peer.get("ipBlock")]


Reading = Callable[[Sequence[Opening], str | None, Connection], bool]
"""Whether the openings allow a peer with this address. None: the peer has no address yet."""


def kubernetes(openings: Sequence[Opening], ip: str | None, connection: Connection) -> bool:
    """As documented by the NetworkPolicy API: one matching rule is enough."""
    return any(
        connection.is_in(one.ports)
        and (one.anyone or one.selects or any(_covers(block, ip) for block in one.blocks))
        for one in openings
    )


def eks(openings: Sequence[Opening], ip: str | None, connection: Connection) -> bool:
    """As evaluated by EKS's network plugin: only the most specific range applies.

    Without an address, falls back to `kubernetes`.
    """
    if ip is None:
        return kubernetes(openings, ip, connection)
    return Table(openings, ip).allows(ip, connection)


READINGS: Mapping[str, Reading] = {"Kubernetes": kubernetes, "EKS": eks}
"""Both evaluations, by their name in messages."""


class Table:
    """The plugin's table of open ports by address range, for the peer with the address `ip`."""

    def __init__(self, openings: Iterable[Opening], ip: str) -> None:
        self._ports: dict[Range, list[Object]] = {}
        self._exceptions: dict[Range, set[Range]] = {}
        stated = [
            (as_range(block["cidr"]), block.get("except") or (), one.ports or [_EVERY_PORT])
            for one in openings
            for block in _blocks_for(one, ip)
        ]
        for cidr, excepted, ports in sorted(stated, key=lambda entry: entry[0].prefixlen):
            if cidr not in self._ports:
                self._ports[cidr] = self._inherited(cidr)
            self._ports[cidr] += ports
            self._exceptions.setdefault(cidr, set()).update(map(as_range, excepted))
        for denied in chain.from_iterable(self._exceptions.values()):
            self._ports.setdefault(denied, [])

    def _inherited(self, cidr: Range) -> list[Object]:
        """The ports of every wider range that does not exclude the first address of this one."""
        first = cidr.network_address
        wider = [
            one
            for one, excepted in self._exceptions.items()
            if first in one and not any(first in each for each in excepted)
        ]
        return [port for one in wider for port in self._ports[one]]

    def allows(self, ip: str, connection: Connection) -> bool:
        """Whether the most specific range that contains an address allows the connection."""
        address = ip_address(ip)
        containing = [one for one in self._ports if address in one]
        narrowest = max(containing, key=lambda one: one.prefixlen, default=None)
        ports = self._ports[narrowest] if narrowest else ()
        return bool(ports) and connection.is_in(ports)

    @property
    def most_ports(self) -> int:
        """The maximum number of pairs of port and protocol per range."""
        spelled = ({repr(sorted(one.items())) for one in ports} for ports in self._ports.values())
        return max(map(len, spelled), default=0)


def _blocks_for(opening: Opening, ip: str) -> Iterator[Object]:
    yield from _EVERY_ADDRESS if opening.anyone else opening.blocks
    if opening.selects:
        yield {"cidr": str(ip_network(ip))}


def _covers(block: Object, ip: str | None) -> bool:
    if ip is None:
        return False
    address = ip_address(ip)
    return address in as_range(block["cidr"]) and not any(
        address in as_range(cidr) for cidr in block.get("except") or ()
    )


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
