"""Objects as the API server stores them, without what it and controllers note in them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from constructs_lib.manifests.objects import Object as Declared
from ops.cluster import Object
from ops.review.live.ownership import data_keys

MASKED = "(not read)"
"""In place of a value of a Secret."""
TRACKING_LABEL = "app.kubernetes.io/instance"
TRACKING_ANNOTATION = "argocd.argoproj.io/tracking-id"
"""Where Argo CD notes which Application syncs an object: by default version 2 in the label,
version 3 in the annotation."""
_NOTED = (
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
NOTED_ANNOTATIONS = (
    TRACKING_ANNOTATION,
    "argocd.argoproj.io/refresh",
    "deployment.kubernetes.io/revision",
    "kubectl.kubernetes.io/last-applied-configuration",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
)
_JOB_LABELS = (
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "controller-uid",
    "job-name",
)


def plain(stored: Object, declared: Declared | None = None) -> Object:
    """What of a stored object people or programs asked for, and of a Secret only its keys.

    The label in which Argo CD may note the Application stays only where `declared` states it.
    """
    item = deepcopy(stored)
    if item["kind"] == "Secret":
        _mask(item)
    for field in ("status", "operation"):
        item.pop(field, None)
    metadata = item["metadata"]
    for name in _NOTED:
        metadata.pop(name, None)
    _drop(metadata, "annotations", NOTED_ANNOTATIONS)
    if not (declared and TRACKING_LABEL in declared.labels):
        _drop(metadata, "labels", (TRACKING_LABEL,))
    spec = item.get("spec") or {}
    if item["kind"] == "Job":
        spec.pop("selector", None)
        for inner in (metadata, spec.get("template", {}).get("metadata") or {}):
            _drop(inner, "labels", _JOB_LABELS)
    if item["kind"] == "Service" and spec.get("clusterIP") != "None":
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    return item


def _mask(secret: Object) -> None:
    """Leave the keys of a Secret, and none of its values."""
    keys = {*(data_keys(secret["metadata"]) or ())}
    for field in ("data", "stringData"):
        keys |= {*(secret.pop(field, None) or ())}
    secret["data"] = dict.fromkeys(sorted(keys), MASKED)


def _drop(inside: dict[str, Any], field: str, names: tuple[str, ...]) -> None:
    left = {name: text for name, text in (inside.get(field) or {}).items() if name not in names}
    if left:
        inside[field] = left
    else:
        inside.pop(field, None)
