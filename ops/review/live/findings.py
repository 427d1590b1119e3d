"""Findings about a cluster that a comparison of the objects cannot show."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from constructs_lib.manifests.objects import Key, Object, Objects
from constructs_lib.manifests.references import keys_of, repository, secret_of, secret_type
from constructs_lib.manifests.routes import paths
from constructs_lib.manifests.workload import Update, Workload, workloads
from constructs_lib.model import Manifest
from constructs_lib.model.text import plural
from ops.review.live.dry_run import DryRun
from ops.review.live.normalize import TRACKING_ANNOTATION, data_keys
from ops.review.live.reading import SECRET, ClusterState
from ops.review.model import Finding, Risk, Severity
from ops.review.wording import listed

_MOST = 6
"""How many fields or names a finding lists."""
_MAX_LENGTH = 300
_HIGH, _MEDIUM, _LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW
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
    for run in runs:
        for risk, severity, text in (*_refused(run), *_owned_by_others(run), *_warned(run)):
            yield Finding(risk, severity, run.declared.key, text)
    waiting = [run.declared.namespace for run in runs if run.in_missing_namespace]
    for namespace in dict.fromkeys(waiting):
        text = (
            f"does not exist yet, so {plural(waiting.count(namespace), 'object')} in it could not "
            "be checked; the review shows them as in dist/"
        )
        yield Finding(Risk.UNKNOWN, _MEDIUM, Key("", "Namespace", "", namespace), text)
    yield from _tracked(state)
    yield from _secrets(state)
    yield from _outside(state, before, after)
    for item in state.declared.of_kinds("Namespace") if state.unlisted else ():
        text = (
            "other objects in it could not be checked: this context cannot list "
            f"{listed(state.unlisted, _MOST)}"
        )
        yield Finding(Risk.UNKNOWN, _MEDIUM, item.key, text)


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


Facts = Iterator[tuple[Risk, Severity, str]]
"""Findings about one object."""


def _refused(run: DryRun) -> Facts:
    """What the API server, or the review, does not accept."""
    if run.served_versions is not None:
        remedy = (
            f"it serves {listed(run.served_versions)}; set the version in catalogue/target.py"
            if run.served_versions
            else "install its CRD"
        )
        version = run.declared.manifest["apiVersion"]
        yield Risk.REPLACE, _HIGH, f"the cluster does not serve {version}: {remedy}"
    elif run.refusal is not None and "does not support dry run" in run.refusal:
        yield Risk.UNKNOWN, _HIGH, f"could not be checked: {_brief(run.refusal)}"
    elif run.refusal is not None:
        what = "refuses to change it" if run.stored else "refuses to create it"
        text = f"the API server {what}, so the sync fails: {_brief(run.refusal)}"
        remedy = next((_ADVICE[error] for error in _ADVICE if re.search(error, run.refusal)), "")
        if remedy.startswith("delete it") and run.declared.kind in _ADVICE_BY_KIND:
            remedy = f"{remedy} ({_ADVICE_BY_KIND[run.declared.kind]})"
        yield Risk.REPLACE, _HIGH, f"{text}{remedy and f'; {remedy}'}"
    if run.unreadable:
        text = f"cannot be compared ({run.unreadable})"
        yield Risk.UNKNOWN, _HIGH, f"{text}; compare it with `kubectl diff --server-side`"
    if (run.declared.key.group, run.declared.kind) == SECRET:
        text = "is in dist/, but its values are not compared"
        yield Risk.UNKNOWN, _MEDIUM, f"{text}: the review does not read Secret values"


def _owned_by_others(run: DryRun) -> Facts:
    for manager, fields in _by_manager(run.taken_over):
        text = f"Argo CD takes over fields from {manager}: {fields}"
        yield Risk.UPDATE, _LOW, text
    for manager, fields in _by_manager(run.left):
        text = f"fields set by {manager} stay, because dist/ does not set them: {fields}"
        yield Risk.UPDATE, _MEDIUM, text


def _by_manager(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    fields: dict[str, list[str]] = defaultdict(list)
    for manager, name in pairs:
        fields[manager].append(name)
    return ((manager, listed(names, _MOST)) for manager, names in fields.items())


def _warned(run: DryRun) -> Facts:
    if any("existing pods in namespace" in warning for warning in run.warnings):
        text = (
            "running pods are rejected at their next start, for example on another node: "
            f"{'; '.join(map(_brief, run.warnings))}; the sync replaces pods of dist/; correct "
            "or remove the others first"
        )
        yield Risk.DOWNTIME, _HIGH, text
        return
    for warning in run.warnings:
        text = f"the API server warns: {_brief(warning)}"
        if "unknown field" in warning:
            yield Risk.UNKNOWN, _HIGH, text
        elif run.before != run.after:
            yield Risk.UPDATE, _LOW, text


def _brief(message: str) -> str:
    """A message on one line, without the object and quoted values."""
    line = " ".join(_VALUE.sub("", _SUBJECT.sub("", message)).split())
    return line if len(line) <= _MAX_LENGTH else f"{line[: _MAX_LENGTH - 1]}…"


def _tracked(state: ClusterState) -> Iterator[Finding]:
    """Objects of dist/ that another Application syncs, too."""
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
                yield Finding(Risk.REPLACE, _HIGH, key, text)


def _secrets(state: ClusterState) -> Iterator[Finding]:
    """Secrets created by hand that an ExternalSecret will own."""
    for item in state.declared.of_kinds("ExternalSecret"):
        if (item.spec.get("target") or {}).get("creationPolicy", "Owner") != "Owner":
            continue
        key = Key("", "Secret", item.namespace, secret_of(item.manifest))
        secret = state.stored.get(key)
        owners = secret["metadata"].get("ownerReferences") or () if secret else ()
        if secret and ("ExternalSecret", item.name) not in [(o["kind"], o["name"]) for o in owners]:
            for severity, text in _adopted(secret, item):
                yield Finding(Risk.SECRET, severity, key, text)


def _adopted(secret: Manifest, declared: Object) -> Iterator[tuple[Severity, str]]:
    owner, wanted = f"ExternalSecret {declared.name}", secret_type(declared.manifest)
    if secret["type"] != wanted:
        text = (
            f"has type {secret['type']}, but {owner} creates {wanted}: the type cannot change, so"
        )
        yield _HIGH, f"{text} its sync fails until the Secret is deleted"
    text = f"was created by hand: {owner} takes it over and sets its values from SSM"
    provided = keys_of(Objects([declared]))[declared.namespace, secret["metadata"]["name"]]
    keys = data_keys(secret["metadata"])
    if keys is None or provided is None:
        yield _HIGH, f"{text}; the review cannot see which keys it loses"
    elif lost := listed(sorted(keys - provided), _MOST):
        remedy = "add them to the service's parameters, or make sure that no pod reads them"
        yield _HIGH, f"{text}; it loses {lost}: {remedy}"
    else:
        yield _MEDIUM, f"{text}; it keeps all its keys"


def _outside(state: ClusterState, before: Objects, after: Objects) -> Iterator[Finding]:
    """Other objects in the namespaces of dist/, and duplicates among them."""
    ours = Objects(item for item in after if item.key in state.declared.objects)
    hosts = {host: item for item in ours.of_kinds("Ingress") for host in _hosts(item)}
    others = {workload.key: workload for workload in workloads(before)}
    secrets = {Key("", "Secret", *place) for place in keys_of(ours)}
    for key in state.outside:
        if key in secrets:
            continue
        ingress = before.get(key) if key.kind == "Ingress" else None
        for host in _hosts(ingress) if ingress else ():
            if host in hosts:
                text = (
                    f"serves {host}, as {hosts[host].key} does: the DNS record decides which load "
                    "balancer gets the traffic; point it to the new one, then delete this Ingress"
                )
                yield Finding(Risk.EXPOSURE, _HIGH, key, text)
        if key in others:
            yield from _same_image(others[key], ours)
        syncing = " and ".join(state.trackers.get(key, ()))
        who = f"Application {syncing} syncs it" if syncing else "Argo CD does not change it"
        yield Finding(Risk.NOISE, _LOW, key, f"is not in dist/; {who}")


def _same_image(other: Workload, ours: Objects) -> Iterator[Finding]:
    """Another workload with an image of dist/, which may do the same work twice."""
    images = set(map(repository, other.images))
    similar = [
        workload
        for workload in workloads(ours)
        if images & set(map(repository, workload.images))
        and (workload.kind == "CronJob") == (other.kind == "CronJob")
    ]
    if not similar:
        return
    same = [workload for workload in similar if _command(workload) == _command(other)]
    names = listed([str(workload) for workload in same or similar])
    if other.kind == "CronJob":
        start = "runs the same command as" if same else "runs the same image as"
        text = f"{start} {names}: suspend or delete it when the one in dist/ runs"
        yield Finding(Risk.SCHEDULE, _HIGH if same else _MEDIUM, other.key, text)
        return
    single = any(workload.update is Update.RECREATE for workload in similar)
    text = f"runs the same image as {names}"
    text += ", which must not run twice" if single else ""
    text += ": scale it down or delete it when the one in dist/ is ready"
    yield Finding(Risk.CAPACITY, _HIGH if single else _MEDIUM, other.key, text)


def _command(workload: Workload) -> list[tuple[object, object]]:
    return [(one.get("command"), one.get("args")) for one in workload.containers]


def _hosts(ingress: Object) -> dict[str, None]:
    return dict.fromkeys(path.host for path in paths(ingress) if path.host)
