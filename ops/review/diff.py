"""Compare two revisions object by object and field by field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from constructs_lib.manifests.objects import GROUPS, Key, Object, Objects
from constructs_lib.manifests.workload import Workload
from constructs_lib.model.quantity import amount
from ops.review.argocd import Removal
from ops.review.model import ABSENT, Change, Difference, Finding, Path, Risk, Severity
from ops.review.wording import before_after, listed

ORDER = "[order]"
"""The last step of a path if only the order of a list differs."""

_ITEM_NAMES: tuple[Path, ...] = (
    ("name",),
    ("mountPath",),
    ("secretKey",),
    ("secretRef", "name"),
    ("configMapRef", "name"),
    ("host",),
    ("path",),
    ("containerPort",),
    ("port",),
    ("topologyKey",),
)
_QUANTITIES = {"requests", "limits", "hard", "default", "defaultRequest", "sizeLimit"}
_DURATIONS = {"refreshInterval", "duration", "maxDuration"}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[hms])+")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_MAX_FACTS = 6
"""How many facts a finding lists; the raw diff has all."""


class ObjectPair(NamedTuple):
    """An object before and after; None where it does not exist."""

    before: Object | None
    after: Object | None

    @property
    def item(self) -> Object:
        """The object after the change; for a removed object, before it."""
        item = self.after or self.before
        if not item:
            raise ValueError("an ObjectPair needs at least one object")
        return item

    @property
    def change(self) -> str:
        """`changed`, `added` or `removed`."""
        return "changed" if all(self) else "added" if self.after else "removed"


class Comparison:
    """The objects of two revisions, and their differences."""

    def __init__(self, before: Objects, after: Objects, *, stored: bool = False) -> None:
        """Compare two revisions.

        Args:
            before: Objects of the base.
            after: Objects of the head.
            stored: Whether both come from an API server, with its defaults.
        """
        self.before, self.after, self.stored = before, after, stored
        self.changes: dict[Key, Change] = {}
        for key, item in after.objects.items():
            former = before.objects.get(key)
            if former and (found := tuple(compare(former.manifest, item.manifest))):
                self.changes[key] = Change(former, item, found)
        self.added = [item for key, item in after.objects.items() if key not in before.objects]
        self.removed = [item for key, item in before.objects.items() if key not in after.objects]
        self.removal = Removal(before, after)

    def pairs(self, *kinds: str) -> Iterator[ObjectPair]:
        """New, changed and removed objects of some kinds; of all kinds by default."""
        every = [ObjectPair(change.before, change.after) for change in self.changes.values()]
        every += [ObjectPair(None, item) for item in self.added]
        every += [ObjectPair(item, None) for item in self.removed]
        return (pair for pair in every if not kinds or _is_of(pair.item.key, kinds))

    def changed(self, *kinds: str) -> Iterator[Change]:
        return (change for change in self.changes.values() if _is_of(change.key, kinds))

    def workloads(self, *kinds: str) -> Iterator[tuple[Change, Workload, Workload]]:
        """Workloads of some kinds that exist on both sides and differ."""
        for change in self.changed(*kinds):
            yield change, Workload.read(change.before), Workload.read(change.after)

    def differences(self, key: Key, *prefixes: Path) -> tuple[Difference, ...]:
        """Differences of an object at some paths or below; none if it is new or removed."""
        change = self.changes.get(key)
        found = [d for prefix in prefixes for d in (change.at(*prefix) if change else ())]
        return tuple(dict.fromkeys(found))


def _is_of(key: Key, kinds: tuple[str, ...]) -> bool:
    """Whether an object has one of these kinds, and not one of the same name in another group."""
    return key.kind in kinds and GROUPS.get(key.kind, key.group) == key.group


def gains_and_losses(
    risk: Risk,
    key: Key,
    before: Sequence[str],
    after: Sequence[str],
    *,
    words: tuple[str, str],
    severities: tuple[Severity, Severity] = (Severity.HIGH, Severity.LOW),
    explains: tuple[Difference, ...] = (),
) -> Iterator[Finding]:
    """A finding for the facts that only `after` has, and one for those that only `before` has.

    `words` and `severities` are for the gain and the loss, in this order.
    """
    gained = [each for each in dict.fromkeys(after) if each not in before]
    lost = [each for each in dict.fromkeys(before) if each not in after]
    for facts, introduction, severity in zip((gained, lost), words, severities, strict=True):
        if facts:
            text = f"{introduction} {listed(facts, _MAX_FACTS, '; ')}"
            yield Finding(risk, severity, key, text, explains)


def field_finding(
    risk: Risk, severity: Severity, key: Key, each: Difference, label: str | None = None
) -> Finding:
    """A finding that shows a field before and after, under its path or a label."""
    return Finding(risk, severity, key, f"{label or each}: {before_after(each, 80)}", (each,))


def compare(before: Any, after: Any, path: Path = ()) -> Iterator[Difference]:
    """Every field in which two values differ, unless the API server stores both alike."""
    before, after = (ABSENT if value is None else value for value in (before, after))
    if before is after or (isinstance(before, str) and before == after):
        return
    present = [value for value in (before, after) if value is not ABSENT]
    if _are_all(dict, present):
        for name in dict.fromkeys(name for value in present for name in value):
            old, new = (None if value is ABSENT else value.get(name) for value in (before, after))
            yield from compare(old, new, (*path, str(name)))
    elif _are_all(list, present):
        yield from _compare_lists(before, after, path)
    elif _as_stored(before, path) != _as_stored(after, path):
        yield Difference(path, before, after)


def _are_all(kind: type, values: list[Any]) -> bool:
    """Whether all values have a type. A single empty value has no fields to compare."""
    return all(isinstance(value, kind) for value in values) and (
        len(values) == 2 or bool(values[0])
    )


def _compare_lists(before: Any, after: Any, path: Path) -> Iterator[Difference]:
    """Compare items with the same name; without names, items at the same place."""
    old, new = ([] if value is ABSENT else value for value in (before, after))
    field = next((f for f in _ITEM_NAMES if _identifies(f, old) and _identifies(f, new)), None)
    if field:
        formers, items = ({_name(item, field): item for item in value} for value in (old, new))
    elif len(old) == len(new) and all(isinstance(item, dict) for item in (*old, *new)):
        formers, items = ({str(at): item for at, item in enumerate(v)} for v in (old, new))
    else:
        if old != new:
            yield Difference(path, before, after)
        return
    for name in dict.fromkeys([*formers, *items]):
        former, item = (named.get(name, ABSENT) for named in (formers, items))
        if field and ABSENT in (former, item):  # the path has its name
            former, item = (_unnamed(one, field) for one in (former, item))
        yield from compare(former, item, (*path, f"[{name}]"))
    was, now = ([n for n in names if n in formers and n in items] for names in (formers, items))
    if was != now:
        yield Difference((*path, ORDER), was, now)


def _identifies(field: Path, items: list[Any]) -> bool:
    """Whether a field has a different value in each item of a list."""
    names = [_name(item, field) for item in items]
    return all(names) and len(set(names)) == len(names)


def _name(item: Any, field: Path) -> str:
    for name in field:
        item = item.get(name) if isinstance(item, dict) else None
    return str(item) if isinstance(item, str | int) else ""


def _unnamed(item: Any, field: Path) -> Any:
    if item is ABSENT or len(item) == 1:
        return item
    return {name: content for name, content in item.items() if (name,) != field}


def _as_stored(value: Any, path: Path) -> object:
    """What the API server stores, to compare: External Secrets v1 stores `1h` as `1h0m0s`."""
    if _QUANTITIES.intersection(path):
        with suppress(ValueError):
            return amount(str(value))
    if path and path[-1] in _DURATIONS and _DURATION.fullmatch(str(value)):
        parts = re.findall(r"([\d.]+)([hms])", value)
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return type(value), value
