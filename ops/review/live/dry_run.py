"""Dry runs: what Argo CD's next sync would do with each object of dist/.

The objects are normalized: without what the API server and controllers add to them. `managedFields`
says who owns each field.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain
from typing import Any

import jsonpatch

from constructs_lib.manifests.objects import Key, Object
from constructs_lib.manifests.schema import unreadable
from constructs_lib.manifests.workload import remade_with_each_sync
from constructs_lib.model import Manifest
from ops.cluster import APPLY_PATCH
from ops.cluster.client import Resource, Response, in_parallel
from ops.review.diff import Path, spell
from ops.review.live.reading import ARGO_CD, KNOWN, ClusterState, Server

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
_ADDED = KNOWN["added"]
_IGNORED = {*_ADDED["ignored"], *_ADDED["annotations"]}
"""Labels and annotations that are not drift."""
_JSON_PATCH = "application/json-patch+json"
_CONFLICT = re.compile(r'conflict with "(?P<manager>[^"]+)"')
_DRY_RUN_SUFFIX = "-review"
"""Suffix of the name for the dry run of a Job that already exists."""
_CONTROLLERS = re.compile(
    r"argocd-.*|kube-.*|kubelet|Reloader|kubectl-rollout|external-secrets.*|controller"
    r"|gnosis-analytics-ops|cluster-autoscaler|karpenter|before-first-apply"
)
"""Field managers that may change objects of dist/; `controller` is the AWS Load Balancer
Controller."""


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """One object of dist/, and what a sync would do with it."""

    declared: Object
    stored: Manifest | None = None
    """As in the cluster; None if it does not exist."""
    before: Manifest | None = None
    """`stored`, normalized."""
    after: Manifest | None = None
    """After a sync, normalized; None if the server refuses to create it."""
    refusal: str | None = None
    """The server's message if it refuses."""
    served_versions: tuple[str, ...] | None = None
    """Other versions of its kind, if the server does not serve the one in dist/."""
    in_missing_namespace: bool = False
    """Whether its namespace does not exist yet; `after` is then the manifest of dist/."""
    taken_over: Mapping[str, list[str]] = field(default_factory=dict)
    """By manager, the fields that Argo CD takes over by force."""
    left: Mapping[str, list[str]] = field(default_factory=dict)
    """By manager, the fields that dist/ does not set and that stay."""
    warnings: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return self.declared.key

    @cached_property
    def unreadable(self) -> str | None:
        """Why the rules cannot read the object, if they cannot."""
        existing = (manifest for manifest in (self.before, self.after) if manifest is not None)
        return next(chain.from_iterable(map(unreadable, existing)), None)


def dry_runs(server: Server, state: ClusterState) -> list[DryRun]:
    """Dry-run the sync of each object of dist/. Raises ClusterError for a missing permission."""
    runs = in_parallel(
        lambda item: _dry_run(server, item, state.stored.get(item.key)), state.declared
    )
    server.check_permissions()
    return runs


def _dry_run(server: Server, declared: Object, stored: Manifest | None) -> DryRun:
    key, version = declared.key, declared.manifest["apiVersion"]
    resource = server.client.resources.get(version, key.kind)
    if not resource:
        versions = tuple(server.client.resources.versions((key.group, key.kind)))
        return DryRun(declared=declared, served_versions=versions)
    before = normalized(stored, declared) if stored else None
    result = partial(DryRun, declared=declared, stored=stored, before=before)
    if remade_with_each_sync(declared):
        response = server.dry_run(resource, _under_unused_name(declared, stored))
    else:
        response = server.dry_run(resource, declared.manifest, APPLY_PATCH, force="false")
    taken_over = _conflicts(response)
    if taken_over:
        response = server.dry_run(resource, declared.manifest, APPLY_PATCH, force="true")
    if response.accepted and stored:
        response = _migrated(server, resource, response, stored)
    if not response.accepted:
        if response.status == 404:
            after = normalized(declared.manifest, declared)
            return result(after=after, in_missing_namespace=True)
        return result(after=before, refusal=response.message, warnings=response.warnings)
    after = normalized({**response.content, "kind": key.kind, "apiVersion": version}, declared)
    after["metadata"]["name"] = key.name
    return result(
        after=after,
        taken_over=taken_over,
        left=_left(response.content),
        warnings=response.warnings,
    )


