"""What Argo CD's next sync would make of each object of dist/: the API server's own word."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from constructs_lib.manifests.objects import Object as Declared
from constructs_lib.manifests.workload import remade_with_each_sync
from ops.cluster import Answer, Object
from ops.cluster.discovery import Resource
from ops.review.live.ownership import ARGO_CD, CLIENT_SIDE_APPLY, alone, merge_patch, owned, without
from ops.review.live.server import Server
from ops.review.live.stored import NOTED_ANNOTATIONS, plain
from ops.review.model import spell
from ops.review.shapes import misshapen

_CONFLICT = re.compile(r'conflict with "(?P<manager>[^"]+)"')
_PROBE = "-review"
"""Ends the name under which a Job is tried that is there already."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One object of dist/, and what a sync does with it."""

    declared: Declared
    stored: Object | None = None
    """As it is in the cluster, with all that the server notes in it; None if it is not there."""
    before: Object | None = None
    after: Object | None = None
    """As a sync leaves it; None where the server refuses to create it."""
    refusal: str | None = None
    """Why the server refuses, in its words."""
    unserved: bool = False
    """Whether the server does not serve its kind in this version."""
    untried: bool = False
    """Whether its namespace is not there yet, so that `after` is what dist/ states."""
    taken: tuple[tuple[str, str], ...] = ()
    """Field manager and field that Argo CD takes over by force."""
    kept: tuple[tuple[str, str], ...] = ()
    """Field manager and field that dist/ does not state, and that stay."""
    warnings: tuple[str, ...] = ()

    @property
    def unreadable(self) -> str | None:
        """Why the rules cannot read what the cluster holds, if they cannot."""
        return misshapen(self.before) or misshapen(self.after)

    @property
    def changes(self) -> bool:
        """Whether a sync does anything to it."""
        return self.before != self.after


def attempt(server: Server, declared: Declared, stored: Object | None) -> Trial:
    """Try an object, changing nothing."""
    key = declared.key
    resource = server.served.resources.get((declared.manifest["apiVersion"], key.kind))
    if not resource:
        return Trial(declared=declared, unserved=True, refusal="")
    before = plain(stored, declared) if stored else None
    trial = partial(Trial, declared=declared, stored=stored, before=before)
    if remade_with_each_sync(declared):
        answer = _remade(server, resource, declared, stored)
    else:
        answer = server.applied(resource, declared.manifest, force=False)
    taken = _conflicts(answer)
    if taken:
        answer = server.applied(resource, declared.manifest, force=True)
    if answer.accepted and stored:
        answer = _migrated(server, resource, answer, stored)
    if not answer.accepted:
        if answer.status == 404:
            return trial(after=plain(declared.manifest, declared), untried=True)
        return trial(after=before, refusal=answer.message, warnings=answer.warnings)
    after = plain(
        {**answer.content, "kind": key.kind, "apiVersion": resource.api_version}, declared
    )
    after["metadata"]["name"] = key.name
    return trial(
        after=after, taken=taken, kept=tuple(_kept(answer.content)), warnings=answer.warnings
    )


def _remade(
    server: Server, resource: Resource, declared: Declared, stored: Object | None
) -> Answer:
    """What Argo CD deletes first is tried as a new object, under a name that is free."""
    if not stored:
        return server.created(resource, declared.manifest)
    name = f"{declared.key.name[: 63 - len(_PROBE)]}{_PROBE}"
    metadata = {**declared.manifest["metadata"], "name": name}
    return server.created(resource, {**declared.manifest, "metadata": metadata})


def _migrated(server: Server, resource: Resource, answer: Answer, stored: Object) -> Answer:
    """After the first server-side apply, kubectl gives up what `kubectl apply` alone owned."""
    if CLIENT_SIDE_APPLY not in owned(answer.content):
        return answer
    left = without(CLIENT_SIDE_APPLY, answer.content)
    patch = merge_patch(plain(stored), plain(left))
    if not patch:
        return answer
    metadata = stored["metadata"]
    again = server.merged(resource, metadata.get("namespace", ""), metadata["name"], patch)
    managers = left["metadata"].get("managedFields") or ()
    kept = [one for one in managers if one.get("manager") != CLIENT_SIDE_APPLY]
    if again.accepted:
        again.content["metadata"]["managedFields"] = kept
    return Answer(again.status, again.content, (*answer.warnings, *again.warnings))


def _conflicts(answer: Answer) -> tuple[tuple[str, str], ...]:
    """Who owns fields that dist/ states otherwise."""
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
"""The field managers of programs whose business it is; `controller` is the AWS Load Balancer
Controller."""


_NOTED = ("force-sync", "kubernetes.io/metadata.name", *NOTED_ANNOTATIONS)
"""Labels and annotations that are no drift: `force-sync` has External Secrets read at once."""


def _kept(content: Object) -> list[tuple[str, str]]:
    return [
        (manager, spell(path))
        for manager in owned(content)
        if manager not in (ARGO_CD, CLIENT_SIDE_APPLY) and not _CONTROLLERS.fullmatch(manager)
        for path in alone(manager, content)
        if path[-1] not in _NOTED
    ]
