"""What Argo CD syncs, and what it does with an object that leaves dist/."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from constructs_lib.model import Manifest
from ops.review.model import Key, Object
from ops.review.objects import STACK_GROUP, Snapshot
from ops.review.workloads import HOOK

_CASCADES = "resources-finalizer.argocd.argoproj.io"
_SYNC_OPTIONS = "argocd.argoproj.io/sync-options"
_GLOB = {"*": ".*", "?": ".", "{": "(?:", "}": ")", ",": "|"}


@dataclass(frozen=True)
class Fate:
    """What becomes of an object that is synced no longer."""

    deleted: bool
    why: str


class Sync:
    """The Applications of one revision, and which objects each syncs."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._synced: dict[Key, dict[Key, Object]] = {}

    @cached_property
    def applications(self) -> dict[Key, Object]:
        """Every Application."""
        return {
            item.key: item
            for item in self.snapshot.of("Application")
            if item.key.group == "argoproj.io"
        }

    @cached_property
    def owners(self) -> dict[str, Object]:
        """The Application that syncs each file; a file that none does is not there."""
        files = dict.fromkeys(item.file for item in self.snapshot.objects.values())
        return {
            file: application
            for file in files
            for application in self.applications.values()
            if _covers(application, file)
        }

    def owner(self, item: Object | None) -> Object | None:
        """The Application that syncs an object of this revision."""
        return self.owners.get(item.file) if item else None

    def synced(self, application: Object) -> dict[Key, Object]:
        """What an Application, of this revision or another, syncs at this one."""
        if application.key not in self._synced:
            self._synced[application.key] = {
                item.key: item
                for item in self.snapshot.objects.values()
                if _covers(application, item.file)
            }
        return self._synced[application.key]


class Removal:
    """What Argo CD does between two revisions with what it synced at the first."""

    def __init__(self, before: Snapshot, after: Snapshot) -> None:
        self.before, self.after = Sync(before), Sync(after)
        self._gone: dict[Key, bool] = {}

    def fate(self, item: Object) -> Fate | None:
        """What becomes of an object of the first revision; None where it stays in sync."""
        if item.key.group == STACK_GROUP or self.after.owner(self._now(item)):
            return None
        owner = self.before.owner(item)
        if not owner:
            never = Fate(deleted=False, why="no Application synced it")
            return None if self._now(item) else never
        if owner.key != item.key and self.gone(owner):
            return _cascade(owner, item)
        heir = self.after.applications.get(owner.key, owner)
        return _prune(heir, item, remaining=len(self.after.synced(heir)))

    def moved(self, item: Object) -> tuple[Key, Key] | None:
        """From which Application to which an object has moved, where it has."""
        was, now = self.before.owner(item), self.after.owner(self._now(item))
        return (was.key, now.key) if was and now and was.key != now.key else None

    def gone(self, application: Object) -> bool:
        """Whether an Application of the first revision is deleted."""
        if application.key not in self._gone:
            self._gone[application.key] = False  # while that is decided, should they go in a circle
            fate = self.fate(application)
            self._gone[application.key] = bool(fate and fate.deleted)
        return self._gone[application.key]

    def _now(self, item: Object) -> Object | None:
        return self.after.snapshot.objects.get(item.key)


def cascades(application: Object) -> bool:
    """Whether its deletion deletes what it synced."""
    finalizers = application.manifest["metadata"].get("finalizers") or ()
    return any(finalizer.startswith(_CASCADES) for finalizer in finalizers)


def protections(item: Object) -> set[str]:
    """The sync options of an object: `Prune=false`, `Delete=false`."""
    options = item.annotations.get(_SYNC_OPTIONS, "").split(",")
    return {option.strip() for option in options if option.strip()}


def _cascade(owner: Object, item: Object) -> Fate:
    if not cascades(owner):
        return Fate(deleted=False, why=f"{owner.key} goes without deleting what it synced")
    if "Delete=false" in protections(item):
        return Fate(deleted=False, why="Delete=false protects it")
    return Fate(deleted=True, why=f"Argo CD deletes it with its {owner.key}")


def _prune(owner: Object, item: Object, *, remaining: int) -> Fate:
    automated: Manifest | None = (owner.spec.get("syncPolicy") or {}).get("automated")
    obstacles = {
        f"{owner.key} does not sync by itself": automated is None,
        f"{owner.key} does not prune": not (automated or {}).get("prune"),
        f"Argo CD refuses to empty {owner.key}": not remaining
        and not (automated or {}).get("allowEmpty"),
        "Prune=false protects it": "Prune=false" in protections(item),
        "Argo CD prunes no hooks": HOOK in item.annotations,
    }
    for why, holds in obstacles.items():
        if holds:
            return Fate(deleted=False, why=why)
    return Fate(deleted=True, why="Argo CD prunes it")


def _covers(application: Object, file: str) -> bool:
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
    return bool(_compiled(pattern).fullmatch(name))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(_GLOB.get(char, re.escape(char)) for char in pattern))
