"""Rules for egress policies: pods reach what they need and nothing else, on every plugin."""

from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

from constructs_lib.manifests import network
from constructs_lib.manifests.network import Block, Peer, PolicyRule, is_within, policy_rules
from constructs_lib.manifests.objects import Key, Object, Objects, at, selects
from constructs_lib.manifests.workload import Workload
from constructs_lib.model.names import as_range
from constructs_lib.rules.model import PODS, Problem, Problems, Rendered, rule
from constructs_lib.rules.network import NAMESPACE_NAME

_METADATA = "169.254.169.254"
_METADATA_PORT = 80
_DNS = 53
_KUBE_DNS = "the pods of kube-dns"
_EVERY_ADDRESS = "0.0.0.0/0"
_MOST_PORTS = 24
"""Maximum pairs of port and protocol per range in the EKS network plugin. It drops the others."""


@rule(
    "NetworkPolicy",
    risk="exposure",
    remedy="exclude all private ranges, as Egress(to='public') does",
    reviewed_by_field=True,
)
def open_private_address(policy: Object, rendered: Rendered) -> Problems:
    """A pod with access to private addresses can read node credentials and reach the VPC."""
    for opened in policy_rules(policy, "Egress"):
        others = [block for block in opened.blocks if not _is_resolver(block, opened, rendered)]
        named = {block.cidr for block in others}
        for block in others:
            for closed in network.NOT_PUBLIC:
                if closed not in named and block.overlaps(closed):
                    yield f"opens {closed} with {block.cidr}"
        anyone = () if opened.peers else ("every address",)
        if any(port.get("port") and network.matches_port(port, _DNS) for port in opened.ports):
            for place in (*anyone, *named):
                yield Problem(
                    f"opens DNS to {place}, which allows data exfiltration",
                    "use the kube-dns pods, or add a resolver of the cluster to dns_addresses",
                )
        reaches = anyone or any(block.overlaps(f"{_METADATA}/32") for block in others)
        if reaches and opened.has_port(_METADATA_PORT):
            text = f"opens instance metadata ({_METADATA})"
            yield Problem(text, f"list ports other than {_METADATA_PORT}")


def _is_resolver(block: Block, opened: PolicyRule, rendered: Rendered) -> bool:
    """Whether a block is only the cluster's DNS. Without a Platform, any single address counts."""
    address, _, length = block.cidr.partition("/")
    known = rendered.platform.target.dns_addresses if rendered.platform else (address,)
    ports = opened.ports or [{}]
    only_dns = all(port.get("port") == _DNS and not port.get("endPort") for port in ports)
    return length == "32" and address in known and only_dns


@rule(
    PODS,
    risk="downtime",
    remedy="open UDP and TCP 53 to the pods of kube-dns in kube-system, to the dns_addresses of "
    "the cluster target, and to the nameservers of its dnsConfig",
)
def blocked_dns(workload: Workload, rendered: Rendered) -> Problems:
    """A pod that cannot reach DNS cannot resolve host names."""
    rules = network.rules_of(rendered.objects, workload, "Egress")
    if rules is None:
        return
    addresses = rendered.platform.target.dns_addresses if rendered.platform else ()
    own = at(workload.pod, "dnsConfig").get("nameservers") or ()
    for resolver in (_KUBE_DNS, *addresses, *own):
        for protocol in ("UDP", "TCP"):
            if not any(
                opened.has_port(_DNS, protocol)
                and any(_reaches(peer, resolver) for peer in opened.peers or [{}])
                for opened in rules
            ):
                yield f"its pods cannot reach {resolver} for DNS over {protocol}"


def _reaches(peer: Peer, resolver: str) -> bool:
    """Whether a peer includes a resolver: the pods of kube-dns, or an address."""
    if not peer:
        return True
    if block := network.block_of(peer):
        address = f"{resolver}/{128 if ':' in resolver else 32}"
        return resolver != _KUBE_DNS and block.overlaps(address)
    return (
        resolver == _KUBE_DNS
        and "namespaceSelector" in peer
        and selects(peer.get("podSelector"), {"k8s-app": "kube-dns"})
        and selects(peer["namespaceSelector"], {NAMESPACE_NAME: "kube-system"})
    )


class Combination(NamedTuple):
    """Policies that select the same pods, with all their rules of one direction."""

    direction: str
    policies: list[Object]
    rules: list[PolicyRule]

    def problem(self, text: str) -> Problem:
        names = ", ".join(str(policy.key) for policy in self.policies[1:])
        together = f"together with {names}: " if names else ""
        text = f"{together}{self.direction.lower()}: {text}"
        return Problem(text, object=self.policies[0])


