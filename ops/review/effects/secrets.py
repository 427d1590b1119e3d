"""`secret`, and SecretsStack: which parameters exist, and which Secrets read them.

The next `cdk deploy` makes the changes of the stack's template.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from constructs_lib.manifests.objects import Object
from constructs_lib.manifests.references import readers_of_secret, remote_keys, secret_of
from constructs_lib.model import Manifest
from ops.review.diff import ORDER, Comparison, field_finding, gains_and_losses
from ops.review.effects.permissions import permissions
from ops.review.fallback import FIELDS
from ops.review.load import STACK_GROUP
from ops.review.model import ABSENT, HIGH, LOW, MEDIUM, TEMPLATE, Difference, Finding, Risk, effect
from ops.review.wording import before_after, listed, value

_DATA = ("spec", "data")
_CONTENT = (_DATA, ("spec", "dataFrom"), ("spec", "target", "template"))
_SOURCES = (
    ("spec", "secretStoreRef"),
    ("spec", "target"),
    ("spec", "dataFrom"),
    ("spec", "provider"),
)
_HARMLESS = ("Description", "Tags")
_POLICIES = tuple(
    ("Properties", field)
    for field in ("AssumeRolePolicyDocument", "ManagedPolicyArns", "Policies", "PolicyDocument")
)
_KEPT = ("Retain", "RetainExceptOnCreate")
_NEVER_DELETED = "Custom::SecureString"
"""Its Lambda function never deletes a parameter, whatever the `DeletionPolicy`."""
_OTHER_FIELDS = {
    "DeletionPolicy": (MEDIUM, "changes what happens when it leaves the stack"),
    "DependsOn": (LOW, "changes what is created before it"),
    "Metadata": (LOW, "changes metadata, without effect"),
    "UpdateReplacePolicy": (MEDIUM, "changes what happens when it is replaced"),
}
"""Fields of a resource besides its properties."""
_OTHER_SECTIONS = {
    "Description": (LOW, "changes the description"),
    "Outputs": (MEDIUM, "changes an output that the manifests use"),
}
"""Sections of the template besides the resources."""


@effect
def parameters_changed(comparison: Comparison) -> Iterator[Finding]:
    """A Secret gets values from other SSM parameters; running pods can keep the old ones."""
    for pair in comparison.pairs("ExternalSecret"):
        before, after = pair
        key = pair.item.key
        outcome = comparison.removal.outcome(before) if before else None
        if outcome and not outcome.deleted:
            continue  # stays in the cluster and keeps refreshing
        was, now = (_parameters(item) if item else {} for item in pair)
        stale = _stale_readers(comparison, after) if before and after else ""
        moved = [name for name in now if name in was and now[name] != was[name]]
        for name in moved:
            text = f"now reads {name} from {now[name]} instead of {was[name]}{stale}"
            differences = comparison.differences(key, (*_DATA, f"[{name}]"))
            yield Finding(Risk.SECRET, MEDIUM, key, text, differences)
        fields = ((*_DATA, f"[{name}]") for name in was.keys() ^ now.keys())
        for finding in gains_and_losses(
            Risk.SECRET,
            key,
            [f"{was[name]} as {name}" for name in was if name not in moved],
            [f"{now[name]} as {name}" for name in now if name not in moved],
            words=("now reads", "no longer reads"),
            severities=(MEDIUM, MEDIUM if after else LOW),
            explains=comparison.differences(key, *fields),
        ):
            yield replace(finding, text=f"{finding.text}{stale}")


def _parameters(item: Object) -> dict[str, str]:
    """The parameter of each key of the Secret, with its property and version."""
    parameters = {}
    for entry in item.spec.get("data") or ():
        remote = entry.get("remoteRef") or {}
        details = [str(remote[field]) for field in ("property", "version") if remote.get(field)]
        parameters[entry["secretKey"]] = " ".join([str(remote.get("key")), *details])
    return parameters


def _stale_readers(comparison: Comparison, item: Object) -> str:
    """Workloads that keep the old value until they restart."""
    secret = secret_of(item.manifest)
    stale = [
        workload.name
        for workload in readers_of_secret(comparison.after, item.namespace, secret)
        if workload.serves
        and not workload.reloads(secret)
        and not comparison.differences(workload.key, TEMPLATE[workload.kind])
    ]
    return f"; until restarted, the old value stays in {listed(stale)}" if stale else ""


@effect
def parameter_missing(comparison: Comparison) -> Iterator[Finding]:
    """An ExternalSecret cannot read a parameter that SecretsStack does not create."""
    created = {parameter_of(item) for item in comparison.after} - {None}
    was, now = (
        {
            item.key: dict.fromkeys(
                [*(path for _, path in remote_keys(item.manifest)), *_unnamed(item)]
            )
            for item in side.of_kinds("ExternalSecret")
        }
        for side in (comparison.before, comparison.after)
    )
    known = created.union(*was.values())
    for key, paths in now.items() if created else ():
        if missing := [path for path in paths if path not in known]:
            text = (
                f"reads {listed(missing)}, which SecretsStack does not create; run `make template` "
                "to render the stack"
            )
            yield Finding(Risk.SECRET, HIGH, key, text)


def _unnamed(item: Object) -> list[str]:
    """`None` for each key of the Secret that names no parameter."""
    references = (entry.get("remoteRef") or {} for entry in item.spec.get("data") or ())
    return ["None" for remote in references if not remote.get("key")]


@effect
def secret_source_changed(comparison: Comparison) -> Iterator[Finding]:
    """Values come from another store, or go to another Secret or template."""
    for change in comparison.changed("ExternalSecret", "ClusterSecretStore", "SecretStore"):
        for difference in comparison.differences(change.key, *_SOURCES):
            yield field_finding(Risk.SECRET, MEDIUM, change.key, difference)


@effect
def secret_in_git_changed(comparison: Comparison) -> Iterator[Finding]:
    """Everyone with access to the repository can read the values of a Secret in dist/."""
    for change in comparison.changed("Secret"):
        if fields := (*change.at("data"), *change.at("stringData")):
            keys = listed(list(dict.fromkeys(field.path[-1] for field in fields)), 5)
            text = f"changes {keys} in Git, where everyone can read the values"
            yield Finding(Risk.SECRET, HIGH, change.key, text, fields)


def changed_secrets(comparison: Comparison) -> list[tuple[str, str]]:
    """Namespace and name of the Secrets that change."""
    return [
        (change.key.namespace, secret_of(change.after.manifest))
        for change in comparison.changed("ExternalSecret")
        if any(d.path[-1] != ORDER for d in comparison.differences(change.key, *_CONTENT))
    ]


def parameter_of(item: Object) -> str | None:
    """The SSM parameter that a resource of the stack creates."""
    if item.key.group != STACK_GROUP:
        return None
    name = (item.manifest.get("Properties") or {}).get("Name")
    return name if isinstance(name, str) and name.startswith("/") else None


@effect
def resource_created(comparison: Comparison) -> Iterator[Finding]:
    """The next `cdk deploy` creates a resource; a new parameter has no value yet."""
    for item in comparison.added:
        if item.key.group != STACK_GROUP:
            continue
        if parameter := parameter_of(item):
            text = f"creates SSM parameter {parameter} with a placeholder; set its value"
            yield Finding(Risk.SECRET, MEDIUM, item.key, text)
        else:
            yield Finding(Risk.CREATE, LOW, item.key, "the next `cdk deploy` creates it")


@effect
def resource_removed(comparison: Comparison) -> Iterator[Finding]:
    """The next `cdk deploy` deletes a resource, or its DeletionPolicy keeps it."""
    for item in comparison.removed:
        if item.key.group != STACK_GROUP:
            continue
        what = f"SSM parameter {parameter}" if (parameter := parameter_of(item)) else "it"
        if item.manifest.get("DeletionPolicy") in _KEPT or item.kind == _NEVER_DELETED:
            text = f"is removed from the stack; {what} stays in AWS"
            yield Finding(Risk.DELETE, LOW, item.key, text)
        elif "::" in item.kind:
            text = f"the next `cdk deploy` deletes {what}"
            yield Finding(Risk.DELETE, HIGH, item.key, text)
        else:
            yield Finding(Risk.UPDATE, MEDIUM, item.key, "is removed from the template")


@effect
def resource_changed(comparison: Comparison) -> Iterator[Finding]:
    """The next `cdk deploy` updates a resource in place, or replaces it."""
    for change in comparison.changes.values():
        if change.key.group != STACK_GROUP:
            continue
        resource = "::" in change.key.kind
        for difference in change.differences:
            section = difference.path[0]
            if section == "Properties":
                yield from _property_changed(change.after, difference)
                continue
            of_section = _OTHER_SECTIONS.get(change.key.kind)
            if other := _OTHER_FIELDS.get(section) if resource else of_section:
                text = f"{other[1]}: {_old_and_new(difference)}"
                yield Finding(Risk.UPDATE, other[0], change.key, text, (difference,))


def _property_changed(item: Object, difference: Difference) -> Iterator[Finding]:
    kind, name = item.kind, "".join(difference.path[1:2])
    if name == "Name" and parameter_of(item):
        risk, severity = Risk.SECRET, MEDIUM
        text = f"creates SSM parameter {difference.after} with a placeholder; set its value"
        if difference.before is not ABSENT:
            text += f"; {difference.before} stays in AWS"
    elif (kind, name) == ("AWS::Lambda::Function", "Role"):
        risk, severity = Risk.PRIVILEGE, HIGH
        text = f"runs as another IAM role: {_old_and_new(difference)}"
    elif name in FIELDS["stack"]["replaced"].get(kind, ()):
        risk, severity = Risk.REPLACE, HIGH
        text = f"the next `cdk deploy` replaces it: {name} {_old_and_new(difference)}"
    elif name in (*FIELDS["stack"]["updated"].get(kind, ()), *_HARMLESS):
        risk, severity = Risk.UPDATE, LOW
        text = f"the next `cdk deploy` updates it in place: {name}"
    else:
        return
    yield Finding(risk, severity, item.key, text, (difference,))


def _old_and_new(difference: Difference) -> str:
    """Old and new value; for lists, the added and removed items."""
    before, after = difference.before, difference.after
    if isinstance(before, list) and isinstance(after, list):
        added = [f"+{value(item, 60)}" for item in after if item not in before]
        removed = [f"-{value(item, 60)}" for item in before if item not in after]
        if added or removed:
            return listed([*added, *removed], 6)
    return before_after(difference, 60)


@effect
def iam_policy_changed(comparison: Comparison) -> Iterator[Finding]:
    """IAM policies of the stack decide what its roles may do, and who may assume them."""
    for pair in comparison.pairs():
        if pair.item.key.group == STACK_GROUP and pair.item.kind.startswith("AWS::IAM::"):
            yield from permissions(comparison, pair, _of_policies, _POLICIES)


def _of_policies(item: Object) -> Iterator[str]:
    properties: Manifest = item.manifest.get("Properties") or {}
    inline = [policy.get("PolicyDocument") for policy in properties.get("Policies") or ()]
    for document in (properties.get("PolicyDocument"), *inline):
        yield from _of_policy(document or {})
    for statement in _of_policy(properties.get("AssumeRolePolicyDocument") or {}):
        yield f"assume this role: {statement}"
    for managed in properties.get("ManagedPolicyArns") or ():
        yield f"managed policy {value(managed)}"


def _of_policy(document: Manifest) -> Iterator[str]:
    """What an IAM policy allows or denies, per statement and resource."""
    for statement in _as_list(document.get("Statement") or []):
        who, condition = statement.get("Principal"), statement.get("Condition")
        negated = "all except: " if "NotAction" in statement or "NotResource" in statement else ""
        for resource in _as_list(statement.get("Resource", [None])):
            parts = [
                "" if statement.get("Effect") == "Allow" else "deny",
                _as_text(statement.get("Action", statement.get("NotAction"))),
                f"on {_as_text(resource)}" if resource else "",
                f"by {_as_text(who)}" if who else "",
                f"if {_as_text(condition)}" if condition else "",
            ]
            yield negated + " ".join(filter(None, parts))


def _as_list(content: Any) -> list[Any]:
    return content if isinstance(content, list) else [content]


def _as_text(content: Any) -> str:
    match content:
        case list():
            return ", ".join(map(_as_text, content))
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(map(_as_text, parts))
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"${{{name}.{attribute}}}"
    return value(content)
