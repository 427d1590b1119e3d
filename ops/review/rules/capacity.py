"""`capacity`: what all pods ask for together, before and after, against the quotas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from constructs_lib.manifests import capacity
from constructs_lib.manifests.objects import Key, Objects
from constructs_lib.quantity import readable
from ops.review.diff import Comparison
from ops.review.load import of_cluster
from ops.review.model import ABSENT, TEMPLATE, Change, Difference, Finding, Risk, Severity, spell
from ops.review.rules.removal import SIZE, shrinks
from ops.review.wording import before_after, listed

TOTAL = "all namespaces"
_NONE = Fraction(0)
_ORDER = {"requests.cpu": 0, "requests.memory": 1, "limits.cpu": 2, "limits.memory": 3}
"""What decides first whether a pod fits."""


@dataclass(frozen=True)
class Row:
    """What the pods of a namespace ask for of one resource at the worst moment."""

    namespace: str
    resource: str
    """`requests.cpu` and the like; `pods`, `persistentvolumeclaims`."""
    before: Fraction
    after: Fraction
    quota: Fraction | None
    """After the change. None: nothing bounds it."""

    @property
    def exceeds(self) -> bool:
        """Whether the quota does not hold it."""
        return self.quota is not None and self.after > self.quota

    def __str__(self) -> str:
        was, now = (self.spelled(asked) for asked in (self.before, self.after))
        return f"{self.resource} {was} → {now}{self.bound and f' of {self.bound}'}"

    @property
    def bound(self) -> str:
        """The quota as people write it; empty where there is none."""
        return "" if self.quota is None else self.spelled(self.quota)

    def spelled(self, asked: Fraction) -> str:
        """An amount as people write it: `2.35`, `7.25Gi`."""
        return readable(asked, binary=capacity.is_bytes(self.resource))


def rows(comparison: Comparison) -> list[Row]:
    """What changes, by namespace and in total."""
    was, now = _sums(comparison.before), _sums(comparison.after)
    bounds = _quotas(comparison.after)
    return [
        Row(namespace, resource, before, after, bounds.get(namespace, {}).get(resource))
        for namespace in dict.fromkeys([*now, *was])
        for resource in _resources(was.get(namespace, {}), now.get(namespace, {}))
        if (before := was.get(namespace, {}).get(resource, _NONE))
        != (after := now.get(namespace, {}).get(resource, _NONE))
    ]


def _resources(*sums: Mapping[str, Fraction]) -> list[str]:
    named = dict.fromkeys(resource for each in sums for resource in each)
    return sorted(named, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))


@lru_cache(maxsize=2)
def _quotas(objects: Objects) -> Mapping[str, Mapping[str, Fraction]]:
    return capacity.quotas(item.manifest for item in of_cluster(objects))


@lru_cache(maxsize=2)
def _sums(objects: Objects) -> Mapping[str, Mapping[str, Fraction]]:
    sums = capacity.peak(item.manifest for item in of_cluster(objects))
    return {**sums, TOTAL: capacity.total(sums)}


def namespaces(comparison: Comparison) -> Iterator[Finding]:
    """What the pods of each namespace ask for, and whether its quota still holds them."""
    changed: dict[str, list[Row]] = defaultdict(list)
    for row in rows(comparison):
        changed[row.namespace].append(row)
    changed.pop(TOTAL, None)
    for namespace, of_namespace in changed.items():
        above = [row for row in of_namespace if row.exceeds]
        text = listed(list(map(str, above or of_namespace)), 2)
        if above:
            text = f"above the quota, so that pods are refused: {text}"
        severity = Severity.HIGH if above else Severity.LOW
        key = Key("", "Namespace", "", namespace)
        yield Finding(Risk.CAPACITY, severity, key, text, _causes(comparison, namespace))


def _causes(comparison: Comparison, namespace: str) -> tuple[Difference, ...]:
    return tuple(
        each
        for change in comparison.changed(*TEMPLATE)
        if change.key.namespace == namespace
        for each in change.differences
        if "resources" in each.path
    )


def bounds(comparison: Comparison) -> Iterator[Finding]:
    """Quotas, defaults for containers that state nothing, and growing volumes."""
    for change in comparison.changed("ResourceQuota"):
        asked = _sums(comparison.after).get(change.key.namespace, {})
        for each in change.at("spec"):
            allowed = _quotas(comparison.after).get(change.key.namespace, {}).get(each.path[-1])
            below = allowed is not None and asked.get(each.path[-1], _NONE) > allowed
            yield _told(change, each, Severity.HIGH if below else Severity.LOW, _BELOW[below])
    for change in comparison.changed("LimitRange"):
        for each in change.at("spec"):
            yield _told(change, each, Severity.LOW, ", for containers that state none")
    for change in comparison.changed("PersistentVolumeClaim"):
        for each in change.at(*SIZE):
            if ABSENT not in (each.before, each.after) and not shrinks(each):
                yield _told(change, each, Severity.LOW, ", if its storage class lets it grow")


_BELOW = {True: ", less than the pods ask for: pods are refused", False: ""}


def _told(change: Change, each: Difference, severity: Severity, more: str) -> Finding:
    text = f"{spell(each.path[1:])}: {before_after(each)}{more}"
    return Finding(Risk.CAPACITY, severity, change.key, text, (each,))


RULES = (namespaces, bounds)
