"""SecretsStack: what the next `cdk deploy` does, by the consequences in stack.toml."""

import tomllib
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path as File
from typing import Any

from constructs_lib.manifests.objects import Key, Object, Objects, at
from constructs_lib.manifests.references import remote_keys
from constructs_lib.manifests.routing import CERTIFICATE
from ops.review.diff import ABSENT, Change, Comparison, Difference, shown
from ops.review.effects.permissions import as_text, of_policies
from ops.review.effects.secrets import parameter_of
from ops.review.load import STACK_GROUP, STACK_NAME
from ops.review.model import HIGH, Finding, Findings, Risk, Severity, effect, listed

_TABLE = tomllib.loads(File(__file__).with_name("stack.toml").read_text("utf-8"))
_STACK = Key(STACK_GROUP, "AWS::CloudFormation::Stack", "", STACK_NAME)
"""In place of a resource, for what concerns several."""
_KEPT = ("Retain", "RetainExceptOnCreate")
_UNKNOWN = "high unknown: effect unknown: the template gets or loses it"


@effect(STACK_GROUP, risk="unknown", states=("added",))
def resource_created(change: Change, comparison: Comparison) -> Findings:
    """The next `cdk deploy` creates a resource; a new parameter has no value yet."""
    former = _other_types(change.key, comparison.before)
    known = {parameter_of(item) for item in comparison.before} - {None}
    state = "is adopted" if parameter_of(change.after) in known else "is added"
    row = _rows(change.key).get("is retyped" if former else state, _UNKNOWN)
    yield _finding(row, change.after, types=" → ".join([*former, change.key.kind]))


@effect(STACK_GROUP, risk="unknown", states=("removed",))
def resource_removed(change: Change, comparison: Comparison) -> Findings:
    """The next `cdk deploy` deletes a resource, or its DeletionPolicy keeps it."""
    if not _other_types(change.key, comparison.after):
        kept = change.before.manifest.get("DeletionPolicy") in _KEPT
        row = _rows(change.key).get("is kept" if kept else "is removed", _UNKNOWN)
        yield _finding(row, change.before, ingresses=_ingresses(comparison))


def _other_types(key: Key, objects: Objects) -> list[str]:
    """The types of resources with the same logical ID, but another type."""
    alike = (one.kind for one in objects if one.key == key._replace(kind=one.kind))
    return [kind for kind in alike if kind != key.kind and "::" in kind and "::" in key.kind]


@effect(risk="update")
def resource_changed(comparison: Comparison) -> Findings:
    """The next `cdk deploy` updates a resource in place, replaces it, or fails."""
    ingresses = _ingresses(comparison)
    alike: dict[tuple[Severity, Risk, str, str], dict[Difference, Object]] = defaultdict(dict)
    for change in comparison.changed([STACK_GROUP]):
        for field in change.differences:
            if row := _row(change.after, field):
                sides = {"before": shown(field.before), "after": shown(field.after)}
                one = _finding(row, change.after, ingresses=ingresses, **sides)
                alike[one.severity, one.risk, one.text, change.key.kind][field] = change.after
    for (severity, risk, consequence, _), fields in alike.items():
        keys = list(dict.fromkeys(item.key for item in fields.values()))
        text = f"{consequence}: {listed(list(dict.fromkeys(map(_values, fields))))}"
        if len(keys) > 1:
            names = dict.fromkeys(parameter_of(item) or item.name for item in fields.values())
            text += f" of {listed(list(names))}"
        yield Finding(severity, text, tuple(fields), risk, keys[0] if len(keys) == 1 else _STACK)


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
    was, now = (
        [fact for item in side if item.key.group == STACK_GROUP for fact in of_policies(item)]
        for side in (comparison.before, comparison.after)
    )
    for action, targets, read in (
        ("ssm:GetParameter", paths, "it"),
        ("kms:Decrypt", keys, "a parameter that is encrypted with it"),
    ):
        denied = [one for one in targets if not _may(now, action, one)]
        if lost := [one for one in denied if one in keys or _may(was, action, one)]:
            text = (
                f"no policy of the stack allows {action} on {listed(lost)}: External Secrets "
                f"cannot read {read}, and existing Secrets keep their last values"
            )
            yield Finding(HIGH, text, key=_STACK)


def _may(facts: Iterable[str], action: str, target: str) -> bool:
    """Whether a policy allows an action on a parameter or key, without a condition."""
    return any(
        fnmatchcase(target, resource.rpartition(":parameter")[2])
        and any(fnmatchcase(action, one) for one in actions.split(", "))
        for actions, _, resource in (fact.partition(" on ") for fact in facts)
    )


def _ingresses(comparison: Comparison) -> str:
    """The Ingresses with a certificate that one had before."""
    before, after = (side.of_kinds("Ingress") for side in (comparison.before, comparison.after))
    former = {item.annotations.get(CERTIFICATE) for item in before} - {None}
    names = [item.name for item in after if item.annotations.get(CERTIFICATE) in former]
    return listed(names, 6) or "none"


def _rows(key: Key, part: str = "") -> dict[str, Any]:
    """The rows of the table for a resource or an entry of a section, or for its attributes."""
    general = "resource" if "::" in key.kind else ""
    return {
        name: row
        for table in (general, key.kind, f"{key.kind} {key.name}")
        for names, row in _TABLE.get(f"{table}{part}", {}).items()
        for name in names.split(", ")
    }


def _finding(row: str, item: Object, **values: str) -> Finding:
    """Of a row of the table: `high replace: text`; the default class is `update`."""
    head, _, text = row.partition(": ")
    severity, _, risk = head.partition(" ")
    text = text.format(parameter=parameter_of(item) or item.name, **values)
    return Finding(Severity(severity), text, risk=Risk(risk or "update"))


def _row(item: Object, field: Difference) -> str | None:
    """The row for a difference; None if its effect is unknown."""
    inside = field.below("Properties")
    rows = _rows(item.key, "" if inside or "::" not in item.key.kind else " attributes")
    name = "".join(field.path[inside : inside + 1])
    row = rows.get(name)
    if inside and name in rows.get("required", ()) and name not in at(item.manifest, "Properties"):
        return str(rows["lacks"])
    if not isinstance(row, dict):
        return row
    sides = field.before, field.after
    for direction, side in zip(("added", "removed"), sides, strict=True):
        if side is ABSENT and direction in row:
            return str(row[direction])
    words = row.get("values")
    try:
        was, now = (
            float(row["default"] if side is ABSENT else words[side] if words else side)
            for side in sides
        )
    except (KeyError, TypeError, ValueError):
        return row.get("changed")
    direction = "same" if was == now else "less" if now < was else "more"
    text = row.get("zero" if now == 0 and "zero" in row else direction, "low: means the same")
    return str(text).replace("{after}", f"{now:g}")


def _values(field: Difference) -> str:
    return f"{str(field).removeprefix('Properties.')} {field.values(60)}"
