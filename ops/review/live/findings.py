"""Findings about a cluster that a comparison of the objects cannot show."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from constructs_lib.manifests.network import paths
from constructs_lib.manifests.objects import Key, Object, Objects
from constructs_lib.manifests.references import keys_of, repository, secret_of, secret_type
from constructs_lib.manifests.workload import Update, Workload, workloads
from constructs_lib.model import Manifest
from constructs_lib.model.text import plural
from ops.review.live.dry_run import DryRun
from ops.review.live.normalize import TRACKING_ANNOTATION, data_keys
from ops.review.live.reading import SECRET, ClusterState
from ops.review.model import HIGH, LOW, MEDIUM, Finding, Risk, Severity, effect
from ops.review.wording import listed

_MOST = 6
"""How many fields or names a finding lists."""
_MAX_LENGTH = 300
_NO_DRY_RUN = "does not support dry run"
_SUBJECT = re.compile(r'^[\w.-]+ "[^"]+" is (invalid|forbidden): ')
_VALUE = re.compile(r"Invalid value: .*?: (?=field|spec|may|must|updates)", re.DOTALL)
_ADVICE = {
    r"quota": "raise the quota of the namespace, or free capacity in it",
    r"PodSecurity": "correct its securityContext, or the Pod Security level of the namespace",
    r"no matches for kind|could not find the requested resource": "install its CRD",
    r"failed calling webhook": "check the controller that serves the webhook",
    r"immutable|[Ff]orbidden: updates|cannot be (changed|updated)|is not allowed to change": (
        "delete it first, or leave the field unchanged"
    ),
}
"""What to do, by error message."""
_ADVICE_BY_KIND = {
    "Deployment": "`kubectl delete --cascade=orphan` keeps its pods running; delete the old "
    "ReplicaSet when the new pods are ready",
    "PersistentVolumeClaim": "deleting it loses the data; set its current class and size instead",
}
"""How to delete an object of a kind first."""


def cluster_findings(
    state: ClusterState, runs: list[DryRun], before: Objects, after: Objects
) -> Iterator[Finding]:
    """All findings; `before` and `after` are the objects of both revisions."""
    for of_run in (sync_refused, object_not_compared, fields_of_others, api_server_warns):
        for run in runs:
            yield from of_run(run)
    yield from namespace_missing(runs)
    yield from object_synced_twice(state)
    yield from secret_taken_over(state)
    ours = Objects(item for item in after if item.key in state.declared.objects)
    yield from host_served_twice(state, before, ours)
    yield from work_duplicated(state, before, ours)
    yield from object_outside_dist(state, ours)
    yield from kinds_not_listed(state)


def unserved(runs: list[DryRun]) -> str | None:
    """A sentence about kinds that the cluster does not serve; None if it serves all."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for run in runs:
        if run.served_versions is not None:
            kinds[run.declared.manifest["apiVersion"]].append(run.declared.kind)
    if not kinds:
        return None
    named = [f"{', '.join(sorted(set(names)))} of {version}" for version, names in kinds.items()]
    count = plural(sum(map(len, kinds.values())), "object")
    return (
        f"the cluster does not serve {'; '.join(named)}: {count} of dist/ could not be compared; "
        "install their CRDs, or set the versions in catalogue/target.py"
    )


@effect
def sync_refused(run: DryRun) -> Iterator[Finding]:
    """The API server refuses an object of dist/, or does not know its kind: the sync fails."""
    key = run.declared.key
    if run.served_versions is not None:
        remedy = (
            f"it serves {listed(run.served_versions)}; set the version in catalogue/target.py"
            if run.served_versions
            else "install its CRD"
        )
        version = run.declared.manifest["apiVersion"]
        text = f"the cluster does not serve {version}: {remedy}"
        yield Finding(Risk.REPLACE, HIGH, key, text)
    elif run.refusal is not None and _NO_DRY_RUN not in run.refusal:
        what = "refuses to change it" if run.stored else "refuses to create it"
        text = f"the API server {what}, so the sync fails: {_brief(run.refusal)}"
        remedy = next((_ADVICE[error] for error in _ADVICE if re.search(error, run.refusal)), "")
        if remedy.startswith("delete it") and key.kind in _ADVICE_BY_KIND:
            remedy = f"{remedy} ({_ADVICE_BY_KIND[key.kind]})"
        yield Finding(Risk.REPLACE, HIGH, key, f"{text}{remedy and f'; {remedy}'}")


