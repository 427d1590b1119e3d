"""What Argo CD does with objects that are removed from dist/."""

from __future__ import annotations

from typing import NamedTuple

from constructs_lib.manifests.argocd import Sync, cascades, protections
from constructs_lib.manifests.objects import Key, Object, Objects
from constructs_lib.manifests.workload import HOOK
from constructs_lib.model import Manifest
from ops.review.load import STACK_GROUP


class PruneOutcome(NamedTuple):
    """Whether Argo CD deletes an object that it no longer syncs, and why."""

    deleted: bool
    why: str


class Removal:
    """What Argo CD does with objects of the first revision when it syncs the second."""

    def __init__(self, before: Objects, after: Objects) -> None:
        self.before, self.after = Sync(before), Sync(after)
        self._deleted: dict[Key, bool] = {}

    def outcome(self, item: Object) -> PruneOutcome | None:
        """The outcome for an object of the first revision; None if it stays in sync."""
        if item.key.group == STACK_GROUP or self.after.owner(self._current(item)):
            return None
        owner = self.before.owner(item)
        if not owner:
            kept = PruneOutcome(deleted=False, why="no Application synced it")
            return None if self._current(item) else kept
        if owner.key != item.key and self.is_deleted(owner):
            return _cascade(owner, item)
        current = self.after.applications.get(owner.key, owner)
        return _prune(current, item, remaining=len(self.after.synced(current)))

    def moved(self, item: Object) -> tuple[Key, Key] | None:
        """The old and the new Application of an object; None if it has not moved."""
        was, now = self.before.owner(item), self.after.owner(self._current(item))
        return (was.key, now.key) if was and now and was.key != now.key else None

    def is_deleted(self, application: Object) -> bool:
        """Whether an Application of the first revision is deleted."""
        if application.key not in self._deleted:
            self._deleted[application.key] = False  # ends the recursion of a cycle
            outcome = self.outcome(application)
            self._deleted[application.key] = bool(outcome and outcome.deleted)
        return self._deleted[application.key]

    def _current(self, item: Object) -> Object | None:
        return self.after.objects.get(item.key)


def _cascade(owner: Object, item: Object) -> PruneOutcome:
    if not cascades(owner):
        return PruneOutcome(deleted=False, why=f"{owner.key} has no finalizer that deletes it")
    if "Delete=false" in protections(item):
        return PruneOutcome(deleted=False, why="Delete=false protects it")
    return PruneOutcome(deleted=True, why=f"Argo CD deletes it together with {owner.key}")


def _prune(owner: Object, item: Object, *, remaining: int) -> PruneOutcome:
    automated: Manifest | None = (owner.spec.get("syncPolicy") or {}).get("automated")
    obstacles = {
        f"{owner.key} has no automated sync": automated is None,
        f"{owner.key} does not prune": not (automated or {}).get("prune"),
        f"Argo CD does not prune the last objects of {owner.key} (allowEmpty is off)": not remaining
        and not (automated or {}).get("allowEmpty"),
        "Prune=false protects it": "Prune=false" in protections(item),
        "Argo CD does not prune hooks": HOOK in item.annotations,
    }
    why = next((why for why, applies in obstacles.items() if applies), None)
    return PruneOutcome(deleted=not why, why=why or "Argo CD prunes it")
