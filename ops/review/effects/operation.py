"""`image`, `schedule` and `capacity`: what runs, when, and how much of the quotas it needs."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import partial
from typing import NamedTuple
from zoneinfo import available_timezones

from constructs_lib.manifests import capacity
from constructs_lib.manifests.objects import Key, Object, Objects, once_per_objects, stated
from constructs_lib.manifests.references import ImageReference
from constructs_lib.model.quantity import readable
from constructs_lib.model.schedule import runs_a_month, skips_hour, starts, words
from ops.review.diff import PODS, Change, Comparison
from ops.review.effects.fields import owned
from ops.review.model import HIGH, LOW, MEDIUM, Finding, Findings, Severity, effect, listed

_OURS = re.compile(r"ghcr\.io/(?P<source>[\w.-]+/[\w.-]+)")
_HUB = re.compile(r"^(docker\.io/)?(library/)?")
_COMMIT = re.compile(r"sha-([0-9a-f]{40})")
TOTAL = "all namespaces"
_NONE = Fraction(0)
_ORDER = {"requests.cpu": 0, "requests.memory": 1, "limits.cpu": 2, "limits.memory": 3}
"""What matters most for scheduling comes first."""


@effect(*PODS, risk="image")
def image_changed(change: Change, _: Comparison) -> Findings:
    """Pods run another build; without a pin, which one can change at any time."""
    before, after = change.workloads
    for name, container in after.named_containers.items():
        was, now = before.named_containers.get(name, {}).get("image"), container.get("image")
        if was and now and was != now:
            fields = owned(change, "image-changed")
            severity, text = _describe(was, now)
            yield Finding(severity, text, tuple(f for f in fields if f"[{name}]" in f.path))


def _describe(was: str, now: str) -> tuple[Severity, str]:
    """Severity and text of an image change."""
    before, after = (ImageReference.of(_HUB.sub("", image)) for image in (was, now))
    is_other = before.repository != after.repository
    if is_other or (before.build, before.digest) == (after.build, after.digest):
        severity, noun = (HIGH, "another") if is_other else (LOW, "the same")
        return severity, f"{noun} image: {was} → {now}"
    tags = f"{after.name}: {' → '.join(dict.fromkeys((_brief(before), _brief(after))))}"
    if _floats(after):
        return HIGH, f"{tags}: no longer pinned; this tag can move to another build"
    if before.digest and not after.digest:
        return MEDIUM, f"{tags}: no longer pinned to a digest; the tag can move"
    if before.tag and before.tag == after.tag:
        pin = f"{after.digest[:19]}…"
        if before.digest:
            pins = f"{before.digest[:19]}… → {pin}"
            return HIGH, f"{tags}: another build under the same tag ({pins})"
        return LOW, f"{tags}: now pinned to its digest ({pin})"
    ours = _OURS.fullmatch(after.repository)
    old, new = (
        match[1] if (match := _COMMIT.fullmatch(image.tag)) else "" for image in (before, after)
    )
    page = f"compare/{old}...{new}" if old else f"commit/{new}"
    source = f": https://github.com/{ours['source']}/{page}" if ours and new else ""
    return LOW, f"{tags}{', now pinned' if _floats(before) else ''}{source}"


def _floats(image: ImageReference) -> bool:
    return not image.digest and image.tag in ("", "latest")


def _brief(image: ImageReference) -> str:
    """The tag or digest, with hashes shortened."""
    return re.sub(r"([0-9a-f]{7})[0-9a-f]{33,}", r"\1", image.build)


@effect("CronJob", risk="schedule")
def schedule_changed(change: Change, comparison: Comparison) -> Findings:
    """A job runs at other times, more or less often, possibly together with others."""
    fields = owned(change, "schedule-changed")
    if fields and _when(change.before) == _when(change.after):
        yield Finding(LOW, "starts at the same times", fields)
    elif fields:
        job = change.after.spec
        others = [
            other.name
            for other in comparison.after.of_kinds("CronJob")
            if other.key != change.key
            and other.spec.get("timeZone") == job.get("timeZone")
            and not other.spec.get("suspend")
            and {*starts(job["schedule"])} & {*starts(other.spec["schedule"])}
        ]
        together = f"; starts at the same time as {listed(others)}" if others else ""
        when = f"{_when(change.before)} → {_when(change.after)}"
        was, now = (runs_a_month(item.spec["schedule"]) for item in (change.before, change.after))
        often = f"; about {was:g} → {now:g} runs a month" if was != now else ""
        zone = stated(job, "timeZone", "UTC")
        skips = ""
        if zone in available_timezones() and skips_hour(zone):
            skips = "; no run starts in the hour skipped for summer time"
        yield Finding(MEDIUM, f"{when}{often}{skips}{together}", fields)


def _when(job: Object) -> str:
    """`daily at 02:00 UTC`."""
    zone = stated(job.spec, "timeZone", "(time zone of the controller)").removeprefix("Etc/")
    return f"{words(job.spec['schedule'])} {zone}"


class Demand(NamedTuple):
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
    if comparison.path:
        return  # the peak is that of this platform
    was, now = map(_sums, (comparison.before, comparison.after))
    for namespace in dict.fromkeys([*now, *was]):
        old, new = was.get(namespace, {}), now.get(namespace, {})
        quotas = capacity.quotas(comparison.after).get(namespace, {})
        for resource in sorted({*old, *new}, key=lambda name: (_ORDER.get(name, 4), name)):
            before, after = old.get(resource, _NONE), new.get(resource, _NONE)
            quota = quotas.get(resource)
            if before != after:
                text = partial(readable, binary=capacity.is_bytes(resource))
                limit = "" if quota is None else text(quota)
                exceeds = quota is not None and after > quota
                yield Demand(namespace, resource, text(before), text(after), limit, exceeds)


@once_per_objects
def _sums(objects: Objects) -> Mapping[str, Mapping[str, Fraction]]:
    sums = capacity.peak(objects)
    return {**sums, TOTAL: capacity.total(sums)}


@effect(risk="capacity")
def demand_changed(comparison: Comparison) -> Findings:
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
        causes = tuple(
            field
            for change in comparison.changed(PODS)
            if change.key.namespace == namespace
            for field in change.differences
            if "requests" in field.path
        )
        key = Key("", "Namespace", "", namespace)
        yield Finding(HIGH if above else LOW, text, causes, key=key)


@effect("ResourceQuota", risk="capacity")
def quota_below_demand(change: Change, comparison: Comparison) -> Findings:
    """Below the peak demand of a namespace, new pods are rejected."""
    totals = _sums(comparison.after).get(change.key.namespace, {})
    quotas = capacity.quotas(comparison.after).get(change.key.namespace, {})
    for field in owned(change, "quota-below-demand"):
        resource = field.path[-1]
        if resource in quotas and totals.get(resource, _NONE) > quotas[resource]:
            text = f"{resource}: {field.values()}, below peak demand: new pods are rejected"
            yield Finding(HIGH, text, (field,))
        elif resource in totals:
            yield Finding(LOW, f"{resource}: {field.values()}, not below peak demand", (field,))
