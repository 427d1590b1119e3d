"""Stored objects: who owns their fields, and what the API server and controllers add to them."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from constructs_lib.manifests.objects import Object
from constructs_lib.model import Manifest
from ops.review.diff import Path

CLIENT_SIDE_APPLY = "kubectl-client-side-apply"
"""The field manager of `kubectl apply` without `--server-side`. kubectl's server-side apply, which
Argo CD uses, takes over all its fields, and so removes those that the manifest lacks."""
MASKED = "(not read)"
"""Replaces a value of a Secret."""
TRACKING_LABEL = "app.kubernetes.io/instance"
TRACKING_ANNOTATION = "argocd.argoproj.io/tracking-id"
"""Where Argo CD records the Application of an object: by default, version 2 uses the label,
version 3 the annotation."""
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
_SERVER_FIELDS = (
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
_JOB_LABELS = (
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "controller-uid",
    "job-name",
)


def normalized(stored: Manifest, declared: Object | None = None) -> Manifest:
    """A stored object without added fields, and without the values of a Secret.

    Argo CD's tracking label stays only if `declared` has it.
    """
    manifest = deepcopy(stored)
    metadata, spec = manifest["metadata"], manifest.get("spec") or {}
    if manifest["kind"] == "Secret":
        keys = {*(data_keys(metadata) or ())}
        for field in ("data", "stringData"):
            keys |= {*(manifest.pop(field, None) or ())}
        manifest["data"] = dict.fromkeys(sorted(keys), MASKED)
    _drop(manifest, ("status", "operation"))
    _drop(metadata, _SERVER_FIELDS)
    _drop(metadata, CONTROLLER_ANNOTATIONS, "annotations")
    if not (declared and TRACKING_LABEL in declared.labels):
        _drop(metadata, (TRACKING_LABEL,), "labels")
    if manifest["kind"] == "Job":
        _drop(spec, ("selector",))
        _drop(metadata, _JOB_LABELS, "labels")
        _drop(spec.get("template", {}).get("metadata") or {}, _JOB_LABELS, "labels")
    if manifest["kind"] == "Service" and spec.get("clusterIP") != "None":
        _drop(spec, ("clusterIP", "clusterIPs"))
    return manifest


def _drop(fields: Manifest, names: Iterable[str], within: str | None = None) -> None:
    """Delete fields; with `within`, of that mapping, which is deleted if nothing is left."""
    inner = (fields.get(within) or {}) if within else fields
    for name in names:
        inner.pop(name, None)
    if within and not inner:
        fields.pop(within, None)


FieldPath = tuple[str, ...]
"""The steps of `fieldsV1`: `f:spec`; in lists, `k:{"name":"api"}` by keys and `v:"x"` by value."""


def owners(metadata: Manifest) -> dict[str, dict[FieldPath, None]]:
    """The fields that each manager in `managedFields` owns, parents before their fields.

    Subresources such as status are left out.
    """
    found: dict[str, dict[FieldPath, None]] = defaultdict(dict)
    for entry in metadata.get("managedFields") or ():
        if not entry.get("subresource"):
            fields = _paths(entry.get("fieldsV1") or {})
            found[str(entry.get("manager", ""))].update(dict.fromkeys(fields))
    return found


def _paths(tree: Mapping[str, Any], path: FieldPath = ()) -> Iterator[FieldPath]:
    for step, inner in tree.items():
        if step != ".":  # the parent itself
            yield (*path, step)
            yield from _paths(inner, (*path, step))


def exclusive_fields(manager: str, manifest: Manifest) -> list[Path]:
    """The fields that only this manager owns, in the notation of a review: `ports`, `[80,TCP]`."""
    return [tuple(map(_spelled, path)) for path in _exclusive(manager, manifest)[0]]


def _exclusive(manager: str, manifest: Manifest) -> tuple[list[FieldPath], set[FieldPath]]:
    """The deepest fields or whole items that only this manager owns; all fields of the others."""
    found = owners(manifest["metadata"])
    mine = found.pop(manager, {})
    others = {path for paths in found.values() for path in paths}
    parents = {path[:-1] for path in mine}
    items = {path for path in mine if path[-1].startswith("k:") and path not in others}
    deepest = [
        path
        for path in mine
        if path not in others
        and (path in items or path not in parents)
        and not any(path[:depth] in items for depth in range(1, len(path)))
    ]
    return deepest, others


def _spelled(step: str) -> str:
    kind, _, text = step.partition(":")
    if kind == "f":
        return text
    content = json.loads(text)
    values = content.values() if isinstance(content, dict) else [content]
    return f"[{','.join(map(str, values))}]"


def without(manager: str, manifest: Manifest) -> Manifest:
    """The object without the fields that only this manager owns."""
    exclusive, others = _exclusive(manager, manifest)
    left = deepcopy(manifest)
    for path in exclusive:
        _delete(left, path, others)
    return left


def _delete(value: Any, path: FieldPath, kept: set[FieldPath], depth: int = 0) -> None:
    """Delete a field, and the parents that are then empty, except those that others own."""
    place = _place(value, path[depth])
    if place is None:
        return
    if depth + 1 < len(path):
        _delete(value[place], path, kept, depth + 1)
        if value[place] or path[: depth + 1] in kept:
            return
    del value[place]


def _place(value: Any, step: str) -> str | int | None:
    """The name or index of a step in a mapping or list; None if it has none."""
    kind, _, text = step.partition(":")
    if isinstance(value, dict):
        return text if kind == "f" and text in value else None
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if kind == "v" and json.loads(text) == item:
            return index
        if kind == "k" and isinstance(item, dict) and json.loads(text).items() <= item.items():
            return index
    return None


def data_keys(metadata: Manifest) -> frozenset[str] | None:
    """The keys of a Secret, from its metadata; None if no manager has recorded them."""
    paths = [path for fields in owners(metadata).values() for path in fields if path[0] == "f:data"]
    keys = frozenset(path[1].removeprefix("f:") for path in paths if len(path) == 2)
    return keys if paths else None
