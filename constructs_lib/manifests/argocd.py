"""Argo CD Applications: which objects they sync, prune and protect."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatch, fnmatchcase
from functools import cache, cached_property
from typing import Any, NamedTuple

from constructs_lib.manifests.objects import (
    Key,
    Object,
    Objects,
    is_cluster_scoped,
    is_known,
    selects,
)
from constructs_lib.manifests.references import repository, secret_of
from constructs_lib.manifests.workload import HOOK, Workload, workloads
from constructs_lib.model import Manifest

GROUP = "argoproj.io"
NAMESPACE = "argocd"
"""The namespace of Argo CD and its Applications."""
DIST = "dist"
"""The folder of the manifests in the repository."""
PROJECT_BOUNDS = (
    "clusterResourceWhitelist",
    "destinations",
    "namespaceResourceWhitelist",
    "sourceRepos",
)
"""The fields of an AppProject that restrict its Applications."""
_CASCADES = "resources-finalizer.argocd.argoproj.io"
_SYNC_OPTIONS = "argocd.argoproj.io/sync-options"
_ALTERNATIVES = re.compile(r"\{([^{}]*)\}")
_MOST_ALTERNATIVES = 100
_SPECIAL = frozenset("*?[{")


class Sync:
    """The Applications among some objects, and the files that they sync."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self._synced: dict[Key, dict[Key, Object]] = {}

    @cached_property
    def applications(self) -> dict[Key, Object]:
        found = self.objects.of_kinds("Application")
        return {item.key: item for item in found if item.key.group == GROUP}

    @cached_property
    def owners(self) -> dict[str, Object]:
        """The Application that syncs each file. Files without an Application are omitted."""
        files = dict.fromkeys(item.file for item in self.objects)
        return {file: owners[-1] for file in files if (owners := self.all_owners(file))}

    def all_owners(self, file: str) -> list[Object]:
        """All Applications that sync a file. More than one is a conflict."""
        exact, others = self._by_file
        return [*exact.get(file, ()), *(one for one in others if covers(one, file))]

    @cached_property
    def used(self) -> frozenset[Key]:
        """The Applications that sync a file."""
        files = dict.fromkeys(item.file for item in self.objects)
        return frozenset(owner.key for file in files for owner in self.all_owners(file))

    def owner(self, item: Object | None) -> Object | None:
        """The Application that syncs an object."""
        return self.owners.get(item.file) if item else None

    def synced(self, application: Object) -> dict[Key, Object]:
        """The objects that an Application syncs. It need not be one of them."""
        if application.key not in self._synced:
            self._synced[application.key] = {
                item.key: item for item in self.objects if covers(application, item.file)
            }
        return self._synced[application.key]

    @cached_property
    def _by_file(self) -> tuple[dict[str, list[Object]], list[Object]]:
        """The Applications for a single file, by file, and all others."""
        exact: dict[str, list[Object]] = defaultdict(list)
        others = []
        for application in self.applications.values():
            source = application.spec.get("source") or {}
            include = (source.get("directory") or {}).get("include") or "*"
            if application.spec.get("sources") or _SPECIAL & {*include}:
                others.append(application)
            else:
                exact[f"{source.get('path', '')}/{include}"].append(application)
        return exact, others


def cascades(application: Object) -> bool:
    """Whether deleting the Application deletes its objects."""
    finalizers = application.manifest["metadata"].get("finalizers") or ()
    return any(finalizer.startswith(_CASCADES) for finalizer in finalizers)


def protections(item: Object) -> set[str]:
    """The sync options of an object: `Prune=false`, `Delete=false`."""
    options = item.annotations.get(_SYNC_OPTIONS, "").split(",")
    return {option.strip() for option in options if option.strip()}


def covers(application: Object, file: str) -> bool:
    """Whether an Application syncs a file."""
    spec = application.spec
    return any(_reads(source, file) for source in spec.get("sources") or [spec.get("source") or {}])


def refusals(item: Object, project: Object, namespaces: set[str]) -> Iterator[str]:
    """Why an AppProject does not allow an object. Only `namespaces` are checked as destinations."""
    scope = "cluster" if is_cluster_scoped(item.manifest) else "namespace"
    if not any(
        fnmatch(item.key.group, one["group"]) and fnmatch(item.kind, one["kind"])
        for one in project.spec.get(f"{scope}ResourceWhitelist") or ()
    ):
        yield (f"the AppProject {project.name} does not allow this kind; add it to powerful_kinds")
    elif item.namespace in namespaces and not any(
        fnmatch(item.namespace, one.get("namespace", "*"))
        for one in project.spec.get("destinations") or ()
    ):
        yield (
            f"the AppProject {project.name} does not allow the namespace {item.namespace}; add it "
            "to its destinations"
        )


def _reads(source: dict[str, Any], file: str) -> bool:
    folder = f"{source.get('path', '')}/"
    directory = source.get("directory") or {}
    name = file.removeprefix(folder)
    return (
        file.startswith(folder)
        and ("/" not in name or bool(directory.get("recurse")))
        and (not directory.get("include") or _matches(directory["include"], name))
        and not (directory.get("exclude") and _matches(directory["exclude"], name))
    )


def _matches(pattern: str, name: str) -> bool:
    return any(fnmatchcase(name, one) for one in _expanded(pattern))


@cache
def _expanded(pattern: str) -> tuple[str, ...]:
    """Expand `{a,b}.yaml` to `a.yaml` and `b.yaml`; with too many alternatives, return it as is."""
    whole = [pattern]
    while any(_ALTERNATIVES.search(one) for one in whole):
        if len(whole) > _MOST_ALTERNATIVES:
            return (pattern,)
        match = next(found for one in whole if (found := _ALTERNATIVES.search(one)))
        before, after = match.string[: match.start()], match.string[match.end() :]
        whole.remove(match.string)
        whole += [f"{before}{one}{after}" for one in match[1].split(",")]
    return tuple(whole)


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
        if release_phases(workload):
            yield workload


def needs(objects: Objects, release: Workload) -> Iterator[Object]:
    """The objects in the same file, and so in the same sync, that the pods of a hook need."""
    names = {
        *(Key("", read.kind, release.namespace, read.name) for read in release.reads),
        Key("", "ServiceAccount", release.namespace, release.pod.get("serviceAccountName", "")),
    }
    secrets = {*release.secrets, *release.pull_secrets}
    for item in objects:
        if item.file != release.file or item.namespace != release.namespace:
            continue
        if not is_known(item.key.group, item.kind):
            continue
        creates_secret = item.kind == "ExternalSecret" and secret_of(item.manifest) in secrets
        isolates = item.kind == "NetworkPolicy" and selects(
            item.spec.get("podSelector"), release.pod_labels
        )
        if creates_secret or isolates or item.key in names:
            yield item


def waiting(objects: Objects, release: Workload) -> Iterator[Workload]:
    """The workloads with the same image in the same sync, which must not run before the hook."""
    images = {repository(image) for image in release.images}
    for workload in workloads(objects):
        if (
            workload.file == release.file
            and not hook_phases(workload)
            and images & {repository(image) for image in workload.images}
        ):
            yield workload
