"""Argo CD hooks, and the order of a sync.

Argo CD syncs by phase (PreSync, Sync, PostSync), and by wave within a phase. It starts the next
wave when all hooks of the current wave have completed and all applied objects are healthy.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from constructs_lib.manifests.external_secret import secret_of
from constructs_lib.manifests.image import repository
from constructs_lib.manifests.objects import Key, Object, Objects
from constructs_lib.manifests.selectors import selects
from constructs_lib.manifests.workload import HOOK, Workload, workloads
from constructs_lib.model import Manifest

WAVE = "argocd.argoproj.io/sync-wave"
FINGERPRINT = "checksum/job"
"""Annotation with the fingerprint of a hook, set on a regular object. Argo CD does not compare
hooks, so a change to a hook would otherwise not start a sync."""
NUMBER = re.compile(r"[+-]?[0-9]+")
"""A valid sync wave."""
_PHASES = {"PreSync": -1, "Sync": 0, "PostSync": 1}


class Place(NamedTuple):
    """The position of an object in a sync. Lower positions come first."""

    phase: int
    wave: int


def hook_phases(item: Object) -> tuple[str, ...]:
    """The phases in which it runs as a hook; empty if it is not a hook."""
    stated = item.annotations.get(HOOK, "")
    return tuple(filter(None, (phase.strip() for phase in stated.split(","))))


def release_phases(item: Object) -> tuple[str, ...]:
    """The phases of a successful sync in which it runs as a hook."""
    return tuple(phase for phase in hook_phases(item) if phase in _PHASES)


def place(item: Object) -> Place:
    """The position of an object; the first one of several phases. An invalid wave counts as 0."""
    phases = [_PHASES[phase] for phase in release_phases(item)]
    stated = item.annotations.get(WAVE, "0")
    wave = int(stated) if NUMBER.fullmatch(stated) else 0
    return Place(min(phases, default=0), wave)


def fingerprint(manifest: Manifest) -> str:
    """The SHA-256 of an object or other plain data, in hex digits."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def releases(objects: Objects) -> Iterator[Workload]:
    """The hooks that run pods in a successful sync."""
    for workload in workloads(objects):
        if release_phases(workload.object):
            yield workload


def needs(objects: Objects, release: Workload) -> Iterator[Object]:
    """The objects in the same file, and so in the same sync, that the pods of a hook need."""
    names = {
        *(Key("", read.kind, release.namespace, read.name) for read in release.reads),
        Key("", "ServiceAccount", release.namespace, release.pod.get("serviceAccountName", "")),
    }
    secrets = {*release.secrets, *release.pull_secrets}
    for item in objects:
        if item.file != release.object.file or item.namespace != release.namespace:
            continue
        creates_secret = item.kind == "ExternalSecret" and secret_of(item.manifest) in secrets
        isolates = item.kind == "NetworkPolicy" and selects(
            item.spec.get("podSelector"), release.labels
        )
        if creates_secret or isolates or item.key in names:
            yield item


def waiting(objects: Objects, release: Workload) -> Iterator[Workload]:
    """The workloads with the same image in the same sync, which must not run before the hook."""
    images = {repository(image) for image in release.images}
    for workload in workloads(objects):
        if (
            workload.object.file == release.object.file
            and not hook_phases(workload.object)
            and images & {repository(image) for image in workload.images}
        ):
            yield workload
