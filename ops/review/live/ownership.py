"""Which fields of an object each field manager owns, as `metadata.managedFields` states them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

from ops.cluster import Object
from ops.review.model import Path

ARGO_CD = "argocd-controller"
"""The field manager of Argo CD's syncs (`argocd.argoproj.io`'s server-side apply)."""
CLIENT_SIDE_APPLY = "kubectl-client-side-apply"
"""The field manager of `kubectl apply` without `--server-side`. kubectl's server-side apply, which
Argo CD uses, takes over all that it owns, and so removes what the manifest does not state."""
Tree = Mapping[str, Any]
"""Fields in the form of `fieldsV1`: `{"f:spec": {"f:replicas": {}}}`; `.` is the field itself."""


def owned(manifest: Object) -> dict[str, Tree]:
    """By field manager, what it owns; what belongs to a subresource, as a status, is left out."""
    found: dict[str, Tree] = {}
    for entry in manifest["metadata"].get("managedFields") or ():
        if not entry.get("subresource"):
            manager = str(entry.get("manager", ""))
            found[manager] = _together(found.get(manager, {}), entry.get("fieldsV1") or {})
    return found


def alone(manager: str, manifest: Object) -> tuple[Path, ...]:
    """The fields that a manager owns and no other does."""
    everyone = owned(manifest)
    others = _of_all(tree for name, tree in everyone.items() if name != manager)
    return tuple(tuple(map(_plain, path)) for path in _leaves(everyone.get(manager, {}), others))


def without(manager: str, manifest: Object) -> Object:
    """The object without what that manager alone owns, as if it had applied nothing."""
    everyone = owned(manifest)
    given_up = everyone.pop(manager, {})
    left: Object = _without(manifest, given_up, _of_all(everyone.values()))
    return left


def data_keys(metadata: Object) -> frozenset[str] | None:
    """The keys of a Secret by its metadata alone; None where nobody has recorded them."""
    trees = owned({"metadata": metadata}).values()
    recorded = [tree["f:data"] for tree in trees if "f:data" in tree]
    keys = {step.removeprefix("f:") for tree in recorded for step in tree if step != "."}
    return frozenset(keys) if recorded else None


def merge_patch(before: Any, after: Any) -> Any:
    """The JSON merge patch that makes one object of the other."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return after
    patch = dict.fromkeys(before.keys() - after.keys())
    for name, value in after.items():
        if name not in before or before[name] != value:
            patch[name] = merge_patch(before.get(name), value)
    return patch


def _of_all(trees: Any) -> Tree:
    return reduce(_together, trees, {})


def _together(one: Tree, other: Tree) -> Tree:
    merged: dict[str, Any] = defaultdict(dict, one)
    for step, inner in other.items():
        merged[step] = _together(merged[step], inner)
    return dict(merged)


def _leaves(tree: Tree, others: Tree, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The deepest fields of a tree that the other does not have."""
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


def _without(value: Any, given_up: Tree, kept: Tree) -> Any:
    if isinstance(value, dict):
        left = dict(value)
        for step, inner in given_up.items():
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
        pairs = [(item, _step(item, given_up)) for item in value]
        return [
            _without(item, given_up[step], kept[step]) if step else item
            for item, step in pairs
            if not step or step in kept
        ]
    return value


def _step(item: Any, tree: Tree) -> str:
    """The step of a tree that leads to an item of a list; empty where none does."""
    for step in tree:
        kind, _, text = step.partition(":")
        if kind == "v" and json.loads(text) == item:
            return step
        if kind == "k" and isinstance(item, dict) and json.loads(text).items() <= item.items():
            return step
    return ""


def _plain(step: str) -> str:
    """A step as the paths of a review have it: `spec`, `[8000,TCP]`."""
    kind, _, text = step.partition(":")
    if kind == "f":
        return text
    content = json.loads(text)
    named = content.values() if isinstance(content, dict) else [content]
    return f"[{','.join(map(str, named))}]"