@effect
def object_not_compared(run: DryRun) -> Iterator[Finding]:
    """The review cannot see all that a sync does with an object of dist/."""
    key = run.declared.key
    if run.refusal and _NO_DRY_RUN in run.refusal:
        text = f"could not be checked: {_brief(run.refusal)}"
        yield Finding(Risk.UNKNOWN, HIGH, key, text)
    if run.unreadable:
        text = f"cannot be compared ({run.unreadable})"
        text += "; compare it with `kubectl diff --server-side`"
        yield Finding(Risk.UNKNOWN, HIGH, key, text)
    if (key.group, key.kind) == SECRET:
        text = "is in dist/, but its values are not compared"
        text += ": the review does not read Secret values"
        yield Finding(Risk.UNKNOWN, MEDIUM, key, text)


@effect
def fields_of_others(run: DryRun) -> Iterator[Finding]:
    """Fields that others set stay, or Argo CD takes them over."""
    for manager, fields in _by_manager(run.taken_over):
        text = f"Argo CD takes over fields from {manager}: {fields}"
        yield Finding(Risk.UPDATE, LOW, run.declared.key, text)
    for manager, fields in _by_manager(run.left):
        text = f"fields set by {manager} stay, because dist/ does not set them: {fields}"
        yield Finding(Risk.UPDATE, MEDIUM, run.declared.key, text)


