"""`image` and `schedule`: which images run, and when jobs run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.references import ImageReference
from constructs_lib.model.schedule import starts, words
from ops.review.diff import Comparison
from ops.review.model import TEMPLATE, Finding, Risk, Severity, effect
from ops.review.wording import before_after, listed, value

_OURS = re.compile(r"ghcr\.io/(?P<source>[\w.-]+/[\w.-]+)")
_COMMIT = re.compile(r"sha-([0-9a-f]{40})")
_FLOATING = "latest"
_OVERLAPS = {
    "Allow": "runs may overlap",
    "Forbid": "a run is skipped while the previous one is still running",
    "Replace": "a run stops the previous one if it is still running",
}


@effect("image-changed")
def image_changed(comparison: Comparison) -> Iterator[Finding]:
    """Pods run another build; without a pin, which one can change at any time."""
    for change, before, after in comparison.workloads(*TEMPLATE):
        for name, container in after.named_containers.items():
            was, now = before.named_containers.get(name, {}).get("image"), container.get("image")
            if was and now and was != now:
                differences = tuple(
                    each
                    for each in change.at(*TEMPLATE[change.key.kind])
                    if each.path[-2:] == (f"[{name}]", "image")
                )
                severity, text = describe(was, now)
                yield Finding(Risk.IMAGE, severity, change.key, text, differences)


def describe(was: str, now: str) -> tuple[Severity, str]:
    """Severity and text of an image change."""
    before, after = ImageReference.of(was), ImageReference.of(now)
    if before.repository != after.repository:
        return Severity.HIGH, f"another image: {was} → {now}"
    tags = f"{after.name}: {' → '.join(dict.fromkeys((_brief(before), _brief(after))))}"
    if _floats(after):
        return Severity.HIGH, f"{tags}: no longer pinned; this tag can move to another build"
    if before.digest and not after.digest:
        return Severity.MEDIUM, f"{tags}: no longer pinned to a digest; the tag can move"
    if before.tag and before.tag == after.tag:
        return _of_one_tag(tags, before.digest[:19], after.digest[:19])
    ours = _OURS.fullmatch(after.repository)
    commits = [_COMMIT.fullmatch(image.tag) for image in (before, after)]
    if ours and all(commits):
        old, new = (commit[1] for commit in commits if commit)
        return Severity.LOW, f"{tags}: https://github.com/{ours['source']}/compare/{old}...{new}"
    source = (
        f": https://github.com/{ours['source']}/commit/{commits[1][1]}"
        if ours and commits[1]
        else ""
    )
    return Severity.LOW, f"{tags}{', now pinned' if _floats(before) else ''}{source}"


def _of_one_tag(tag: str, was: str, now: str) -> tuple[Severity, str]:
    """The same tag with a new or another digest."""
    if was:
        return Severity.HIGH, f"{tag}: another build under the same tag ({was}… → {now}…)"
    return Severity.LOW, f"{tag}: now pinned to its digest ({now}…)"


def _floats(image: ImageReference) -> bool:
    return not image.digest and image.tag in ("", _FLOATING)


def _brief(image: ImageReference) -> str:
    """The tag or digest, with hashes shortened."""
    return re.sub(r"([0-9a-f]{7})[0-9a-f]{33,}", r"\1", image.build)


@effect("schedule-changed")
def schedule_changed(comparison: Comparison) -> Iterator[Finding]:
    """A job runs at other times, possibly together with others."""
    for change in comparison.changed("CronJob"):
        differences = (*change.at("spec", "schedule"), *change.at("spec", "timeZone"))
        if differences:
            was, now = (when(job) for job in (change.before, change.after))
            text = f"{was} → {now}{_simultaneous(change.after, comparison.after)}"
            yield Finding(Risk.SCHEDULE, Severity.MEDIUM, change.key, text, differences)


def when(job: Object) -> str:
    """`daily at 02:00 UTC`."""
    zone = job.spec.get("timeZone", "(time zone of the controller)").removeprefix("Etc/")
    return f"{words(job.spec['schedule'])} {zone}"


def _simultaneous(job: Object, snapshot: Objects) -> str:
    """The other jobs that start in the same minute."""
    own = _starts(job)
    others = [
        other.key.name
        for other in snapshot.of_kinds("CronJob")
        if other.key != job.key
        and other.spec.get("timeZone") == job.spec.get("timeZone")
        and not other.spec.get("suspend")
        and own & _starts(other)
    ]
    return f"; starts at the same time as {listed(others)}" if others else ""


def _starts(job: Object) -> set[datetime]:
    return set(starts(job.spec["schedule"]))


@effect("overlap-changed")
def overlap_changed(comparison: Comparison) -> Iterator[Finding]:
    """Another concurrency policy decides what happens if the previous run still runs."""
    for change in comparison.changed("CronJob"):
        for each in change.at("spec", "concurrencyPolicy"):
            policy = change.after.spec.get("concurrencyPolicy", "Allow")
            text = f"{_OVERLAPS.get(policy, policy)} ({value(each.before)} → {policy})"
            severity = Severity.LOW if policy == "Forbid" else Severity.HIGH
            yield Finding(Risk.SCHEDULE, severity, change.key, text, (each,))


@effect("start-deadline-changed")
def start_deadline_changed(comparison: Comparison) -> Iterator[Finding]:
    """A run that starts later than the deadline is skipped."""
    for change in comparison.changed("CronJob"):
        for each in change.at("spec", "startingDeadlineSeconds"):
            text = f"changes how many seconds late a run may start: {before_after(each)}"
            yield Finding(Risk.SCHEDULE, Severity.LOW, change.key, text, (each,))


@effect("job-suspended")
def job_suspended(comparison: Comparison) -> Iterator[Finding]:
    """A suspended job does not run until it is resumed."""
    for change in comparison.changed("CronJob"):
        was, now = (bool(job.spec.get("suspend")) for job in (change.before, change.after))
        if was != now:
            text = "is suspended and no longer runs" if now else f"is resumed: {when(change.after)}"
            differences = change.at("spec", "suspend")
            yield Finding(Risk.SCHEDULE, Severity.MEDIUM, change.key, text, differences)
