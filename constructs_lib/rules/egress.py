"""Rules for egress policies: pods reach what they need and nothing else, on every plugin."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from itertools import combinations
from typing import Any

from constructs_lib.manifests.network import (
    NOT_PUBLIC,
    PEERS,
    PRIVATE,
    Peer,
    as_range,
    blocks_of,
    directions,
    is_within,
    peers_of,
)
from constructs_lib.manifests.objects import Key, Object, selects
from constructs_lib.manifests.workload import Workload
from constructs_lib.model import Manifest
from constructs_lib.rules.model import PODS, Problem, Problems, Rendered, rule
from constructs_lib.rules.network import (
    NAMESPACE_NAME,
    has_port,
    matches_port,
)

_METADATA = "169.254.169.254"
_METADATA_PORT = 80
_DNS = 53
_IPV4 = 4
_EVERY_ADDRESS = "0.0.0.0/0"
_MOST_PORTS = 24
"""Maximum pairs of port and protocol per range in the EKS network plugin. It drops the others."""

Block = tuple[str, tuple[str, ...]]
"""A range and its exceptions."""


@rule(
    "NetworkPolicy",
    risk="exposure",
    remedy="exclude all private ranges, as Egress(to='public') does",
    reviewed_by_field=True,
)
def open_private_address(policy: Object, rendered: Rendered) -> Problems:
    """A pod with access to private addresses can read node credentials and reach the VPC."""
    for rule_ in policy.spec.get("egress") or ():
        ports = rule_.get("ports") or [{}]
        blocks = blocks_of(rule_, "Egress")
        others = [block for block in blocks if not _is_resolver(block, ports, rendered)]
        named = {block.get("cidr") for block in others}
        for block in others:
            for closed in NOT_PUBLIC:
                if closed not in named and _covers(block, closed):
                    yield f"opens {closed} with {block.get('cidr')}"
        anyone = ("every address",) if not rule_.get("to") else ()
        if any(port.get("port") and matches_port(port, _DNS) for port in ports):
            for place in (*anyone, *named):
                yield Problem(
                    f"opens DNS to {place}, which allows data exfiltration",
                    "use the kube-dns pods, or add a resolver of the cluster to dns_addresses",
                )
        reaches = anyone or any(_covers(block, f"{_METADATA}/32") for block in others)
        if reaches and has_port(rule_, {"port": _METADATA_PORT}):
            yield Problem(
                f"opens instance metadata ({_METADATA})", f"list ports other than {_METADATA_PORT}"
            )


def _is_resolver(block: Mapping[str, Any], ports: list[Manifest], rendered: Rendered) -> bool:
    """Whether a block is only the cluster's DNS. Without a Platform, any single address counts."""
    address, _, length = str(block["cidr"]).partition("/")
    known = rendered.platform.target.dns_addresses if rendered.platform else (address,)
    only_dns = all(port.get("port") == _DNS and not port.get("endPort") for port in ports)
    return length == "32" and address in known and only_dns


def _covers(block: Mapping[str, Any], addresses: str) -> bool:
    """Whether a block overlaps a range that its exceptions do not fully exclude."""
    wanted = as_range(addresses)
    if not as_range(block["cidr"]).overlaps(wanted):
        return False
    return not any(is_within(wanted, as_range(cidr)) for cidr in block.get("except") or ())


@rule(
    PODS,
    risk="downtime",
    remedy="open UDP and TCP 53 to the pods of kube-dns in kube-system, and to the dns_addresses "
    "of the cluster target",
)
def blocked_dns(workload: Workload, rendered: Rendered) -> Problems:
    """A pod that cannot reach DNS cannot resolve host names."""
    policies = rendered.policies[workload.key].get("Egress")
    if policies is None:
        return
    resolvers: dict[str, Callable[[Manifest], bool]] = {"the pods of kube-dns": _is_kube_dns}
    for address in rendered.platform.target.dns_addresses if rendered.platform else ():
        resolvers[address] = partial(_includes, f"{address}/32")
    for resolver, is_peer in resolvers.items():
        for protocol in ("UDP", "TCP"):
            if not any(
                has_port(rule_, {"port": _DNS, "protocol": protocol})
                and any(is_peer(peer) for peer in rule_.get("to") or [{}])
                for policy in policies
                for rule_ in policy.spec.get("egress") or ()
            ):
                yield f"its pods cannot reach {resolver} for DNS over {protocol}"


