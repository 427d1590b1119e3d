"""How EKS's network plugin evaluates policies, and which policies are rejected because of it."""

from collections.abc import Iterable
from ipaddress import IPv4Address

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.manifests.network import policy_rules
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.model import Manifest
from constructs_lib.rules import RULES
from constructs_lib.rules.api import contradicting_range
from constructs_lib.rules.egress import differing_on_eks
from constructs_lib.rules.model import Rendered, Rule
from tests.conftest import manifest
from tests.constructs_lib import declarations as base
from tests.network import Connection, Opening, eks, kubernetes

POLICY = "networking.k8s.io/v1/NetworkPolicy"


def openings(rules: list[Manifest], *, selects: bool = False) -> list[Opening]:
    """Rules evaluated for a host, or for a pod that every selector matches."""
    policy = Object.of(manifest(POLICY, {"egress": rules}))
    return [
        Opening.of(rule, selects=selects and any("podSelector" in peer for peer in rule.peers))
        for rule in policy_rules(policy, "Egress")
    ]


def read(text: str) -> list[Manifest]:
    """Parse rules `CIDR -EXCEPTION …: PORT …`, one per line. `pods` instead of a CIDR selects."""
    rules = []
    for line in text.strip().splitlines():
        peer, _, ports = line.partition(":")
        first, *excepted = peer.split()
        block = {"cidr": first, "except": [one.removeprefix("-") for one in excepted]}
        to = {"podSelector": {}} if first == "pods" else {"ipBlock": block}
        rules.append({"to": [to], "ports": [{"port": int(port)} for port in ports.split()]})
    return rules


EXCEPT_TEN = "0.0.0.0/0 -10.0.0.0/8: 1"
EVALUATED = [
    ("a range", "10.0.0.0/8: 1", "10.0.0.1", 1, True),
    ("outside of it", "10.0.0.0/8: 1", "11.0.0.1", 1, False),
    ("another port", "10.0.0.0/8: 1", "10.0.0.1", 2, False),
    ("no port is every port", "10.0.0.0/8:", "10.0.0.1", 2, True),
    ("ports of wider ranges count", "0.0.0.0/0: 1\n10.0.0.0/8: 2", "10.0.0.1", 1, True),
    ("an exception", EXCEPT_TEN, "10.0.0.1", 1, False),
    ("an exception holds for all rules of its range",
     f"{EXCEPT_TEN}\n0.0.0.0/0: 2", "10.0.0.1", 2, False),
    ("unless the exception is a range of its own",
     f"{EXCEPT_TEN}\n10.0.0.0/8: 2", "10.0.0.1", 2, True),
    ("which inherits nothing from what excepts it",
     f"{EXCEPT_TEN}\n10.0.0.0/8: 2", "10.0.0.1", 1, False),
    ("an exception of a narrower range denies what a wider one opens",
     "0.0.0.0/0: 1\n10.0.0.0/8 -10.1.0.0/16: 2", "10.1.0.1", 1, False),
    ("an exception at the first address stops the inheritance",
     "0.0.0.0/0 -10.0.0.0/16: 1\n10.0.0.0/8: 2", "10.9.0.1", 1, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "ip", "port", "allowed"), [pytest.param(*case, id=what) for what, *case in EVALUATED]
)
def test_the_plugin(rules: str, ip: str, port: int, *, allowed: bool) -> None:
    assert eks(openings(read(rules)), ip, Connection(port)) is allowed


def test_a_selected_pod_is_a_separate_range() -> None:
    rules = read("0.0.0.0/0 -10.0.0.0/8: 1\n172.16.0.0/12: 2\npods: 3")

    def ports(ip: str) -> list[int]:
        asked = openings(rules, selects=True)
        return [port for port in (1, 2, 3) if eks(asked, ip, Connection(port))]

    assert ports("10.0.0.1") == [3]
    assert ports("172.16.0.1") == [1, 2, 3]


