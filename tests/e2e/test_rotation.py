"""A new value in SSM reaches the pods that read it, and no others."""

from __future__ import annotations

from base64 import b64decode

from catalogue.parameters import Parameters
from tests.e2e.conftest import Claimed
from tests.e2e.harness.waiting import eventually
from tests.e2e.installation import Installation


def test_a_rotated_secret_reaches_its_pods_and_leaves_the_others(
    installation: Installation, claim: Claimed
) -> None:
    with claim("A new value reaches the Secret, after the restart new pods; no other pod") as told:
        before = installation.running()
        installation.aws.put_parameter(Parameters.API_KEYS.path, '{"rotated": "tier3"}')
        installation.external_secrets.force_sync("cerebro-api-secrets", "cerebro")
        eventually("new value in the Secret", lambda: "rotated" in api_keys(installation))

        kubectl = installation.cluster.kubectl
        kubectl("rollout", "restart", "deployment/cerebro-api", "-n", "cerebro")
        kubectl("rollout", "status", "deployment/cerebro-api", "-n", "cerebro", "--timeout=120s")
        eventually("old pods gone", lambda: len(installation.running()) == len(before))

        after = installation.running()
        gone = {app for uid, app in before.items() if uid not in after}
        made = {app for uid, app in after.items() if uid not in before}
        assert gone == made == {"cerebro-api"}
        installation.argocd.refresh()
        installation.wait()
        told(f"{len(set(before) - set(after))} pods replaced, {len(set(before) & set(after))} kept")


def api_keys(installation: Installation) -> str:
    secret = installation.cluster.get("Secret", "cerebro-api-secrets", "cerebro")
    assert secret
    return b64decode(secret["data"]["API_KEYS"]).decode()
