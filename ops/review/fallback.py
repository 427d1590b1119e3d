"""`update` and `unknown`: differences that no other rule explains."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path as File
from typing import Any

from constructs_lib.manifests.objects import GROUPS, POD_TEMPLATES, Kind
from constructs_lib.manifests.workload import Workload
from ops.review.diff import Comparison
from ops.review.load import STACK_GROUP
from ops.review.model import Change, Difference, Finding, Path, Risk, Severity, spell
from ops.review.wording import before_after, listed

FIELDS = tomllib.loads(File(__file__).with_name("fields.toml").read_text("utf-8"))
_IN_POD, _IN_CONTAINER, _IN_VOLUME = (
    frozenset(FIELDS["pod_template"][part]) for part in ("pod", "containers", "volumes")
)
_IN_ITEMS = {
    "containers": _IN_CONTAINER,
    "initContainers": _IN_CONTAINER,
    "volumes": _IN_VOLUME,
}
_PARENTS = {
    "fields": (),
    "annotations": ("metadata", "annotations"),
    "labels": ("metadata", "labels"),
}


def _effects(rows: list[dict[str, Any]]) -> Iterator[tuple[Path, Severity, str]]:
    """The path of each field, with the severity and effect of a change there or below."""
    for row in rows:
        severity = next(severity for severity in Severity if severity in row)
        for field, parent in _PARENTS.items():
            for name in row.get(field, ()):
                path = (*parent, name) if parent else tuple(name.split("."))
                yield path, severity, row[severity]


_EFFECTS = {
    (GROUPS[kind], kind): [
        *_effects(rows),
        *(_effects(FIELDS["common"]) if kind != "Namespace" else ()),
    ]
    for kinds, rows in FIELDS["kinds"].items()
    for kind in kinds.split(", ")
}
KNOWN_KINDS: frozenset[Kind] = frozenset(_EFFECTS)
"""Kinds that the rules know. The effect of other kinds is unknown."""


def is_known_field(path: Path) -> bool:
    """Whether the rules know the effect of a field of a pod template."""
    if path[:1] == ("metadata",):
        return path[1:2] in (("labels",), ("annotations",))
    within, *rest = path[1:] or ("",)
    if within in _IN_ITEMS and len(rest) > 1:
        return rest[1] in _IN_ITEMS[within]
    return within in _IN_POD


def unexplained(comparison: Comparison, found: list[Finding]) -> Iterator[Finding]:
    """A finding for every difference that the given findings do not explain."""
    explained = {difference for finding in found for difference in finding.explains}
    for change in comparison.changes.values():
        effects: dict[tuple[Risk, Severity, str], list[Difference]] = defaultdict(list)
        for difference in change.differences:
            if difference not in explained:
                effects[_effect(change, difference)].append(difference)
        for (risk, severity, effect), differences in effects.items():
            fields = [f"{_brief(each.path)} {before_after(each, 40)}" for each in differences]
            text = f"{effect}: {listed(fields)}"
            yield Finding(risk, severity, change.key, text, tuple(differences))
    for item in comparison.added:
        if item.key.group != STACK_GROUP and (item.key.group, item.kind) not in KNOWN_KINDS:
            text = "is created; effect unknown, the review has no rules for this kind"
            yield Finding(Risk.UNKNOWN, Severity.HIGH, item.key, text)


def _effect(change: Change, difference: Difference) -> tuple[Risk, Severity, str]:
    kind = (change.key.group, change.key.kind)
    template = POD_TEMPLATES.get(kind)
    if template and difference.below(*template):
        if is_known_field(difference.path[len(template) :]):
            return Risk.UPDATE, Severity.LOW, Workload.read(change.after).update.timing
    else:
        for path, severity, effect in _EFFECTS.get(kind, ()):
            if difference.below(*path):
                return Risk.UPDATE, severity, effect
    return Risk.UNKNOWN, Severity.HIGH, "effect unknown"


def _brief(path: Path) -> str:
    """The path, without the part up to a container's name."""
    if "containers" in path:
        path = path[path.index("containers") + 2 :] or path[-1:]
    return spell(path)
