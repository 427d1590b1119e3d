"""Dry runs: what Argo CD's next sync would do with each object of dist/."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial

import jsonpatch

from constructs_lib.manifests.objects import Key, Object
from constructs_lib.manifests.shape import unreadable
from constructs_lib.manifests.workload import remade_with_each_sync
from constructs_lib.model import Manifest
from ops.cluster import APPLY_PATCH
from ops.cluster.client import Resource, Response, in_parallel
from ops.review.diff import spell
from ops.review.live.normalize import (
    CLIENT_SIDE_APPLY,
    CONTROLLER_ANNOTATIONS,
    exclusive_fields,
    normalized,
    owners,
    without,
)
from ops.review.live.reading import ARGO_CD, ClusterState, Server

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
_IGNORED = ("force-sync", "kubernetes.io/metadata.name", *CONTROLLER_ANNOTATIONS)
"""Labels and annotations that are not drift; `force-sync` makes External Secrets refresh."""


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
        return next(filter(None, map(unreadable, existing)), None)


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
    return {
        manager: [spell(p) for p in exclusive_fields(manager, content) if p[-1] not in _IGNORED]
        for manager in owners(content["metadata"])
        if manager not in (ARGO_CD, CLIENT_SIDE_APPLY) and not _CONTROLLERS.fullmatch(manager)
    }
