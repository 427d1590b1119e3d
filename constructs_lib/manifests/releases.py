"""Jobs that Argo CD runs with a sync, and the order of everything in that sync.

Argo CD goes phase by phase (PreSync, Sync, PostSync), and within a phase wave by wave: it starts
the next wave once every hook of the present one has ended, and what it has applied is healthy.
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
"""Annotation of a compared object with the fingerprint of a hook: a hook itself is not compared, so
that without it a change of the hook alone would not start a sync."""
NUMBER = re.compile(r"[+-]?[0-9]+")
"""What Argo CD reads as a wave."""
_PHASES = {"PreSync": -1, "Sync": 0, "PostSync": 1}


class Place(NamedTuple):
    """When an object's turn is in a sync; a lower one comes first."""

    phase: int
    wave: int


def hook_phases(item: Object) -> tuple[str, ...]:
    """The phases in which it runs as a hook; none where it is not one."""
    stated = item.annotations.get(HOOK, "")
    return tuple(filter(None, (phase.strip() for phase in stated.split(","))))


def release_phases(item: Object) -> tuple[str, ...]:
    """The phases of a sync that succeeds in which it runs as a hook."""
    return tuple(phase for phase in hook_phases(item) if phase in _PHASES)


def place(item: Object) -> Place:
    """Its place; of a hook of several phases, the first. An invalid wave counts as 0."""
    phases = [_PHASES[phase] for phase in release_phases(item)]
    stated = item.annotations.get(WAVE, "0")
    wave = int(stated) if NUMBER.fullmatch(stated) else 0
    return Place(min(phases, default=0), wave)


def fingerprint(manifest: Manifest) -> str:
    """The SHA-256 of an object, or of other plain data, in hex digits."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def releases(objects: Objects) -> Iterator[Workload]:
    """The hooks that run pods with a sync that succeeds."""
    for workload in workloads(objects):
        if release_phases(workload.object):
            yield workload


def needs(objects: Objects, release: Workload) -> Iterator[Object]:
    """What a hook's pods need of the same file, and so of the same sync."""
    names = {
        *(Key("", read.kind, release.namespace, read.name) for read in release.reads),
        Key("", "ServiceAccount", release.namespace, release.pod.get("serviceAccountName", "")),
    }
    secrets = {*release.secrets, *release.pull_secrets}
    for item in objects:
        if item.file != release.object.file or item.namespace != release.namespace:
            continue
        made = item.kind == "ExternalSecret" and secret_of(item.manifest) in secrets
        isolates = item.kind == "NetworkPolicy" and selects(
            item.spec.get("podSelector"), release.labels
        )
        if made or isolates or item.key in names:
            yield item


def waiting(objects: Objects, release: Workload) -> Iterator[Workload]:
    """What runs the same image in the same sync: it must not run before its migration."""
    images = {repository(image) for image in release.images}
    for workload in workloads(objects):
        if (
            workload.object.file == release.object.file
            and not hook_phases(workload.object)
            and images & {repository(image) for image in workload.images}
        ):
            yield workload
