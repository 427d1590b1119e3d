"""`update` of release jobs: when they run during the sync, and what waits for them."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.manifests.argocd import (
    FINGERPRINT,
    needs,
    release_phases,
    releases,
    waiting,
)
from constructs_lib.manifests.references import secret_of
from constructs_lib.manifests.workload import Workload
from ops.review.diff import Comparison
from ops.review.model import Finding, Risk, Severity, effect
from ops.review.wording import listed


@effect("release-job-runs")
def release_job_runs(comparison: Comparison) -> Iterator[Finding]:
    """A sync of its file runs a release job; if it fails, what waits for it stays unchanged."""
    synced = {pair.item.file for pair in comparison.pairs()}
    for release in releases(comparison.after):
        if release.object.file in synced:
            text = f"{_order(comparison, release)}{_secrets(comparison, release)}"
            explains = tuple(
                difference
                for change in comparison.changes.values()
                if change.after.file == release.object.file
                for difference in change.at("metadata", "annotations", FINGERPRINT)
            )
            yield Finding(Risk.UPDATE, Severity.LOW, release.key, text, explains)


def _order(comparison: Comparison, release: Workload) -> str:
    if "PostSync" in release_phases(release.object):
        return "runs last, after everything else is synced and healthy"
    former = comparison.before.objects
    changed = [
        other.name
        for other in waiting(comparison.after, release)
        if other.key in comparison.changes or other.key not in former
    ]
    if not changed:
        return "runs with this release"
    return f"runs first; if it fails, these stay unchanged: {listed(changed)}"


def _secrets(comparison: Comparison, release: Workload) -> str:
    changed = [
        secret_of(item.manifest)
        for item in needs(comparison.after, release)
        if item.kind == "ExternalSecret"
        and (item.key in comparison.changes or item.key not in comparison.before.objects)
    ]
    if not changed:
        return ""
    return (
        f"; before that, Secret {listed(changed)} is refreshed from SSM; if a parameter cannot be "
        "read, the first attempt fails"
    )
