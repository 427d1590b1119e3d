"""Releases a service with a migration through git."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from constructs_lib.manifests.argocd import FINGERPRINT, fingerprint
from local_cluster.cluster import Object
from local_cluster.installation import Installation

APP, JOB, NAMESPACE = "cryo-indexer", "cryo-indexer-migrations", "crawlers"
FILE = f"{NAMESPACE}/{APP}.k8s.yaml"


@contextmanager
def changed_job(installation: Installation) -> Iterator[Object]:
    """Yield the migration Job in dist/ for changes, and update its fingerprint."""
    with installation.changed(FILE, "Job", JOB) as job:
        yield job
    with installation.changed(FILE, "ServiceAccount", JOB) as account:
        account["metadata"]["annotations"][FINGERPRINT] = fingerprint(job)


def release(installation: Installation, commit: str, **annotations: str) -> str:
    """Commit a new build of the indexer and its migrations; returns the new image."""
    image = f"ghcr.io/gnosischain/{APP}:sha-{commit * 40}"
    with changed_job(installation) as job:
        template = job["spec"]["template"]
        template["spec"]["containers"][0]["image"] = image
        notes = template["metadata"]["annotations"]
        kept = {name: value for name, value in notes.items() if not name.startswith("test/")}
        added = {f"test/{name}": value for name, value in annotations.items()}
        template["metadata"]["annotations"] = {**kept, **added}
        job["spec"]["backoffLimit"] = 0
    with installation.changed(FILE, "Deployment", APP) as deployment:
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = image
    installation.repository.commit(f"Release {commit * 7}")
    return image


def images(installation: Installation) -> set[str]:
    """The images of the indexer's pods."""
    found: dict[str, Object] = installation.pods(APP)
    return {pod["spec"]["containers"][0]["image"] for pod in found.values()}
