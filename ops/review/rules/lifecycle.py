"""`create` and `delete`: objects that come, and objects that Argo CD deletes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from constructs_lib.manifests.argocd import cascades, protections
from constructs_lib.manifests.objects import Object
from constructs_lib.manifests.workload import Update, Workload, readers
from constructs_lib.schedule import words
from constructs_lib.wording import plural
from ops.review.comparison import Comparison
from ops.review.model import TEMPLATE, Finding, Risk, Severity
from ops.review.objects import STACK_GROUP
from ops.review.rules.settings import KNOWN_KINDS
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
        fate = comparison.removal.fate(item)
        if not fate:
            continue
        if not fate.deleted:
            meant = {"Prune=false", "Delete=false"} & protections(item)
            severity = Severity.LOW if meant else Severity.MEDIUM
            text = f"stays behind in the cluster: {fate.why}"
            yield Finding(Risk.DELETE, severity, item.key, text)
            continue
        along = _ALONG.get(item.key.kind, _nothing)(item, comparison)
        grave = item.key.kind in _GRAVE or item.key.kind not in KNOWN_KINDS
        severity = Severity.HIGH if grave else Severity.MEDIUM
        text = f"{fate.why}{along and f', and with it {along}'}"
        yield Finding(Risk.DELETE, severity, item.key, text)


def _nothing(_item: Object, _comparison: Comparison) -> str:
    return ""


def _of_namespace(item: Object, comparison: Comparison) -> str:
    inside = [o for o in comparison.before.objects.values() if o.key.namespace == item.key.name]
    return f"everything in it: {plural(len(inside), 'object')} of dist/, its Secrets and volumes"


def _of_external_secret(item: Object, comparison: Comparison) -> str:
    target = item.spec.get("target") or {}
    if target.get("creationPolicy", "Owner") != "Owner":
        return ""
    name = target.get("name", item.key.name)
    read_by = [w.key.name for w in readers(comparison.before, item.key.namespace, name)]
    return f"Secret {name}" + (f", read by {listed(read_by)}" if read_by else "")


def _of_claim(_item: Object, _comparison: Comparison) -> str:
    return "the volume and its data, unless its storage class retains it"


def _of_application(item: Object, comparison: Comparison) -> str:
    if not cascades(item):
        return ""
    inside = comparison.removal.before.synced(item)
    return f"what it synced: {plural(len(inside), 'object')}"


def _of_workload(item: Object, _comparison: Comparison) -> str:
    workload = Workload(item)
    return plural(workload.running, "pod") if workload.serves else "a run under way"


def _of_store(_item: Object, _comparison: Comparison) -> str:
    return "every refresh of the ExternalSecrets that read from it"


_ALONG: dict[str, Callable[[Object, Comparison], str]] = {
    "Application": _of_application,
    "ClusterSecretStore": _of_store,
    "ExternalSecret": _of_external_secret,
    "Namespace": _of_namespace,
    "PersistentVolumeClaim": _of_claim,
    **dict.fromkeys(TEMPLATE, _of_workload),
}


RULES = (created, deleted)
