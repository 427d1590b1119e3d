"""Findings from the API server's answers: refusals, field owners, warnings."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from constructs_lib.manifests.objects import Key
from constructs_lib.model.text import plural
from ops.review.live.snapshot import Snapshot
from ops.review.live.trial import Trial
from ops.review.model import Finding, Risk, Severity
from ops.review.wording import listed

_MAX_FIELDS = 6
_HIGH, _MEDIUM, _LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW
_NO_DRY_RUN = "does not support dry run"
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


def observed(snapshot: Snapshot) -> Iterator[Finding]:
    """Findings that a comparison of the objects cannot show."""
    for trial in snapshot.trials:
        yield from _refused(trial, snapshot)
        yield from _unreadable(trial)
        yield from _owners(trial)
        yield from _warned(trial)
        yield from _masked(trial)
    yield from _untried(snapshot)


def unserved(snapshot: Snapshot) -> str | None:
    """A sentence about kinds that the cluster does not serve; None if it serves all."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for trial in snapshot.trials:
        if trial.unserved:
            kinds[trial.declared.manifest["apiVersion"]].append(trial.declared.kind)
    if not kinds:
        return None
    named = [f"{', '.join(sorted(set(each)))} of {version}" for version, each in kinds.items()]
    count = plural(sum(map(len, kinds.values())), "object")
    return (
        f"the cluster does not serve {'; '.join(named)}: {count} of dist/ could not be compared; "
        "install their CRDs, or set the versions in catalogue/target.py"
    )


def _refused(trial: Trial, snapshot: Snapshot) -> Iterator[Finding]:
    if trial.refusal is None:
        return
    declared = trial.declared
    if trial.unserved:
        versions = snapshot.versions[declared.key.group, declared.kind]
        remedy = (
            f"it serves {listed(versions)}; set the version in catalogue/target.py"
            if versions
            else "install its CRD"
        )
        text = f"the cluster does not serve {declared.manifest['apiVersion']}: {remedy}"
        yield Finding(Risk.REPLACE, _HIGH, declared.key, text)
        return
    if _NO_DRY_RUN in trial.refusal:
        text = f"could not be checked: {_brief(trial.refusal)}"
        yield Finding(Risk.UNKNOWN, _HIGH, declared.key, text)
        return
    what = "refuses to change it" if trial.stored else "refuses to create it"
    text = f"the API server {what}, so the sync fails: {_brief(trial.refusal)}"
    remedy = _remedy(trial)
    yield Finding(Risk.REPLACE, _HIGH, declared.key, f"{text}{remedy and f'; {remedy}'}")


def _unreadable(trial: Trial) -> Iterator[Finding]:
    if trial.unreadable:
        text = (
            f"cannot be compared ({trial.unreadable}); compare it with `kubectl diff --server-side`"
        )
        yield Finding(Risk.UNKNOWN, _HIGH, trial.declared.key, text)


def _remedy(trial: Trial) -> str:
    for pattern, advice in _ADVICE.items():
        if re.search(pattern, trial.refusal or ""):
            detail = _ADVICE_BY_KIND.get(trial.declared.kind) if "delete it" in advice else None
            return f"{advice} ({detail})" if detail else advice
    return ""


_MAX_LENGTH = 300
_SUBJECT = re.compile(r'^[\w.-]+ "[^"]+" is (invalid|forbidden): ')
_VALUE = re.compile(r"Invalid value: .*?: (?=field|spec|may|must|updates)", re.DOTALL)


def _brief(message: str) -> str:
    """A message on one line, without the object and quoted values."""
    line = " ".join(_VALUE.sub("", _SUBJECT.sub("", message)).split())
    return line if len(line) <= _MAX_LENGTH else f"{line[: _MAX_LENGTH - 1]}…"


def _owners(trial: Trial) -> Iterator[Finding]:
    for manager, fields in _by_manager(trial.taken).items():
        text = f"Argo CD takes over fields from {manager}: {listed(fields, _MAX_FIELDS)}"
        yield Finding(Risk.UPDATE, _LOW, trial.declared.key, text)
    for manager, fields in _by_manager(trial.kept).items():
        text = (
            f"fields set by {manager} stay, because dist/ does not set them: "
            f"{listed(fields, _MAX_FIELDS)}"
        )
        yield Finding(Risk.UPDATE, _MEDIUM, trial.declared.key, text)


def _by_manager(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = defaultdict(list)
    for manager, name in pairs:
        fields[manager].append(name)
    return fields


_EXISTING_PODS = "existing pods in namespace"
_IGNORED_FIELD = "unknown field"


def _warned(trial: Trial) -> Iterator[Finding]:
    if any(_EXISTING_PODS in warning for warning in trial.warnings):
        text = (
            "running pods are rejected at their next start, for example on another node: "
            f"{'; '.join(map(_brief, trial.warnings))}; the sync replaces pods of dist/; correct "
            "or remove the others first"
        )
        yield Finding(Risk.DOWNTIME, _HIGH, trial.declared.key, text)
        return
    for warning in trial.warnings:
        text = f"the API server warns: {_brief(warning)}"
        if _IGNORED_FIELD in warning:
            yield Finding(Risk.UNKNOWN, _HIGH, trial.declared.key, text)
        elif trial.changes:
            yield Finding(Risk.UPDATE, _LOW, trial.declared.key, text)


def _masked(trial: Trial) -> Iterator[Finding]:
    if (trial.declared.key.group, trial.declared.kind) == ("", "Secret"):
        text = (
            "is in dist/, but its values are not compared: the review does not read Secret values"
        )
        yield Finding(Risk.UNKNOWN, _MEDIUM, trial.declared.key, text)


def _untried(snapshot: Snapshot) -> Iterator[Finding]:
    waiting: dict[str, int] = defaultdict(int)
    for trial in snapshot.trials:
        if trial.untried:
            waiting[trial.declared.namespace] += 1
    for namespace, count in waiting.items():
        text = (
            f"does not exist yet, so {plural(count, 'object')} in it could not be checked; the "
            "review shows them as in dist/"
        )
        yield Finding(Risk.UNKNOWN, _MEDIUM, Key("", "Namespace", "", namespace), text)
