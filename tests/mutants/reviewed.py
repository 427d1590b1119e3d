"""Mutation tests of the review: change one field of dist/ at a time.

No finding may say less than the row of the field in fields.yaml demands, and each field has a row.
"""

import copy
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from constructs_lib.manifests.facts import Field
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.schema import unreadable
from constructs_lib.model import Manifest
from ops.review.diff import ABSENT, Comparison, Difference
from ops.review.effects import findings
from ops.review.effects.fields import effect_unknown, field_updated, row_of
from ops.review.model import Finding, Severity
from tests.mutants import start

Steps = tuple[str | int, ...]
_IDENTITY = {"apiVersion", "kind", "name", "namespace"}
_OTHER_WORDS: dict[str, tuple[str, ...]] = {
    "concurrencyPolicy": ("Allow", "Forbid", "Replace"),
    "creationPolicy": ("Merge", "None", "Orphan", "Owner"),
    "deletionPolicy": ("Delete", "Merge", "Retain"),
    "imagePullPolicy": ("Always", "IfNotPresent", "Never"),
    "pathType": ("Exact", "ImplementationSpecific", "Prefix"),
    "restartPolicy": ("Always", "Never", "OnFailure"),
    "unhealthyPodEvictionPolicy": ("AlwaysAllow", "IfHealthyBudget"),
    "whenUnsatisfiable": ("DoNotSchedule", "ScheduleAnyway"),
}
_QUANTITY = re.compile(r"(\d+)([A-Za-z]*)")
_SEVERITIES = list(Severity)


class Change(NamedTuple):
    """dist/ with another value in one field."""

    item: Object
    edited: Manifest
    name: str
    """`Deployment cerebro/cerebro-api: spec.replicas 2 → 0`."""


def changes() -> Iterator[Change]:
    """The first change of each field of each kind to each value."""
    seen = set()
    for item in start():
        for steps, value in _leaves(item.manifest, ()):
            general = tuple("*" if isinstance(step, int) else step for step in steps)
            for other in _others(general[-1], value):
                key = (item.kind, general, repr(other) if value != other else "")
                if key not in seen and not _IDENTITY.issuperset(general[:1]):
                    seen.add(key)
                    shown = "removed" if other is ABSENT else repr(other)
                    name = f"{item.key}: {'.'.join(map(str, steps))} {value!r} → {shown}"
                    yield Change(item, _with(item.manifest, steps, other), name)


def _leaves(value: Any, steps: Steps) -> Iterator[tuple[Steps, Any]]:
    """Every field that is not a mapping, and every list and mapping with its own steps."""
    if isinstance(value, dict):
        for name, inside in value.items():
            yield from _leaves(inside, (*steps, name))
    elif isinstance(value, list):
        for place, inside in enumerate(value):
            yield from _leaves(inside, (*steps, place))
    if (len(steps) > 1 and steps[0] != "metadata") or len(steps) > 2:
        yield steps, value


def _others(name: str | int, value: Any) -> Iterator[Any]:
    """Removed, zero, one, far less, far more, the other words."""
    yield ABSENT
    match value:
        case bool():
            yield not value
        case int():
            yield from {0, 1, value // 10, value * 10} - {value}
        case str() if words := _OTHER_WORDS.get(str(name)):
            yield from (word for word in words if word != value)
        case str() if quantity := _QUANTITY.fullmatch(value):
            number, unit = int(quantity[1]), quantity[2]
            yield from (
                f"{other}{unit}" for other in {1, number // 10 or 1, number * 10} - {number}
            )
        case str():
            yield f"{value}x"


def _with(manifest: Manifest, steps: Steps, value: Any) -> Manifest:
    edited = copy.deepcopy(manifest)
    found: Any = edited
    for step in steps[:-1]:
        found = found[step]
    if value is ABSENT:
        del found[steps[-1]]
    else:
        found[steps[-1]] = value
    return edited


def shortcomings(change: Change) -> Iterator[str]:
    """What the review says too little about; nothing if it cannot read the object at all."""
    if any(unreadable(change.edited)):
        return
    after = Object.of(change.edited, change.item.file)
    objects = [after if item is change.item else item for item in start()]
    comparison = Comparison(Objects(start()), Objects(objects))
    found = list(findings(comparison))
    explained = {field for finding in found for field in finding.explains}
    found += field_updated(comparison, explained)
    found += effect_unknown(comparison, explained)
    yield from (f"{change.name}: {one.text}" for one in found if "cannot read it" in one.text)
    edit = comparison.change_of(after.key)
    for field in edit.differences:
        row = row_of(edit, field)
        own = [finding for finding in found if field in finding.explains]
        if row is None:
            yield f"{change.name}: {field} has no row in fields.yaml"
        elif not own:
            yield f"{change.name}: no finding explains {field}"
        elif problem := _too_little(row, field, own):
            worst = min(own, key=lambda finding: _SEVERITIES.index(finding.severity))
            yield f"{change.name}: {problem}, but it is {worst.severity}: {worst.sentence}"


def _too_little(row: Field, field: Difference, own: list[Finding]) -> str | None:
    """What a row demands of the findings about a field, if they say less."""
    reported = {finding.rule for finding in own}.intersection(row.by)
    if reported or row.harmless or (row.by and not row.worse):
        return None
    demanded = "high"  # of what is unknown
    if not row.unknown:
        values = (field.before, field.after)
        was, now = (row.read(row.default if value is ABSENT else value) for value in values)
        if was and now:
            demanded = now.level if now.is_worse_than(was) else "low"
    severities = [_SEVERITIES.index(finding.severity) for finding in own]
    return f"is {demanded}" if _SEVERITIES.index(Severity(demanded)) < min(severities) else None
