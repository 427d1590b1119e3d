"""Two revisions side by side: which objects differ, field by field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from constructs_lib.manifests.objects import Key, Object, Objects
from constructs_lib.manifests.workload import Workload
from constructs_lib.quantity import amount
from ops.review.argocd import Removal
from ops.review.model import ABSENT, Change, Difference, Finding, Path, Risk, Severity
from ops.review.wording import before_after, listed

ORDER = "[order]"
"""The last step of a path where only the order of a list's items differs."""

_NAMED_BY: tuple[Path, ...] = (
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
_MOST = 6
"""Facts that one finding lists; the raw diff has them all."""


class ObjectPair(NamedTuple):
    """An object before and after; None where it is not there."""

    before: Object | None
    after: Object | None

    @property
    def item(self) -> Object:
        """The later of the two."""
        item = self.after or self.before
        if not item:
            raise ValueError("an object is on one side at least")
        return item

    @property
    def change(self) -> str:
        """`changed`, `added` or `removed`."""
        return "changed" if all(self) else "added" if self.after else "removed"


class Comparison:
    """The objects of two revisions, and what differs."""

    def __init__(self, before: Objects, after: Objects, *, stored: bool = False) -> None:
        """`stored`: whether they are as an API server stores them, with its defaults."""
        self.before, self.after, self.stored = before, after, stored
        self.changes = {change.key: change for change in changes(before, after)}
        self.added = [item for key, item in after.objects.items() if key not in before.objects]
        self.removed = [item for key, item in before.objects.items() if key not in after.objects]
        self.removal = Removal(before, after)

    def pairs(self, *kinds: str) -> Iterator[ObjectPair]:
        """The objects of some kinds that are new, changed or removed; no kinds means all."""
        every = [ObjectPair(change.before, change.after) for change in self.changes.values()]
        every += [ObjectPair(None, item) for item in self.added]
        every += [ObjectPair(item, None) for item in self.removed]
        return (pair for pair in every if not kinds or pair.item.key.kind in kinds)

    def changed(self, *kinds: str) -> Iterator[Change]:
        """The objects of some kinds that are on both sides, but differ."""
        return (change for change in self.changes.values() if change.key.kind in kinds)

    def workloads(self, *kinds: str) -> Iterator[tuple[Change, Workload, Workload]]:
        """The workloads of some kinds that are on both sides, but differ."""
        for change in self.changed(*kinds):
            yield change, Workload(change.before), Workload(change.after)

    def differences(self, key: Key, *prefixes: Path) -> tuple[Difference, ...]:
        """Where an object differs, at those paths or below; nowhere if it is new or removed."""
        change = self.changes.get(key)
        found = [d for prefix in prefixes for d in (change.at(*prefix) if change else ())]
        return tuple(dict.fromkeys(found))


def shift(
    risk: Risk,
    key: Key,
    before: Sequence[str],
    after: Sequence[str],
    *,
    words: tuple[str, str],
    severities: tuple[Severity, Severity] = (Severity.HIGH, Severity.LOW),
    explains: tuple[Difference, ...] = (),
) -> Iterator[Finding]:
    """What holds now and did not before, and the other way round, as a finding each.

    `words` and `severities` are those of what is gained and of what is lost.
    """
    gained = [each for each in dict.fromkeys(after) if each not in before]
    lost = [each for each in dict.fromkeys(before) if each not in after]
    for facts, introduction, severity in zip((gained, lost), words, severities, strict=True):
        if facts:
            text = f"{introduction} {listed(facts, _MOST, '; ')}"
            yield Finding(risk, severity, key, text, explains)


def tell(
    risk: Risk, severity: Severity, key: Key, each: Difference, what: str | None = None
) -> Finding:
    """A difference as it is: its field, or `what` that is, before and after."""
    return Finding(risk, severity, key, f"{what or each}: {before_after(each, 80)}", (each,))


def changes(before: Objects, after: Objects) -> list[Change]:
    """The objects of both sides that differ, in the order of `after`."""
    found = []
    for key, item in after.objects.items():
        former = before.objects.get(key)
        differing = tuple(compare(former.manifest, item.manifest)) if former else ()
        if former and differing:
            found.append(Change(former, item, differing))
    return found


def compare(before: Any, after: Any, path: Path = ()) -> Iterator[Difference]:
    """Every field in which two values differ. What the API server stores alike is none."""
    before, after = (ABSENT if side is None else side for side in (before, after))
    if before is after:
        return
    sides = [side for side in (before, after) if side is not ABSENT]
    if _filled(dict, sides):
        for name in dict.fromkeys(name for side in sides for name in side):
            yield from compare(_field(before, name), _field(after, name), (*path, str(name)))
    elif _filled(list, sides):
        yield from _compare_lists(before, after, path)
    elif not _stored_alike(before, after, path):
        yield Difference(path, before, after)


def _filled(kind: type, sides: list[Any]) -> bool:
    """Whether what is there is of a kind; alone, it must hold something to be taken apart."""
    return all(isinstance(side, kind) for side in sides) and (len(sides) == 2 or bool(sides[0]))


def _field(side: Any, name: Any) -> Any:
    return ABSENT if side is ABSENT else side.get(name, ABSENT)


def _compare_lists(before: Any, after: Any, path: Path) -> Iterator[Difference]:
    old, new = ([] if side is ABSENT else side for side in (before, after))
    field = next((field for field in _NAMED_BY if _names(field, old) and _names(field, new)), None)
    if field:
        yield from _compare_named(old, new, field, path)
    elif len(old) == len(new) and all(isinstance(item, dict) for item in (*old, *new)):
        for place, (former, item) in enumerate(zip(old, new, strict=True)):
            yield from compare(former, item, (*path, f"[{place}]"))
    elif old != new:
        yield Difference(path, before, after)


def _compare_named(old: list[Any], new: list[Any], field: Path, path: Path) -> Iterator[Difference]:
    formers, items = ({_dig(item, field): item for item in side} for side in (old, new))
    for name in dict.fromkeys([*formers, *items]):
        former, item = (side.get(name, ABSENT) for side in (formers, items))
        if ABSENT in (former, item):  # its name is told by the path
            former, item = (_unnamed(side, field) for side in (former, item))
        yield from compare(former, item, (*path, f"[{name}]"))
    was, now = ([n for n in side if n in formers and n in items] for side in (formers, items))
    if was != now:
        yield Difference((*path, ORDER), was, now)


def _names(field: Path, items: list[Any]) -> bool:
    """Whether a field tells the items of a list apart."""
    names = [_dig(item, field) for item in items]
    return all(names) and len(set(names)) == len(names)


def _dig(item: Any, field: Path) -> str:
    for name in field:
        item = item.get(name) if isinstance(item, dict) else None
    return str(item) if isinstance(item, str | int) else ""


def _unnamed(item: Any, field: Path) -> Any:
    if item is ABSENT or len(item) == 1:
        return item
    return {name: content for name, content in item.items() if (name,) != field}


def _stored_alike(before: Any, after: Any, path: Path) -> bool:
    if before == after and type(before) is type(after):
        return True
    if _QUANTITIES.intersection(path) and ABSENT not in (before, after):
        return _amount(before) == _amount(after) is not None
    if path and path[-1] in _DURATIONS:
        return _seconds(before) == _seconds(after) is not None
    return False


def _amount(value: Any) -> object:
    try:
        return amount(str(value))
    except ValueError:
        return None


def _seconds(value: Any) -> float | None:
    """`1h`, which External Secrets v1 stores as `1h0m0s`."""
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        return None
    return sum(
        float(number) * _SECONDS[unit] for number, unit in re.findall(r"([\d.]+)([hms])", value)
    )
