"""The connections that the rendered NetworkPolicies allow, by Kubernetes and by EKS."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from catalogue.parameters import Parameters
from catalogue.platform import current
from charts.registry import render
from constructs_lib.manifests.network import NOT_PUBLIC
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.references import readers_of_secret, remote_keys, secret_of
from constructs_lib.manifests.workload import workloads
from constructs_lib.model import ClusterTarget, Manifest
from constructs_lib.rules import violations
from constructs_lib.rules.model import Rendered
from tests.conftest import parse
from tests.mutants import start
from tests.network import Endpoint
from tests.reach import (
    AUTO_MODE,
    NODE_CACHE,
    PRIVATE,
    PUBLIC,
    Question,
    behind_load_balancers,
    declared,
    questions,
    wrong,
)

SYSTEM = {"kind": "Namespace", "metadata": {"name": "kube-system"}}
SUBNETS = ("10.0.48.0/20", "10.0.64.0/20")


def endpoints(manifests: Sequence[Manifest]) -> dict[str, Endpoint]:
    """One pod per workload of a construct, each with its own address."""
    found = workloads(Objects.of(manifests))
    return {
        one.key.name: Endpoint(f"10.1.0.{index}", one.namespace, one.pod_labels)
        for index, one in enumerate(found, 1)
        if one.key.name in declared()
    }


def test_dist_is_the_same_for_kubernetes_and_eks() -> None:
    manifests = [item.manifest for item in start()]
    pods = endpoints(manifests)
    assert pods.keys() == declared().keys()
    asked = list(questions(pods))
    assert len(asked) > 50 * len(pods)
    assert wrong([*manifests, SYSTEM], asked) == {"Kubernetes": [], "EKS": []}


def test_what_reads_the_host_of_clickhouse_reaches_it() -> None:
    """Whatever its chart declares, so that a connection that it does not declare is noticed."""
    objects = Objects(start())
    pods = endpoints([item.manifest for item in start()])
    readers = {
        reader.name
        for secret in objects.of_kinds("ExternalSecret")
        if Parameters.CLICKHOUSE_HOST.path in (path for _, path in remote_keys(secret.manifest))
        for reader in readers_of_secret(objects, secret.namespace, secret_of(secret.manifest))
        if reader.name in pods
    }
    assert len(readers) > 10
    ports = dict.fromkeys(readers, 8443) | {"nebula": 9440}
    asked = [
        Question(f"{app} -> {place}", pods[app], address, port, expected=True)
        for app, port in ports.items()
        for place, address in {"public": PUBLIC, **PRIVATE}.items()
    ]
    found = wrong([*(item.manifest for item in start()), SYSTEM], asked)
    assert found == {"Kubernetes": [], "EKS": []}


def test_a_configured_platform_is_the_same_for_kubernetes_and_eks() -> None:
    target = ClusterTarget(dns_addresses=(NODE_CACHE.ip or "", AUTO_MODE.ip or ""))
    files = render(replace(current(), target=target, alb_subnets=SUBNETS))
    manifests = list(parse(files))
    pods = endpoints(manifests)
    asked = list(questions(pods, auto_mode=True, subnets=True))
    asked += [
        Question(
            f"outside the subnets -> {app}", Endpoint("10.0.80.1"), pods[app], port, expected=False
        )
        for app, port in behind_load_balancers().items()
    ]
    assert wrong([*manifests, SYSTEM], asked) == {"Kubernetes": [], "EKS": []}


def test_the_old_form_differs_and_is_rejected() -> None:
    """With a rule without peers and one with exceptions, ClickHouse over PrivateLink fails."""
    manifests = [copy.deepcopy(item.manifest) for item in start()]
    policies = [one for one in manifests if one["kind"] == "NetworkPolicy"]
    for rule in (rule for policy in policies for rule in policy["spec"].get("egress", [])):
        if {"ipBlock": {"cidr": "10.0.0.0/8"}} in rule["to"]:  # those of Egress(to="anywhere")
            del rule["to"]
    pods = endpoints(manifests)
    found = wrong([*manifests, SYSTEM], questions(pods))
    lost = {text for text in found["EKS"] if text not in found["Kubernetes"]}
    assert {f"{app} -> ClickHouse, 10/8" for app in ("cerebro-api", "click-runner-cow")} <= lost
    assert "metrics-dashboard -> ClickHouse, 10/8" not in lost
    assert "differing-on-eks" in checks(manifests)


def checks(manifests: Sequence[Manifest]) -> set[str]:
    """The names of the violated rules."""
    return {one.check for one in violations(Rendered(Objects(map(Object.of, manifests))))}


def variants(rule: Manifest) -> Iterator[Manifest]:
    """Variants of a rule, each with one error in its peers."""
    peers = rule["to"]
    yield {"ports": rule["ports"]}
    yield {**rule, "to": [*peers, {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}
    for index, peer in enumerate(peers):
        before, after = peers[:index], peers[index + 1 :]
        yield {**rule, "to": [*before, *after]}
        block = peer.get("ipBlock", {})
        for cidr in block.get("except", ()):
            rest = [one for one in block["except"] if one != cidr]
            yield {**rule, "to": [*before, {"ipBlock": {**block, "except": rest}}, *after]}
        if "except" in block:
            yield {**rule, "to": [*before, {"ipBlock": {"cidr": block["cidr"]}}, *after]}


@pytest.mark.parametrize("app", ["cerebro-api", "nebula", "cryo-indexer"])
def test_every_change_that_causes_a_difference_is_rejected(app: str) -> None:
    """Compares both evaluations for each connection, independently of the rule."""
    manifests = [item.manifest for item in start()]
    pods = endpoints(manifests)
    asked = [one for one in questions({app: pods[app]}) if one.source == pods[app]]
    places = [Endpoint(f"{cidr.partition('/')[0].removesuffix('.0')}.77") for cidr in NOT_PUBLIC]
    asked += [
        Question(f"{place.ip}, {port}", pods[app], place, port, expected=False)
        for place in places
        for port in (1, 443, 8443)
    ]
    at = next(i for i, one in enumerate(manifests)
              if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == app)  # fmt: skip
    divided = 0
    for number, rule in enumerate(manifests[at]["spec"]["egress"]):
        for variant in variants(rule):
            changed = copy.deepcopy(manifests[at])
            changed["spec"]["egress"][number] = variant
            mutant = [*manifests[:at], changed, *manifests[at + 1 :]]
            found = wrong([*mutant, SYSTEM], asked)
            if found["Kubernetes"] != found["EKS"]:
                divided += 1
                assert "differing-on-eks" in checks(mutant), variant
    assert divided > 3
