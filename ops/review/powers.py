"""What an object lets somebody do, as phrases after `may`: two sides differ by their phrases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from constructs_lib.manifests.objects import Object
from constructs_lib.model import Manifest
from constructs_lib.rules.hardening import ROLE
from ops.review.wording import listed, value

PROJECT_BOUNDS = (
    "clusterResourceWhitelist",
    "destinations",
    "namespaceResourceWhitelist",
    "sourceRepos",
)
"""What an AppProject allows."""


def of_account(account: Object) -> list[str]:
    """What the pods of a service account may do without asking for it."""
    found = [f"act as IAM role {role}"] if (role := account.annotations.get(ROLE)) else []
    if account.manifest.get("automountServiceAccountToken") is not False:
        found.append("call the API server with its token, where a pod does not refuse it")
    return found


def of_role(role: Object) -> list[str]:
    """What whoever is bound to a Role may do."""
    return [
        f"{', '.join(rule.get('verbs') or ())} "
        f"{', '.join(rule.get('resources') or rule.get('nonResourceURLs') or ())} "
        f"of API group {', '.join(group or 'core' for group in rule.get('apiGroups') or ('core',))}"
        + (f", named {listed(rule['resourceNames'])}" if rule.get("resourceNames") else "")
        for rule in role.manifest.get("rules") or ()
    ]


def of_binding(binding: Object) -> list[str]:
    """Who may do what a Role allows."""
    role = binding.manifest.get("roleRef") or {}
    return [
        f"let {subject.get('kind')} {subject.get('namespace', '')}/{subject.get('name')} do what "
        f"{role.get('kind')} {role.get('name')} allows"
        for subject in binding.manifest.get("subjects") or ()
    ]


def of_project(project: Object) -> list[str]:
    """What Argo CD may sync for the Applications of a project."""
    spec = project.spec
    return [
        *(f"let Argo CD sync from {source}" for source in spec.get("sourceRepos") or ()),
        *(
            f"let Argo CD sync into namespace {each.get('namespace')} of {each.get('server')}"
            for each in spec.get("destinations") or ()
        ),
        *(
            f"let Argo CD sync {each.get('kind')} of API group {each.get('group') or 'core'}"
            for field in ("clusterResourceWhitelist", "namespaceResourceWhitelist")
            for each in spec.get(field) or ()
        ),
    ]


def of_store(store: Object) -> list[str]:
    """Who may read from a store of secrets."""
    conditions = store.spec.get("conditions")
    if not conditions:
        return ["be read by ExternalSecrets of every namespace"]
    return [
        f"be read by ExternalSecrets of namespace {name}"
        for condition in conditions
        for name in condition.get("namespaces") or [value(condition)]
    ]


def of_policy(document: Manifest) -> list[str]:
    """What the statements of an IAM policy allow or deny, a phrase for each resource."""
    statements = _several(document.get("Statement") or [])
    return [phrase for each in statements for phrase in _statement(each)]


def _statement(statement: Manifest) -> Iterator[str]:
    who = statement.get("Principal")
    negated = "all but: " if "NotAction" in statement or "NotResource" in statement else ""
    for resource in _several(statement.get("Resource", [None])):
        parts = [
            "" if statement.get("Effect") == "Allow" else "be denied:",
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
