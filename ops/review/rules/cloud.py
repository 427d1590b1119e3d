"""What the next `cdk deploy` does: changes of the SecretsStack's template."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.manifests.objects import Object
from constructs_lib.model import Manifest
from ops.review.diff import Comparison
from ops.review.load import STACK_GROUP
from ops.review.model import Difference, Finding, Risk, Severity
from ops.review.rules.permissions import of_policy, rights
from ops.review.rules.secrets import parameter_of
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
"""What CloudFormation's reference marks `Update requires: Replacement`."""
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
"""What it changes without making the resource anew."""
_HARMLESS = ("Description", "Tags")
_RIGHTS = tuple(
    ("Properties", field)
    for field in ("AssumeRolePolicyDocument", "ManagedPolicyArns", "Policies", "PolicyDocument")
)
_KEPT = ("Retain", "RetainExceptOnCreate")
_NEVER_DELETED = "Custom::SecureString"
"""What its own function lets be, whatever its `DeletionPolicy` says."""
_AROUND = {
    "DeletionPolicy": (Severity.MEDIUM, "what becomes of it when the stack no longer has it"),
    "DependsOn": (Severity.LOW, "what is made before it"),
    "Metadata": (Severity.LOW, "nothing: notes of the template's author"),
    "UpdateReplacePolicy": (Severity.MEDIUM, "what becomes of it when it is made anew"),
}
_SECTIONS = {
    "Description": (Severity.LOW, "described in other words"),
    "Outputs": (Severity.MEDIUM, "what `cdk deploy` hands over to the manifests"),
}


def stack(comparison: Comparison) -> Iterator[Finding]:
    """What becomes of everything in the template."""
    for pair in comparison.pairs():
        if pair.item.key.group == STACK_GROUP:
            if pair.item.key.kind.startswith("AWS::IAM::"):
                yield from rights(comparison, pair, _statements, _RIGHTS)
            before, after = pair
            if before and after:
                for each in comparison.differences(after.key, ()):
                    yield from _changed(after, each)
            elif after:
                yield _new(after)
            elif before:
                yield _gone(before)


def _new(item: Object) -> Finding:
    if parameter := parameter_of(item):
        text = f"SSM {parameter} is made with a placeholder: put its value in"
        return Finding(Risk.SECRET, Severity.MEDIUM, item.key, text)
    return Finding(Risk.CREATE, Severity.LOW, item.key, "is new with the next `cdk deploy`")


def _gone(item: Object) -> Finding:
    what = f"SSM {parameter}" if (parameter := parameter_of(item)) else "it"
    policy = item.manifest.get("DeletionPolicy")
    if policy in _KEPT or item.key.kind == _NEVER_DELETED:
        text = f"the stack lets go of {what}, which stays behind in AWS"
        return Finding(Risk.DELETE, Severity.LOW, item.key, text)
    if "::" not in item.key.kind:
        text = "the template no longer has it"
        return Finding(Risk.UPDATE, Severity.MEDIUM, item.key, text)
    text = f"the next `cdk deploy` deletes {what}"
    return Finding(Risk.DELETE, Severity.HIGH, item.key, text)


def _changed(item: Object, each: Difference) -> Iterator[Finding]:
    kind, (section, *steps) = item.key.kind, each.path
    told = None
    if section == "Properties":
        told = _property_changed(item, steps[0], each)
    elif effects := _AROUND.get(section) if "::" in kind else _SECTIONS.get(kind):
        told = (Risk.UPDATE, effects[0], f"{effects[1]}: {_shift(each)}")
    if told:
        risk, severity, text = told
        yield Finding(risk, severity, item.key, text, (each,))


def _property_changed(
    item: Object, name: str, each: Difference
) -> tuple[Risk, Severity, str] | None:
    kind = item.key.kind
    if name == "Name" and parameter_of(item):
        text = f"SSM {each.after} is made with a placeholder: put its value in; {each.before} stays"
        return Risk.SECRET, Severity.MEDIUM, text
    if (kind, name) == ("AWS::Lambda::Function", "Role"):
        return Risk.PRIVILEGE, Severity.HIGH, f"acts as another role: {_shift(each)}"
    if name in _REPLACING.get(kind, ()):
        text = f"the next `cdk deploy` makes it anew: {name} {_shift(each)}"
        return Risk.REPLACE, Severity.HIGH, text
    if name in (*_IN_PLACE.get(kind, ()), *_HARMLESS):
        return Risk.UPDATE, Severity.LOW, f"changes in place with the next `cdk deploy`: {name}"
    return None


def _shift(each: Difference) -> str:
    """Old and new; of lists of names, which are long and nearly alike, what came and what went."""
    before, after = each.before, each.after
    if isinstance(before, list) and isinstance(after, list):
        came = [f"+{value(one, 60)}" for one in after if one not in before]
        went = [f"-{value(one, 60)}" for one in before if one not in after]
        if came or went:
            return listed([*came, *went], 6)
    return before_after(each, 60)


def _statements(item: Object) -> Iterator[str]:
    """What roles and policies allow."""
    properties: Manifest = item.manifest.get("Properties") or {}
    inline = [each.get("PolicyDocument") for each in properties.get("Policies") or ()]
    for document in (properties.get("PolicyDocument"), *inline):
        yield from of_policy(document or {})
    for statement in of_policy(properties.get("AssumeRolePolicyDocument") or {}):
        yield f"be assumed with {statement}"
    for managed in properties.get("ManagedPolicyArns") or ():
        yield f"do what {value(managed)} allows"


RULES = (stack,)
