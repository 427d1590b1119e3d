"""Two revisions side by side: what every rule looks at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from constructs_lib.manifests.objects import Key, Object, Objects
from ops.review.argocd import Removal
from ops.review.differences import changes
from ops.review.model import Change, Difference, Finding, Risk, Severity
from ops.review.wording import listed

_MOST = 6
"""Facts that one finding lists; the raw diff has them all."""


class Sides(NamedTuple):
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


class Comparison:
    """The objects of two revisions, and what differs."""

    def __init__(self, before: Objects, after: Objects) -> None:
        self.before, self.after = before, after
        self.changes = {change.key: change for change in changes(before, after)}
        self.added = [item for key, item in after.objects.items() if key not in before.objects]
        self.removed = [item for key, item in before.objects.items() if key not in after.objects]
        self.removal = Removal(before, after)

    def sides(self, *kinds: str) -> Iterator[Sides]:
        """The objects of some kinds that are new, changed or removed; no kinds means all."""
        every = [Sides(change.before, change.after) for change in self.changes.values()]
        every += [Sides(None, item) for item in self.added]
        every += [Sides(item, None) for item in self.removed]
        return (sides for sides in every if not kinds or sides.item.key.kind in kinds)

    def changed(self, *kinds: str) -> Iterator[Change]:
        """The objects of some kinds that are on both sides, but differ."""
        return (change for change in self.changes.values() if change.key.kind in kinds)

    def differences(self, key: Key, *prefixes: tuple[str, ...]) -> tuple[Difference, ...]:
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
