"""`create`, `delete` and `replace`: what comes, what goes, and what needs a new object."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.manifests.argocd import cascades, protections
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.routes import SCHEME, scheme
from constructs_lib.manifests.selectors import selects
from constructs_lib.manifests.workload import Update, Workload, readers, remade_with_each_sync
from constructs_lib.quantity import amount
from constructs_lib.schedule import words
from constructs_lib.wording import plural
from ops.review.diff import Comparison
from ops.review.fallback import KNOWN_KINDS
from ops.review.load import STACK_GROUP
from ops.review.model import ABSENT, TEMPLATE, Change, Difference, Finding, Path, Risk, Severity
from ops.review.wording import listed

_GRAVE = (
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
"""Kinds whose deletion stops something or loses data."""
_ALONG = {
    "ClusterSecretStore": "every refresh of the ExternalSecrets that read from it",
    "PersistentVolumeClaim": "the volume and its data, unless its storage class retains it",
}
"""What goes with every object of a kind."""
_FIXED: dict[str, tuple[Path, ...]] = {
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
"""The fields that the API server lets nobody change, by kind."""
SIZE = ("spec", "resources", "requests", "storage")
"""Where a claim says how much it holds."""


def created(comparison: Comparison) -> Iterator[Finding]:
    """What is new."""
    sync = comparison.removal.after
    for item in comparison.added:
        if item.key.group == STACK_GROUP or item.key.kind not in KNOWN_KINDS:
            continue
        if sync.applications and not sync.owner(item):
            text = "is new, but no Application syncs its file, so nothing happens"
            yield Finding(Risk.CREATE, Severity.MEDIUM, item.key, text)
        else:
            yield Finding(Risk.CREATE, Severity.LOW, item.key, _what_comes(item))


def _what_comes(item: Object) -> str:
    if item.key.kind not in TEMPLATE:
        return "is new"
    workload = Workload(item)
    if workload.update is Update.NEXT_RUN:
        return f"is new: runs {words(item.spec['schedule'])}"
    if workload.update is Update.NEXT_SYNC:
        return "is new: runs with each sync"
    return f"is new: {plural(workload.running or 1, 'pod')}"


def deleted(comparison: Comparison) -> Iterator[Finding]:
    """What Argo CD deletes, and what goes with it; what stays behind says why."""
    for item in comparison.before.objects.values():
        outcome = comparison.removal.outcome(item)
        if not outcome:
            continue
        if not outcome.deleted:
            meant = {"Prune=false", "Delete=false"} & protections(item)
            severity = Severity.LOW if meant else Severity.MEDIUM
            text = f"stays behind in the cluster: {outcome.why}"
            yield Finding(Risk.DELETE, severity, item.key, text)
            continue
        along = _along(item, comparison)
        grave = item.key.kind in _GRAVE or item.key.kind not in KNOWN_KINDS
        severity = Severity.HIGH if grave else Severity.MEDIUM
        text = f"{outcome.why}{along and f', and with it {along}'}"
        yield Finding(Risk.DELETE, severity, item.key, text)


def _along(item: Object, comparison: Comparison) -> str:
    """What goes with it; empty where nothing does."""
    match item.key.kind:
        case "Application" if cascades(item):
            inside = len(comparison.removal.before.synced(item))
            return f"what it synced: {plural(inside, 'object')}"
        case "ExternalSecret":
            return _secret_of(item, comparison.before)
        case "Namespace":
            inside = sum(1 for o in comparison.before if o.key.namespace == item.key.name)
            return f"everything in it: {plural(inside, 'object')} of dist/, its Secrets and volumes"
        case kind if kind in TEMPLATE:
            workload = Workload(item)
            return plural(workload.running, "pod") if workload.serves else "a run under way"
    return _ALONG.get(item.key.kind, "")


def _secret_of(item: Object, snapshot: Objects) -> str:
    """The Secret that an ExternalSecret owns, if it does."""
    target = item.spec.get("target") or {}
    if target.get("creationPolicy", "Owner") != "Owner":
        return ""
    name = target.get("name", item.key.name)
    read_by = [w.key.name for w in readers(snapshot, item.key.namespace, name)]
    return f"Secret {name}" + (f", read by {listed(read_by)}" if read_by else "")


def replaced(comparison: Comparison) -> Iterator[Finding]:
    """Changes of fields that cannot change."""
    for change in comparison.changed(*_FIXED):
        if change.key.kind == "Job" and remade_with_each_sync(change.after):
            continue
        fixed = tuple(d for d in change.differences if _is_fixed(change, d))
        if fixed:
            yield _finding(change, _refused(change, fixed), fixed)


def _is_fixed(change: Change, difference: Difference) -> bool:
    if change.key.kind == "PersistentVolumeClaim" and difference.path == SIZE:
        return shrinks(difference)
    if change.key.kind == "Service" and difference.after is ABSENT:
        return False  # the API server keeps the address
    return any(difference.below(*path) for path in _FIXED[change.key.kind])


def shrinks(difference: Difference) -> bool:
    """Whether an amount becomes less."""
    sides = (difference.after, difference.before)
    if ABSENT in sides:
        return False
    after, before = (amount(str(side)) for side in sides)
    return after < before


def _refused(change: Change, fixed: tuple[Difference, ...]) -> str:
    fields = ", ".join(dict.fromkeys(".".join(d.path[:2]) for d in fixed))
    if {"Force=true", "Replace=true"} <= protections(change.after):
        return f"{fields} cannot change: Argo CD deletes it and makes it anew (Force=true)"
    if fixed[0].path == SIZE:
        fields = "a smaller volume"
    cost = _COST.get(change.key.kind, "")
    return f"the API server refuses {fields}: the sync fails until someone deletes the object{cost}"


_COST = {
    **dict.fromkeys(("DaemonSet", "Deployment", "StatefulSet"), ", which stops its pods"),
    "PersistentVolumeClaim": ", and with it the data",
    "Service": "; the new one has another address",
}


def contradicting(comparison: Comparison) -> Iterator[Finding]:
    """A template whose labels the selector no longer takes in is refused."""
    for change, _, workload in comparison.workloads("Deployment", "StatefulSet", "DaemonSet"):
        labels = change.at(*TEMPLATE[change.key.kind], "metadata", "labels")
        if labels and not selects(change.after.spec.get("selector"), workload.labels):
            text = "the API server refuses it: spec.selector does not match the pods' labels"
            yield _finding(change, text, labels)


def moved(comparison: Comparison) -> Iterator[Finding]:
    """What goes from one Application to another may be pruned by the first before that."""
    for item in comparison.before.objects.values():
        applications = comparison.removal.moved(item)
        if applications:
            was, now = (application.name for application in applications)
            text = (
                f"moves from Application {was} to {now}: if {was} syncs first, it deletes the "
                f"object, and {now} makes it anew"
            )
            yield Finding(Risk.REPLACE, Severity.HIGH, item.key, text)


def load_balancers(comparison: Comparison) -> Iterator[Finding]:
    """A load balancer cannot change its scheme: the controller makes another."""
    for change in comparison.changed("Ingress"):
        was, now = scheme(change.before), scheme(change.after)
        if was != now:
            text = (
                f"the load balancer is made anew ({was} → {now}) under another DNS name: until "
                "its hosts point there, they answer nobody"
            )
            yield _finding(change, text, change.at("metadata", "annotations", SCHEME))


def _finding(change: Change, text: str, explains: tuple[Difference, ...]) -> Finding:
    return Finding(Risk.REPLACE, Severity.HIGH, change.key, text, explains)


RULES = (created, deleted, replaced, contradicting, moved, load_balancers)