def _under_unused_name(declared: Object, stored: Manifest | None) -> Manifest:
    """A manifest that can be created: Argo CD deletes the stored object first, a dry run cannot."""
    if not stored:
        return declared.manifest
    name = f"{declared.name[: 63 - len(_DRY_RUN_SUFFIX)]}{_DRY_RUN_SUFFIX}"
    return {**declared.manifest, "metadata": {**declared.manifest["metadata"], "name": name}}


def _migrated(server: Server, resource: Resource, response: Response, stored: Manifest) -> Response:
    """The object without the fields that only `kubectl apply` owns, which Argo CD removes."""
    if CLIENT_SIDE_APPLY not in owners(response.content["metadata"]):
        return response
    left = without(CLIENT_SIDE_APPLY, response.content)
    patch = jsonpatch.make_patch(normalized(stored), normalized(left)).patch
    if not patch:
        return response
    again = server.dry_run(resource, stored, _JSON_PATCH, patch)
    if again.accepted:
        again.content["metadata"]["managedFields"] = [
            entry
            for entry in left["metadata"].get("managedFields") or ()
            if entry.get("manager") != CLIENT_SIDE_APPLY
        ]
    return Response(again.status, again.content, (*response.warnings, *again.warnings))


def _conflicts(response: Response) -> dict[str, list[str]]:
    """By manager, the fields with another value than in dist/."""
    fields = defaultdict(list)
    details = response.content.get("details") or {} if response.status == 409 else {}
    for cause in details.get("causes") or ():
        if match := _CONFLICT.search(cause.get("message", "")):
            fields[match["manager"]].append(str(cause.get("field", "")).removeprefix("."))
    return fields


def _left(content: Manifest) -> dict[str, list[str]]:
    """By manager, the fields that neither Argo CD nor a controller set."""
    left = {}
    for manager in owners(content["metadata"]):
        if manager not in (ARGO_CD, CLIENT_SIDE_APPLY) and not _CONTROLLERS.fullmatch(manager):
            paths = exclusive_fields(manager, content)
            left[manager] = [spell(path) for path in paths if path[-1] not in _IGNORED]
    return left


def normalized(stored: Manifest, declared: Object | None = None) -> Manifest:
    """A stored object without added fields and nulls, and without the values of a Secret.

    Argo CD's tracking label stays only if `declared` has it.
    """
    manifest: Manifest = _without_nulls(stored)
    metadata, spec = manifest["metadata"], manifest.get("spec") or {}
    if manifest["kind"] == "Secret":
        keys = {*(data_keys(metadata) or ())}
        for field in ("data", "stringData"):
            keys |= {*(manifest.pop(field, None) or ())}
        manifest["data"] = dict.fromkeys(sorted(keys), MASKED)
    _drop(manifest, ("status", "operation"))
    _drop(metadata, _ADDED["metadata"])
    _drop(metadata, _ADDED["annotations"], "annotations")
    if not (declared and TRACKING_LABEL in declared.labels):
        _drop(metadata, (TRACKING_LABEL,), "labels")
    if manifest["kind"] == "Job":
        _drop(spec, ("selector",))
        _drop(metadata, _ADDED["job-labels"], "labels")
        _drop(spec.get("template", {}).get("metadata") or {}, _ADDED["job-labels"], "labels")
    if manifest["kind"] == "Service" and spec.get("clusterIP") != "None":
        _drop(spec, ("clusterIP", "clusterIPs"))
    return manifest


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


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
