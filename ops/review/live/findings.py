"""What the API server says of the objects of dist/: refusals, other owners, warnings."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from constructs_lib.manifests.objects import Key
from constructs_lib.wording import plural
from ops.review.live.snapshot import Snapshot
from ops.review.live.trial import Trial
from ops.review.model import Finding, Risk, Severity
from ops.review.wording import listed

_MOST = 6
_HIGH, _MEDIUM, _LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW
_NO_DRY_RUN = "does not support dry run"
_ADVICE = {
    r"quota": "raise the quota of the namespace, or make room in it",
    r"PodSecurity": "correct its security context, or the profile of the namespace",
    r"no matches for kind|could not find the requested resource": "install what defines its kind",
    r"failed calling webhook": "look at the controller that serves the webhook",
    r"immutable|[Ff]orbidden: updates|cannot be (changed|updated)|is not allowed to change": (
        "delete it first, or keep what cannot change as it is"
    ),
}
"""What to do, by what the server says."""
_ADVICE_BY_KIND = {
    "Deployment": "with `kubectl delete --cascade=orphan` its pods go on; delete its ReplicaSet "
    "once the new ones are ready",
    "PersistentVolumeClaim": "its deletion loses the data, so state the class and size that it has",
}


def observed(snapshot: Snapshot) -> Iterator[Finding]:
    """What the comparison of the two sides cannot tell."""
    for trial in snapshot.trials:
        yield from _refused(trial, snapshot)
        yield from _unreadable(trial)
        yield from _owners(trial)
        yield from _warned(trial)
        yield from _masked(trial)
    yield from _untried(snapshot)


def unserved(snapshot: Snapshot) -> str | None:
    """Which kinds the cluster does not serve, as a sentence; None where it serves all."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for trial in snapshot.trials:
        if trial.unserved:
            kinds[trial.declared.manifest["apiVersion"]].append(trial.declared.kind)
    if not kinds:
        return None
    named = [f"{', '.join(sorted(set(of)))} of {version}" for version, of in kinds.items()]
    count = plural(sum(map(len, kinds.values())), "object")
    return (
        f"the cluster does not serve {'; '.join(named)}: {count} of dist/ could not be compared; "
        "install what defines them, or set the versions in catalogue/target.py"
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
            else "install what defines it"
        )
        text = f"the cluster does not serve {declared.manifest['apiVersion']}: {remedy}"
        yield Finding(Risk.REPLACE, _HIGH, declared.key, text)
        return
    if _NO_DRY_RUN in trial.refusal:
        text = f"could not be tried: {_brief(trial.refusal)}"
        yield Finding(Risk.UNKNOWN, _HIGH, declared.key, text)
        return
    what = "refuses to change it" if trial.stored else "refuses to create it"
    text = f"the API server {what}, so the sync fails: {_brief(trial.refusal)}"
    remedy = _remedy(trial)
    yield Finding(Risk.REPLACE, _HIGH, declared.key, f"{text}{remedy and f'; {remedy}'}")


def _unreadable(trial: Trial) -> Iterator[Finding]:
    if trial.unreadable:
        text = (
            f"is in a form that this review does not read ({trial.unreadable}); compare it with "
            "`kubectl diff --server-side`"
        )
        yield Finding(Risk.UNKNOWN, _HIGH, trial.declared.key, text)


def _remedy(trial: Trial) -> str:
    for pattern, advice in _ADVICE.items():
        if re.search(pattern, trial.refusal or ""):
            more = _ADVICE_BY_KIND.get(trial.declared.kind) if "delete it" in advice else None
            return f"{advice} ({more})" if more else advice
    return ""


_LONGEST = 300
_SUBJECT = re.compile(r'^[\w.-]+ "[^"]+" is (invalid|forbidden): ')
_VALUE = re.compile(r"Invalid value: .*?: (?=field|spec|may|must|updates)", re.DOTALL)


def _brief(message: str) -> str:
    """A message on one line, without its object and the values that it quotes at length."""
    line = " ".join(_VALUE.sub("", _SUBJECT.sub("", message)).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _owners(trial: Trial) -> Iterator[Finding]:
    for manager, fields in _by_manager(trial.taken).items():
        text = f"Argo CD takes over from {manager}: {listed(fields, _MOST)}"
        yield Finding(Risk.UPDATE, _LOW, trial.declared.key, text)
    for manager, fields in _by_manager(trial.kept).items():
        text = (
            f"stays as {manager} wrote it, since dist/ does not state it: {listed(fields, _MOST)}"
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
            "pods that run now are refused when they start again, as on another node: "
            f"{'; '.join(map(_brief, trial.warnings))}; those of dist/ are replaced, correct or "
            "remove the others first"
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
        text = "is in dist/, and its values are not compared: no value of a Secret is read"
        yield Finding(Risk.UNKNOWN, _MEDIUM, trial.declared.key, text)


def _untried(snapshot: Snapshot) -> Iterator[Finding]:
    waiting: dict[str, int] = defaultdict(int)
    for trial in snapshot.trials:
        if trial.untried:
            waiting[trial.declared.namespace] += 1
    for namespace, count in waiting.items():
        text = (
            f"is not there yet, so the API server could not try {plural(count, 'object')} of it; "
            "they are shown as dist/ states them"
        )
        yield Finding(Risk.UNKNOWN, _MEDIUM, Key("", "Namespace", "", namespace), text)
