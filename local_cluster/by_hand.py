"""The platform as the deployment page has it applied by hand, before anything of dist/ is there."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import yaml

from constructs_lib.manifests.external_secret import keys_of, secret_of
from constructs_lib.manifests.objects import Objects
from constructs_lib.manifests.workload import workloads
from local_cluster.cluster import Cluster, Object

PAGE = Path(__file__).with_name("deployment_page")
"""The five objects that the page shows, a file each."""
_PULL_CONFIG = ".dockerconfigjson"


def apply_by_hand(cluster: Cluster, declared: list[Object]) -> None:
    """Apply the page's objects with plain `kubectl apply`, and make their Secrets by hand.

    The Secrets hold the keys that dist/, the `declared` objects, gives them.
    """
    page = [yaml.safe_load(file.read_text()) for file in sorted(PAGE.glob("*.yaml"))]
    for namespace in dict.fromkeys(one["metadata"]["namespace"] for one in page):
        cluster.kubectl("create", "namespace", namespace)
    for secret in secrets(page, declared):
        cluster.kubectl("create", "--filename=-", stdin=yaml.safe_dump(secret))
    cluster.kubectl("apply", f"--filename={PAGE}")


def secrets(page: list[Object], declared: list[Object]) -> list[Object]:
    """The Secrets that the pods of the page read, each value made of its key."""
    types = {
        (one["metadata"]["namespace"], secret_of(one)): _type(one)
        for one in declared
        if one["kind"] == "ExternalSecret"
    }
    keys = keys_of(Objects.of(declared))
    needed = {
        (workload.namespace, name)
        for workload in workloads(page)
        for name in (*workload.secrets, *workload.pull_secrets)
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": place[1], "namespace": place[0]},
            "type": types[place],
            "data": {key: _value(key) for key in sorted(keys[place] or ())},
        }
        for place in sorted(needed)
    ]


def _type(external_secret: Object) -> str:
    template = external_secret["spec"]["target"].get("template") or {}
    return str(template.get("type") or "Opaque")


def _value(key: str) -> str:
    value = '{"auths":{}}' if key == _PULL_CONFIG else f"by-hand-{key.lower()}"
    return b64encode(value.encode()).decode()