def _by_manager(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    fields: dict[str, list[str]] = defaultdict(list)
    for manager, name in pairs:
        fields[manager].append(name)
    return ((manager, listed(names, _MOST)) for manager, names in fields.items())


@effect
def api_server_warns(run: DryRun) -> Iterator[Finding]:
    """The API server accepts an object of dist/ with a warning."""
    key = run.declared.key
    if any("existing pods in namespace" in warning for warning in run.warnings):
        text = (
            "running pods are rejected at their next start, for example on another node: "
            f"{'; '.join(map(_brief, run.warnings))}; the sync replaces pods of dist/; correct "
            "or remove the others first"
        )
        yield Finding(Risk.DOWNTIME, HIGH, key, text)
        return
    for warning in run.warnings:
        text = f"the API server warns: {_brief(warning)}"
        if "unknown field" in warning:
            yield Finding(Risk.UNKNOWN, HIGH, key, text)
        elif run.before != run.after:
            yield Finding(Risk.UPDATE, LOW, key, text)


def _brief(message: str) -> str:
    """A message on one line, without the object and quoted values."""
    line = " ".join(_VALUE.sub("", _SUBJECT.sub("", message)).split())
    return line if len(line) <= _MAX_LENGTH else f"{line[: _MAX_LENGTH - 1]}…"


@effect
def namespace_missing(runs: list[DryRun]) -> Iterator[Finding]:
    """The objects of a namespace that does not exist yet cannot be checked."""
    waiting = [run.declared.namespace for run in runs if run.in_missing_namespace]
    for namespace in dict.fromkeys(waiting):
        text = (
            f"does not exist yet, so {plural(waiting.count(namespace), 'object')} in it could not "
            "be checked; the review shows them as in dist/"
        )
        yield Finding(Risk.UNKNOWN, MEDIUM, Key("", "Namespace", "", namespace), text)


@effect
def object_synced_twice(state: ClusterState) -> Iterator[Finding]:
    """Two Applications that sync the same object overwrite each other, or delete it."""
    ours = {item.name for item in state.declared.of_kinds("Application")}
    for key in state.declared.objects:
        metadata = state.stored.get(key, {}).get("metadata", {})
        noted = (metadata.get("annotations") or {}).get(TRACKING_ANNOTATION, "").partition(":")[0]
        for name in dict.fromkeys([*state.trackers.get(key, ()), *filter(None, [noted])]):
            if name not in ours:
                text = (
                    f"Application {name} syncs it too: they overwrite each other, and {name} may "
                    f"delete it; remove it from {name} first, with Prune=false on the object"
                )
                yield Finding(Risk.REPLACE, HIGH, key, text)


@effect
def secret_taken_over(state: ClusterState) -> Iterator[Finding]:
    """An ExternalSecret takes over a Secret that was created by hand, with its keys only."""
    for owner in state.declared.of_kinds("ExternalSecret"):
        if (owner.spec.get("target") or {}).get("creationPolicy", "Owner") != "Owner":
            continue
        key = Key("", "Secret", owner.namespace, secret_of(owner.manifest))
        secret = state.stored.get(key, {})
        if "type" not in secret:  # does not exist, or outside the namespaces of dist/
            continue
        references = secret["metadata"].get("ownerReferences") or ()
        owners = [(reference["kind"], reference["name"]) for reference in references]
        if ("ExternalSecret", owner.name) not in owners:
            for severity, text in _adopted(secret, owner):
                yield Finding(Risk.SECRET, severity, key, text)


def _adopted(secret: Manifest, declared: Object) -> Iterator[tuple[Severity, str]]:
    owner, wanted = f"ExternalSecret {declared.name}", secret_type(declared.manifest)
    if secret["type"] != wanted:
        text = (
            f"has type {secret['type']}, but {owner} creates {wanted}: the type cannot change, so"
        )
        yield HIGH, f"{text} its sync fails until the Secret is deleted"
    text = f"was created by hand: {owner} takes it over and sets its values from SSM"
    provided = keys_of(Objects([declared]))[declared.namespace, secret["metadata"]["name"]]
    keys = data_keys(secret["metadata"])
    if keys is None or provided is None:
        yield HIGH, f"{text}; the review cannot see which keys it loses"
    elif lost := listed(sorted(keys - provided), _MOST):
        remedy = "add them to the service's parameters, or make sure that no pod reads them"
        yield HIGH, f"{text}; it loses {lost}: {remedy}"
    else:
        yield MEDIUM, f"{text}; it keeps all its keys"


@effect
def host_served_twice(state: ClusterState, before: Objects, ours: Objects) -> Iterator[Finding]:
    """An Ingress outside dist/ serves a host of dist/: DNS decides which one gets the traffic."""
    hosts = {host: own for own in ours.of_kinds("Ingress") for host in _hosts(own)}
    for ingress in before.of_kinds("Ingress"):
        for host in _hosts(ingress):
            if host in hosts and ingress.key in state.outside:
                text = (
                    f"serves {host}, as {hosts[host].key} does: the DNS record decides which load "
                    "balancer gets the traffic; point it to the new one, then delete this Ingress"
                )
                yield Finding(Risk.EXPOSURE, HIGH, ingress.key, text)


@effect
def work_duplicated(state: ClusterState, before: Objects, ours: Objects) -> Iterator[Finding]:
    """A workload outside dist/ with an image of dist/ may do the same work twice."""
    for other in workloads(before):
        if other.key not in state.outside:
            continue
        images = set(map(repository, other.images))
        similar = [
            workload
            for workload in workloads(ours)
            if images & set(map(repository, workload.images))
            and (workload.kind == "CronJob") == (other.kind == "CronJob")
        ]
        same = [workload for workload in similar if _command(workload) == _command(other)]
        names = listed([str(workload) for workload in same or similar])
        if similar and other.kind == "CronJob":
            start = "runs the same command as" if same else "runs the same image as"
            text = f"{start} {names}: suspend or delete it when the one in dist/ runs"
            yield Finding(Risk.SCHEDULE, HIGH if same else MEDIUM, other.key, text)
        elif similar:
            single = any(workload.update is Update.RECREATE for workload in similar)
            text = f"runs the same image as {names}"
            text += ", which must not run twice" if single else ""
            text += ": scale it down or delete it when the one in dist/ is ready"
            yield Finding(Risk.CAPACITY, HIGH if single else MEDIUM, other.key, text)


def _command(workload: Workload) -> list[tuple[object, object]]:
    return [(container.get("command"), container.get("args")) for container in workload.containers]


@effect
def object_outside_dist(state: ClusterState, ours: Objects) -> Iterator[Finding]:
    """Argo CD does not change objects that are not in dist/."""
    secrets = {Key("", "Secret", *place) for place in keys_of(ours)}
    for key in state.outside:
        if key not in secrets:
            syncing = " and ".join(state.trackers.get(key, ()))
            who = f"Application {syncing} syncs it" if syncing else "Argo CD does not change it"
            yield Finding(Risk.NOISE, LOW, key, f"is not in dist/; {who}")


@effect
def kinds_not_listed(state: ClusterState) -> Iterator[Finding]:
    """Objects outside dist/ of kinds that cannot be listed are not checked."""
    for namespace in state.declared.of_kinds("Namespace") if state.unlisted else ():
        text = (
            "other objects in it could not be checked: this context cannot list "
            f"{listed(state.unlisted, _MOST)}"
        )
        yield Finding(Risk.UNKNOWN, MEDIUM, namespace.key, text)


def _hosts(ingress: Object) -> dict[str, None]:
    return dict.fromkeys(path.host for path in paths(ingress) if path.host)
