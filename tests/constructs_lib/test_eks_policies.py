"""How EKS's network plugin evaluates policies, and which policies are rejected because of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import cdk8s
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.errors import DeclarationError, PlatformError
from constructs_lib.kubernetes import Chart, Program
from constructs_lib.manifests.objects import Objects
from constructs_lib.model import ClusterTarget, Egress, Manifest
from constructs_lib.rules.egress import differing_on_eks
from constructs_lib.rules.model import Rendered
from tests.constructs_lib import declarations as base
from tests.network import Connection, Opening, eks, kubernetes


def openings(rules: list[Manifest], *, selects: bool = False) -> list[Opening]:
    """Rules evaluated for a host, or for a pod that every selector matches."""
    return [
        Opening.of(
            rule,
            "Egress",
            selects=selects and any("podSelector" in peer for peer in rule.get("to", ())),
        )
        for rule in rules
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


@pytest.mark.parametrize(
    ("rules", "ip", "port", "allowed"),
    [
        pytest.param("10.0.0.0/8: 1", "10.0.0.1", 1, True, id="a range"),
        pytest.param("10.0.0.0/8: 1", "11.0.0.1", 1, False, id="outside of it"),
        pytest.param("10.0.0.0/8: 1", "10.0.0.1", 2, False, id="another port"),
        pytest.param("10.0.0.0/8:", "10.0.0.1", 2, True, id="no port is every port"),
        pytest.param(
            "0.0.0.0/0: 1\n10.0.0.0/8: 2", "10.0.0.1", 1, True, id="ports of wider ranges count"
        ),
        pytest.param("0.0.0.0/0 -10.0.0.0/8: 1", "10.0.0.1", 1, False, id="an exception"),
        pytest.param(
            "0.0.0.0/0 -10.0.0.0/8: 1\n0.0.0.0/0: 2", "10.0.0.1", 2, False,
            id="an exception holds for all rules of its range",
        ),
        pytest.param(
            "0.0.0.0/0 -10.0.0.0/8: 1\n10.0.0.0/8: 2", "10.0.0.1", 2, True,
            id="unless the exception is a range of its own",
        ),
        pytest.param(
            "0.0.0.0/0 -10.0.0.0/8: 1\n10.0.0.0/8: 2", "10.0.0.1", 1, False,
            id="which inherits nothing from what excepts it",
        ),
        pytest.param(
            "0.0.0.0/0: 1\n10.0.0.0/8 -10.1.0.0/16: 2", "10.1.0.1", 1, False,
            id="an exception of a narrower range denies what a wider one opens",
        ),
        pytest.param(
            "0.0.0.0/0 -10.0.0.0/16: 1\n10.0.0.0/8: 2", "10.9.0.1", 1, False,
            id="an exception at the first address stops the inheritance",
        ),
    ],
)  # fmt: skip
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
RULE = st.fixed_dictionaries(
    {
        "to": st.lists(
            st.one_of(
                st.just({"podSelector": {}}),
                st.builds(
                    lambda cidr, excepted: {"ipBlock": {"cidr": cidr, "except": excepted}},
                    CIDRS,
                    st.lists(CIDRS, max_size=2),
                ),
            ),
            min_size=1,
            max_size=2,
        ),
        "ports": st.lists(
            st.builds(
                lambda port, end: {"port": port, "endPort": port + end},
                st.integers(1, 4),
                st.integers(0, 2),
            ),
            max_size=2,
        ),
    }
)
ADDRESS = st.one_of(
    st.sampled_from(["10.0.0.0", "10.0.255.255", "10.1.0.0", "10.1.2.2", "10.1.2.3", "10.2.0.0",
                     "254.255.255.255", "255.255.255.255"]),
    st.integers(0, 2**32 - 1).map(lambda number: str(IPv4Address(number))),
)  # fmt: skip


def native(kind: str, name: str, spec: Manifest) -> Manifest:
    api = "apps/v1" if kind == "Deployment" else "networking.k8s.io/v1"
    metadata = {"name": name, "namespace": "space"}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


def conflicts(*policies: list[Manifest]) -> list[str]:
    """What the rule reports for policies with these egress rules that select one pod."""
    pod = {"metadata": {"labels": {"app": "one"}}, "spec": {"containers": []}}
    selector = {"matchLabels": {"app": "one"}}
    objects = [
        native("NetworkPolicy", str(place), {"podSelector": selector, "egress": rules})
        for place, rules in enumerate(policies)
    ]
    rendered = Rendered(Objects.of([native("Deployment", "one", {"template": pod}), *objects]))
    return [violation.message for violation in differing_on_eks.violations(rendered)]


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
        (
            "10.0.0.0/8 -10.0.0.0/8: 443",
            "contains the exception 10.0.0.0/8, which is not within 10.0.0.0/8",
        ),
    ],
)
def test_exceptions_that_the_plugin_applies_elsewhere_are_named(rules: str, problem: str) -> None:
    assert conflicts(read(rules)) == [f"NetworkPolicy space/0: egress: {problem}{REMEDY}"]


def opening(*egress: Egress) -> Program:
    return replace(base.READS_ALL, egress=egress)


def policy(spec: str) -> Callable[[Chart], Any]:
    """A native NetworkPolicy next to one of our web services."""

    def declare(chart: Chart) -> None:
        base.web_service(chart, program=opening(Egress((443,))))
        cdk8s.ApiObject(
            chart,
            "native",
            api_version="networking.k8s.io/v1",
            kind="NetworkPolicy",
            metadata=cdk8s.ApiObjectMetadata(name="native"),
        ).add_json_patch(cdk8s.JsonPatch.add("/spec", yaml.safe_load(spec)))

    return declare


SELECTED = "podSelector: {matchLabels: {app: one}}\npolicyTypes: [Ingress, Egress]\n"
MANY_PORTS = tuple(range(8000, 8025))
PORTS = [{"port": port} for port in range(1000, 1026)]
TO_DNS = "egress: [{ports: [{port: 53, protocol: UDP}], to: [{ipBlock: {cidr: %s}}]}]"


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (
            policy(SELECTED + "egress: [{ports: [{port: 8443}]}]"),
            "together with NetworkPolicy space/native: egress: opens 0.0.0.0/0 except 10.0.0.0/8, "
            "100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16 and "
            "0.0.0.0/0, but EKS's network plugin applies the exceptions of one to the other; give "
            "all rules for a range the same exceptions",
        ),
        (
            policy(SELECTED + "egress: [{ports: [{port: https}]}]"),
            "uses the port name https for an address range",
        ),
        (
            policy(
                SELECTED + "egress: [{ports: [{port: 443}], to: [{ipBlock: {cidr: 0.0.0.0/0, "
                "except: [10.0.0.0/8]}}, {ipBlock: {cidr: 0.0.0.0/0}}]}]"
            ),
            "egress: opens 0.0.0.0/0 except 10.0.0.0/8 and 0.0.0.0/0, but",
        ),
        (
            lambda chart: base.web_service(chart, program=opening(Egress(MANY_PORTS))),
            "egress: opens 25 ports of one range, but the EKS network plugin supports 24",
        ),
        (
            lambda chart: base.web_service(chart, program=opening(Egress((53,)))),
            "opens DNS to 0.0.0.0/0, which allows data exfiltration",
        ),
        (policy(SELECTED + TO_DNS % "8.8.8.8/32"), "opens DNS to 8.8.8.8/32, which allows"),
        (
            policy(
                SELECTED + "egress: [{ports: [{port: 50, endPort: 60, protocol: UDP}], "
                "to: [{ipBlock: {cidr: 8.8.8.8/32}}]}]"
            ),
            "opens DNS to 8.8.8.8/32, which allows data exfiltration; use the kube-dns pods",
        ),
        (
            policy(
                "podSelector: {matchLabels: {app: none}}\negress: [{to: [{podSelector: "
                f"{{matchLabels: {{app: one}}}}}}], ports: {PORTS[:13]}}}, {{to: [{{podSelector: "
                f"{{matchLabels: {{app: one}}}}}}], ports: {PORTS[13:]}}}]"
            ),
            "egress: opens 26 ports of one range",
        ),
        (
            policy(
                SELECTED + 'egress: [{ports: [{port: 443}], to: [{ipBlock: {cidr: "::/0"}}]}]'
            ),
            "contains ::/0, but this platform supports only IPv4 clusters",
        ),
        (policy(SELECTED + TO_DNS % "8.8.8.8"), "'8.8.8.8' is not a CIDR range; add a prefix"),
        (policy(SELECTED + TO_DNS % "169.254.20.25/32"), "opens 169.254.0.0/16 with 169.254.20.25"),
    ],
)  # fmt: skip
def test_rules_that_differ_on_eks_are_rejected(
    declare: Callable[[Chart], Any], message: str
) -> None:
    chart = base.chart(base.SERVED)
    declare(chart)
    with pytest.raises(PlatformError) as refused:
        base.app_of(chart).render()
    assert any(message in problem for problem in refused.value.problems), refused.value.problems


@pytest.mark.parametrize("namespace", ["space", "elsewhere"])
def test_a_namespace_without_a_pod_selector_is_all_of_its_pods_not_all_addresses(
    namespace: str,
) -> None:
    chart = base.chart(base.SERVED)
    labels = f"{{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}"
    policy(
        f"{SELECTED}ingress: [{{ports: [{{port: 8000}}], from: [{{namespaceSelector: {labels}}}]}}]"
    )(chart)
    with pytest.raises(PlatformError) as refused:
        base.app_of(chart).render()
    (problem,) = [one for one in refused.value.problems if "unserved-open-port" in one]
    assert "allows every pod of a namespace as a peer; select pods by label" in problem


def test_dns_may_be_allowed_by_an_equivalent_rule() -> None:
    chart = base.chart(base.SERVED)
    web = base.web_service(chart, program=base.READS_ALL)
    (rule,) = web.network_policy.to_json()["spec"]["egress"]
    for port in rule["ports"]:
        port |= {"port": 50, "endPort": 60}
    rule["to"][0]["namespaceSelector"] = {}
    with pytest.raises(PlatformError) as refused:
        base.app_of(chart).render()
    assert not [one for one in refused.value.problems if "blocked-dns" in one]


@pytest.mark.parametrize(
    ("addresses", "message"),
    [
        (("fd00::a",), "dns_addresses: 'fd00::a' is not an IPv4 address; write it like"),
        (("10.100.0.0/16",), "dns_addresses: '10.100.0.0/16' is not an IPv4 address"),
        (("10.0.0.1", "10.0.0.1"), "dns_addresses lists an address twice"),
    ],
)
def test_an_address_of_dns_is_checked(addresses: tuple[str, ...], message: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        ClusterTarget(dns_addresses=addresses)
    assert str(refused.value).startswith(message)
