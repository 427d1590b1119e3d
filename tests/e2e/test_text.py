"""What the API server stores of a rendered text is what was declared."""

from __future__ import annotations

from constructs_lib.kubernetes.text import stringify
from constructs_lib.manifests.text import unreadable
from local_cluster.installation import Installation
from tests.constructs_lib.test_text import MISREAD, ORDINARY
from tests.e2e.conftest import Claimed

NAME, NAMESPACE = "texts", "cerebro"


def test_every_odd_text_comes_back_as_it_was(installation: Installation, claim: Claimed) -> None:
    with claim("The API server reads every odd text as it was declared") as measured:
        texts = {f"text-{place}": text for place, text in enumerate([*MISREAD, *ORDINARY])}
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
