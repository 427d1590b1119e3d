"""Argo CD Applications: which objects they sync, prune and protect."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache, cached_property, lru_cache
from itertools import chain
from math import inf
from typing import Any

from constructs_lib.manifests.facts import Reading, Readings, fact
from constructs_lib.manifests.objects import (
    GROUPS,
    Key,
    Object,
    Objects,
    at,
    once_per_objects,
    selects,
)
from constructs_lib.manifests.references import repository, secret_of
from constructs_lib.manifests.workload import HOOK, Workload, workloads
from constructs_lib.model import Manifest
from constructs_lib.model.quantity import duration, seconds
from constructs_lib.model.text import plural

GROUP = "argoproj.io"
NAMESPACE = "argocd"
"""The namespace of Argo CD and its Applications."""
CLUSTER = "https://kubernetes.default.svc"
"""The cluster in which Argo CD runs, which it also calls `in-cluster`."""
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
_MANY_TRIES = 1000
"""More retries of a sync take days."""


class Sync:
    """The Applications among some objects, and the files that they sync."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.applications = {item.key: item for item in objects.of_kinds("Application")}

    @cached_property
    def owners(self) -> dict[str, list[Object]]:
        """The Applications that sync each file. More than one is a conflict."""
        exact: dict[str, list[Object]] = defaultdict(list)
        others = []
        for application in self.applications.values():
            source = at(application.spec, "source")
            include = at(source, "directory").get("include") or "*"
            if application.spec.get("sources") or _SPECIAL & {*include}:
                others.append(application)
            else:  # found by its path, as comparing all files with all Applications is slow
                exact[f"{source.get('path', '')}/{include}"].append(application)
        return {
            file: [*exact.get(file, ()), *(other for other in others if covers(other, file))]
            for file in dict.fromkeys(item.file for item in self.objects)
        }

    def owner(self, item: Object | None) -> Object | None:
        """The Application that syncs an object."""
        owners = self.owners.get(item.file) if item else None
        return owners[-1] if owners else None


@lru_cache
def synced(objects: Objects, application: Object) -> list[Object]:
    """The objects that an Application syncs, whether or not it is one of them."""
    return [item for item in objects if covers(application, item.file)]


def cascades(application: Object) -> bool:
    """Whether deleting the Application deletes its objects."""
    finalizers = application.manifest["metadata"].get("finalizers") or ()
    return any(finalizer.startswith(_CASCADES) for finalizer in finalizers)


def cluster(destination: Manifest) -> str:
    """The API server, or else the name, of a destination."""
    name = destination.get("server") or destination.get("name")
    return CLUSTER if name == "in-cluster" else str(name)


def protections(item: Object, application: Object | None = None) -> set[str]:
    """The sync options of an object: `Prune=false`; without them, those of its Application."""
    options = item.annotations.get(_SYNC_OPTIONS, "").split(",")
    if application:
        options = [*(at(application.spec, "syncPolicy").get("syncOptions") or ()), *options]
    values = dict(option.strip().partition("=")[::2] for option in options if option.strip())
    return {f"{name}={value}" for name, value in values.items()}


def automation(application: Object) -> Manifest | None:
    """Its automated sync; None if it is off."""
    automated: Manifest | None = at(application.spec, "syncPolicy").get("automated")
    return None if automated is None or automated.get("enabled") is False else automated


def covers(application: Object, file: str) -> bool:
    """Whether an Application syncs a file."""
    spec = application.spec
    return any(_reads(source, file) for source in spec.get("sources") or [spec.get("source") or {}])


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
_NUMBER = re.compile(r"[+-]?[0-9]+")
_PHASES = {"PreSync": -1, "Sync": 0, "PostSync": 1}


def hook_phases(item: Object) -> tuple[str, ...]:
    """The phases in which it runs as a hook; empty if it is not a hook."""
    stated = item.annotations.get(HOOK, "")
    return tuple(filter(None, (phase.strip() for phase in stated.split(","))))


def release_phases(item: Object) -> tuple[str, ...]:
    """The phases of a successful sync in which it runs as a hook."""
    return tuple(phase for phase in hook_phases(item) if phase in _PHASES)


