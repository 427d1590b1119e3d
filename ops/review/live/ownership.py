"""Field ownership, from `metadata.managedFields`."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

from constructs_lib.model import Manifest
from ops.review.model import Path

ARGO_CD = "argocd-controller"
"""The field manager of Argo CD's server-side apply."""
CLIENT_SIDE_APPLY = "kubectl-client-side-apply"
"""The field manager of `kubectl apply` without `--server-side`. kubectl's server-side apply, which
Argo CD uses, takes over all its fields, and so removes those that the manifest lacks."""
Tree = Mapping[str, Any]
"""Fields in the form of `fieldsV1`: `{"f:spec": {"f:replicas": {}}}`; `.` is the field itself."""


def owned(manifest: Manifest) -> dict[str, Tree]:
    """The fields that each manager owns, without those of subresources such as status."""
    found: dict[str, Tree] = {}
    for entry in manifest["metadata"].get("managedFields") or ():
        if not entry.get("subresource"):
            manager = str(entry.get("manager", ""))
            found[manager] = _merged(found.get(manager, {}), entry.get("fieldsV1") or {})
    return found


def exclusive_fields(manager: str, manifest: Manifest) -> tuple[Path, ...]:
    """The fields that only this manager owns."""
    owners = owned(manifest)
    others = _merge_all(tree for name, tree in owners.items() if name != manager)
    return tuple(tuple(map(_plain, path)) for path in _leaves(owners.get(manager, {}), others))


def without(manager: str, manifest: Manifest) -> Manifest:
    """The object without the fields that only this manager owns."""
    owners = owned(manifest)
    released = owners.pop(manager, {})
    left: Manifest = _without(manifest, released, _merge_all(owners.values()))
    return left


def data_keys(metadata: Manifest) -> frozenset[str] | None:
    """The keys of a Secret, from its metadata; None if no manager has recorded them."""
    trees = owned({"metadata": metadata}).values()
    recorded = [tree["f:data"] for tree in trees if "f:data" in tree]
    keys = {step.removeprefix("f:") for tree in recorded for step in tree if step != "."}
    return frozenset(keys) if recorded else None


def merge_patch(before: Any, after: Any) -> Any:
    """The JSON merge patch from one object to another."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return after
    patch = dict.fromkeys(before.keys() - after.keys())
    for name, value in after.items():
        if name not in before or before[name] != value:
            patch[name] = merge_patch(before.get(name), value)
    return patch


def _merge_all(trees: Any) -> Tree:
    return reduce(_merged, trees, {})


def _merged(one: Tree, other: Tree) -> Tree:
    merged: dict[str, Any] = defaultdict(dict, one)
    for step, inner in other.items():
        merged[step] = _merged(merged[step], inner)
    return dict(merged)


def _leaves(tree: Tree, others: Tree, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The deepest fields of a tree that another tree lacks."""
    for step, inner in tree.items():
        if step == ".":
            continue
        if set(inner) <= {"."}:
            if step not in others:
                yield (*path, step)
        elif step.startswith("k:") and step not in others:
            yield (*path, step)
        else:
            yield from _leaves(inner, others.get(step, {}), (*path, step))


def _without(value: Any, released: Tree, kept: Tree) -> Any:
    if isinstance(value, dict):
        left = dict(value)
        for step, inner in released.items():
            name = step.removeprefix("f:")
            if step == "." or name not in left:
                continue
            rest = None if set(inner) <= {"."} else _without(left[name], inner, kept.get(step, {}))
            if rest or step in kept:
                left[name] = left[name] if rest is None else rest
            else:
                del left[name]
        return left
    if isinstance(value, list):
        pairs = [(item, _step(item, released)) for item in value]
        return [
            _without(item, released[step], kept[step]) if step else item
            for item, step in pairs
            if not step or step in kept
        ]
    return value


def _step(item: Any, tree: Tree) -> str:
    """The step of a tree for an item of a list; empty if it has none."""
    for step in tree:
        kind, _, text = step.partition(":")
        if kind == "v" and json.loads(text) == item:
            return step
        if kind == "k" and isinstance(item, dict) and json.loads(text).items() <= item.items():
            return step
    return ""


def _plain(step: str) -> str:
    """A step in the notation of a review's paths: `spec`, `[8000,TCP]`."""
    kind, _, text = step.partition(":")
    if kind == "f":
        return text
    content = json.loads(text)
    named = content.values() if isinstance(content, dict) else [content]
    return f"[{','.join(map(str, named))}]"
