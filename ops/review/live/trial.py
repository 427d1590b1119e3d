"""Dry runs: what Argo CD's next sync would do with each object of dist/."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, partial

from constructs_lib.manifests.fields import unreadable
from constructs_lib.manifests.objects import Object as Declared
from constructs_lib.manifests.workload import remade_with_each_sync
from constructs_lib.model import Manifest
from ops.cluster.client import Resource, Response
from ops.review.live import ownership
from ops.review.live.ownership import ARGO_CD, CLIENT_SIDE_APPLY, owned
from ops.review.live.server import Server
from ops.review.live.stored import CONTROLLER_ANNOTATIONS, plain
from ops.review.model import spell

_CONFLICT = re.compile(r'conflict with "(?P<manager>[^"]+)"')
_DRY_RUN_SUFFIX = "-review"
"""Suffix of the name for the dry run of a Job that already exists."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One object of dist/, and the result of its dry run."""

    declared: Declared
    stored: Manifest | None = None
    """As stored in the cluster; None if it does not exist."""
    before: Manifest | None = None
    after: Manifest | None = None
    """After a sync; None if the server refuses to create it."""
    refusal: str | None = None
    """The server's message if it refuses."""
    unserved: bool = False
    """Whether the server does not serve its kind in this version."""
    untried: bool = False
    """Whether its namespace does not exist yet; `after` is then the manifest of dist/."""
    taken: tuple[tuple[str, str], ...] = ()
    """Manager and field, for fields that Argo CD takes over by force."""
    kept: tuple[tuple[str, str], ...] = ()
    """Manager and field, for fields that dist/ does not set and that stay."""
    warnings: tuple[str, ...] = ()

    @cached_property
    def unreadable(self) -> str | None:
        """Why the rules cannot read the object, if they cannot."""
        existing = (one for one in (self.before, self.after) if one is not None)
        return next(filter(None, map(unreadable, existing)), None)

    @property
    def changes(self) -> bool:
        """Whether a sync changes it."""
        return self.before != self.after


def attempt(server: Server, declared: Declared, stored: Manifest | None) -> Trial:
    """Dry-run the sync of an object."""
    key = declared.key
    resource = server.served.get(declared.manifest["apiVersion"], key.kind)
    if not resource:
        return Trial(declared=declared, unserved=True, refusal="")
    before = plain(stored, declared) if stored else None
    trial = partial(Trial, declared=declared, stored=stored, before=before)
    if remade_with_each_sync(declared):
        answer = _dry_run_recreation(server, resource, declared, stored)
    else:
        answer = server.apply(resource, declared.manifest, force=False)
    taken = _conflicts(answer)
    if taken:
        answer = server.apply(resource, declared.manifest, force=True)
    if answer.accepted and stored:
        answer = _migrated(server, resource, answer, stored)
    if not answer.accepted:
        if answer.status == 404:
            return trial(after=plain(declared.manifest, declared), untried=True)
        return trial(after=before, refusal=answer.message, warnings=answer.warnings)
    after = plain(
        {**answer.content, "kind": key.kind, "apiVersion": resource.group_version}, declared
    )
    after["metadata"]["name"] = key.name
    return trial(
        after=after, taken=taken, kept=tuple(_kept(answer.content)), warnings=answer.warnings
    )


def _dry_run_recreation(
    server: Server, resource: Resource, declared: Declared, stored: Manifest | None
) -> Response:
    """Dry-run the creation of an object that Argo CD deletes first, under an unused name."""
    if not stored:
        return server.create(resource, declared.manifest)
    name = f"{declared.key.name[: 63 - len(_DRY_RUN_SUFFIX)]}{_DRY_RUN_SUFFIX}"
    metadata = {**declared.manifest["metadata"], "name": name}
    return server.create(resource, {**declared.manifest, "metadata": metadata})


def _migrated(server: Server, resource: Resource, answer: Response, stored: Manifest) -> Response:
    """The object without the fields that only `kubectl apply` owns, which Argo CD removes."""
    if CLIENT_SIDE_APPLY not in owned(answer.content):
        return answer
    left = ownership.without(CLIENT_SIDE_APPLY, answer.content)
    patch = ownership.merge_patch(plain(stored), plain(left))
    if not patch:
        return answer
    metadata = stored["metadata"]
    again = server.merge(resource, metadata.get("namespace", ""), metadata["name"], patch)
    managers = left["metadata"].get("managedFields") or ()
    kept = [one for one in managers if one.get("manager") != CLIENT_SIDE_APPLY]
    if again.accepted:
        again.content["metadata"]["managedFields"] = kept
    return Response(again.status, again.content, (*answer.warnings, *again.warnings))


def _conflicts(answer: Response) -> tuple[tuple[str, str], ...]:
    """Manager and field, for fields with another value than in dist/."""
    if answer.status != 409:
        return ()
    causes = (answer.content.get("details") or {}).get("causes") or ()
    found = [
        (match["manager"], str(cause.get("field", "")).removeprefix("."))
        for cause in causes
        if (match := _CONFLICT.search(cause.get("message", "")))
    ]
    return tuple(found)


_CONTROLLERS = re.compile(
    r"argocd-.*|kube-.*|kubelet|Reloader|kubectl-rollout|external-secrets.*|controller"
    r"|gnosis-analytics-ops|cluster-autoscaler|karpenter|before-first-apply"
)
"""Field managers that may change objects of dist/; `controller` is the AWS Load Balancer
Controller."""


_IGNORED = ("force-sync", "kubernetes.io/metadata.name", *CONTROLLER_ANNOTATIONS)
"""Labels and annotations that are not drift; `force-sync` makes External Secrets refresh."""


def _kept(content: Manifest) -> list[tuple[str, str]]:
    return [
        (manager, spell(path))
        for manager in owned(content)
        if manager not in (ARGO_CD, CLIENT_SIDE_APPLY) and not _CONTROLLERS.fullmatch(manager)
        for path in ownership.exclusive_fields(manager, content)
        if path[-1] not in _IGNORED
    ]
