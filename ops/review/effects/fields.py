"""`update` and `unknown`: what the review knows about fields, for those that no effect explains."""

import tomllib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path as File
from typing import Any

from constructs_lib.manifests.objects import GROUPS, POD_TEMPLATES, Kind
from constructs_lib.manifests.workload import Workload
from ops.review.diff import Change, Comparison, Difference, Path, spell
from ops.review.load import STACK_GROUP
from ops.review.model import HIGH, LOW, Finding, Findings, Severity, effect, listed

FIELDS = tomllib.loads(File(__file__).with_name("fields.toml").read_text("utf-8"))
_IN_TEMPLATE = FIELDS["pod_template"]


def _effects(rows: list[dict[str, Any]]) -> Iterator[tuple[Path, Severity, str]]:
    """The path of each field, with the severity and effect of a change there or below."""
    for row in rows:
        severity = next(severity for severity in Severity if severity in row)
        paths = [tuple(field.split(".")) for field in row.get("fields", ())]
        for part in ("annotations", "labels"):
            paths += [("metadata", part, name) for name in row.get(part, ())]
        yield from ((path, severity, row[severity]) for path in paths)


_EFFECTS = {
    (GROUPS[kind], kind): [
        *_effects(rows),
        *(_effects(FIELDS["common"]) if kind != "Namespace" else ()),
    ]
    for kinds, rows in FIELDS["kinds"].items()
    for kind in kinds.split(", ")
}
KNOWN_KINDS: frozenset[Kind] = frozenset(_EFFECTS)
"""Kinds that the effects know. What happens to other kinds is unknown."""


def is_known_field(path: Path) -> bool:
    """Whether the effect of a field of a pod template is known."""
    match path:
        case ("metadata", "annotations" | "labels", *_):
            return True
        case ("spec", "containers" | "initContainers", _, field, *_):
            return field in _IN_TEMPLATE["containers"]
        case ("spec", "volumes", _, field, *_):
            return field in _IN_TEMPLATE["volumes"]
        case ("spec", field, *_):
            return field in _IN_TEMPLATE["pod"]
    return False


@effect(risk="update")
def field_updated(comparison: Comparison, explained: set[Difference]) -> Findings:
    """A field that no other effect explains changes in place."""
    for change in comparison.changes.values():
        fields: dict[tuple[Severity, str], list[Difference]] = defaultdict(list)
        for field in change.differences:
            if field not in explained and (known := _effect(change, field)):
                fields[known].append(field)
        for (severity, text), alike in fields.items():
            yield _finding(severity, text, change, alike)


@effect(risk="unknown")
def effect_unknown(comparison: Comparison, explained: set[Difference]) -> Findings:
    """The review has no rule for this field or kind: find out its effect."""
    for change in comparison.changes.values():
        key = change.key
        rest = (field for field in change.differences if field not in explained)
        if unknown := [field for field in rest if not _effect(change, field)]:
            yield _finding(HIGH, "effect unknown", change, unknown)
        is_known = key.group == STACK_GROUP or (key.group, key.kind) in KNOWN_KINDS
        if change.state == "added" and not is_known:
            text = "is created; effect unknown, the review has no rules for this kind"
            yield Finding(HIGH, text, key=key)


def _effect(change: Change, field: Difference) -> tuple[Severity, str] | None:
    """The severity and effect of a field; None if they are unknown."""
    kind = (change.key.group, change.key.kind)
    template = POD_TEMPLATES.get(kind)
    if template and field.below(*template):
        known = is_known_field(field.path[len(template) :])
        return (LOW, Workload.read(change.after).update.timing) if known else None
    effects = _EFFECTS.get(kind, ())
    return next(((severity, text) for path, severity, text in effects if field.below(*path)), None)


def _finding(
    severity: Severity, text: str, change: Change, fields: Sequence[Difference]
) -> Finding:
    values = listed([f"{_brief(field.path)} {field.values(40)}" for field in fields])
    return Finding(severity, f"{text}: {values}", tuple(fields), key=change.key)


def _brief(path: Path) -> str:
    """The path, without the part up to a container's name."""
    if "containers" in path:
        path = path[path.index("containers") + 2 :] or path[-1:]
    return spell(path)
