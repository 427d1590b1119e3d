"""Checks of where a cluster answers DNS, against the current settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from constructs_lib.model import ClusterTarget
from ops.checklist import dns
from ops.checklist.model import Answer, Outcome
from ops.cluster import Cluster
from tests.ops.day_two.api_server import ApiServer
from tests.ops.day_two.conftest import Run
from tests.ops.day_two.world import World

Place = Callable[[ApiServer], None]


def node_local(*arguments: str, name: str = "node-local-dns") -> Place:
    container = {
        "name": "cache",
        "image": "registry.k8s.io/dns/k8s-dns-node-cache:1.23",
        "args": list(arguments),
    }
    path = f"/apis/apps/v1/namespaces/kube-system/daemonsets/{name}"
    daemon_set = {
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }

    def place(api: ApiServer) -> None:
        api.objects[path] = daemon_set

    return place


def auto_mode(api: ApiServer) -> None:
    labels = {"eks.amazonaws.com/compute-type": "auto"}
    api.objects["/api/v1/nodes/auto"] = {"metadata": {"name": "auto", "labels": labels}}


def service(namespace: str, name: str, **spec: Any) -> Place:
    path = f"/api/v1/namespaces/{namespace}/services/{name}"

    def place(api: ApiServer) -> None:
        api.objects[path] = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}

    return place


FIRST = service("default", "kubernetes", clusterIP="172.20.0.1")


def kube_dns(api: ApiServer) -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    api.objects["/api/v1/namespaces/kube-system/pods/dns"] = {
        "metadata": {"name": "dns", "labels": {"k8s-app": "kube-dns"},
                     "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"containers": [{}]}, "status": ready,
    }  # fmt: skip


@pytest.fixture
def asked(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[tuple[Outcome, str]]]:
    """Return the results of the checklist for a cluster with these objects."""
    del run

    def ask(
        *places: Place, addresses: tuple[str, ...] = ("169.254.20.10",)
    ) -> list[tuple[Outcome, str]]:
        monkeypatch.setattr(dns, "TARGET", ClusterTarget(dns_addresses=addresses))
        for place in places:
            place(world.api)
        answers: list[Answer] = list(dns.cluster_dns(Cluster()))
        return [(answer.outcome, answer.detail) for answer in answers]

    return ask


def test_pods_of_kube_dns_are_enough(asked: Any) -> None:
    ((outcome, detail),) = asked(FIRST, kube_dns)
    assert (outcome, detail) == (Outcome.PASSED, "1 pods with k8s-app=kube-dns")


def test_a_cluster_that_answers_nowhere_fails(asked: Any) -> None:
    ((outcome, detail),) = asked(FIRST)
    assert outcome is Outcome.FAILED
    assert "the NetworkPolicies allow no working DNS server" in detail


@pytest.mark.parametrize("arguments", [("-localip", "169.254.20.10"), ("--localip=169.254.20.10",)])
def test_a_node_cache_at_the_usual_address_passes(asked: Any, arguments: tuple[str, ...]) -> None:
    _, (outcome, detail) = asked(FIRST, kube_dns, node_local(*arguments, name="cache"))
    assert outcome is Outcome.PASSED
    assert "NodeLocal DNSCache answers at 169.254.20.10" in detail


def test_a_node_cache_elsewhere_fails_with_the_setting(asked: Any) -> None:
    other = node_local("-localip", "169.254.20.25,172.20.0.10")
    cluster_ip = service("kube-system", "kube-dns", clusterIP="172.20.0.10")
    _, (failed, detail), (passed, by_service) = asked(FIRST, kube_dns, cluster_ip, other)
    assert failed is Outcome.FAILED
    assert "all pods would lose DNS" in detail
    assert 'dns_addresses=("169.254.20.10", "169.254.20.25") in catalogue/target.py' in detail
    assert passed is Outcome.PASSED
    assert "the cluster IP of kube-dns" in by_service


def test_a_setting_of_one_address_is_a_tuple(asked: Any) -> None:
    other = node_local("-localip", "169.254.20.25, ")
    _, (_, detail) = asked(FIRST, kube_dns, other, addresses=())
    assert 'dns_addresses=("169.254.20.25",) in catalogue/target.py' in detail


def test_a_node_cache_without_an_address_is_not_checked(asked: Any) -> None:
    outcomes = [outcome for outcome, _ in asked(FIRST, kube_dns, node_local("-conf", "x"))]
    assert outcomes == [Outcome.PASSED, Outcome.NOT_CHECKED]


@pytest.mark.parametrize(
    "cluster_ip",
    [
        (),
        (service("kube-system", "kube-dns", clusterIP="None"),),
        (service("kube-system", "kube-dns", clusterIP="172.20.0.10"),),
    ],
)
def test_auto_mode_needs_the_cluster_dns_address(asked: Any, cluster_ip: tuple[Place, ...]) -> None:
    ((outcome, detail),) = asked(FIRST, auto_mode, *cluster_ip)
    assert outcome is Outcome.FAILED
    assert detail.startswith(
        "EKS Auto Mode answers at 172.20.0.10, which the NetworkPolicies block"
    )
    setting = ("169.254.20.10", "172.20.0.10")
    assert 'dns_addresses=("169.254.20.10", "172.20.0.10") in catalogue' in detail
    ((outcome, _),) = asked(addresses=setting)
    assert outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("address", "outcome"),
    [("10.100.0.1", Outcome.PASSED), ("fd00::1", Outcome.FAILED), (None, Outcome.NOT_CHECKED)],
)
def test_an_ipv6_cluster_fails(
    world: World, run: Run, address: str | None, outcome: Outcome
) -> None:
    del run
    service("default", "kubernetes", clusterIP=address)(world.api)
    (answer,) = dns.address_family(Cluster())
    assert answer.outcome is outcome
    assert (outcome is Outcome.FAILED) == ("does not support" in answer.detail)
