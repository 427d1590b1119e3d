"""The evaluator of the tests follows the NetworkPolicy documentation, one rule per case."""

from typing import Any

import pytest
import yaml

from constructs_lib.manifests.objects import selects
from tests.conftest import manifest
from tests.network import Endpoint, Network

WEB = Endpoint("10.0.1.1", "cerebro", {"app": "web"}, {("http", "TCP"): 8000})
BESIDE = Endpoint("10.0.1.9", "cerebro")
WORKER = Endpoint("10.0.1.2", "crawlers", {"app": "worker"}, {("http", "TCP"): 8080})
OTHER_WORKER = Endpoint("10.0.1.3", "crawlers", {"app": "other"})
PENDING = Endpoint(None, "crawlers")
LOAD_BALANCER = Endpoint("10.0.9.9")
INTERNET = Endpoint("8.8.8.8")
IPV6 = Endpoint("2001:db8::1")

NAMESPACES = [
    {"kind": "Namespace", "metadata": {"name": "cerebro", "labels": {"team": "api"}}},
    {"kind": "Namespace", "metadata": {"name": "crawlers"}},
]


def network(*specs: str) -> Network:
    """A cluster with one policy per spec, all in the namespace cerebro."""
    kind = "networking.k8s.io/v1/NetworkPolicy"
    policies = [manifest(kind, yaml.safe_load(spec), namespace="cerebro") for spec in specs]
    return Network([*NAMESPACES, *policies])


DENY_ALL = "{podSelector: {}, policyTypes: [Ingress, Egress]}"
FROM = "{podSelector: {}, ingress: [{from: [%s]}]}"
TO = "{podSelector: {}, policyTypes: [Egress], egress: [%s]}"
BY_NAME = FROM % "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: crawlers}}%s}"

