"""The NetworkPolicies that the API server stores allow exactly the declared connections."""

from __future__ import annotations

import pytest

from local_cluster.installation import SERVICES, Installation
from tests.e2e.conftest import Claimed
from tests.network import EVALUATORS, Endpoint
from tests.reach import declared, questions, wrong


@pytest.fixture
def pods(installation: Installation) -> dict[str, Endpoint]:
    running = {
        pod["metadata"]["labels"]["app"]: Endpoint.pod(pod)
        for uid, pod in installation.pods().items()
        if uid in installation.running()
    }
    return {app: pod for app, pod in running.items() if app in declared()}


def test_the_policies_allow_what_is_declared(
    installation: Installation, pods: dict[str, Endpoint], claim: Claimed
) -> None:
    with claim("NetworkPolicies allow what is declared, on Kubernetes and EKS") as measured:
        asked = list(questions(pods))
        stored = [*installation.cluster.list("NetworkPolicy"),
                  *installation.cluster.list("Namespace")]  # fmt: skip
        assert wrong(stored, asked) == {name: [] for name in EVALUATORS}
        measured(
            f"{len(asked)} questions about {len(pods)} workloads, {len(EVALUATORS)} evaluators"
        )


def test_a_removed_policy_changes_an_answer(
    installation: Installation, pods: dict[str, Endpoint]
) -> None:
    stored = [one for namespace in SERVICES
              for one in installation.cluster.list("NetworkPolicy", namespace)]  # fmt: skip
    namespaces = installation.cluster.list("Namespace")
    for app in ("cerebro-api", "nebula"):
        rest = [one for one in stored if one["metadata"]["name"] not in (app, "default-deny")]
        changed = wrong([*namespaces, *rest], questions(pods))
        assert any(question.startswith(f"{app} -> ") for question in changed["EKS"])
