"""`create`, `delete` and `replace`: new objects, deleted objects, and immutable fields."""

from functools import lru_cache
from typing import NamedTuple

from constructs_lib.manifests.argocd import Sync, automation, cascades, protections, synced
from constructs_lib.manifests.facts import STACK_GROUP
from constructs_lib.manifests.objects import Key, Object, at
from constructs_lib.manifests.references import readers_of_secret, secret_of
from constructs_lib.manifests.workload import HOOK, Update, Workload, remade_with_each_sync
from constructs_lib.model.quantity import amount
from constructs_lib.model.schedule import words
from constructs_lib.model.text import plural
from ops.review.diff import ABSENT, TEMPLATE, Change, Comparison, Difference
from ops.review.effects.fields import KNOWN_KINDS, TABLES, is_default
from ops.review.model import HIGH, LOW, MEDIUM, Finding, Findings, effect, listed

_DELETION = TABLES["deletion"]
_LATER = ", once someone confirms it"
_UNSYNCED = "; unless IgnoreExtraneous is set, its Application is OutOfSync"
_IMMUTABLE = {
    kind: [tuple(field.split(".")) for field in fields]
    for kinds, fields in TABLES["immutable"].items()
    for kind in kinds.split(", ")
}
DATA = ("binaryData", "data", "stringData")
"""The data of a ConfigMap or Secret."""
SIZE = ("spec", "resources", "requests", "storage")
"""The size of a PersistentVolumeClaim."""


class Outcome(NamedTuple):
    """Whether Argo CD deletes an object that it no longer syncs, and why."""

    deleted: bool
    why: str


class Removal:
    """What Argo CD does with objects of the base when it syncs the head."""

    def __init__(self, comparison: Comparison) -> None:
        self.before, self.after = Sync(comparison.before), Sync(comparison.after)
        self._comparison = comparison
        self._deleted: dict[Key, bool] = {}

    def outcome(self, item: Object) -> Outcome | None:
        """The outcome for an object of the base; None if it stays in sync."""
        if not self._comparison.path:
            return self._synced(item)
        why = f"is removed from {self._comparison.folder}; deleted if what applies it prunes"
        return None if self.after.objects.get(item.key) else Outcome(deleted=True, why=why)

    def _synced(self, item: Object) -> Outcome | None:
        current = self.after.objects.get(item.key)
        if item.key.group == STACK_GROUP or self.after.owner(current):
            return None
        owner = self.before.owner(item)
        if not owner:
            return None if current else Outcome(deleted=False, why="no Application synced it")
        if owner.key != item.key and self._is_deleted(owner):
            if not cascades(owner):
                return Outcome(deleted=False, why=f"{owner.key} has no finalizer that deletes it")
            options = protections(item, owner)
            if "Delete=false" in options:
                return Outcome(deleted=False, why="Delete=false protects it")
            later = _LATER if "Delete=confirm" in options else ""
            return Outcome(deleted=True, why=f"Argo CD deletes it together with {owner.key}{later}")
        return self._pruned(self.after.applications.get(owner.key, owner), item)

    def _is_deleted(self, application: Object) -> bool:
        if application.key not in self._deleted:
            self._deleted[application.key] = False  # ends the recursion of a cycle
            outcome = self.outcome(application)
            self._deleted[application.key] = bool(outcome and outcome.deleted)
        return self._deleted[application.key]

    def _pruned(self, owner: Object, item: Object) -> Outcome:
        automated = automation(owner)
        allowed, options = automated or {}, protections(item, owner)
        obstacles = {
            f"{owner.key} has no automated sync": automated is None,
            f"{owner.key} does not prune": not allowed.get("prune"),
            f"Argo CD does not prune the last objects of {owner.key} (allowEmpty is off)": not (
                synced(self.after.objects, owner) or allowed.get("allowEmpty")
            ),
            f"Prune=false protects it{_UNSYNCED}": "Prune=false" in options,
            "Argo CD does not prune hooks": HOOK in item.annotations,
        }
        why = next((why for why, applies in obstacles.items() if applies), None)
        later = _LATER if "Prune=confirm" in options else ""
        return Outcome(deleted=not why, why=why or f"Argo CD prunes it{later}")


removal = lru_cache(maxsize=1)(Removal)
"""The Removal of a comparison, kept for all effects."""


@effect(*(kind for _, kind in KNOWN_KINDS), risk="create", states=("added",))
def object_created(change: Change, comparison: Comparison) -> Findings:
    """The next sync creates an object, if an Application syncs its file."""
    sync = removal(comparison).after
    if sync.applications and not sync.owner(change.after) and not comparison.path:
        yield Finding(MEDIUM, "is not created: no Application syncs its file")
    else:
        yield Finding(LOW, f"is created{_runs(change.after)}")