CIDRS = st.sampled_from(
    ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.1.0.0/16", "10.1.2.3/32", "255.0.0.0/8"]
)
BLOCK = st.fixed_dictionaries({"cidr": CIDRS, "except": st.lists(CIDRS, max_size=2)})
PEER: st.SearchStrategy[Manifest] = st.one_of(
    st.just({"podSelector": {}}), st.fixed_dictionaries({"ipBlock": BLOCK})
)
PORT = st.builds(
    lambda port, end: {"port": port, "endPort": port + end}, st.integers(1, 4), st.integers(0, 2)
)
RULE = st.fixed_dictionaries(
    {"to": st.lists(PEER, min_size=1, max_size=2), "ports": st.lists(PORT, max_size=2)}
)
ADDRESS = st.one_of(
    st.sampled_from(["10.0.0.0", "10.0.255.255", "10.1.0.0", "10.1.2.2", "10.1.2.3", "10.2.0.0",
                     "254.255.255.255", "255.255.255.255"]),
    st.integers(0, 2**32 - 1).map(lambda number: str(IPv4Address(number))),
)  # fmt: skip


def messages(*policies: Manifest, rules: Iterable[Rule] = RULES) -> list[str]:
    """What the rules report for policies that select one pod."""
    pod = {"metadata": {"labels": {"app": "one"}}, "spec": {"containers": [{"name": "one"}]}}
    selected = {"podSelector": {"matchLabels": {"app": "one"}}}
    objects = [
        manifest("apps/v1/Deployment", {"template": pod}, "0"),
        *(manifest(POLICY, selected | policy, str(n)) for n, policy in enumerate(policies)),
    ]
    rendered = Rendered(Objects.of(objects))
    return [found.message for rule in rules for found in rule.violations(rendered)]


def conflicts(*policies: list[Manifest]) -> list[str]:
    """What the rules report for policies with these egress rules that select one pod."""
    rules = [contradicting_range, differing_on_eks]
    return messages(*({"egress": egress} for egress in policies), rules=rules)


@settings(max_examples=400)
@given(
    policies=st.lists(st.lists(RULE, min_size=1, max_size=3), min_size=1, max_size=2),
    ip=ADDRESS,
    port=st.integers(1, 8),
    selects=st.booleans(),
)
def test_what_the_plugin_evaluates_differently_is_rejected(
    policies: list[list[Manifest]], ip: str, port: int, *, selects: bool
) -> None:
    asked = openings([rule for rules in policies for rule in rules], selects=selects)
    if kubernetes(asked, ip, Connection(port)) != eks(asked, ip, Connection(port)):
        assert conflicts(*policies)


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param("0.0.0.0/0: 1\n10.0.0.0/8: 2", id="no exceptions"),
        pytest.param("0.0.0.0/0 -10.0.0.0/8: 1\n0.0.0.0/0 -10.0.0.0/8: 2", id="the same"),
        pytest.param(
            "0.0.0.0/0 -10.0.0.0/8: 1\n10.0.0.0/8: 2\n10.1.0.0/16: 3", id="as ranges of their own"
        ),
        pytest.param("0.0.0.0/0 -10.0.0.0/8: 1\n10.1.0.0/16 -10.1.2.3/32: 2", id="elsewhere"),
        pytest.param("10.0.0.0/16 -10.0.1.0/24: 1\n10.1.0.0/16: 2", id="no overlap"),
    ],
)
def test_these_exceptions_mean_the_same(rules: str) -> None:
    assert conflicts(read(rules)) == []
    assert conflicts(*([rule] for rule in read(rules))) == []


REMEDY = (
    "; give all rules for a range the same exceptions, and open excluded addresses as a separate "
    "range, as Egress does [differing-on-eks]"
)


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        (
            "0.0.0.0/0 -10.0.0.0/8 -169.254.0.0/16: 443\n0.0.0.0/0: 8443",
            "opens 0.0.0.0/0 except 10.0.0.0/8, 169.254.0.0/16 and 0.0.0.0/0, but EKS's network "
            "plugin applies the exceptions of one to the other",
        ),
        (
            "10.0.0.0/8 -10.1.0.0/16: 443\n0.0.0.0/0: 8443",
            "opens 0.0.0.0/0 and 10.0.0.0/8 except 10.1.0.0/16, but EKS's network plugin applies "
            "the exceptions of one to the other",
        ),
    ],
)
def test_exceptions_that_the_plugin_applies_elsewhere_are_named(rules: str, problem: str) -> None:
    assert conflicts(read(rules)) == [f"NetworkPolicy space/0: egress: {problem}{REMEDY}"]


