"""Removing a service removes only its objects."""

from __future__ import annotations

from local_cluster.installation import Installation
from local_cluster.waiting import eventually
from tests.e2e.conftest import Claimed


def test_removing_a_service_removes_only_its_objects(
    installation: Installation, claim: Claimed
) -> None:
    with claim("Removing a service removes only its objects") as measured:
        before = installation.identities()
        own = {
            (o["kind"], o["metadata"]["namespace"], o["metadata"]["name"])
            for o in installation.objects("dist/crawlers/nebula.k8s.yaml")
        }
        installation.repository.remove("dist/crawlers/nebula.k8s.yaml")
        applications = installation.objects("dist/argocd/applications.k8s.yaml")
        installation.repository.write_objects(
            "dist/argocd/applications.k8s.yaml",
            (one for one in applications if one["metadata"]["name"] != "nebula"),
        )
        installation.repository.commit("Remove nebula")
        installation.argocd.refresh("root")
        eventually("nebula gone", lambda: "nebula" not in installation.argocd.applications(), 120)
        installation.wait()
        assert before - installation.identities() == own
        measured(f"{len(own)} objects")
    installation.restore()
    assert installation.identities() == before
