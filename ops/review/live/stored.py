"""Stored objects without the fields that the API server and controllers add."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from constructs_lib.manifests.objects import Object as Declared
from constructs_lib.model import Manifest
from ops.review.live.ownership import data_keys

MASKED = "(not read)"
"""Replaces a value of a Secret."""
TRACKING_LABEL = "app.kubernetes.io/instance"
TRACKING_ANNOTATION = "argocd.argoproj.io/tracking-id"
"""Where Argo CD records the Application of an object: by default, version 2 uses the label,
version 3 the annotation."""
_SERVER_FIELDS = (
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
CONTROLLER_ANNOTATIONS = (
    TRACKING_ANNOTATION,
    "argocd.argoproj.io/refresh",
    "deployment.kubernetes.io/revision",
    LAST_APPLIED,
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


def plain(stored: Manifest, declared: Declared | None = None) -> Manifest:
    """A stored object without added fields, and without the values of a Secret.

    Argo CD's tracking label stays only if `declared` has it.
    """
    item = deepcopy(stored)
    if item["kind"] == "Secret":
        _mask(item)
    for field in ("status", "operation"):
        item.pop(field, None)
    metadata = item["metadata"]
    for name in _SERVER_FIELDS:
        metadata.pop(name, None)
    _drop(metadata, "annotations", CONTROLLER_ANNOTATIONS)
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


def _mask(secret: Manifest) -> None:
    """Replace the values of a Secret; keep the keys."""
    keys = {*(data_keys(secret["metadata"]) or ())}
    for field in ("data", "stringData"):
        keys |= {*(secret.pop(field, None) or ())}
    secret["data"] = dict.fromkeys(sorted(keys), MASKED)


def _drop(fields: dict[str, Any], field: str, names: tuple[str, ...]) -> None:
    left = {name: text for name, text in (fields.get(field) or {}).items() if name not in names}
    if left:
        fields[field] = left
    else:
        fields.pop(field, None)