def _is_kube_dns(peer: Manifest) -> bool:
    """Whether a peer includes the pods of kube-dns."""
    if not peer:
        return True
    if peer.get("ipBlock") or "namespaceSelector" not in peer:
        return False
    return selects(peer.get("podSelector"), {"k8s-app": "kube-dns"}) and selects(
        peer["namespaceSelector"], {NAMESPACE_NAME: "kube-system"}
    )


def _includes(addresses: str, peer: Manifest) -> bool:
    block = peer.get("ipBlock")
    return not peer or bool(block and _covers(block, addresses))


def _combined(rendered: Rendered, direction: str) -> Iterator[tuple[list[Object], list[Manifest]]]:
    """Each policy, then each set of policies that select the same pods, with all their rules."""
    every = [
        policy
        for policy in rendered.objects.of_kinds("NetworkPolicy")
        if direction in directions(policy.manifest) and policy.spec.get(direction.lower())
    ]
    by_key = {policy.key: policy for policy in every}
    sets = dict.fromkeys(
        tuple(policy.key for policy in by_direction[direction] if policy.key in by_key)
        for by_direction in rendered.policies.values()
        if direction in by_direction
    )
    for keys in (*((key,) for key in by_key), *(keys for keys in sets if len(keys) > 1)):
        policies = [by_key[key] for key in keys]
        yield policies, [rule_ for policy in policies for rule_ in policy.spec[direction.lower()]]


def _others(policies: list[Object]) -> str:
    names = ", ".join(str(policy.key) for policy in policies[1:])
    return f"together with {names}: " if names else ""


@rule(
    risk="exposure",
    remedy="give all rules for a range the same exceptions, and open excluded addresses as a "
    "separate range, as Egress does",
)
def differing_on_eks(rendered: Rendered) -> Problems:
    """The EKS network plugin applies only the most specific range of all rules of a pod."""
    for direction in PEERS:
        reported: dict[Key, set[str]] = defaultdict(set)
        for policies, rules in _combined(rendered, direction):
            known = set().union(*(reported[policy.key] for policy in policies))
            for text in _conflicts(_blocks(rules, direction)):
                if text not in known:
                    where = f"{_others(policies)}{direction.lower()}"
                    yield Problem(f"{where}: {text}", object=policies[0])
                for policy in policies:
                    reported[policy.key].add(text)


def _blocks(rules: list[Manifest], direction: str) -> tuple[Block, ...]:
    """The blocks of the rules, without duplicates. A rule without peers opens every address."""
    blocks: dict[Block, None] = {}
    for rule_ in rules:
        every = [] if peers_of(rule_, direction) else [{"cidr": _EVERY_ADDRESS}]
        for block in blocks_of(rule_, direction) or every:
            blocks[block["cidr"], tuple(sorted(block.get("except") or ()))] = None
    return tuple(blocks)


@lru_cache(maxsize=256)
def _conflicts(blocks: tuple[Block, ...]) -> tuple[str, ...]:
    """The exceptions that the plugin also applies to another block, as messages."""
    outside = [
        f"contains the exception {part}, which is not within {cidr}"
        for cidr, exceptions in blocks
        for part in exceptions
        if part == cidr or not is_within(as_range(part), as_range(cidr))
    ]
    apart = [
        f"opens {_spelled(wide)} and {_spelled(narrow)}, but EKS's network plugin applies the "
        "exceptions of one to the other"
        for pair in combinations(blocks, 2)
        if any(exceptions for _, exceptions in pair)
        for wide, narrow in [sorted(pair, key=lambda block: as_range(block[0]).prefixlen)]
        if _share_exceptions(wide, narrow)
    ]
    return (*outside, *apart)


