"""`schedule`: when jobs run, whether two runs may overlap, and what is suspended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.schedule import starts, words
from ops.review.comparison import Comparison
from ops.review.model import Finding, Risk, Severity
from ops.review.wording import listed, passage, value

_OVERLAPS = {
    "Allow": "a run may start while another is under way",
    "Forbid": "a run is left out while another is under way",
    "Replace": "a run ends the one that is under way",
}


def schedules(comparison: Comparison) -> Iterator[Finding]:
    """When a job runs."""
    for change in comparison.changed("CronJob"):
        differences = (*change.at("spec", "schedule"), *change.at("spec", "timeZone"))
        if differences:
            was, now = (when(side) for side in (change.before, change.after))
            text = f"{was} → {now}{_company(change.after, comparison.after)}"
            yield Finding(Risk.SCHEDULE, Severity.MEDIUM, change.key, text, differences)


def when(job: Object) -> str:
    """`daily at 02:00 UTC`."""
    zone = job.spec.get("timeZone", "the controller's time").removeprefix("Etc/")
    return f"{words(job.spec['schedule'])} {zone}"


def _company(job: Object, snapshot: Objects) -> str:
    """The other jobs of the same image that start in the same minute."""
    own = _starts(job)
    others = [
        other.key.name
        for other in snapshot.of_kinds("CronJob")
        if other.key != job.key
        and other.spec.get("timeZone") == job.spec.get("timeZone")
        and not other.spec.get("suspend")
        and own & _starts(other)
    ]
    return f"; starts together with {listed(others)}" if others else ""


def _starts(job: Object) -> set[datetime]:
    return set(starts(job.spec["schedule"]))


def overlaps(comparison: Comparison) -> Iterator[Finding]:
    """Whether two runs may be under way, and how late one may still start."""
    for change in comparison.changed("CronJob"):
        for each in change.at("spec", "concurrencyPolicy"):
            policy = change.after.spec.get("concurrencyPolicy", "Allow")
            text = f"{_OVERLAPS.get(policy, policy)} ({value(each.before)} → {policy})"
            severity = Severity.LOW if policy == "Forbid" else Severity.HIGH
            yield Finding(Risk.SCHEDULE, severity, change.key, text, (each,))
        for each in change.at("spec", "startingDeadlineSeconds"):
            text = f"how many seconds late a run may start: {passage(each)}"
            yield Finding(Risk.SCHEDULE, Severity.LOW, change.key, text, (each,))


def suspended(comparison: Comparison) -> Iterator[Finding]:
    """Whether it runs at all."""
    for change in comparison.changed("CronJob"):
        was, now = (bool(side.spec.get("suspend")) for side in (change.before, change.after))
        if was != now:
            text = "suspended: runs no more" if now else f"runs again, {when(change.after)}"
            differences = change.at("spec", "suspend")
            yield Finding(Risk.SCHEDULE, Severity.MEDIUM, change.key, text, differences)


RULES = (schedules, overlaps, suspended)
