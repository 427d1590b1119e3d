"""`replace`: what the API server refuses to change, or what needs a new object."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.manifests.argocd import protections
from constructs_lib.manifests.routes import SCHEME, scheme
from constructs_lib.manifests.selectors import selects
from constructs_lib.manifests.workload import Workload, remade_with_each_sync
from constructs_lib.quantity import amount
from ops.review.comparison import Comparison
from ops.review.model import ABSENT, TEMPLATE, Change, Difference, Finding, Path, Risk, Severity

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
    for change in comparison.changed("Deployment", "StatefulSet", "DaemonSet"):
        labels = change.at(*TEMPLATE[change.key.kind], "metadata", "labels")
        workload = Workload(change.after)
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


RULES = (replaced, contradicting, moved, load_balancers)
