"""`capacity`: total requests and limits before and after, compared with the quotas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from constructs_lib.manifests import capacity
from constructs_lib.manifests.objects import Key, Objects
from constructs_lib.model.quantity import readable
from ops.review.diff import Comparison
from ops.review.effects.removal import SIZE, shrinks
from ops.review.load import of_cluster
from ops.review.model import (
    ABSENT,
    TEMPLATE,
    Change,
    Difference,
    Finding,
    Risk,
    Severity,
    effect,
    spell,
)
from ops.review.wording import before_after, listed

TOTAL = "all namespaces"
_NONE = Fraction(0)
_ORDER = {"requests.cpu": 0, "requests.memory": 1, "limits.cpu": 2, "limits.memory": 3}
"""What matters most for scheduling comes first."""


@dataclass(frozen=True)
class Row:
    """The peak total of one resource in a namespace."""

    namespace: str
    resource: str
    """As in a ResourceQuota: `requests.cpu`, `pods`, `persistentvolumeclaims`."""
    before: Fraction
    after: Fraction
    quota: Fraction | None
    """After the change. None: unlimited."""

    @property
    def exceeds(self) -> bool:
        """Whether the total is above the quota."""
        return self.quota is not None and self.after > self.quota

    def __str__(self) -> str:
        was, now = (self.spelled(total) for total in (self.before, self.after))
        return f"{self.resource} {was} → {now}{self.bound and f' (quota {self.bound})'}"

    @property
    def bound(self) -> str:
        """The quota as text; empty if unlimited."""
        return "" if self.quota is None else self.spelled(self.quota)

    def spelled(self, total: Fraction) -> str:
        """An amount as text: `2.35`, `7.25Gi`."""
        return readable(total, binary=capacity.is_bytes(self.resource))


def rows(comparison: Comparison) -> list[Row]:
    """Changed totals, per namespace and for all namespaces."""
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


@effect("demand-changed")
def demand_changed(comparison: Comparison) -> Iterator[Finding]:
    """A namespace needs more or less at peak; above its quota, new pods are rejected."""
    changed: dict[str, list[Row]] = defaultdict(list)
    for row in rows(comparison):
        changed[row.namespace].append(row)
    changed.pop(TOTAL, None)
    for namespace, of_namespace in changed.items():
        above = [row for row in of_namespace if row.exceeds]
        text = listed(list(map(str, above or of_namespace)), 2)
        if above:
            text = f"exceeds the quota, so new pods are rejected: {text}"
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


@effect("quota-changed")
def quota_changed(comparison: Comparison) -> Iterator[Finding]:
    """A namespace may use more or less; below its peak demand, new pods are rejected."""
    for change in comparison.changed("ResourceQuota"):
        totals = _sums(comparison.after).get(change.key.namespace, {})
        for each in change.at("spec"):
            allowed = _quotas(comparison.after).get(change.key.namespace, {}).get(each.path[-1])
            below = allowed is not None and totals.get(each.path[-1], _NONE) > allowed
            yield _finding(change, each, Severity.HIGH if below else Severity.LOW, _BELOW[below])


@effect("container-defaults-changed")
def container_defaults_changed(comparison: Comparison) -> Iterator[Finding]:
    """New containers without requests or limits get others."""
    for change in comparison.changed("LimitRange"):
        for each in change.at("spec"):
            yield _finding(change, each, Severity.LOW, ", for containers that set none")


@effect("volume-grows")
def volume_grows(comparison: Comparison) -> Iterator[Finding]:
    """A larger claim expands its volume, if the storage class can."""
    for change in comparison.changed("PersistentVolumeClaim"):
        for each in change.at(*SIZE):
            if ABSENT not in (each.before, each.after) and not shrinks(each):
                yield _finding(change, each, Severity.LOW, ", if its storage class can expand")


_BELOW = {True: ", below peak demand: new pods are rejected", False: ""}


def _finding(change: Change, each: Difference, severity: Severity, effect: str) -> Finding:
    text = f"{spell(each.path[1:])}: {before_after(each)}{effect}"
    return Finding(Risk.CAPACITY, severity, change.key, text, (each,))
