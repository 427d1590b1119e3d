"""Argo CD Applications: which objects they sync, prune and protect."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatch, fnmatchcase
from functools import cache, cached_property
from typing import Any

from constructs_lib.manifests.kinds import is_cluster_scoped
from constructs_lib.manifests.objects import Key, Object, Objects

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
