"""The evaluator of the tests follows the NetworkPolicy documentation, one rule per test."""

import pytest
import yaml

from constructs_lib.manifests.objects import selects
from tests.conftest import manifest
from tests.network import Endpoint, Network

WEB = Endpoint("10.0.1.1", "cerebro", {"app": "web"}, {("http", "TCP"): 8000})
WORKER = Endpoint("10.0.1.2", "crawlers", {"app": "worker"})
OTHER_WORKER = Endpoint("10.0.1.3", "crawlers", {"app": "other"})
LOAD_BALANCER = Endpoint("10.0.9.9")
INTERNET = Endpoint("8.8.8.8")

NAMESPACES = [
    {"kind": "Namespace", "metadata": {"name": "cerebro", "labels": {"team": "api"}}},
    {"kind": "Namespace", "metadata": {"name": "crawlers"}},
]


def network(*specs: str, namespace: str = "cerebro") -> Network:
    """A cluster with one policy per spec, all in one namespace."""
    kind = "networking.k8s.io/v1/NetworkPolicy"
    policies = [manifest(kind, yaml.safe_load(spec), namespace=namespace) for spec in specs]
    return Network([*NAMESPACES, *policies])


DENY_ALL = "{podSelector: {}, policyTypes: [Ingress, Egress]}"


def test_without_a_policy_everything_is_allowed() -> None:
    assert network().allows(WORKER, WEB, 8000)
    assert network().allows(INTERNET, WEB, 22, "UDP")


def test_a_policy_affects_only_its_directions_pods_and_namespace() -> None:
    closed = network(DENY_ALL)
    assert not closed.allows(WORKER, WEB, 8000)
    assert not closed.allows(WEB, WORKER, 443)
    assert closed.allows(WORKER, OTHER_WORKER, 443)
    ingress_only = network("{podSelector: {}, policyTypes: [Ingress]}")
    assert ingress_only.allows(WEB, WORKER, 443)
    others = network("{podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress, Egress]}")
    assert others.allows(WORKER, WEB, 8000)


def test_policy_types_default_to_ingress_and_to_egress_where_it_has_rules() -> None:
    assert network("{podSelector: {}}").allows(WEB, INTERNET, 443)
    with_egress = network("{podSelector: {}, egress: [{ports: [{port: 443}]}]}")
    assert with_egress.allows(WEB, INTERNET, 443)
    assert not with_egress.allows(WEB, INTERNET, 80)
    assert not with_egress.allows(INTERNET, WEB, 8000)


def test_policies_add_up() -> None:
    opened = network(DENY_ALL, "{podSelector: {}, ingress: [{}]}")
    assert opened.allows(WORKER, WEB, 8000)
    assert not opened.allows(WEB, INTERNET, 443)


def test_both_ends_must_allow_a_connection() -> None:
    only_ingress_is_open = network(
        "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}]}", namespace="crawlers"
    )
    assert not only_ingress_is_open.allows(WORKER, OTHER_WORKER, 443)


def test_a_pod_reaches_itself() -> None:
    assert network(DENY_ALL).allows(WEB, WEB, 8000)


def test_ip_blocks_and_their_exceptions() -> None:
    subnets = network("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.9.0/24}}]}]}")
    assert subnets.allows(LOAD_BALANCER, WEB, 8000)
    assert not subnets.allows(INTERNET, WEB, 8000)
    public = network(
        "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: "
        "{cidr: 0.0.0.0/0, except: [10.0.0.0/8, 192.168.0.0/16]}}]}]}"
    )
    assert public.allows(WEB, INTERNET, 9000, "UDP")
    assert not public.allows(WEB, WORKER, 443)
    assert not public.allows(WEB, Endpoint("2001:db8::1"), 443)


def test_no_ip_block_matches_a_pod_without_an_address() -> None:
    anywhere = network("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}")
    assert not anywhere.allows(Endpoint(None, "crawlers"), WEB, 8000)


def test_pod_and_namespace_selectors_of_one_peer_must_both_match() -> None:
    pods_beside = network("{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}")
    assert pods_beside.allows(Endpoint("10.0.1.9", "cerebro"), WEB, 8000)
    assert not pods_beside.allows(WORKER, WEB, 8000)
    assert not pods_beside.allows(INTERNET, WEB, 8000)
    by_name = (
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: "
        "{matchLabels: {kubernetes.io/metadata.name: crawlers}}%s}]}]}"
    )
    assert network(by_name % "").allows(WORKER, WEB, 8000)
    one_app = network(by_name % ", podSelector: {matchLabels: {app: worker}}")
    assert one_app.allows(WORKER, WEB, 8000)
    assert not one_app.allows(OTHER_WORKER, WEB, 8000)


def test_one_of_two_peers_must_match() -> None:
    either = network(
        "{podSelector: {}, ingress: [{from: ["
        "{namespaceSelector: {matchLabels: {team: api}}}, {ipBlock: {cidr: 8.8.8.8/32}}]}]}"
    )
    assert either.allows(INTERNET, WEB, 8000)
    assert either.allows(Endpoint("10.0.1.9", "cerebro"), WEB, 8000)
    assert not either.allows(WORKER, WEB, 8000)


def test_labels_of_an_unknown_namespace_are_not_guessed() -> None:
    any_namespace = network("{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}")
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


def test_a_named_port_is_the_targets() -> None:
    to_http = network(
        "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: http}]}]}",
        namespace="crawlers",
    )
    assert to_http.allows(WORKER, WEB, 8000)
    assert not to_http.allows(WORKER, INTERNET, 8000)


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
