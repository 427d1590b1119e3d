"""`privilege`: the permissions of pods, service accounts, Argo CD and others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from constructs_lib.manifests.argocd import PROJECT_BOUNDS
from constructs_lib.manifests.objects import Object
from constructs_lib.model import Manifest
from constructs_lib.rules.security import ROLE
from ops.review.diff import Comparison, ObjectPair, field_finding, gains_and_losses
from ops.review.model import TEMPLATE, Difference, Finding, Path, Risk, Severity, effect
from ops.review.wording import listed, value

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
"""Pod Security levels, least strict first; a namespace without the label has the first."""
_STANDARD_LABEL = "pod-security.kubernetes.io/"
_WHO_DECIDES = {"repoURL", "targetRevision", "destination", "project"}


@effect("pod-privileges-changed")
def pod_privileges_changed(comparison: Comparison) -> Iterator[Finding]:
    """Security settings that no rule of the synth covers decide what a program may do."""
    for before, after in comparison.pairs(*TEMPLATE):
        if before and after:
            for each in _security(comparison, after):
                if each.path[-1] not in _KEPT_BY_RULES:
                    yield field_finding(Risk.PRIVILEGE, Severity.MEDIUM, after.key, each)


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


@effect("permissions-changed")
def permissions_changed(comparison: Comparison) -> Iterator[Finding]:
    """Accounts, roles, projects, Applications and stores allow, sync or read more or less."""
    permissions = {
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
    for pair in comparison.pairs(*permissions):
        kind = pair.item.key.kind
        if kind in ("AppProject", "ClusterSecretStore") and not pair.after:
            continue  # without it, its Applications and readers can do less
        yield from rights(comparison, pair, *permissions[kind])
    of_new = {
        "AppProject": of_other_fields,
        "Application": of_application,
        "ClusterSecretStore": of_provider,
    }
    for pair in comparison.pairs(*of_new):
        if not pair.before:
            yield from rights(comparison, pair, of_new[pair.item.kind], ())


def rights(
    comparison: Comparison,
    pair: ObjectPair,
    of: Callable[[Object], Iterable[str]],
    paths: Iterable[Path],
) -> Iterator[Finding]:
    """Permissions that an object adds and removes.

    `of` lists the permissions of an object, and reads the fields at `paths`.
    """
    was, now = (sorted(of(item), key=_has_no_wildcard) if item else [] for item in pair)
    key = pair.item.key
    explains = comparison.differences(key, *paths)
    words = ("new permissions:", "removed permissions:")
    yield from gains_and_losses(Risk.PRIVILEGE, key, was, now, words=words, explains=explains)


def _has_no_wildcard(permission: str) -> bool:
    """Sorts wildcards first, so that a list that is cut shows them."""
    return "*" not in permission


@effect("pod-security-changed")
def pod_security_changed(comparison: Comparison) -> Iterator[Finding]:
    """The Pod Security level of a namespace decides which pods the API server accepts."""
    for change in comparison.changed("Namespace"):
        for each in change.at("metadata", "labels"):
            mode = each.path[-1].removeprefix(_STANDARD_LABEL)
            if not each.path[-1].startswith(_STANDARD_LABEL):
                continue
            if mode.endswith("-version"):
                yield field_finding(Risk.PRIVILEGE, Severity.MEDIUM, change.key, each)
                continue
            was, now = (_standard(one, each.path[-1]) for one in (change.before, change.after))
            looser = _STANDARDS.index(now) < _STANDARDS.index(was)
            severity = Severity.HIGH if looser else Severity.MEDIUM
            effect = "pods may do more" if looser else "pods that do more are rejected"
            shown = effect if mode == "enforce" else "violations are only reported"
            text = f"Pod Security {mode}: {was} → {now}; {shown}"
            yield Finding(Risk.PRIVILEGE, severity, change.key, text, (each,))


def _standard(namespace: Object, label: str) -> str:
    found = namespace.labels.get(label, _STANDARDS[0])
    return found if found in _STANDARDS else _STANDARDS[0]


@effect("application-source-changed")
def application_source_changed(comparison: Comparison) -> Iterator[Finding]:
    """Whoever can write to the source of an Application decides what runs."""
    for change in comparison.changed("Application"):
        for each in change.at("spec"):
            if _WHO_DECIDES.intersection(each.path):
                yield field_finding(Risk.PRIVILEGE, Severity.HIGH, change.key, each)


def of_account(account: Object) -> list[str]:
    """What its pods can do by default."""
    found = [f"act as IAM role {role}"] if (role := account.annotations.get(ROLE)) else []
    if account.manifest.get("automountServiceAccountToken") is not False:
        found.append("call the API server with its token, unless the pod opts out")
    return found


def of_role(role: Object) -> list[str]:
    return [
        f"{', '.join(rule.get('verbs') or ())} "
        f"{', '.join(rule.get('resources') or rule.get('nonResourceURLs') or ())} "
        f"in API group {', '.join(group or 'core' for group in rule.get('apiGroups') or ('core',))}"
        + (f", named {listed(rule['resourceNames'])}" if rule.get("resourceNames") else "")
        for rule in role.manifest.get("rules") or ()
    ]


def of_binding(binding: Object) -> list[str]:
    role = binding.manifest.get("roleRef") or {}
    return [
        f"{role.get('kind')} {role.get('name')} for {subject.get('kind')} "
        f"{subject.get('namespace', '')}/{subject.get('name')}"
        for subject in binding.manifest.get("subjects") or ()
    ]


def of_project(project: Object) -> list[str]:
    spec = project.spec
    every = spec.get("namespaceResourceWhitelist") is None
    return [
        *(["sync every namespaced kind (*)"] if every else []),
        *(f"sync from {source}" for source in spec.get("sourceRepos") or ()),
        *(
            f"sync into namespace {each.get('namespace')} of {each.get('server')}"
            for each in spec.get("destinations") or ()
        ),
        *(
            f"sync {each.get('kind')} in API group {each.get('group') or 'core'}"
            for field in ("clusterResourceWhitelist", "namespaceResourceWhitelist")
            for each in spec.get(field) or ()
        ),
    ]


def of_application(application: Object) -> list[str]:
    """What Argo CD syncs, from where and into which cluster: one phrase for each source."""
    spec = application.spec
    into = spec.get("destination") or {}
    place = f"namespace {into.get('namespace')} of {into.get('server') or into.get('name')}"
    return [
        f"sync {_what(source)} of {source.get('repoURL')} at "
        f"{source.get('targetRevision', 'HEAD')} into {place}, in project "
        f"{spec.get('project', 'default')}"
        for source in spec.get("sources") or [spec.get("source") or {}]
    ]


def _what(source: Manifest) -> str:
    include = (source.get("directory") or {}).get("include", "")
    path = "/".join(filter(None, (source.get("path"), include)))
    what = path or (f"chart {source['chart']}" if "chart" in source else "all files")
    tools = sorted(source.keys() - {"chart", "directory", "path", "repoURL", "targetRevision"})
    return f"{what} (with {', '.join(tools)})" if tools else what


def of_other_fields(project: Object) -> list[str]:
    """What a project sets besides its bounds, such as roles."""
    others = sorted(project.spec.keys() - {*PROJECT_BOUNDS, "description"})
    return [f"{field} {value(project.spec[field])}" for field in others]


def of_provider(store: Object) -> list[str]:
    return [
        f"read secrets through {name}: {value(settings)}"
        for name, settings in (store.spec.get("provider") or {}).items()
    ]


def of_store(store: Object) -> list[str]:
    conditions = store.spec.get("conditions")
    if not conditions:
        return ["use by ExternalSecrets in all namespaces"]
    return [
        f"use by ExternalSecrets in namespace {name}"
        for condition in conditions
        for name in condition.get("namespaces") or [value(condition)]
    ]


def of_policy(document: Manifest) -> list[str]:
    """What an IAM policy allows or denies, per statement and resource."""
    statements = _several(document.get("Statement") or [])
    return [phrase for each in statements for phrase in _statement(each)]


def _statement(statement: Manifest) -> Iterator[str]:
    who = statement.get("Principal")
    negated = "all except: " if "NotAction" in statement or "NotResource" in statement else ""
    for resource in _several(statement.get("Resource", [None])):
        parts = [
            "" if statement.get("Effect") == "Allow" else "deny",
            _flat(statement.get("Action", statement.get("NotAction"))),
            f"on {_flat(resource)}" if resource else "",
            f"by {_flat(who)}" if who else "",
            f"if {_flat(statement['Condition'])}" if statement.get("Condition") else "",
        ]
        yield negated + " ".join(part for part in parts if part)


def _several(content: Any) -> list[Any]:
    return content if isinstance(content, list) else [content]


def _flat(content: Any) -> str:
    match content:
        case list():
            return ", ".join(map(_flat, content))
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(map(_flat, parts))
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"${{{name}.{attribute}}}"
    return value(content)
