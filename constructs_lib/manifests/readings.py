"""Two readings of the rules of NetworkPolicies: Kubernetes' documentation, and EKS's plugin.

Both answer the same question: do these rules, taken together, let a peer through? The plugin, which
is the VPC CNI with its network policy agent (read at version 1.4), puts all rules of a pod into one
table of address ranges, in which the most specific range decides alone. Where ranges overlap and
their exceptions differ, that is not what the documentation says.

Not modelled: traffic from a pod's own node, which the plugin always allows, and the cluster IP of a
Service, which it treats like the Service's pods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import chain
from typing import Any

Object = Mapping[str, Any]
Range = IPv4Network | IPv6Network

PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
"""Where a VPC's own addresses may be: private (RFC 1918) and shared (RFC 6598) ranges."""
NOT_PUBLIC = tuple(sorted((*PRIVATE, "127.0.0.0/8", "169.254.0.0/16")))
"""PRIVATE, loopback, and link-local with the instance metadata."""
PEERS = {"Ingress": "from", "Egress": "to"}
"""Where a rule of each direction names its peers."""
_EVERY_ADDRESS: tuple[Object, ...] = ({"cidr": "0.0.0.0/0"}, {"cidr": "::/0"})
_EVERY_PORT: Object = {"protocol": "ANY"}


@dataclass(frozen=True)
class Connection:
    """A port of the pod or host that is called."""

    number: int
    protocol: str = "TCP"
    named_ports: Mapping[tuple[str, str], int] = field(default_factory=dict, hash=False)
    """The called pod's port numbers, by name and protocol."""

    def __str__(self) -> str:
        return f"{self.protocol} {self.number}"

    def is_in(self, ports: Sequence[Object]) -> bool:
        """Whether a rule's `ports` take it in; none of them means every port."""
        return not ports or any(self._is(one) for one in ports)

    def _is(self, stated: Object) -> bool:
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
    """One rule of a policy, as far as one peer is concerned."""

    ports: Sequence[Object]
    """None of them means every port."""
    blocks: Sequence[Object]
    """Its `ipBlock` peers."""
    anyone: bool
    """Whether the rule names no peer, and so means all."""
    selects: bool
    """Whether one of its selectors picks the peer."""

    @classmethod
    def of(cls, rule: Object, direction: str, *, selects: bool) -> Opening:
        """Read it from a rule of that direction."""
        return cls(
            ports=rule.get("ports") or (),
            blocks=blocks_of(rule, direction),
            anyone=not peers_of(rule, direction),
            selects=selects,
        )


def peers_of(rule: Object, direction: str) -> Sequence[Object]:
    """The peers that a rule of a direction names."""
    return rule.get(PEERS[direction]) or ()


def blocks_of(rule: Object, direction: str) -> list[Object]:
    """Those of its peers that are ranges of addresses: the content of each `ipBlock`."""
    return [peer["ipBlock"] for peer in peers_of(rule, direction) if peer.get("ipBlock")]


Reading = Callable[[Sequence[Opening], str | None, Connection], bool]
"""Whether the openings let a peer of this address through; None: it has no address yet."""


def kubernetes(openings: Sequence[Opening], ip: str | None, connection: Connection) -> bool:
    """As the NetworkPolicy API documents it: each rule by itself, and one is enough."""
    return any(
        connection.is_in(one.ports)
        and (one.anyone or one.selects or any(_covers(block, ip) for block in one.blocks))
        for one in openings
    )


def eks(openings: Sequence[Opening], ip: str | None, connection: Connection) -> bool:
    """As EKS's network plugin evaluates it: the most specific range decides alone.

    It cannot identify a pod that has no address; for one, the documentation's reading is taken.
    """
    if ip is None:
        return kubernetes(openings, ip, connection)
    return Table(openings, ip).allows(ip, connection)


READINGS: Mapping[str, Reading] = {"Kubernetes": kubernetes, "EKS": eks}
"""Both, by what they are called in messages."""


class Table:
    """The plugin's table: which ports are open, by range."""

    def __init__(self, openings: Iterable[Opening], ip: str) -> None:
        """`ip` is the address of the peer that `openings` are about."""
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
        """The ports of every wider range, unless it excepts the first address of this one."""
        first = cidr.network_address
        wider = [
            one
            for one, excepted in self._exceptions.items()
            if first in one and not any(first in each for each in excepted)
        ]
        return [port for one in wider for port in self._ports[one]]

    def allows(self, ip: str, connection: Connection) -> bool:
        """What the most specific range around an address says."""
        address = ip_address(ip)
        containing = [one for one in self._ports if address in one]
        decides = max(containing, key=lambda one: one.prefixlen, default=None)
        ports = self._ports[decides] if decides else ()
        return bool(ports) and connection.is_in(ports)

    @property
    def most_ports(self) -> int:
        """The most pairs of port and protocol that are stated for one range."""
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
    """A CIDR range. Raises ValueError for what is not one, a bare address included."""
    if "/" not in cidr:
        raise ValueError(f"{cidr!r} is not a CIDR range; write its length, too, as {cidr}/32")
    return ip_network(cidr)


def is_within(part: Range, whole: Range) -> bool:
    """Whether all addresses of a range are in another."""
    if isinstance(part, IPv4Network) and isinstance(whole, IPv4Network):
        return part.subnet_of(whole)
    if isinstance(part, IPv6Network) and isinstance(whole, IPv6Network):
        return part.subnet_of(whole)
    return False
