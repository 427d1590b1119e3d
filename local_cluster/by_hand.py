"""Applies the objects of the deployment page by hand, before dist/ is synced."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import yaml

from catalogue.parameters import Parameters
from constructs_lib.manifests.references import secret_of, secret_type
from constructs_lib.manifests.workload import workloads
from local_cluster.cluster import Cluster, Object
from ops.secrets.readers import Source

PAGE = Path(__file__).with_name("deployment_page")
"""The five objects of the page, one file each."""


def apply_by_hand(cluster: Cluster, declared: list[Object]) -> None:
    """Apply the page's objects with `kubectl apply`, and create their Secrets.

    The Secrets have the same keys as in the `declared` objects of dist/.
    """
    page = [yaml.safe_load(file.read_text()) for file in sorted(PAGE.glob("*.yaml"))]
    for namespace in dict.fromkeys(one["metadata"]["namespace"] for one in page):
        cluster.kubectl("create", "namespace", namespace)
    for secret in secrets(page, declared):
        cluster.kubectl("create", "--filename=-", stdin=yaml.safe_dump(secret))
    cluster.kubectl("apply", f"--filename={PAGE}")


def secrets(page: list[Object], declared: list[Object]) -> list[Object]:
    """The Secrets that the page's pods read, with a value for each key in dist/."""
    external = [one for one in declared if one["kind"] == "ExternalSecret"]
    sources = {(source.namespace, source.secret): source for source in map(Source.of, external)}
    types = {(one["metadata"]["namespace"], secret_of(one)): secret_type(one) for one in external}
    needed = {
        (workload.namespace, name)
        for workload in workloads(page)
        for name in (*workload.secrets, *workload.pull_secrets)
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret[1], "namespace": secret[0]},
            "type": types[secret],
            "data": {key: _value(path) for key, path in sorted(sources[secret].paths.items())},
        }
        for secret in sorted(needed)
    ]


_VALUES: dict[str, str] = {
    Parameters.API_KEYS.path: '{"by-hand": {"user": "by-hand", "tier": "tier3", "org": "none"}}',
    Parameters.CLICKHOUSE_HOST.path: "by-hand.example",
    Parameters.GHCR_DOCKERCONFIGJSON.path: (
        '{"auths": {"ghcr.io": {"username": "by-hand", "password": "by-hand"}}}'
    ),
}
"""Values with a format that their readers require; all others are plain text."""


def _value(path: str) -> str:
    return b64encode(_VALUES.get(path, f"by-hand{path}").encode()).decode()
