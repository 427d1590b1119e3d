"""SecretsStack: what the next `cdk deploy` creates and deletes, and where it fails.

stack.yaml says what a change of a property does.
"""

from collections import defaultdict
from collections.abc import Iterable

from constructs_lib.manifests.facts import STACK_GROUP, field_of
from constructs_lib.manifests.objects import Key, Object, Objects, at
from constructs_lib.manifests.references import remote_keys
from constructs_lib.manifests.routing import CERTIFICATE
from ops.review.diff import Change, Comparison
from ops.review.effects.fields import TABLES, owned
from ops.review.effects.iam import as_text, obstacle
from ops.review.effects.secrets import parameter_of
from ops.review.load import STACK_NAME
from ops.review.model import HIGH, Finding, Findings, Risk, Severity, effect, listed

_STACK = Key(STACK_GROUP, "AWS::CloudFormation::Stack", "", STACK_NAME)
"""In place of a resource, for what concerns several."""
_KEPT = ("Retain", "RetainExceptOnCreate")
_FUNCTION = "AWS::Lambda::Function"


@effect(STACK_GROUP, risk="update", states=("added",))
def resource_created(change: Change, comparison: Comparison) -> Findings:
    """The next `cdk deploy` creates a resource; a new parameter has no value yet."""
    item, parameter = change.after, parameter_of(change.after)
    if former := _other_types(change.key, comparison.before):
        yield _outcome(item, "is-retyped", " → ".join([*former, item.kind]))
    elif parameter and parameter in map(parameter_of, comparison.before):
        yield _outcome(item, "is-adopted", parameter)
    else:
        yield _outcome(item, "is-added", parameter)


@effect(STACK_GROUP, risk="update", states=("removed",))
def resource_removed(change: Change, comparison: Comparison) -> Findings:
    """The next `cdk deploy` deletes a resource, or its DeletionPolicy keeps it."""
    if not _other_types(change.key, comparison.after):
        kept = change.before.manifest.get("DeletionPolicy") in _KEPT
        named = parameter_of(change.before) or _ingresses(comparison)
        yield _outcome(change.before, "is-kept" if kept else "is-removed", named)


def _outcome(item: Object, state: str, named: str | None) -> Finding:
    """What stack.yaml says of a new or removed resource, and of what it names."""
    row = field_of(item.key[:2], (state, item.name))
    reading = row.read(named) if row else None
    if not row or not reading:
        text = "effect unknown: the template gets or loses it"
        return Finding(HIGH, text, risk=Risk.UNKNOWN)
    return Finding(Severity(reading.level), str(reading), risk=Risk(row.risk))


def _other_types(key: Key, objects: Objects) -> list[str]:
    """The types of resources with the same logical ID, but another type."""
    alike = (one.kind for one in objects if one.key == key._replace(kind=one.kind))
    return [kind for kind in alike if kind != key.kind and "::" in kind and "::" in key.kind]


@effect(STACK_GROUP, risk="replace")
def resource_incomplete(change: Change, _: Comparison) -> Findings:
    """CloudFormation, or the function of a resource, needs a property that is removed."""
    for name in TABLES["required"].get(change.key.kind, ()):
        fields = change.at("Properties", name)
        if fields and name not in at(change.after.manifest, "Properties"):
            yield Finding(HIGH, f"the deploy fails without it: Properties.{name}", fields)


@effect(STACK_GROUP, risk="replace")
def certificate_replaced(change: Change, comparison: Comparison) -> Findings:
    """A certificate with other names gets another ARN, which Ingresses must use."""
    fields = owned(change, "certificate-replaced")
    if fields and "DomainName" in at(change.after.manifest, "Properties"):
        text = (
            "the next `make deploy-secrets` requests another certificate, with another ARN, and "
            "waits for the CNAME record of each new name: create those that it prints, or set "
            "`hosted_zone_id`; then run `make synth` and merge dist/: until Argo CD has synced "
            f"that, these Ingresses use the old ARN: {_ingresses(comparison)}; AWS cannot delete "
            "the old certificate while a load balancer uses it: delete it afterwards: "
        )
        causes = [f"{change.brief(field.path)} {field.values(60)}" for field in fields]
        yield Finding(HIGH, f"{text}{listed(causes)}", fields)


def _ingresses(comparison: Comparison) -> str:
    """The Ingresses with a certificate that one had before."""
    before, after = (side.of_kinds("Ingress") for side in (comparison.before, comparison.after))
    former = {item.annotations.get(CERTIFICATE) for item in before} - {None}
    names = [item.name for item in after if item.annotations.get(CERTIFICATE) in former]
    return listed(names, 6) or "none"


@effect(risk="secret")
def access_lost(comparison: Comparison) -> Findings:
    """External Secrets cannot read or decrypt a parameter, by the policies of the stack."""
    secrets = comparison.after.of_kinds("ExternalSecret")
    paths = dict.fromkeys(path for item in secrets for _, path in remote_keys(item.manifest))
    keys = dict.fromkeys(
        as_text(key)
        for change in comparison.changed([STACK_GROUP])
        for side in (change.before, change.after)
        if change.at("Properties", "KeyId")
        and (key := at(side.manifest, "Properties").get("KeyId"))
    )
    was, now = map(_readers, (comparison.before, comparison.after))
    for action, targets, read in (
        ("ssm:GetParameter", paths, "it"),
        ("kms:Decrypt", keys, "a parameter that is encrypted with it"),
    ):
        lost: dict[str, list[str]] = defaultdict(list)
        for one in targets:
            reason = obstacle(now, action, one)
            if reason and (one in keys or not obstacle(was, action, one)):
                lost[reason].append(one)
        for reason, those in lost.items():
            text = (
                f"{reason} {action} on {listed(those)}: External Secrets cannot read {read}, and "
                "existing Secrets keep their last values"
            )
            yield Finding(HIGH, text, key=_STACK)


def _readers(objects: Iterable[Object]) -> list[Object]:
    """The resources of the stack, without the roles of functions."""
    stack = [item for item in objects if item.key.group == STACK_GROUP]
    functions = [at(item.manifest, "Properties") for item in stack if item.kind == _FUNCTION]
    roles = {as_text(function.get("Role")) for function in functions}
    return [item for item in stack if f"${{{item.name}.Arn}}" not in roles]
