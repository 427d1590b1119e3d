"""`image`, `schedule` and `capacity`: what runs, when, and how much of the quotas it needs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from constructs_lib.manifests import capacity
from constructs_lib.manifests.objects import Key, Object, Objects, once_per_objects
from constructs_lib.manifests.references import ImageReference
from constructs_lib.model.quantity import readable
from constructs_lib.model.schedule import starts, words
from ops.review.diff import Comparison, field_finding
from ops.review.effects.removal import SIZE, shrinks
from ops.review.model import (
    ABSENT,
    HIGH,
    LOW,
    MEDIUM,
    TEMPLATE,
    Change,
    Difference,
    Finding,
    Risk,
    Severity,
    effect,
    spell,
)
from ops.review.wording import before_after, listed, value

_OURS = re.compile(r"ghcr\.io/(?P<source>[\w.-]+/[\w.-]+)")
_COMMIT = re.compile(r"sha-([0-9a-f]{40})")
_OVERLAPS = {
    "Allow": "runs may overlap",
    "Forbid": "a run is skipped while the previous one is still running",
    "Replace": "a run stops the previous one if it is still running",
}
TOTAL = "all namespaces"
_NONE = Fraction(0)
_ORDER = {"requests.cpu": 0, "requests.memory": 1, "limits.cpu": 2, "limits.memory": 3}
"""What matters most for scheduling comes first."""


@effect
def image_changed(comparison: Comparison) -> Iterator[Finding]:
    """Pods run another build; without a pin, which one can change at any time."""
    for change, before, after in comparison.workloads(*TEMPLATE):
        for name, container in after.named_containers.items():
            was, now = before.named_containers.get(name, {}).get("image"), container.get("image")
            if was and now and was != now:
                differences = tuple(
                    difference
                    for difference in change.at(*TEMPLATE[change.key.kind])
                    if difference.path[-2:] == (f"[{name}]", "image")
                )
                severity, text = _describe(was, now)
                yield Finding(Risk.IMAGE, severity, change.key, text, differences)


def _describe(was: str, now: str) -> tuple[Severity, str]:
    """Severity and text of an image change."""
    before, after = ImageReference.of(was), ImageReference.of(now)
    if before.repository != after.repository:
        return HIGH, f"another image: {was} → {now}"
    tags = f"{after.name}: {' → '.join(dict.fromkeys((_brief(before), _brief(after))))}"
    if _floats(after):
        return HIGH, f"{tags}: no longer pinned; this tag can move to another build"
    if before.digest and not after.digest:
        return MEDIUM, f"{tags}: no longer pinned to a digest; the tag can move"
    if before.tag and before.tag == after.tag:
        return _of_one_tag(tags, before.digest[:19], after.digest[:19])
    ours = _OURS.fullmatch(after.repository)
    old, new = (
        match[1] if (match := _COMMIT.fullmatch(image.tag)) else "" for image in (before, after)
    )
    if ours and old and new:
        return LOW, f"{tags}: https://github.com/{ours['source']}/compare/{old}...{new}"
    source = f": https://github.com/{ours['source']}/commit/{new}" if ours and new else ""
    return LOW, f"{tags}{', now pinned' if _floats(before) else ''}{source}"


def _of_one_tag(tag: str, was: str, now: str) -> tuple[Severity, str]:
    """The same tag with a new or another digest."""
    if was:
        return HIGH, f"{tag}: another build under the same tag ({was}… → {now}…)"
    return LOW, f"{tag}: now pinned to its digest ({now}…)"


def _floats(image: ImageReference) -> bool:
    return not image.digest and image.tag in ("", "latest")


def _brief(image: ImageReference) -> str:
    """The tag or digest, with hashes shortened."""
    return re.sub(r"([0-9a-f]{7})[0-9a-f]{33,}", r"\1", image.build)


@effect
def schedule_changed(comparison: Comparison) -> Iterator[Finding]:
    """A job runs at other times, possibly together with others."""
    for change in comparison.changed("CronJob"):
        if differences := (*change.at("spec", "schedule"), *change.at("spec", "timeZone")):
            others = [
                other.name
                for other in comparison.after.of_kinds("CronJob")
                if other.key != change.key
                and other.spec.get("timeZone") == change.after.spec.get("timeZone")
                and not other.spec.get("suspend")
                and _starts(change.after) & _starts(other)
            ]
            together = f"; starts at the same time as {listed(others)}" if others else ""
            text = f"{_when(change.before)} → {_when(change.after)}{together}"
            yield Finding(Risk.SCHEDULE, MEDIUM, change.key, text, differences)


def _when(job: Object) -> str:
    """`daily at 02:00 UTC`."""
    zone = job.spec.get("timeZone", "(time zone of the controller)").removeprefix("Etc/")
    return f"{words(job.spec['schedule'])} {zone}"


def _starts(job: Object) -> set[datetime]:
    return set(starts(job.spec["schedule"]))


@effect
def overlap_changed(comparison: Comparison) -> Iterator[Finding]:
    """Another concurrency policy decides what happens if the previous run still runs."""
    for change in comparison.changed("CronJob"):
        for difference in change.at("spec", "concurrencyPolicy"):
            policy = change.after.spec.get("concurrencyPolicy", "Allow")
            text = f"{_OVERLAPS.get(policy, policy)} ({value(difference.before)} → {policy})"
            severity = LOW if policy == "Forbid" else HIGH
            yield Finding(Risk.SCHEDULE, severity, change.key, text, (difference,))


@effect
def start_deadline_changed(comparison: Comparison) -> Iterator[Finding]:
    """A run that starts later than the deadline is skipped."""
    label = "changes how many seconds late a run may start"
    for change in comparison.changed("CronJob"):
        for difference in change.at("spec", "startingDeadlineSeconds"):
            yield field_finding(Risk.SCHEDULE, LOW, change.key, difference, label)


@effect
def job_suspended(comparison: Comparison) -> Iterator[Finding]:
    """A suspended job does not run until it is resumed."""
    for change in comparison.changed("CronJob"):
        was, now = (bool(job.spec.get("suspend")) for job in (change.before, change.after))
        if was != now:
            resumed = f"is resumed: {_when(change.after)}"
            text = "is suspended and no longer runs" if now else resumed
            differences = change.at("spec", "suspend")
            yield Finding(Risk.SCHEDULE, MEDIUM, change.key, text, differences)


@dataclass(frozen=True)
class Demand:
    """The peak demand for one resource in a namespace, with amounts as text."""

    namespace: str
    resource: str
    """As in a ResourceQuota: `requests.cpu`, `pods`, `persistentvolumeclaims`."""
    before: str
    after: str
    quota: str
    """After the change; empty if unlimited."""
    exceeds: bool
    """Whether it is above the quota."""

    def __str__(self) -> str:
        quota = f" (quota {self.quota})" if self.quota else ""
        return f"{self.resource} {self.before} → {self.after}{quota}"


def demands(comparison: Comparison) -> Iterator[Demand]:
    """Changed demands, per namespace and for all namespaces."""
    sums = [_sums(side) for side in (comparison.before, comparison.after)]
    for namespace in dict.fromkeys([*sums[1], *sums[0]]):
        was, now = (side.get(namespace, {}) for side in sums)
        quotas = capacity.quotas(comparison.after).get(namespace, {})
        for resource in sorted({*was, *now}, key=lambda name: (_ORDER.get(name, 4), name)):
            before, after = was.get(resource, _NONE), now.get(resource, _NONE)
            quota = quotas.get(resource)
            if before != after:
                before_text, after_text, quota_text = (
                    "" if total is None else readable(total, binary=capacity.is_bytes(resource))
                    for total in (before, after, quota)
                )
                exceeds = quota is not None and after > quota
                yield Demand(namespace, resource, before_text, after_text, quota_text, exceeds)


@once_per_objects
def _sums(objects: Objects) -> Mapping[str, Mapping[str, Fraction]]:
    sums = capacity.peak(objects)
    return {**sums, TOTAL: capacity.total(sums)}


@effect
def demand_changed(comparison: Comparison) -> Iterator[Finding]:
    """A namespace needs more or less at peak; above its quota, new pods are rejected."""
    changed: dict[str, list[Demand]] = defaultdict(list)
    for demand in demands(comparison):
        if demand.namespace != TOTAL:
            changed[demand.namespace].append(demand)
    for namespace, of_namespace in changed.items():
        above = [demand for demand in of_namespace if demand.exceeds]
        text = listed(list(map(str, above or of_namespace)), 2)
        if above:
            text = f"exceeds the quota, so new pods are rejected: {text}"
        key = Key("", "Namespace", "", namespace)
        causes = tuple(
            difference
            for change in comparison.changed(*TEMPLATE)
            if change.key.namespace == namespace
            for difference in change.differences
            if "resources" in difference.path
        )
        yield Finding(Risk.CAPACITY, HIGH if above else LOW, key, text, causes)


@effect
def quota_changed(comparison: Comparison) -> Iterator[Finding]:
    """A namespace may use more or less; below its peak demand, new pods are rejected."""
    for change in comparison.changed("ResourceQuota"):
        totals, quotas = (
            amounts(comparison.after).get(change.key.namespace, {})
            for amounts in (_sums, capacity.quotas)
        )
        for difference in change.at("spec"):
            resource = difference.path[-1]
            if resource in quotas and totals.get(resource, _NONE) > quotas[resource]:
                effect_ = ", below peak demand: new pods are rejected"
                yield _bound_changed(change, difference, HIGH, effect_)
            else:
                yield _bound_changed(change, difference, LOW, "")


@effect
def container_defaults_changed(comparison: Comparison) -> Iterator[Finding]:
    """New containers without requests or limits get others."""
    for change in comparison.changed("LimitRange"):
        for difference in change.at("spec"):
            yield _bound_changed(change, difference, LOW, ", for containers that set none")


@effect
def volume_grows(comparison: Comparison) -> Iterator[Finding]:
    """A larger claim expands its volume, if the storage class can."""
    for change in comparison.changed("PersistentVolumeClaim"):
        for difference in change.at(*SIZE):
            if ABSENT not in (difference.before, difference.after) and not shrinks(difference):
                yield _bound_changed(change, difference, LOW, ", if its storage class can expand")


def _bound_changed(
    change: Change, difference: Difference, severity: Severity, result: str
) -> Finding:
    text = f"{spell(difference.path[1:])}: {before_after(difference)}{result}"
    return Finding(Risk.CAPACITY, severity, change.key, text, (difference,))
