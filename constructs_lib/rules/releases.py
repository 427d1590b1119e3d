"""Rules for release jobs: a migration runs after its dependencies and before its dependents."""

from __future__ import annotations

from constructs_lib.manifests.argocd import (
    FINGERPRINT,
    NUMBER,
    WAVE,
    fingerprint,
    hook_phases,
    needs,
    place,
    release_phases,
    waiting,
)
from constructs_lib.manifests.workload import Workload
from constructs_lib.rules.model import PODS, Problem, Problems, Rendered, rule


@rule(
    PODS,
    risk="downtime",
    remedy=f"set {WAVE} to -2 for dependencies of the job and -1 for the job, and omit it for "
    "workloads that wait for the job",
)
def unordered_release(release: Workload, rendered: Rendered) -> Problems:
    """A build that starts before its migration ends may find an unexpected schema."""
    wave = release.object.annotations.get(WAVE, "0")
    if not NUMBER.fullmatch(wave):
        yield Problem(f"its sync wave {wave!r} is not an integer", "Argo CD treats it as 0")
    phases = release_phases(release.object)
    if not phases:
        return
    if "PreSync" in phases and any(needs(rendered.objects, release)):
        yield Problem("runs in PreSync, before the sync creates its dependencies", "use Sync")
        return
    for item in needs(rendered.objects, release):
        if place(item) >= place(release.object):
            yield f"runs before or together with {item.key}, which its pods need"
    for other in waiting(rendered.objects, release):
        if "PostSync" not in phases and place(other.object) <= place(release.object):
            yield f"runs after or together with {other.key}, which runs the same image"


@rule(PODS, risk="update", remedy="use ReleaseJob, which sets it on the ServiceAccount")
def unsynced_release(release: Workload, rendered: Rendered) -> Problems:
    """Argo CD does not compare hooks, so a change to only the hook would not be synced."""
    if not release_phases(release.object):
        return
    wanted = fingerprint(release.manifest)
    if not any(
        item.annotations.get(FINGERPRINT) == wanted
        for item in rendered.objects
        if item.file == release.object.file and not hook_phases(item)
    ):
        yield f"no object in its file has the annotation {FINGERPRINT}: {wanted}"