@pytest.mark.parametrize("excepted", ["10.0.0.0/8", "11.0.0.0/8", "0.0.0.0/0"])
def test_an_exception_that_is_no_part_of_its_range_is_refused(excepted: str) -> None:
    (message,) = conflicts(read(f"10.0.0.0/8 -{excepted}: 443"))
    assert f"not every exception ({excepted}) is a part of 10.0.0.0/8" in message


TO_ONE_POD = "to: [{podSelector: {matchLabels: {app: one}}}]"
MANY_PORTS = [{"port": port} for port in range(1000, 1026)]
TO_DNS = "[{ports: [{port: 53, protocol: UDP}], to: [{ipBlock: {cidr: %s}}]}]"


@pytest.mark.parametrize(
    ("egress", "message"),
    [
        (
            ["[{ports: [{port: 443}], to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]}]",
             "[{ports: [{port: 8443}]}]"],
            "NetworkPolicy space/0: together with NetworkPolicy space/1: egress: opens 0.0.0.0/0 "
            "except 10.0.0.0/8 and 0.0.0.0/0, but EKS's network plugin applies",
        ),
        (["[{ports: [{port: https}]}]"], "uses the port name https for an address range"),
        (
            [f"[{{ports: {MANY_PORTS[:25]}}}]"],
            "egress: opens 25 ports of one range, but the EKS network plugin supports 24",
        ),
        (
            [f"[{{{TO_ONE_POD}, ports: {MANY_PORTS[:13]}}}]",
             f"[{{{TO_ONE_POD}, ports: {MANY_PORTS[13:]}}}]"],
            "egress: opens 26 ports of one range",
        ),
        (["[{ports: [{port: 53}]}]"], "opens DNS to every address, which allows data exfiltration"),
        ([TO_DNS % "0.0.0.0/0"], "opens DNS to 0.0.0.0/0, which allows data exfiltration"),
        (
            ["[{ports: [{port: 50, endPort: 60}], to: [{ipBlock: {cidr: 8.8.8.8/31}}]}]"],
            "opens DNS to 8.8.8.8/31, which allows data exfiltration; use the kube-dns pods",
        ),
        (['[{ports: [{port: 443}], to: [{ipBlock: {cidr: "::/0"}}]}]'],
         "contains ::/0, but this platform supports only IPv4 clusters"),
        ([TO_DNS % "8.8.8.8"], "'8.8.8.8' must be a range such as"),
    ],
)  # fmt: skip
def test_rules_that_differ_on_eks_are_rejected(egress: list[str], message: str) -> None:
    found = messages(*({"egress": yaml.safe_load(rules)} for rules in egress))
    assert any(message in one for one in found), found


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("8.8.8.8/32", "opens DNS to 8.8.8.8/32, which allows"),
        ("169.254.20.25/32", "opens 169.254.0.0/16 with 169.254.20.25"),
    ],
)
def test_only_the_dns_addresses_of_the_cluster_are_opened(address: str, message: str) -> None:
    chart, web = base.accepted()
    web.network_policy.merge({"spec": {"egress": yaml.safe_load(TO_DNS % address)}})
    problems = base.refusals(chart)
    assert any(message in problem for problem in problems), problems


def test_a_namespace_without_a_pod_selector_is_all_of_its_pods_not_all_addresses() -> None:
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}}}
    rule = {"ports": [{"port": 8000}], "from": [peer]}
    found = [one for one in messages({"ingress": [rule]}) if "unserved-open-port" in one]
    assert not any("all addresses" in one for one in found)
    assert any("allows every pod of a namespace as a peer; select pods by" in one for one in found)


def test_dns_may_be_allowed_by_an_equivalent_rule() -> None:
    dns = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    ports = [{"port": 50, "endPort": 60, "protocol": protocol} for protocol in ("UDP", "TCP")]
    for opened, blocked in ((ports[:1], True), (ports, False)):
        found = messages({"egress": [{"to": [dns], "ports": opened}]})
        assert any("blocked-dns" in one for one in found) is blocked
