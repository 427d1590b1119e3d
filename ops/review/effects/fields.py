"""What fields mean: the facts that change, and the fields that no effect explains."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path as File
from typing import Any

from constructs_lib.manifests import (
    argocd,
    lifecycle,
    load_balancer,
    network,
    placement,
    replicas,
    secrets,
)
from constructs_lib.manifests.facts import (
    STACK_GROUP,
    Fact,
    Field,
    Path,
    Reading,
    field_of,
    known_kinds,
)
from constructs_lib.manifests.objects import POD_TEMPLATES, Key, Object, Objects, once_per_objects
from constructs_lib.manifests.workload import Workload, workloads
from constructs_lib.rules import RULES
from constructs_lib.rules.model import declared
from ops.review.diff import ABSENT, ORDER, Change, Comparison, Difference, contrast, shown, spell
from ops.review.model import (
    HIGH,
    LOW,
    MEDIUM,
    Effect,
    Finding,
    Findings,
    Risk,
    Severity,
    effect,
    listed,
)

TABLES = tomllib.loads(File(__file__).with_name("fields.toml").read_text("utf-8"))
KNOWN_KINDS = known_kinds()
"""Kinds that the effects know. What happens to other kinds is unknown."""
_RESTARTS = "pods-restart"
_CONTAINERS = {"containers", "initContainers"}


def row_of(change: Change, field: Difference) -> Field | None:
    """The row of a changed field in fields.yaml."""
    kind = (change.key.group, change.key.kind)
    row = field_of(kind, field.path)
    if field.item and (field.after is ABSENT or (row and row.item)):
        return field_of(kind, field.item)
    return row


def owned(change: Change, owner: str) -> tuple[Difference, ...]:
    """The differences in the fields that a fact, an effect or a rule reads."""
    rows = ((field, row_of(change, field)) for field in change.differences)
    return tuple(field for field, row in rows if row and owner in row.by)


def _changes_of(fact: Fact) -> Callable[[Change, Comparison], Findings]:
    def find(change: Change, comparison: Comparison) -> Findings:
        was, now = (
            {reading.part: reading for reading in fact.read(subject(item, objects), objects)}
            for item, objects in (
                (change.before, comparison.before),
                (change.after, comparison.after),
            )
        )
        for part in now:
            if part in was and str(was[part]) != str(now[part]):
                others = dict.fromkeys(one.key for one in (*was[part].about, *now[part].about))
                own = {
                    one: _fields_of(one, fact, part)
                    for one in (change, *map(comparison.change_of, others))
                }
                severity, text = outcome(was[part], now[part])
                causes = filter(None, (_causes(one, fields) for one, fields in own.items()))
                explains = tuple(chain.from_iterable(own.values()))
                yield Finding(severity, "; ".join([text, *causes]), explains)

    return find


def _fields_of(change: Change, fact: Fact, part: str) -> tuple[Difference, ...]:
    """The differences that a fact about a part of an object reads."""
    container, _, probe = part.partition(": ")
    return tuple(
        field
        for field in owned(change, fact.id)
        if (not probe or probe in field.path) and container_of(field) in ("", container)
    )


def subject(item: Object, objects: Objects) -> Any:
    """What facts read of an object: a Workload, with its autoscaler, if it has pods."""
    if (item.key.group, item.kind) not in POD_TEMPLATES:
        return item
    return _workloads(objects).get(item.key) or Workload.read(item)


@once_per_objects
def _workloads(objects: Objects) -> Mapping[Key, Workload]:
    return {workload.key: workload for workload in workloads(objects)}


def outcome(before: Reading, after: Reading) -> tuple[Severity, str]:
    """The severity and text of a fact that changes."""
    was = before.value if after.says == before.says else str(before)
    text = f"{after.part}: {after}" if after.part else str(after)
    if str(before) != str(after):
        text += f" (before: {was})"
    if after.is_worse_than(before):
        return Severity(after.level), text
    return LOW, f"better: {text}" if before.is_worse_than(after) else text


def _causes(change: Change, fields: Iterable[Difference]) -> str:
    items: dict[Path, list[Difference]] = defaultdict(list)
    for field in fields:
        items[field.item or field.path].append(field)
    texts = [
        f"{_brief(change, item)} {'removed' if own[0].after is ABSENT else 'added'}"
        if len(own) > 1
        else _old_and_new(change, own[0])
        for item, own in items.items()
    ]
    return listed(texts, 4)


def _old_and_new(change: Change, field: Difference) -> str:
    """`livenessProbe.periodSeconds 10 (default) → 30`."""
    row = row_of(change, field)
    default = ABSENT if row is None or row.default is None else f"{shown(row.default)} (default)"
    was, now = (default if value is ABSENT else value for value in (field.before, field.after))
    return f"{_brief(change, field.path)} {contrast(was, now, 40)}"


def _brief(change: Change, path: Path) -> str:
    """A path without the steps to the pod spec or to the fields of a container."""
    for place, step in enumerate(path[:-2]):
        if step in _CONTAINERS:
            return spell(path[place + 2 :])
    return change.brief(path)


FACTS = tuple(
    Effect(fact.id, fact.reason, fact.kinds, Risk(fact.risk), _changes_of(fact), fact.source)
    for fact in declared(
        Fact, lifecycle, load_balancer, network, placement, replicas, argocd, secrets
    )
)
"""An effect for each fact, which reports how it changes."""
_FACTS = {effect.id for effect in FACTS} | {rule.name for rule in RULES}
"""What reads the fields of a row completely."""


@effect(risk="update")
def field_updated(comparison: Comparison, explained: set[Difference]) -> Findings:
    """A field changes what its documentation says, or has no effect."""
    alike: dict[tuple[Severity, str, Risk], _Fields] = defaultdict(lambda: defaultdict(list))
    for change in comparison.changes.values():
        for field in change.differences:
            if field not in explained and (known := _consequence(change, field)):
                alike[known][change].append(field)
    for (severity, text, risk), fields in alike.items():
        yield from _one_each(Finding(severity, f"{text}; ", risk=risk), fields)


@effect(risk="unknown")
def effect_unknown(comparison: Comparison, explained: set[Difference]) -> Findings:
    """The review does not know what a field or kind does: find out its effect."""
    unknown: dict[str, _Fields] = defaultdict(lambda: defaultdict(list))
    for change in comparison.changes.values():
        key = change.key
        for field in change.differences:
            if field not in explained and not _consequence(change, field):
                unknown[key.kind][change].append(field)
        is_known = key.group == STACK_GROUP or (key.group, key.kind) in KNOWN_KINDS
        if change.state == "added" and not is_known:
            text = "is created; effect unknown, the review has no rules for this kind"
            severity, risk = (MEDIUM, Risk.CREATE) if comparison.path else (HIGH, Risk.UNKNOWN)
            yield Finding(severity, text, risk=risk, key=key)
    for fields in unknown.values():
        yield from _one_each(Finding(HIGH, "effect unknown: "), fields)


_Fields = Mapping[Change, list[Difference]]


def _one_each(finding: Finding, fields: _Fields) -> Findings:
    """A consequence for each change."""
    names = dict.fromkeys(_brief(change, one.path) for change, own in fields.items() for one in own)
    brief = f"{finding.text}{listed([*names], 4)}"
    for change, own in fields.items():
        text = f"{finding.text}{_causes(change, own)}"
        yield replace(finding, text=text, explains=tuple(own), key=change.key, brief=brief)


def _consequence(change: Change, field: Difference) -> tuple[Severity, str, Risk] | None:
    """The severity, consequence and class of a field by its row; None if they are unknown."""
    row = row_of(change, field)
    if row is None or row.unknown:
        return None
    was, now = (row.default if value is ABSENT else value for value in (field.before, field.after))
    same = row.same
    if is_default(change, field):
        same = "changes nothing: it is the default"
    elif row.harmless:
        same = f"changes nothing: {row.harmless}"
    elif _RESTARTS in row.by:
        same = Workload.read(change.after).update.timing
    elif field.path[-1] == ORDER:
        same = row.same or "changes only the order"
    elif not row.worse and row.by and _FACTS.issuperset(row.by):
        same = "the result stays the same"
    if same:
        return LOW, same, Risk.UPDATE
    before, after = row.read(was), row.read(now)
    if not (before and after):
        return None
    part = container_of(field)
    severity, text = outcome(before._replace(part=part), after._replace(part=part))
    return severity, text, Risk(row.risk)


def is_default(change: Change, field: Difference) -> bool:
    """Whether a difference only writes the default out, or no longer."""
    row, sides = row_of(change, field), (field.before, field.after)
    return row is not None and sides in ((ABSENT, row.default), (row.default, ABSENT))


def container_of(field: Difference) -> str:
    """The container that contains a field, as `container api`."""
    for steps in pairwise(field.path):
        if steps[0] in _CONTAINERS:
            return f"container {steps[1].strip('[]')}"
    return ""


def is_only_restart(change: Change, field: Difference) -> bool:
    """Whether a difference of a pod template has no other known effect than that pods restart."""
    row = row_of(change, field)
    return bool(row and (row.harmless or row.by == (_RESTARTS,)))
