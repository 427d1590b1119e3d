"""Objects that are not in dist/: other Applications, existing Secrets, duplicate workloads."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.manifests.objects import Key, Object, Objects
from constructs_lib.manifests.references import keys_of, repository, secret_of, secret_type
from constructs_lib.manifests.routes import paths
from constructs_lib.manifests.workload import Update, Workload, workloads
from constructs_lib.model import Manifest as Stored
from ops.review.live.ownership import data_keys
from ops.review.live.snapshot import Snapshot, key_of
from ops.review.live.stored import TRACKING_ANNOTATION
from ops.review.model import Finding, Risk, Severity
from ops.review.wording import listed

_MAX_LISTED = 6
_HIGH, _MEDIUM, _LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW


def observed(snapshot: Snapshot, before: Objects, after: Objects) -> Iterator[Finding]:
    yield from _tracked(snapshot)
    yield from _secrets(snapshot)
    yield from _neighbors(snapshot, before, after)
    yield from _unseen(snapshot)


def _tracked(snapshot: Snapshot) -> Iterator[Finding]:
    """Objects of dist/ that another Application syncs, too."""
    ours = {one.declared.name for one in snapshot.trials if one.declared.kind == "Application"}
    for trial in snapshot.trials:
        noted = (trial.stored or {}).get("metadata", {}).get("annotations") or {}
        named = noted.get(TRACKING_ANNOTATION, "").partition(":")[0]
        trackers = snapshot.trackers.get(trial.declared.key, ())
        for name in dict.fromkeys([*trackers, *([named] if named else [])]):
            if name not in ours:
                text = (
                    f"Application {name} syncs it too: they overwrite each other, and {name} may "
                    f"delete it; remove it from {name} first, with Prune=false on the object"
                )
                yield Finding(Risk.REPLACE, _HIGH, trial.declared.key, text)


def _secrets(snapshot: Snapshot) -> Iterator[Finding]:
    """Secrets created by hand that an ExternalSecret will own."""
    for trial in snapshot.trials:
        declared = trial.declared
        target = declared.spec.get("target") or {}
        if declared.kind != "ExternalSecret" or target.get("creationPolicy", "Owner") != "Owner":
            continue
        secret = snapshot.secrets.get((declared.namespace, secret_of(declared.manifest)))
        if secret and not _is_owned(secret["metadata"], declared.name):
            for severity, text in _adopted(secret, declared):
                yield Finding(Risk.SECRET, severity, key_of(secret), text)


def _is_owned(metadata: Stored, name: str) -> bool:
    owners = metadata.get("ownerReferences") or ()
    return any((one["kind"], one["name"]) == ("ExternalSecret", name) for one in owners)


def _adopted(secret: Stored, declared: Object) -> Iterator[tuple[Severity, str]]:
    owner = f"ExternalSecret {declared.name}"
    wanted = secret_type(declared.manifest)
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
    elif lost := listed(sorted(keys - provided), _MAX_LISTED):
        remedy = "add them to the service's parameters, or make sure that no pod reads them"
        yield _HIGH, f"{text}; it loses {lost}: {remedy}"
    else:
        yield _MEDIUM, f"{text}; it keeps all its keys"


def _neighbors(snapshot: Snapshot, before: Objects, after: Objects) -> Iterator[Finding]:
    """Other objects in the namespaces of dist/, and duplicates among them."""
    declared = {trial.declared.key for trial in snapshot.trials}
    ours = Objects(item for item in after if item.key in declared)
    hosts = {host: item for item in ours.of_kinds("Ingress") for host in _hosts(item)}
    others = {one.key: one for one in workloads(before)}
    secrets = {Key("", "Secret", *place) for place in keys_of(ours)}
    for key in map(key_of, snapshot.neighbors):
        if key in secrets:
            continue
        if key.kind == "Ingress":
            yield from _second_ingress(before.get(key), hosts)
        elif key in others:
            yield from _same_image(others[key], ours)
        syncing = " and ".join(snapshot.trackers.get(key, ()))
        text = (
            f"is not in dist/; Application {syncing} syncs it"
            if syncing
            else "is not in dist/; Argo CD does not change it"
        )
        yield Finding(Risk.NOISE, _LOW, key, text)


def _hosts(ingress: Object) -> dict[str, None]:
    return dict.fromkeys(path.host for path in paths(ingress) if path.host)


def _second_ingress(ingress: Object | None, hosts: dict[str, Object]) -> Iterator[Finding]:
    for host in _hosts(ingress) if ingress else ():
        if ingress and host in hosts:
            text = (
                f"serves {host}, as {hosts[host].key} does: the DNS record decides which load "
                "balancer gets the traffic; point it to the new one, then delete this Ingress"
            )
            yield Finding(Risk.EXPOSURE, _HIGH, ingress.key, text)


def _same_image(other: Workload, ours: Objects) -> Iterator[Finding]:
    """Another workload with an image of dist/, which may do the same work twice."""
    images = set(map(repository, other.images))
    similar = [
        one
        for one in workloads(ours)
        if images & set(map(repository, one.images))
        and (one.kind == "CronJob") == (other.kind == "CronJob")
    ]
    if not similar:
        return
    same = [one for one in similar if _command(one) == _command(other)]
    names = listed([str(one) for one in same or similar])
    if other.kind == "CronJob":
        start = "runs the same command as" if same else "runs the same image as"
        text = f"{start} {names}: suspend or delete it when the one in dist/ runs"
        yield Finding(Risk.SCHEDULE, _HIGH if same else _MEDIUM, other.key, text)
        return
    single = any(one.update is Update.RECREATE for one in similar)
    text = f"runs the same image as {names}"
    text += ", which must not run twice" if single else ""
    text += ": scale it down or delete it when the one in dist/ is ready"
    yield Finding(Risk.CAPACITY, _HIGH if single else _MEDIUM, other.key, text)


def _command(workload: Workload) -> list[tuple[object, object]]:
    return [(one.get("command"), one.get("args")) for one in workload.containers]


def _unseen(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.unseen:
        text = (
            "other objects in it could not be checked: this context cannot list "
            f"{listed(snapshot.unseen, _MAX_LISTED)}"
        )
        for trial in snapshot.trials:
            if trial.declared.kind == "Namespace":
                yield Finding(Risk.UNKNOWN, _MEDIUM, trial.declared.key, text)
