"""Findings about a cluster that a comparison of the objects cannot show."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from constructs_lib.manifests.network import hosts
from constructs_lib.manifests.objects import Key, Object, Objects, at
from constructs_lib.manifests.references import keys_of, repository, secret_of, secret_type
from constructs_lib.manifests.workload import Update, Workload, workloads
from constructs_lib.model import Manifest
from constructs_lib.model.text import plural
from ops.review.live.dry_run import TRACKING_ANNOTATION, DryRun, data_keys
from ops.review.live.reading import KNOWN, SECRET, ClusterState
from ops.review.model import HIGH, LOW, MEDIUM, Finding, Findings, Risk, Severity, effect, listed

_MOST = 6
"""How many fields or names a finding lists."""
_MAX_LENGTH = 300
_NO_DRY_RUN = "does not support dry run"
_SUBJECT = re.compile(r'^[\w.-]+ "[^"]+" is (invalid|forbidden): ')
_VALUE = re.compile(r"Invalid value: .*?: (?=field|spec|may|must|updates)", re.DOTALL)


def cluster_findings(
    state: ClusterState, runs: list[DryRun], before: Objects, after: Objects
) -> Findings:
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


@effect(risk="replace")
def sync_refused(run: DryRun) -> Findings:
    """The API server refuses an object of dist/, or does not know its kind: the sync fails."""
    if run.served_versions is not None:
        remedy = "install its CRD"
        if run.served_versions:
            served = listed(run.served_versions)
            remedy = f"it serves {served}; set the version in catalogue/target.py"
        version = run.declared.manifest["apiVersion"]
        yield Finding(HIGH, f"the cluster does not serve {version}: {remedy}")
    elif run.refusal is not None and _NO_DRY_RUN not in run.refusal:
        what = "refuses to change it" if run.stored else "refuses to create it"
        text = f"the API server {what}, so the sync fails: {_brief(run.refusal)}"
        advice = KNOWN["advice"].items()
        remedy = next((does for error, does in advice if re.search(error, run.refusal)), "")
        if remedy.startswith("delete it") and run.key.kind in KNOWN["deletion"]:
            remedy = f"{remedy} ({KNOWN['deletion'][run.key.kind]})"
        yield Finding(HIGH, f"{text}{remedy and f'; {remedy}'}")


@effect(risk="unknown")
def object_not_compared(run: DryRun) -> Findings:
    """The review cannot see all that a sync does with an object of dist/."""
    if run.refusal and _NO_DRY_RUN in run.refusal:
        yield Finding(HIGH, f"could not be checked: {_brief(run.refusal)}")
    if run.unreadable:
        remedy = "compare it with `kubectl diff --server-side`"
        yield Finding(HIGH, f"cannot be compared ({run.unreadable}); {remedy}")
    if (run.key.group, run.key.kind) == SECRET:
        text = "is in dist/, but its values are not compared"
        yield Finding(MEDIUM, f"{text}: the review does not read Secret values")


@effect(risk="update")
def fields_of_others(run: DryRun) -> Findings:
    """Fields that others set stay, or Argo CD takes them over."""
    for manager, fields in run.taken_over.items():
        yield Finding(LOW, f"Argo CD takes over fields from {manager}: {listed(fields, _MOST)}")
    for manager, fields in run.left.items():
        if fields:
            text = f"fields set by {manager} stay, because dist/ does not set them"
            yield Finding(MEDIUM, f"{text}: {listed(fields, _MOST)}")


@effect(risk="update")
def api_server_warns(run: DryRun) -> Findings:
    """The API server accepts an object of dist/ with a warning."""
    if any("existing pods in namespace" in warning for warning in run.warnings):
        text = (
            "running pods are rejected at their next start, for example on another node: "
            f"{'; '.join(map(_brief, run.warnings))}; the sync replaces pods of dist/; correct "
            "or remove the others first"
        )
        yield Finding(HIGH, text, risk=Risk.DOWNTIME)
        return
    for warning in run.warnings:
        text = f"the API server warns: {_brief(warning)}"
        if "unknown field" in warning:
            yield Finding(HIGH, text, risk=Risk.UNKNOWN)
        elif run.before != run.after:
            yield Finding(LOW, text)


def _brief(message: str) -> str:
    """A message on one line, without the object and quoted values."""
    line = " ".join(_VALUE.sub("", _SUBJECT.sub("", message)).split())
    return line if len(line) <= _MAX_LENGTH else f"{line[: _MAX_LENGTH - 1]}…"


@effect(risk="unknown")
def namespace_missing(runs: list[DryRun]) -> Findings:
    """The objects of a namespace that does not exist yet cannot be checked."""
    waiting = Counter(run.key.namespace for run in runs if run.in_missing_namespace)
    for namespace, count in waiting.items():
        text = (
            f"does not exist yet, so {plural(count, 'object')} in it could not be checked; the "
            "review shows them as in dist/"
        )
        yield Finding(MEDIUM, text, key=Key("", "Namespace", "", namespace))


@effect(risk="replace")
def object_synced_twice(state: ClusterState) -> Findings:
    """Two Applications that sync the same object overwrite each other, or delete it."""
    ours = {"", *(item.name for item in state.declared.of_kinds("Application"))}
    for key in state.declared.objects:
        annotations = at(state.stored.get(key, {}), "metadata", "annotations")
        noted = annotations.get(TRACKING_ANNOTATION, "").partition(":")[0]
        for name in dict.fromkeys([*state.trackers.get(key, ()), noted]):
            if name not in ours:
                text = (
                    f"Application {name} syncs it too: they overwrite each other, and {name} may "
                    f"delete it; remove it from {name} first, with Prune=false on the object"
                )
                yield Finding(HIGH, text, key=key)


@effect(risk="secret")
def secret_taken_over(state: ClusterState) -> Findings:
    """An ExternalSecret takes over a Secret that was created by hand, with its keys only."""
    for owner in state.declared.of_kinds("ExternalSecret"):
        if at(owner.spec, "target").get("creationPolicy", "Owner") != "Owner":
            continue
        key = Key("", "Secret", owner.namespace, secret_of(owner.manifest))
        secret = state.stored.get(key, {})
        if "type" not in secret:  # does not exist, or outside the namespaces of dist/
            continue
        references = secret["metadata"].get("ownerReferences") or ()
        owners = [(reference["kind"], reference["name"]) for reference in references]
        if ("ExternalSecret", owner.name) not in owners:
            for severity, text in _adopted(secret, owner):
                yield Finding(severity, text, key=key)


def _adopted(secret: Manifest, declared: Object) -> Iterator[tuple[Severity, str]]:
    owner, wanted = f"ExternalSecret {declared.name}", secret_type(declared.manifest)
    if secret["type"] != wanted:
        text = (
            f"has type {secret['type']}, but {owner} creates {wanted}: the type cannot change, so"
        )
        yield HIGH, f"{text} its sync fails until the Secret is deleted"
    text = f"was created by hand: {owner} takes it over and sets its values from SSM"
    (provided,) = keys_of(Objects([declared])).values()
    keys = data_keys(secret["metadata"])
    if keys is None or provided is None:
        yield HIGH, f"{text}; the review cannot see which keys it loses"
    elif lost := listed(sorted(keys - provided), _MOST):
        remedy = "add them to the service's parameters, or make sure that no pod reads them"
        yield HIGH, f"{text}; it loses {lost}: {remedy}"
    else:
        yield MEDIUM, f"{text}; it keeps all its keys"


@effect(risk="exposure")
def host_served_twice(state: ClusterState, before: Objects, ours: Objects) -> Findings:
    """An Ingress outside dist/ serves a host of dist/: DNS decides which one gets the traffic."""
    own = {host: ingress for ingress in ours.of_kinds("Ingress") for host in hosts(ingress)}
    for ingress in before.of_kinds("Ingress"):
        for host in hosts(ingress) if ingress.key in state.outside else ():
            if host in own and host != "*":
                text = (
                    f"serves {host}, as {own[host].key} does: the DNS record decides which load "
                    "balancer gets the traffic; point it to the new one, then delete this Ingress"
                )
                yield Finding(HIGH, text, key=ingress.key)


@effect(risk="capacity")
def work_duplicated(state: ClusterState, before: Objects, ours: Objects) -> Findings:
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
            yield Finding(HIGH if same else MEDIUM, text, risk=Risk.SCHEDULE, key=other.key)
        elif similar:
            single = any(workload.update is Update.RECREATE for workload in similar)
            text = f"runs the same image as {names}"
            text += ", which must not run twice" if single else ""
            text += ": scale it down or delete it when the one in dist/ is ready"
            yield Finding(HIGH if single else MEDIUM, text, key=other.key)


def _command(workload: Workload) -> list[tuple[object, object]]:
    return [(container.get("command"), container.get("args")) for container in workload.containers]


@effect(risk="noise")
def object_outside_dist(state: ClusterState, ours: Objects) -> Findings:
    """Argo CD does not change objects that are not in dist/."""
    for key in state.outside:
        if key not in keys_of(ours):
            syncing = " and ".join(state.trackers.get(key, ()))
            who = f"Application {syncing} syncs it" if syncing else "Argo CD does not change it"
            yield Finding(LOW, f"is not in dist/; {who}", key=key)


@effect(risk="unknown")
def kinds_not_listed(state: ClusterState) -> Findings:
    """Objects outside dist/ of kinds that cannot be listed are not checked."""
    for namespace in state.declared.of_kinds("Namespace") if state.unlisted else ():
        text = (
            "other objects in it could not be checked: this context cannot list "
            f"{listed(state.unlisted, _MOST)}"
        )
        yield Finding(MEDIUM, text, key=namespace.key)