def _share_exceptions(wide: Block, narrow: Block) -> bool:
    """Whether an exception of one block is within the other block, which opens addresses there."""
    cidr = as_range(narrow[0])
    if wide[0] == narrow[0] or not is_within(cidr, as_range(wide[0])):
        return wide[0] == narrow[0]
    excluded = [as_range(part) for part in wide[1]]
    if any(part != cidr and is_within(part, cidr) for part in excluded):
        return True
    return bool(narrow[1]) and not any(is_within(cidr, part) for part in excluded)


def _spelled(block: Block) -> str:
    cidr, exceptions = block
    return f"{cidr} except {', '.join(exceptions)}" if exceptions else cidr


@rule(risk="downtime", remedy="use port ranges (endPort), or fewer ports")
def exceeded_plugin_limit(rendered: Rendered) -> Problems:
    """Some versions of the EKS network plugin silently drop rules above their limits."""
    for direction in PEERS:
        for policies, rules in _combined(rendered, direction):
            if (count := _most_ports(rules, direction)) > _MOST_PORTS:
                yield Problem(
                    f"{_others(policies)}{direction.lower()}: opens {count} ports of one range, "
                    f"but the EKS network plugin supports {_MOST_PORTS}",
                    object=policies[0],
                )
            if len(policies) == 1:
                yield from _dropped(policies[0], direction)


def _most_ports(rules: list[Manifest], direction: str) -> int:
    """The maximum number of pairs of port and protocol that are open to one range or pod.

    Each pod is a separate range within the private ranges.
    """
    if sum(len(rule_.get("ports") or [{}]) for rule_ in rules) <= _MOST_PORTS:
        return 0
    selectors = [
        peer for rule_ in rules for peer in peers_of(rule_, direction) if "ipBlock" not in peer
    ]
    ranges = {_EVERY_ADDRESS, *PRIVATE, *(cidr for cidr, _ in _blocks(rules, direction))}
    return max(
        len(_ports_to(cidr, peer, rules, direction))
        for cidr in ranges
        for peer in [None, *selectors]
        if not peer or any(is_within(as_range(cidr), as_range(private)) for private in PRIVATE)
    )


def _ports_to(cidr: str, selector: Peer | None, rules: list[Manifest], direction: str) -> set[str]:
    """The ports that are open to a range, and to the pods of a selector in it if there is one."""
    selecting = [selector, {"podSelector": {}}] if selector else []
    return {
        str(sorted(port.items()))
        for rule_ in rules
        if any(peer in selecting for peer in peers_of(rule_, direction))
        or any(_opens(block, cidr) for block in _blocks([rule_], direction))
        for port in rule_.get("ports") or [{}]
    }


def _opens(block: Block, cidr: str) -> bool:
    """Whether a block includes a whole range."""
    whole, exceptions = block
    part = as_range(cidr)
    return is_within(part, as_range(whole)) and not any(
        is_within(part, as_range(exception)) for exception in exceptions
    )


def _dropped(policy: Object, direction: str) -> Problems:
    """Rules that some versions of the plugin's controller do not read in full."""
    for rule_ in policy.spec[direction.lower()]:
        blocks = blocks_of(rule_, direction)
        for port in rule_.get("ports") or ():
            if isinstance(port.get("port"), str) and (blocks or not peers_of(rule_, direction)):
                yield Problem(
                    f"uses the port name {port['port']} for an address range, which some versions "
                    "of the EKS network plugin drop",
                    "use the port number",
                    policy,
                )
        for block in blocks:
            if as_range(block["cidr"]).version != _IPV4:
                yield Problem(
                    f"contains {block['cidr']}, but this platform supports only IPv4 clusters",
                    "remove it",
                    policy,
                )