def _combinations(objects: Objects) -> Iterator[Combination]:
    """Each policy, then each set of policies that select the same pods, by direction."""
    for direction in network.PEERS:
        rules = {
            policy: policy_rules(policy, direction)
            for policy in objects.of_kinds("NetworkPolicy")
            if direction in network.directions(policy.manifest)
            and policy.spec.get(direction.lower())
        }
        sets = dict.fromkeys(
            tuple(policy for policy in policies if policy in rules)
            for (_, of_direction), policies in network.isolating(objects).items()
            if of_direction == direction
        )
        single = [(policy,) for policy in rules]
        for policies in (*single, *(several for several in sets if len(several) > 1)):
            together = [opened for policy in policies for opened in rules[policy]]
            yield Combination(direction, list(policies), together)


@rule(
    risk="exposure",
    remedy="give all rules for a range the same exceptions, and open excluded addresses as a "
    "separate range, as Egress does",
)
def differing_on_eks(rendered: Rendered) -> Problems:
    """The EKS network plugin applies only the most specific range of all rules of a pod."""
    reported: dict[tuple[str, Key], set[str]] = defaultdict(set)
    for combination in _combinations(rendered.objects):
        of_each = [reported[combination.direction, policy.key] for policy in combination.policies]
        known = set().union(*of_each)
        texts = _conflicts(_blocks(combination.rules))
        yield from (combination.problem(text) for text in texts if text not in known)
        for of_policy in of_each:
            of_policy.update(texts)


def _blocks(rules: list[PolicyRule]) -> tuple[Block, ...]:
    """The blocks of the rules, without duplicates. A rule without peers opens every address."""
    every = Block(_EVERY_ADDRESS)
    blocks = (block for rule in rules for block in (rule.blocks if rule.peers else [every]))
    return tuple(dict.fromkeys(blocks))


@lru_cache(maxsize=256)
def _conflicts(blocks: tuple[Block, ...]) -> tuple[str, ...]:
    """The exceptions that the plugin also applies to another block, as messages."""
    return tuple(
        f"opens {wide} and {narrow}, but EKS's network plugin applies the exceptions of one to the "
        "other"
        for pair in combinations(blocks, 2)
        if any(block.exceptions for block in pair)
        for wide, narrow in [sorted(pair, key=lambda block: as_range(block.cidr).prefixlen)]
        if _share_exceptions(wide, narrow)
    )


def _share_exceptions(wide: Block, narrow: Block) -> bool:
    """Whether an exception of one block is within the other block, which opens addresses there."""
    cidr = narrow.cidr
    if wide.cidr == cidr or not is_within(cidr, wide.cidr):
        return wide.cidr == cidr
    if any(part != cidr and is_within(part, cidr) for part in wide.exceptions):
        return True
    return bool(narrow.exceptions) and wide.contains(cidr)


@rule(risk="downtime", remedy="use port ranges (endPort), or fewer ports")
def exceeded_plugin_limit(rendered: Rendered) -> Problems:
    """Some versions of the EKS network plugin silently drop rules above their limits."""
    for combination in _combinations(rendered.objects):
        if (count := _most_ports(combination.rules)) > _MOST_PORTS:
            yield combination.problem(
                f"opens {count} ports of one range, but the EKS network plugin supports "
                f"{_MOST_PORTS}"
            )
        if len(combination.policies) == 1:
            for opened in combination.rules:
                yield from _dropped(opened)


def _most_ports(rules: list[PolicyRule]) -> int:
    """The maximum number of pairs of port and protocol that are open to one range or pod.

    Each pod is a separate range within the private ranges.
    """
    if sum(len(opened.ports or [{}]) for opened in rules) <= _MOST_PORTS:
        return 0
    selectors = [peer for opened in rules for peer in opened.peers if "ipBlock" not in peer]
    ranges = {_EVERY_ADDRESS, *network.PRIVATE, *(cidr for cidr, _ in _blocks(rules))}
    return max(
        len(_ports_to(cidr, peer, rules))
        for cidr in ranges
        for peer in [None, *selectors]
        if not peer or any(is_within(cidr, private) for private in network.PRIVATE)
    )


def _ports_to(cidr: str, selector: Peer | None, rules: list[PolicyRule]) -> set[str]:
    """The ports that are open to a range, and to the pods of a selector in it if there is one."""
    selecting = [selector, {"podSelector": {}}] if selector else []
    return {
        str(sorted(port.items()))
        for opened in rules
        if any(peer in selecting for peer in opened.peers)
        or any(block.contains(cidr) for block in _blocks([opened]))
        for port in opened.ports or [{}]
    }


def _dropped(opened: PolicyRule) -> Problems:
    """What some versions of the plugin's controller do not read in a rule."""
    for port in opened.ports:
        if isinstance(port.get("port"), str) and (opened.blocks or not opened.peers):
            yield Problem(
                f"uses the port name {port['port']} for an address range, which some versions "
                "of the EKS network plugin drop",
                "use the port number",
                opened.policy,
            )
    for block in opened.blocks:
        if as_range(block.cidr).version != 4:
            text = f"contains {block.cidr}, but this platform supports only IPv4 clusters"
            yield Problem(text, "remove it", opened.policy)
