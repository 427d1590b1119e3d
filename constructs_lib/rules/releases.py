"""A migration runs with every release, after what it needs and before what needs it."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.manifests.releases import (
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
from constructs_lib.rules.model import PODS, Rendered, rule


@rule(
    "releases-come-in-order",
    PODS,
    risk="downtime",
    remedy=f"use {WAVE}: -2 for what the job needs, -1 for the job, and none for what it is for",
)
def in_order(release: Workload, rendered: Rendered) -> Iterator[str]:
    """A build that starts during its migration may find a schema that it does not expect."""
    wave = release.object.annotations.get(WAVE, "0")
    if not NUMBER.fullmatch(wave):
        yield f"its sync wave {wave!r} is not a whole number; Argo CD takes it for 0"
    phases = release_phases(release.object)
    if not phases:
        return
    if "PreSync" in phases and any(needs(rendered.objects, release)):
        yield "runs before everything that its sync creates, and so without what it needs; use Sync"
        return
    for item in needs(rendered.objects, release):
        if place(item) >= place(release.object):
            yield f"runs before, or together with, {item.key}, which its pods need"
    for other in waiting(rendered.objects, release):
        if "PostSync" not in phases and place(other.object) <= place(release.object):
            yield f"runs after, or together with, {other.key}, which runs the same image"


@rule(
    "changed-releases-are-synced",
    PODS,
    risk="update",
    remedy="declare it as ReleaseJob, which writes it on the ServiceAccount",
)
def changes_are_synced(release: Workload, rendered: Rendered) -> Iterator[str]:
    """A hook is not compared, so a change of the hook alone would never be synced."""
    if not release_phases(release.object):
        return
    wanted = fingerprint(release.manifest)
    if not any(
        item.annotations.get(FINGERPRINT) == wanted
        for item in rendered.objects
        if item.file == release.object.file and not hook_phases(item)
    ):
        yield f"no object of its file has the annotation {FINGERPRINT}: {wanted}"


RULES = (in_order, changes_are_synced)
