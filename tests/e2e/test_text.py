"""The API server stores rendered text exactly as it was declared."""

from __future__ import annotations

from constructs_lib.kubernetes.text import stringify
from constructs_lib.manifests.text import unreadable
from local_cluster.installation import Installation
from tests.constructs_lib.test_text import MISREAD, ORDINARY
from tests.e2e.conftest import Claimed

NAME, NAMESPACE = "texts", "cerebro"


def test_unusual_text_is_stored_unchanged(installation: Installation, claim: Claimed) -> None:
    with claim("The API server stores unusual text unchanged") as measured:
        texts = {f"text-{number}": text for number, text in enumerate([*MISREAD, *ORDINARY])}
        item = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": NAME, "namespace": NAMESPACE},
            "data": texts,
        }
        assert not list(unreadable([item]))
        cluster = installation.cluster
        cluster.kubectl("create", "--filename=-", stdin=stringify([item]))
        stored = cluster.get("ConfigMap", NAME, NAMESPACE)
        cluster.delete("ConfigMap", NAME, NAMESPACE)
        assert stored is not None
        assert stored["data"] == texts
        measured(f"{len(texts)} texts")
