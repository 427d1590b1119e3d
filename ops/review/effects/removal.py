"""`create`, `delete` and `replace`: new objects, deleted objects, and immutable fields."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.manifests.argocd import cascades, protections
from constructs_lib.manifests.network import SCHEME, scheme
from constructs_lib.manifests.objects import Object, selects
from constructs_lib.manifests.references import readers_of_secret, secret_of
from constructs_lib.manifests.workload import Update, Workload, remade_with_each_sync
from constructs_lib.model.quantity import amount
from constructs_lib.model.schedule import words
from constructs_lib.model.text import plural
from ops.review.diff import Comparison
from ops.review.fallback import FIELDS, KNOWN_KINDS
from ops.review.load import STACK_GROUP
from ops.review.model import (
    ABSENT,
    HIGH,
    LOW,
    MEDIUM,
    TEMPLATE,
    Change,
    Difference,
    Finding,
    Risk,
    effect,
)
from ops.review.wording import listed

CONTROLLERS = ("DaemonSet", "Deployment", "StatefulSet")
"""The kinds that keep pods running."""
_ALSO_AFFECTED = {
    "ClusterSecretStore": "ExternalSecrets that use it can no longer refresh",
    "PersistentVolumeClaim": "also deleted: its volume, unless the storage class retains it",
}
"""What else a deletion affects, by kind."""
_DELETION_COST = {
    **dict.fromkeys(CONTROLLERS, ", which stops its pods"),
    "PersistentVolumeClaim": ", which deletes its data",
    "Service": "; the new Service gets another IP address",
}
"""What it costs to delete an object that cannot change, by kind."""
_IMMUTABLE = {
    kind: [tuple(field.split(".")) for field in fields]
    for kinds, fields in FIELDS["immutable"].items()
    for kind in kinds.split(", ")
}
SIZE = ("spec", "resources", "requests", "storage")
"""The size of a PersistentVolumeClaim."""


@effect
def object_created(comparison: Comparison) -> Iterator[Finding]:
    """The next sync creates an object, if an Application syncs its file."""
    sync = comparison.removal.after
    for item in comparison.added:
        if item.key.group == STACK_GROUP or (item.key.group, item.kind) not in KNOWN_KINDS:
            continue
        if sync.applications and not sync.owner(item):
            text = "is not created: no Application syncs its file"
            yield Finding(Risk.CREATE, MEDIUM, item.key, text)
        else:
            yield Finding(Risk.CREATE, LOW, item.key, f"is created{_runs(item)}")


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


@effect
def object_deleted(comparison: Comparison) -> Iterator[Finding]:
    """Argo CD deletes what is no longer in dist/, with all that depends on it."""
    for item in comparison.before:
        outcome = comparison.removal.outcome(item)
        if outcome and outcome.deleted:
            critical = (
                item.kind in FIELDS["deletion"]["critical"]
                or (item.key.group, item.kind) not in KNOWN_KINDS
            )
            more = _also_affected(item, comparison)
            text = f"{outcome.why}{more and f'; {more}'}"
            yield Finding(Risk.DELETE, HIGH if critical else MEDIUM, item.key, text)


def _also_affected(item: Object, comparison: Comparison) -> str:
    match item.kind:
        case "Application" if cascades(item):
            inside = len(comparison.removal.before.synced(item))
            return f"also deleted: the {plural(inside, 'object')} that it syncs"
        case "ExternalSecret":
            owns = (item.spec.get("target") or {}).get("creationPolicy", "Owner") == "Owner"
            secret = secret_of(item.manifest)
            used = [w.name for w in readers_of_secret(comparison.before, item.namespace, secret)]
            by = f", used by {listed(used)}" if used else ""
            return f"also deleted: Secret {secret}{by}" if owns else ""
        case "Namespace":
            inside = sum(1 for other in comparison.before if other.namespace == item.name)
            return f"also deleted: {plural(inside, 'object')} of dist/, all its Secrets and volumes"
        case kind if kind in TEMPLATE:
            workload = Workload.read(item)
            pods = plural(workload.running, "pod") if workload.serves else "a run in progress"
            return f"also deleted: {pods}"
    return _ALSO_AFFECTED.get(item.kind, "")


@effect
def object_kept(comparison: Comparison) -> Iterator[Finding]:
    """What is no longer in dist/ stays in the cluster, but nothing updates it."""
    for item in comparison.before:
        outcome = comparison.removal.outcome(item)
        if outcome and not outcome.deleted:
            protected = {"Prune=false", "Delete=false"} & protections(item)
            text = f"stays in the cluster: {outcome.why}"
            yield Finding(Risk.DELETE, LOW if protected else MEDIUM, item.key, text)


@effect
def immutable_field_changed(comparison: Comparison) -> Iterator[Finding]:
    """The API server refuses the change, so the sync fails until the object is deleted."""
    for change in comparison.changed(*_IMMUTABLE):
        fixed = tuple(d for d in change.differences if _is_immutable(change, d))
        if fixed and not (change.key.kind == "Job" and remade_with_each_sync(change.after)):
            text = _refused(change, fixed)
            yield Finding(Risk.REPLACE, HIGH, change.key, text, fixed)


def _is_immutable(change: Change, difference: Difference) -> bool:
    if change.key.kind == "PersistentVolumeClaim" and difference.path == SIZE:
        return shrinks(difference)
    if change.key.kind == "Service" and difference.after is ABSENT:
        return False  # the API server keeps the address
    return any(difference.below(*path) for path in _IMMUTABLE[change.key.kind])


def shrinks(difference: Difference) -> bool:
    """Whether an amount decreases."""
    if ABSENT in (difference.before, difference.after):
        return False
    return amount(str(difference.after)) < amount(str(difference.before))


def _refused(change: Change, fixed: tuple[Difference, ...]) -> str:
    fields = ", ".join(dict.fromkeys(".".join(d.path[:2]) for d in fixed))
    if {"Force=true", "Replace=true"} <= protections(change.after):
        return f"{fields} cannot change: Argo CD deletes and recreates the object (Force=true)"
    refused = "to shrink the volume" if fixed[0].path == SIZE else f"to change {fields}"
    cost = _DELETION_COST.get(change.key.kind, "")
    return f"the API server refuses {refused}: the sync fails until the object is deleted{cost}"


@effect
def selector_mismatched(comparison: Comparison) -> Iterator[Finding]:
    """The API server refuses a workload whose selector does not match its pods."""
    for change, _, workload in comparison.workloads(*CONTROLLERS):
        labels = change.at(*TEMPLATE[change.key.kind], "metadata", "labels")
        if labels and not selects(change.after.spec.get("selector"), workload.pod_labels):
            text = (
                "the API server refuses it, so the sync fails: spec.selector does not match the "
                "pod labels"
            )
            yield Finding(Risk.REPLACE, HIGH, change.key, text, labels)


@effect
def version_not_served(comparison: Comparison) -> Iterator[Finding]:
    """The API server refuses objects of a version that their definition does not serve."""
    differing = {pair.item.key for pair in comparison.pairs()}
    for definition in comparison.after.of_kinds("CustomResourceDefinition"):
        served, group = _served(definition), definition.spec.get("group")
        kind = (definition.spec.get("names") or {}).get("kind")
        lost = [v for v in _served(comparison.before.get(definition.key)) if v not in served]
        refused = {
            item.key: version
            for item in comparison.after
            if (item.key.group, item.kind) == (group, kind)
            and differing & {item.key, definition.key}
            and (version := item.manifest["apiVersion"].rpartition("/")[2]) not in served
        }
        if lost or refused:
            versions = ", ".join(dict.fromkeys([*lost, *refused.values()]))
            objects = "all objects of this version"
            if refused:
                names = listed([key.name for key in refused])
                objects = f"{plural(len(refused), 'object')} of dist/ ({names})"
            text = f"does not serve {versions} of {kind}: the API server refuses {objects}"
            steps = [("spec", "versions", f"[{version}]") for version in lost]
            differences = comparison.differences(definition.key, *steps)
            yield Finding(Risk.DOWNTIME, HIGH, definition.key, text, differences)


def _served(definition: Object | None) -> list[str]:
    versions = definition.spec.get("versions") or () if definition else ()
    return [str(version.get("name")) for version in versions if version.get("served")]


@effect
def object_moved(comparison: Comparison) -> Iterator[Finding]:
    """The Application that loses an object may delete it before the other creates it."""
    for item in comparison.before:
        if applications := comparison.removal.moved(item):
            was, now = (application.name for application in applications)
            text = (
                f"moves from Application {was} to {now}: if {was} syncs first, it deletes the "
                f"object, and {now} recreates it"
            )
            yield Finding(Risk.REPLACE, HIGH, item.key, text)


@effect
def load_balancer_recreated(comparison: Comparison) -> Iterator[Finding]:
    """A load balancer cannot change its scheme: another one, with another DNS name, replaces it."""
    for change in comparison.changed("Ingress"):
        was, now = scheme(change.before), scheme(change.after)
        if was != now:
            text = (
                f"the load balancer is recreated ({was} → {now}) with a new DNS name; its hosts "
                "are unreachable until their DNS records are updated"
            )
            differences = change.at("metadata", "annotations", SCHEME)
            yield Finding(Risk.REPLACE, HIGH, change.key, text, differences)
