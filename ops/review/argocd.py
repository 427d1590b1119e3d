"""What Argo CD syncs, and what it does with an object that leaves dist/."""

from __future__ import annotations

from dataclasses import dataclass

from constructs_lib.manifests.argocd import Sync, cascades, protections
from constructs_lib.manifests.objects import Key, Object, Objects
from constructs_lib.manifests.workload import HOOK
from constructs_lib.model import Manifest
from ops.review.load import STACK_GROUP


@dataclass(frozen=True)
class PruneOutcome:
    """What becomes of an object that is synced no longer."""

    deleted: bool
    why: str


class Removal:
    """What Argo CD does between two revisions with what it synced at the first."""

    def __init__(self, before: Objects, after: Objects) -> None:
        self.before, self.after = Sync(before), Sync(after)
        self._gone: dict[Key, bool] = {}

    def outcome(self, item: Object) -> PruneOutcome | None:
        """What becomes of an object of the first revision; None where it stays in sync."""
        if item.key.group == STACK_GROUP or self.after.owner(self._now(item)):
            return None
        owner = self.before.owner(item)
        if not owner:
            never = PruneOutcome(deleted=False, why="no Application synced it")
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
            outcome = self.outcome(application)
            self._gone[application.key] = bool(outcome and outcome.deleted)
        return self._gone[application.key]

    def _now(self, item: Object) -> Object | None:
        return self.after.objects.get(item.key)


def _cascade(owner: Object, item: Object) -> PruneOutcome:
    if not cascades(owner):
        return PruneOutcome(deleted=False, why=f"{owner.key} goes without deleting what it synced")
    if "Delete=false" in protections(item):
        return PruneOutcome(deleted=False, why="Delete=false protects it")
    return PruneOutcome(deleted=True, why=f"Argo CD deletes it with its {owner.key}")


def _prune(owner: Object, item: Object, *, remaining: int) -> PruneOutcome:
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
            return PruneOutcome(deleted=False, why=why)
    return PruneOutcome(deleted=True, why="Argo CD prunes it")
