"""`create`, `delete` and `replace`: new objects, deleted objects, and immutable fields."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.manifests.argocd import cascades, protections
from constructs_lib.manifests.objects import Object, Objects, selects
from constructs_lib.manifests.references import readers_of_secret, secret_of
from constructs_lib.manifests.routes import SCHEME, scheme
from constructs_lib.manifests.workload import Update, Workload, remade_with_each_sync
from constructs_lib.model.quantity import amount
from constructs_lib.model.schedule import words
from constructs_lib.model.text import plural
from ops.review.diff import Comparison
from ops.review.fallback import KNOWN_KINDS
from ops.review.load import STACK_GROUP
from ops.review.model import (
    ABSENT,
    TEMPLATE,
    Change,
    Difference,
    Finding,
    Path,
    Risk,
    Severity,
    effect,
)
from ops.review.wording import listed

_CRITICAL = (
    "Application",
    "ClusterSecretStore",
    "CustomResourceDefinition",
    "DaemonSet",
    "Deployment",
    "ExternalSecret",
    "Ingress",
    "Namespace",
    "PersistentVolumeClaim",
    "Secret",
    "Service",
    "StatefulSet",
)
"""Kinds where a deletion stops something or loses data."""
_ALSO_AFFECTED = {
    "ClusterSecretStore": "ExternalSecrets that use it can no longer refresh",
    "PersistentVolumeClaim": "also deleted: its volume, unless the storage class retains it",
}
"""What else a deletion affects, by kind."""
_IMMUTABLE: dict[str, tuple[Path, ...]] = {
    "ClusterRoleBinding": (("roleRef",),),
    "DaemonSet": (("spec", "selector"),),
    "Deployment": (("spec", "selector"),),
    "IngressClass": (("spec", "controller"),),
    "Job": tuple(
        ("spec", field)
        for field in ("template", "selector", "completions", "completionMode", "podFailurePolicy")
    ),
    "PersistentVolumeClaim": tuple(
        ("spec", field)
        for field in (
            "accessModes",
            "dataSource",
            "selector",
            "storageClassName",
            "volumeMode",
            "volumeName",
        )
    ),
    "PriorityClass": (("value",),),
    "RoleBinding": (("roleRef",),),
    "Secret": (("type",),),
    "Service": (("spec", "clusterIP"), ("spec", "clusterIPs")),
    "StatefulSet": tuple(
        ("spec", field)
        for field in ("podManagementPolicy", "selector", "serviceName", "volumeClaimTemplates")
    ),
    "StorageClass": tuple(
        (field,) for field in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")
    ),
}
"""Immutable fields, by kind."""
SIZE = ("spec", "resources", "requests", "storage")
"""The size of a PersistentVolumeClaim."""


@effect("object-created")
def object_created(comparison: Comparison) -> Iterator[Finding]:
    """The next sync creates an object, if an Application syncs its file."""
    sync = comparison.removal.after
    for item in comparison.added:
        if item.key.group == STACK_GROUP or (item.key.group, item.kind) not in KNOWN_KINDS:
            continue
        if sync.applications and not sync.owner(item):
            text = "is not created: no Application syncs its file"
            yield Finding(Risk.CREATE, Severity.MEDIUM, item.key, text)
        else:
            yield Finding(Risk.CREATE, Severity.LOW, item.key, _creation(item))


def _creation(item: Object) -> str:
    if item.key.kind not in TEMPLATE:
        return "is created"
    workload = Workload(item)
    if workload.update is Update.NEXT_RUN:
        return f"is created; runs {words(item.spec['schedule'])}"
    if workload.update is Update.NEXT_SYNC:
        return "is created; runs with each sync"
    return f"is created with {plural(workload.running or 1, 'pod')}"


@effect("object-deleted")
def object_deleted(comparison: Comparison) -> Iterator[Finding]:
    """Argo CD deletes what is no longer in dist/, with all that depends on it."""
    for item in comparison.before.objects.values():
        outcome = comparison.removal.outcome(item)
        if outcome and outcome.deleted:
            more = _also_affected(item, comparison)
            critical = item.key.kind in _CRITICAL or (item.key.group, item.kind) not in KNOWN_KINDS
            severity = Severity.HIGH if critical else Severity.MEDIUM
            text = f"{outcome.why}{more and f'; {more}'}"
            yield Finding(Risk.DELETE, severity, item.key, text)


@effect("object-kept")
def object_kept(comparison: Comparison) -> Iterator[Finding]:
    """What is no longer in dist/ stays in the cluster, but nothing updates it."""
    for item in comparison.before.objects.values():
        outcome = comparison.removal.outcome(item)
        if outcome and not outcome.deleted:
            protected = {"Prune=false", "Delete=false"} & protections(item)
            severity = Severity.LOW if protected else Severity.MEDIUM
            text = f"stays in the cluster: {outcome.why}"
            yield Finding(Risk.DELETE, severity, item.key, text)


def _also_affected(item: Object, comparison: Comparison) -> str:
    match item.key.kind:
        case "Application" if cascades(item):
            inside = len(comparison.removal.before.synced(item))
            return f"also deleted: the {plural(inside, 'object')} that it syncs"
        case "ExternalSecret":
            return _secret_of(item, comparison.before)
        case "Namespace":
            inside = sum(1 for o in comparison.before if o.key.namespace == item.key.name)
            return f"also deleted: {plural(inside, 'object')} of dist/, all its Secrets and volumes"
        case kind if kind in TEMPLATE:
            workload = Workload(item)
            pods = plural(workload.running, "pod") if workload.serves else "a run in progress"
            return f"also deleted: {pods}"
    return _ALSO_AFFECTED.get(item.key.kind, "")


def _secret_of(item: Object, snapshot: Objects) -> str:
    """The Secret that an ExternalSecret owns, if any."""
    target = item.spec.get("target") or {}
    if target.get("creationPolicy", "Owner") != "Owner":
        return ""
    name = secret_of(item.manifest)
    read_by = [w.key.name for w in readers_of_secret(snapshot, item.key.namespace, name)]
    return f"also deleted: Secret {name}" + (f", used by {listed(read_by)}" if read_by else "")


@effect("immutable-field-changed")
def immutable_field_changed(comparison: Comparison) -> Iterator[Finding]:
    """The API server refuses the change, so the sync fails until the object is deleted."""
    for change in comparison.changed(*_IMMUTABLE):
        if change.key.kind == "Job" and remade_with_each_sync(change.after):
            continue
        fixed = tuple(d for d in change.differences if _is_immutable(change, d))
        if fixed:
            yield _finding(change, _refused(change, fixed), fixed)


def _is_immutable(change: Change, difference: Difference) -> bool:
    if change.key.kind == "PersistentVolumeClaim" and difference.path == SIZE:
        return shrinks(difference)
    if change.key.kind == "Service" and difference.after is ABSENT:
        return False  # the API server keeps the address
    return any(difference.below(*path) for path in _IMMUTABLE[change.key.kind])


def shrinks(difference: Difference) -> bool:
    """Whether an amount decreases."""
    values = (difference.after, difference.before)
    if ABSENT in values:
        return False
    after, before = (amount(value) for value in values)
    return after < before


def _refused(change: Change, fixed: tuple[Difference, ...]) -> str:
    fields = ", ".join(dict.fromkeys(".".join(d.path[:2]) for d in fixed))
    if {"Force=true", "Replace=true"} <= protections(change.after):
        return f"{fields} cannot change: Argo CD deletes and recreates the object (Force=true)"
    refused = "to shrink the volume" if fixed[0].path == SIZE else f"to change {fields}"
    cost = _DELETION_COST.get(change.key.kind, "")
    return f"the API server refuses {refused}: the sync fails until the object is deleted{cost}"


_DELETION_COST = {
    **dict.fromkeys(("DaemonSet", "Deployment", "StatefulSet"), ", which stops its pods"),
    "PersistentVolumeClaim": ", which deletes its data",
    "Service": "; the new Service gets another IP address",
}


@effect("selector-mismatched")
def selector_mismatched(comparison: Comparison) -> Iterator[Finding]:
    """The API server refuses a workload whose selector does not match its pods."""
    for change, _, workload in comparison.workloads("Deployment", "StatefulSet", "DaemonSet"):
        labels = change.at(*TEMPLATE[change.key.kind], "metadata", "labels")
        if labels and not selects(change.after.spec.get("selector"), workload.labels):
            text = (
                "the API server refuses it, so the sync fails: spec.selector does not match the "
                "pod labels"
            )
            yield _finding(change, text, labels)


@effect("version-not-served")
def version_not_served(comparison: Comparison) -> Iterator[Finding]:
    """The API server refuses objects of a version that their definition does not serve."""
    differing = {pair.item.key for pair in comparison.pairs()}
    for definition in comparison.after.of_kinds("CustomResourceDefinition"):
        served, group = _served(definition), definition.spec.get("group")
        former = comparison.before.get(definition.key)
        lost = [one for one in (_served(former) if former else ()) if one not in served]
        kind = (definition.spec.get("names") or {}).get("kind")
        hit = {
            item.key: item.manifest["apiVersion"].rpartition("/")[2]
            for item in comparison.after
            if (item.key.group, item.kind) == (group, kind)
            and differing & {item.key, definition.key}
        }
        hit = {key: version for key, version in hit.items() if version not in served}
        if lost or hit:
            versions = ", ".join(dict.fromkeys([*lost, *hit.values()]))
            refused = (
                f"{plural(len(hit), 'object')} of dist/ ({listed([key.name for key in hit])})"
                if hit
                else "all objects of this version"
            )
            text = f"does not serve {versions} of {kind}: the API server refuses {refused}"
            steps = [("spec", "versions", f"[{one}]") for one in lost]
            differences = comparison.differences(definition.key, *steps)
            yield Finding(Risk.DOWNTIME, Severity.HIGH, definition.key, text, differences)


def _served(definition: Object) -> list[str]:
    versions = definition.spec.get("versions") or ()
    return [str(one.get("name")) for one in versions if one.get("served")]


@effect("object-moved")
def object_moved(comparison: Comparison) -> Iterator[Finding]:
    """The Application that loses an object may delete it before the other creates it."""
    for item in comparison.before.objects.values():
        applications = comparison.removal.moved(item)
        if applications:
            was, now = (application.name for application in applications)
            text = (
                f"moves from Application {was} to {now}: if {was} syncs first, it deletes the "
                f"object, and {now} recreates it"
            )
            yield Finding(Risk.REPLACE, Severity.HIGH, item.key, text)


@effect("load-balancer-recreated")
def load_balancer_recreated(comparison: Comparison) -> Iterator[Finding]:
    """A load balancer cannot change its scheme: another one, with another DNS name, replaces it."""
    for change in comparison.changed("Ingress"):
        was, now = scheme(change.before), scheme(change.after)
        if was != now:
            text = (
                f"the load balancer is recreated ({was} → {now}) with a new DNS name; its hosts "
                "are unreachable until their DNS records are updated"
            )
            yield _finding(change, text, change.at("metadata", "annotations", SCHEME))


def _finding(change: Change, text: str, explains: tuple[Difference, ...]) -> Finding:
    return Finding(Risk.REPLACE, Severity.HIGH, change.key, text, explains)
