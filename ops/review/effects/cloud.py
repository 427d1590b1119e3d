"""Changes of the SecretsStack's template: what the next `cdk deploy` does."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.manifests.objects import Object
from constructs_lib.model import Manifest
from ops.review.diff import Comparison
from ops.review.effects.permissions import of_policy, rights
from ops.review.effects.secrets import parameter_of
from ops.review.load import STACK_GROUP
from ops.review.model import Difference, Finding, Risk, Severity, effect
from ops.review.wording import before_after, listed, value

_REPLACING: dict[str, tuple[str, ...]] = {
    "AWS::CertificateManager::Certificate": (
        "DomainName",
        "DomainValidationOptions",
        "KeyAlgorithm",
        "SubjectAlternativeNames",
        "ValidationMethod",
    ),
    "AWS::IAM::ManagedPolicy": ("Description", "ManagedPolicyName", "Path"),
    "AWS::IAM::Role": ("Path", "RoleName"),
    "AWS::Lambda::Function": ("FunctionName", "PackageType"),
    "AWS::Logs::LogGroup": ("LogGroupName",),
}
"""Properties that the CloudFormation reference marks `Update requires: Replacement`."""
_IN_PLACE: dict[str, tuple[str, ...]] = {
    "AWS::Lambda::Function": (
        "Architectures",
        "Code",
        "Environment",
        "Handler",
        "LoggingConfig",
        "MemorySize",
        "Runtime",
        "Timeout",
    ),
    "Custom::SecureString": ("Placeholder", "ServiceTimeout", "ServiceToken"),
    "AWS::Logs::LogGroup": ("RetentionInDays",),
}
"""Properties that CloudFormation updates in place."""
_HARMLESS = ("Description", "Tags")
_RIGHTS = tuple(
    ("Properties", field)
    for field in ("AssumeRolePolicyDocument", "ManagedPolicyArns", "Policies", "PolicyDocument")
)
_KEPT = ("Retain", "RetainExceptOnCreate")
_NEVER_DELETED = "Custom::SecureString"
"""Its Lambda function never deletes a parameter, whatever the `DeletionPolicy`."""
_AROUND = {
    "DeletionPolicy": (Severity.MEDIUM, "changes what happens when it leaves the stack"),
    "DependsOn": (Severity.LOW, "changes what is created before it"),
    "Metadata": (Severity.LOW, "changes metadata, without effect"),
    "UpdateReplacePolicy": (Severity.MEDIUM, "changes what happens when it is replaced"),
}
_SECTIONS = {
    "Description": (Severity.LOW, "changes the description"),
    "Outputs": (Severity.MEDIUM, "changes an output that the manifests use"),
}


@effect("iam-policy-changed")
def iam_policy_changed(comparison: Comparison) -> Iterator[Finding]:
    """IAM policies of the stack decide what its roles may do, and who may assume them."""
    for pair in comparison.pairs():
        if pair.item.key.group == STACK_GROUP and pair.item.kind.startswith("AWS::IAM::"):
            yield from rights(comparison, pair, _statements, _RIGHTS)


@effect("resource-created")
def resource_created(comparison: Comparison) -> Iterator[Finding]:
    """The next `cdk deploy` creates a resource; a new parameter has no value yet."""
    for item in comparison.added:
        if item.key.group != STACK_GROUP:
            continue
        if parameter := parameter_of(item):
            text = f"creates SSM parameter {parameter} with a placeholder; set its value"
            yield Finding(Risk.SECRET, Severity.MEDIUM, item.key, text)
        else:
            text = "the next `cdk deploy` creates it"
            yield Finding(Risk.CREATE, Severity.LOW, item.key, text)


@effect("resource-removed")
def resource_removed(comparison: Comparison) -> Iterator[Finding]:
    """The next `cdk deploy` deletes a resource, or its DeletionPolicy keeps it."""
    return (_removed(item) for item in comparison.removed if item.key.group == STACK_GROUP)


@effect("resource-changed")
def resource_changed(comparison: Comparison) -> Iterator[Finding]:
    """The next `cdk deploy` updates a resource in place, or replaces it."""
    for change in comparison.changes.values():
        if change.key.group == STACK_GROUP:
            for each in change.differences:
                yield from _changed(change.after, each)


def _removed(item: Object) -> Finding:
    what = f"SSM parameter {parameter}" if (parameter := parameter_of(item)) else "it"
    policy = item.manifest.get("DeletionPolicy")
    if policy in _KEPT or item.key.kind == _NEVER_DELETED:
        text = f"is removed from the stack; {what} stays in AWS"
        return Finding(Risk.DELETE, Severity.LOW, item.key, text)
    if "::" not in item.key.kind:
        text = "is removed from the template"
        return Finding(Risk.UPDATE, Severity.MEDIUM, item.key, text)
    text = f"the next `cdk deploy` deletes {what}"
    return Finding(Risk.DELETE, Severity.HIGH, item.key, text)


def _changed(item: Object, each: Difference) -> Iterator[Finding]:
    kind, (section, *steps) = item.key.kind, each.path
    found = None
    if section == "Properties":
        found = _property_changed(item, steps[0], each)
    elif effects := _AROUND.get(section) if "::" in kind else _SECTIONS.get(kind):
        found = (Risk.UPDATE, effects[0], f"{effects[1]}: {_old_and_new(each)}")
    if found:
        risk, severity, text = found
        yield Finding(risk, severity, item.key, text, (each,))


def _property_changed(
    item: Object, name: str, each: Difference
) -> tuple[Risk, Severity, str] | None:
    kind = item.key.kind
    if name == "Name" and parameter_of(item):
        text = (
            f"creates SSM parameter {each.after} with a placeholder; set its value; "
            f"{each.before} stays in AWS"
        )
        return Risk.SECRET, Severity.MEDIUM, text
    if (kind, name) == ("AWS::Lambda::Function", "Role"):
        return Risk.PRIVILEGE, Severity.HIGH, f"runs as another IAM role: {_old_and_new(each)}"
    if name in _REPLACING.get(kind, ()):
        text = f"the next `cdk deploy` replaces it: {name} {_old_and_new(each)}"
        return Risk.REPLACE, Severity.HIGH, text
    if name in (*_IN_PLACE.get(kind, ()), *_HARMLESS):
        return Risk.UPDATE, Severity.LOW, f"the next `cdk deploy` updates it in place: {name}"
    return None


def _old_and_new(each: Difference) -> str:
    """Old and new value; for lists, the added and removed items."""
    before, after = each.before, each.after
    if isinstance(before, list) and isinstance(after, list):
        added = [f"+{value(one, 60)}" for one in after if one not in before]
        removed = [f"-{value(one, 60)}" for one in before if one not in after]
        if added or removed:
            return listed([*added, *removed], 6)
    return before_after(each, 60)


def _statements(item: Object) -> Iterator[str]:
    properties: Manifest = item.manifest.get("Properties") or {}
    inline = [each.get("PolicyDocument") for each in properties.get("Policies") or ()]
    for document in (properties.get("PolicyDocument"), *inline):
        yield from of_policy(document or {})
    for statement in of_policy(properties.get("AssumeRolePolicyDocument") or {}):
        yield f"assume this role: {statement}"
    for managed in properties.get("ManagedPolicyArns") or ():
        yield f"managed policy {value(managed)}"
