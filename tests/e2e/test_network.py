"""Who may reach whom, by the NetworkPolicies that the API server stores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from constructs_lib.manifests.network import Endpoint, Network
from tests.e2e.conftest import Claimed
from tests.e2e.installation import SERVICES, Installation

ANYWHERE = Endpoint("10.0.50.7")
"""A load balancer's subnet is a setting; while it is open, any address may be one."""
INTERNET = Endpoint("93.184.216.34")
PRIVATE = Endpoint("10.9.9.9")
IMDS = Endpoint("169.254.169.254")
DNS = Endpoint("10.0.0.10", "kube-system", {"k8s-app": "kube-dns"})

WEB = {"cerebro-api": 8000, "cerebro-mcp": 8000, "metrics-dashboard": 8080}
PUBLIC_HTTPS = {"cerebro-api", "cerebro-mcp", "ip-crawler", "nebula", "cryo-indexer",
                "beacon-indexer-realtime"}  # fmt: skip
CLICKHOUSE = 8443


@pytest.fixture
def pods(installation: Installation) -> dict[str, Endpoint]:
    return {
        pod["metadata"]["labels"]["app"]: Endpoint.pod(pod)
        for uid, pod in installation.pods().items()
        if uid in installation.running()
    }


@pytest.fixture
def network(installation: Installation) -> Network:
    kinds = ("NetworkPolicy", "Namespace")
    return Network([one for kind in kinds for one in installation.cluster.list(kind)])


def answers(network: Network, pods: dict[str, Endpoint]) -> Iterator[tuple[str, bool, bool]]:
    """Each question, what the policies answer, and what is meant."""
    for app, pod in pods.items():
        yield (
            f"load balancer -> {app}",
            network.allows(ANYWHERE, pod, WEB.get(app, 9090)),
            app in WEB,
        )
        yield f"{app} -> DNS", network.allows(pod, DNS, 53, "UDP"), True
        yield f"{app} -> instance metadata", network.allows(pod, IMDS, 80), False
        yield f"{app} -> public 443", network.allows(pod, INTERNET, 443), app in PUBLIC_HTTPS
        crawls = app == "nebula"
        yield f"{app} -> public 30303/UDP", network.allows(pod, INTERNET, 30303, "UDP"), crawls
        yield f"{app} -> private 22", network.allows(pod, PRIVATE, 22), False
        native = network.allows(pod, PRIVATE, 9440)
        yield f"{app} -> ClickHouse, native", native, crawls
        yield f"{app} -> ClickHouse", network.allows(pod, PRIVATE, CLICKHOUSE), not crawls
        for other, target in pods.items():
            if other != app:
                allowed = network.allows(pod, target, WEB.get(other, 9090))
                yield f"{app} -> {other}", allowed, False


def test_the_policies_mean_what_they_say(
    network: Network, pods: dict[str, Endpoint], claim: Claimed
) -> None:
    with claim("NetworkPolicies allow what is declared, and nothing else") as measured:
        asked = list(answers(network, pods))
        wrong = [question for question, allowed, meant in asked if allowed != meant]
        assert not wrong
        measured(f"{len(asked)} questions about {len(pods)} workloads")


def test_a_removed_policy_changes_an_answer(
    installation: Installation, pods: dict[str, Endpoint]
) -> None:
    stored = [one for namespace in SERVICES
              for one in installation.cluster.list("NetworkPolicy", namespace)]  # fmt: skip
    namespaces = installation.cluster.list("Namespace")
    for app in ("cerebro-api", "nebula"):
        rest = [one for one in stored if one["metadata"]["name"] not in (app, "default-deny")]
        without = Network([*namespaces, *rest])
        changed = [q for q, allowed, meant in answers(without, pods) if allowed != meant]
        assert any(question.startswith(app) for question in changed)