def _runs(item: Object) -> str:
    if item.kind not in TEMPLATE:
        return ""
    workload = Workload.read(item)
    match workload.update:
        case Update.NEXT_RUN:
            return f"; runs {words(item.spec['schedule'])}"
        case Update.NEXT_SYNC:
            return "; runs with each sync"
    return f" with {plural(workload.running or 1, 'pod')}"


@effect(risk="delete")
def object_deleted(comparison: Comparison) -> Findings:
    """Argo CD deletes what is no longer in dist/, with all that depends on it."""
    for item in comparison.before:
        outcome = removal(comparison).outcome(item)
        if outcome and outcome.deleted:
            known = (item.key.group, item.kind) in KNOWN_KINDS
            critical = item.kind in _DELETION["critical"] or not known
            more = _also_affected(item, comparison)
            text = f"{outcome.why}{more and f'; {more}'}"
            yield Finding(HIGH if critical else MEDIUM, text, key=item.key)


def _also_affected(item: Object, comparison: Comparison) -> str:
    match item.kind:
        case "Application" if cascades(item):
            inside = len(synced(comparison.before, item))
            return f"also deleted: the {plural(inside, 'object')} that it syncs"
        case "ExternalSecret":
            owns = at(item.spec, "target").get("creationPolicy", "Owner") == "Owner"
            secret = secret_of(item.manifest)
            used = [w.name for w in readers_of_secret(comparison.before, item.namespace, secret)]
            by = f", used by {listed(used)}" if used else ""
            return f"also deleted: Secret {secret}{by}" if owns else ""
        case "Namespace":
            inside = sum(1 for other in comparison.before if other.namespace == item.name)
            objects = f"{plural(inside, 'object')} of {comparison.folder}"
            return f"also deleted: {objects}, all its Secrets and volumes"
        case kind if kind in TEMPLATE:
            workload = Workload.read(item)
            pods = plural(workload.running, "pod") if workload.serves else "a run in progress"
            return f"also deleted: {pods}"
    return str(_DELETION["also"].get(item.kind, ""))


@effect(risk="delete")
def object_kept(comparison: Comparison) -> Findings:
    """What is no longer in dist/ stays in the cluster, but nothing updates it."""
    for item in comparison.before:
        outcome = removal(comparison).outcome(item)
        if outcome and not outcome.deleted:
            protected = {"Prune=false", "Delete=false"} & protections(item)
            text = f"stays in the cluster: {outcome.why}"
            yield Finding(LOW if protected else MEDIUM, text, key=item.key)


@effect(*_IMMUTABLE, risk="replace")
def immutable_field_changed(change: Change, _: Comparison) -> Findings:
    """The API server refuses the change, so the sync fails until the object is deleted."""
    fixed = tuple(field for field in change.differences if _is_immutable(change, field))
    if not fixed or (change.key.kind == "Job" and remade_with_each_sync(change.after)):
        return
    fields = ", ".join(dict.fromkeys(".".join(field.path[:2]) for field in fixed))
    refused = "to shrink the volume" if fixed[0].path == SIZE else f"to change {fields}"
    cost = _DELETION["cost"].get(change.key.kind, "")
    text = f"the API server refuses {refused}: the sync fails until the object is deleted{cost}"
    if {"Force=true", "Replace=true"} <= protections(change.after):
        text = f"{fields} cannot change: Argo CD deletes and recreates the object (Force=true)"
    yield Finding(HIGH, text, fixed)


def _is_immutable(change: Change, difference: Difference) -> bool:
    if change.key.kind == "PersistentVolumeClaim" and difference.path == SIZE:
        return shrinks(difference)
    if difference.path[0] in (*DATA, "immutable"):
        return bool(change.before.manifest.get("immutable"))
    if change.key.kind == "Service" and difference.after is ABSENT:
        return False  # the API server keeps the address
    if is_default(change, difference):
        return False
    return any(difference.below(*path) for path in _IMMUTABLE[change.key.kind])


def shrinks(difference: Difference) -> bool:
    """Whether an amount decreases."""
    if ABSENT in (difference.before, difference.after):
        return False
    return amount(str(difference.after)) < amount(str(difference.before))


@effect(risk="replace")
def object_moved(comparison: Comparison) -> Findings:
    """The Application that loses an object may delete it before the other creates it."""
    sync = removal(comparison)
    for item in comparison.before:
        was = sync.before.owner(item)
        now = sync.after.owner(comparison.after.get(item.key))
        if was and now and was.key != now.key:
            text = (
                f"moves from Application {was.name} to {now.name}: if {was.name} syncs first, it "
                f"deletes the object, and {now.name} recreates it"
            )
            yield Finding(HIGH, text, key=item.key)