CASES: list[tuple[str, list[str], list[Any], list[Any]]] = [
    ("without a policy everything is allowed",
     [], [(WORKER, WEB, 8000), (INTERNET, WEB, 22, "UDP")], []),
    ("a policy affects only its namespace",
     [DENY_ALL], [(WORKER, OTHER_WORKER, 443)], [(WORKER, WEB, 8000), (WEB, WORKER, 443)]),
    ("a policy affects only its directions",
     ["{podSelector: {}, policyTypes: [Ingress]}"], [(WEB, WORKER, 443)], [(WORKER, WEB, 8000)]),
    ("a policy affects only its pods",
     ["{podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress, Egress]}"],
     [(WORKER, WEB, 8000)], []),
    ("policy types default to ingress",
     ["{podSelector: {}}"], [(WEB, INTERNET, 443)], [(INTERNET, WEB, 8000)]),
    ("policy types default to egress, too, where it has rules",
     ["{podSelector: {}, egress: [{ports: [{port: 443}]}]}"],
     [(WEB, INTERNET, 443)], [(WEB, INTERNET, 80), (INTERNET, WEB, 8000)]),
    ("policies add up",
     [DENY_ALL, "{podSelector: {}, ingress: [{}]}"], [(WORKER, WEB, 8000)], [(WEB, WORKER, 443)]),
    ("both ends must allow a connection",
     ["{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}]}"],
     [(WORKER, WEB, 8000)], [(BESIDE, WEB, 8000)]),
    ("a pod reaches itself", [DENY_ALL], [(WEB, WEB, 8000)], []),
    ("an IP block has addresses",
     [FROM % "{ipBlock: {cidr: 10.0.9.0/24}}"],
     [(LOAD_BALANCER, WEB, 8000)], [(INTERNET, WEB, 8000)]),
    ("an IP block has exceptions",
     [TO % "{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 192.168.0.0/16]}}]}"],
     [(WEB, INTERNET, 9000, "UDP")], [(WEB, WORKER, 443), (WEB, IPV6, 443)]),
    ("no IP block matches a pod without an address",
     [FROM % "{ipBlock: {cidr: 0.0.0.0/0}}"], [(WORKER, WEB, 8000)], [(PENDING, WEB, 8000)]),
    ("a pod selector alone is for the namespace of the policy",
     [FROM % "{podSelector: {}}"],
     [(BESIDE, WEB, 8000)], [(WORKER, WEB, 8000), (INTERNET, WEB, 8000)]),
    ("a namespace has its name as a label",
     [BY_NAME % ""], [(WORKER, WEB, 8000)], [(BESIDE, WEB, 8000)]),
    ("pod and namespace selectors of one peer must both match",
     [BY_NAME % ", podSelector: {matchLabels: {app: worker}}"],
     [(WORKER, WEB, 8000)], [(OTHER_WORKER, WEB, 8000)]),
    ("one of two peers must match",
     [FROM % "{namespaceSelector: {matchLabels: {team: api}}}, {ipBlock: {cidr: 8.8.8.8/32}}"],
     [(INTERNET, WEB, 8000), (BESIDE, WEB, 8000)], [(WORKER, WEB, 8000)]),
    ("a named port is that of the target",
     [TO % "{ports: [{port: http}]}"], [(WEB, WORKER, 8080)], [(WEB, INTERNET, 8080)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("policies", "allowed", "denied"), [pytest.param(*case, id=rule) for rule, *case in CASES]
)
def test_connections(policies: list[str], allowed: list[Any], denied: list[Any]) -> None:
    cluster = network(*policies)
    assert [one for one in (*allowed, *denied) if cluster.allows(*one)] == allowed


def test_labels_of_an_unknown_namespace_are_not_guessed() -> None:
    any_namespace = network(FROM % "{namespaceSelector: {}}")
    with pytest.raises(ValueError, match="no Namespace object for elsewhere"):
        any_namespace.allows(Endpoint("10.0.1.9", "elsewhere"), WEB, 8000)


@pytest.mark.parametrize(
    ("port", "allowed"),
    [
        ("{port: 8000}", {(8000, "TCP")}),
        ("{port: 8000, protocol: UDP}", {(8000, "UDP")}),
        ("{port: 7999, endPort: 8000}", {(7999, "TCP"), (8000, "TCP")}),
        ("{port: http}", {(8000, "TCP")}),
        ("{port: metrics}", set()),
        ("{protocol: UDP}", {(7999, "UDP"), (8000, "UDP")}),
    ],
)
def test_ports(port: str, allowed: set[tuple[int, str]]) -> None:
    opened = network(f"{{podSelector: {{}}, ingress: [{{ports: [{port}]}}]}}")
    tried = [(number, protocol) for number in (7999, 8000) for protocol in ("TCP", "UDP")]
    assert {one for one in tried if opened.allows(INTERNET, WEB, *one)} == allowed


@pytest.mark.parametrize(
    ("expression", "selected"),
    [
        ("operator: In, values: [web]", ["web"]),
        ("operator: NotIn, values: [web]", ["other", None]),
        ("operator: Exists", ["web", "other"]),
        ("operator: DoesNotExist", [None]),
    ],
)
def test_selector_expressions(expression: str, selected: list[str | None]) -> None:
    selector = {"matchExpressions": [yaml.safe_load(f"{{key: app, {expression}}}")]}
    values = ("web", "other", None)
    assert [app for app in values if selects(selector, {"app": app} if app else {})] == selected


def test_an_unknown_operator_is_rejected() -> None:
    with pytest.raises(ValueError, match="have no operator Gt"):
        selects({"matchExpressions": [{"key": "cpu", "operator": "Gt", "values": ["1"]}]}, {})


def test_an_endpoint_from_a_pod_and_from_a_template() -> None:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"ports": [{"containerPort": 8000, "name": "http"}]}]},
    }
    assert Endpoint.pod(template, "cerebro") == Endpoint(
        None, "cerebro", {"app": "web"}, {("http", "TCP"): 8000}
    )
    pod = {
        "metadata": {"labels": {"app": "web"}, "namespace": "cerebro"},
        "spec": template["spec"],
        "status": {"podIP": "10.0.1.1"},
    }
    assert Endpoint.pod(pod) == WEB