def place(item: Object) -> tuple[int, int]:
    """The position of an object in a sync: its phase, the first of several, and its wave.

    Lower positions come first. An invalid wave counts as 0.
    """
    phases = [_PHASES[phase] for phase in release_phases(item)]
    wave = item.annotations.get(WAVE, "0")
    return min(phases, default=0), int(wave) if _NUMBER.fullmatch(wave) else 0


def fingerprint(manifest: Manifest) -> str:
    """The SHA-256 of an object or other plain data, in hex digits."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


@once_per_objects
def _files(objects: Objects) -> Mapping[str, list[Object]]:
    """The objects of each file."""
    files: dict[str, list[Object]] = defaultdict(list)
    for item in objects:
        files[item.file].append(item)
    return files


def needs(objects: Objects, release: Workload) -> Iterator[Object]:
    """The objects in the same file, and so in the same sync, that the pods of a hook need."""
    names = {
        *(Key("", read.kind, release.namespace, read.name) for read in release.reads),
        Key("", "ServiceAccount", release.namespace, release.pod.get("serviceAccountName", "")),
    }
    secrets = {*release.secrets, *release.pull_secrets}
    for item in _files(objects)[release.file]:
        if item.namespace != release.namespace:
            continue
        if GROUPS.get(item.kind) != item.key.group:
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
    return (
        workload
        for workload in workloads(objects)
        if workload.file == release.file
        and not hook_phases(workload)
        and images & {repository(image) for image in workload.images}
    )


@fact("Application", risk="update")
def sync_policy_changed(application: Object, _: Objects) -> Readings:
    """A failed sync is tried again only as often and for as long as the policy says."""
    # `RetryStrategy.NextRetryAt` and its defaults in pkg/apis/application/v1alpha1 of Argo CD
    retry, part = at(application.spec, "syncPolicy").get("retry") or {"limit": 5}, "failed syncs"
    limit, backoff = retry.get("limit") or 0, at(retry, "backoff")
    first = seconds(backoff.get("duration") or "5s")
    most = seconds(backoff.get("maxDuration") or "3m")
    if not 0 <= limit <= _MANY_TRIES:
        yield Reading("are tried without end; newer commits wait", badness=inf, part=part)
        return
    factors = (backoff.get("factor", 2) ** min(number, 20) for number in range(limit))
    time = sum(min(first * factor, most or inf) for factor in factors)
    tries = f"{plural(limit, 'more time')} within {duration(time)}"
    level = "medium" if limit else "high"
    yield Reading("are tried {}, then not until Git changes", tries, -time, level, part)


@fact("Application", risk="update")
def application_ignores(application: Object, objects: Objects) -> Readings:
    """Ignored differences are not reverted; RespectIgnoreDifferences does not even apply them."""
    options = at(application.spec, "syncPolicy").get("syncOptions") or ()
    kept = "RespectIgnoreDifferences=true" in options
    fields = frozenset(_ignored(application, objects))
    badness = fields | {f"{field}, not applied" for field in fields if kept}
    says = "ignores no differences of its objects"
    if fields and kept:
        says = "does not apply {}; values in the cluster stay, also of the rest of such a list"
    elif fields:
        says = "neither shows nor reverts changes by hand of {}, but each sync applies them"
    yield Reading(says, "; ".join(sorted(fields)), badness, "high" if kept else "medium")


def _ignored(application: Object, objects: Objects) -> Iterator[str]:
    """The fields in `ignoreDifferences` of objects of the Application."""
    for entry in application.spec.get("ignoreDifferences") or ():
        names = [
            str(item.key)
            for item in synced(objects, application)
            if fnmatchcase(item.key.group, entry.get("group") or "")
            and fnmatchcase(item.kind, entry.get("kind") or "")
            and entry.get("name") in (None, "", item.name)
            and entry.get("namespace") in (None, "", item.namespace)
        ]
        paths = chain(entry.get("jsonPointers") or (), entry.get("jqPathExpressions") or ())
        managers = (f"what {name} sets" for name in entry.get("managedFieldsManagers") or ())
        if names:
            yield from (f"{field} of {', '.join(names)}" for field in (*paths, *managers))
