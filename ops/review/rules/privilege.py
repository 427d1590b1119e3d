"""`privilege`: what pods, service accounts, Argo CD and others may do."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.manifests.objects import Object
from constructs_lib.rules.hardening import ROLE
from ops.review.comparison import Comparison, shift
from ops.review.model import TEMPLATE, Difference, Finding, Risk, Severity
from ops.review.powers import (
    PROJECT_BOUNDS,
    of_account,
    of_binding,
    of_project,
    of_role,
    of_store,
)
from ops.review.wording import passage

_WORDS = ("may now:", "may no longer:")
_KEPT_BY_RULES = {
    "allowPrivilegeEscalation",
    "add",
    "drop",
    "automountServiceAccountToken",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostPort",
    "path",
    "privileged",
    "readOnlyRootFilesystem",
    "runAsNonRoot",
    "type",
}
_POD_FIELDS = {
    "automountServiceAccountToken",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostUsers",
    "runtimeClassName",
    "serviceAccount",
    "serviceAccountName",
    "shareProcessNamespace",
}
_STANDARDS = ("privileged", "baseline", "restricted")
"""Pod Security's levels, the loosest first; a namespace without the label has that one."""
_STANDARD_LABEL = "pod-security.kubernetes.io/"
_WHO_DECIDES = {"repoURL", "targetRevision", "destination", "project"}


def pods(comparison: Comparison) -> Iterator[Finding]:
    """Rights of pods that no rule of every synth is about; those report themselves."""
    for before, after in comparison.sides(*TEMPLATE):
        if before and after:
            for each in _security(comparison, after):
                if each.path[-1] not in _KEPT_BY_RULES:
                    yield _told(after, each, Severity.MEDIUM)


def _security(comparison: Comparison, item: Object) -> list[Difference]:
    pod = (*TEMPLATE[item.key.kind], "spec")
    return [
        each
        for each in comparison.differences(item.key, pod)
        if "securityContext" in each.path
        or "hostPath" in each.path
        or each.path[-1] == "hostPort"
        or each.path[len(pod)] in _POD_FIELDS
    ]


def accounts(comparison: Comparison) -> Iterator[Finding]:
    """Service accounts, roles, their bindings, Argo CD's project and the stores of secrets."""
    powers = {
        "AppProject": (of_project, tuple(("spec", field) for field in PROJECT_BOUNDS)),
        "ClusterRole": (of_role, (("rules",), ("aggregationRule",))),
        "ClusterRoleBinding": (of_binding, (("subjects",), ("roleRef",))),
        "ClusterSecretStore": (of_store, (("spec", "conditions"),)),
        "Role": (of_role, (("rules",),)),
        "RoleBinding": (of_binding, (("subjects",), ("roleRef",))),
        "ServiceAccount": (
            of_account,
            (("automountServiceAccountToken",), ("metadata", "annotations", ROLE)),
        ),
    }
    for sides in comparison.sides(*powers):
        before, after = sides
        key = sides.item.key
        of, paths = powers[key.kind]
        if key.kind in ("AppProject", "ClusterSecretStore") and not (before and after):
            continue  # it bounds what is new, or gone, with it
        yield from shift(
            Risk.PRIVILEGE,
            key,
            of(before) if before else (),
            of(after) if after else (),
            words=_WORDS,
            explains=comparison.differences(key, *paths),
        )


def pod_security(comparison: Comparison) -> Iterator[Finding]:
    """Which Pod Security profile a namespace enforces, audits and warns of."""
    for change in comparison.changed("Namespace"):
        for each in change.at("metadata", "labels"):
            mode = each.path[-1].removeprefix(_STANDARD_LABEL)
            if not each.path[-1].startswith(_STANDARD_LABEL):
                continue
            if mode.endswith("-version"):
                yield _told(change.after, each, Severity.MEDIUM)
                continue
            was, now = (_standard(side, each.path[-1]) for side in (change.before, change.after))
            looser = _STANDARDS.index(now) < _STANDARDS.index(was)
            severity = Severity.HIGH if looser else Severity.MEDIUM
            effect = "pods may do more" if looser else "pods that do more are refused"
            told = effect if mode == "enforce" else "told only"
            text = f"Pod Security {mode}: {was} → {now}: {told}"
            yield Finding(Risk.PRIVILEGE, severity, change.key, text, (each,))


def _standard(namespace: Object, label: str) -> str:
    found = namespace.labels.get(label, _STANDARDS[0])
    return found if found in _STANDARDS else _STANDARDS[0]


def sources(comparison: Comparison) -> Iterator[Finding]:
    """Whoever may write to what Argo CD reads decides what runs."""
    for change in comparison.changed("Application"):
        for each in change.at("spec"):
            if _WHO_DECIDES.intersection(each.path):
                yield _told(change.after, each, Severity.HIGH)


def _told(item: Object, each: Difference, severity: Severity) -> Finding:
    text = f"{each}: {passage(each, 80)}"
    return Finding(Risk.PRIVILEGE, severity, item.key, text, (each,))


RULES = (pods, accounts, pod_security, sources)
