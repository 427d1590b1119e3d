"""The report: the sorted findings, and a summary."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from constructs_lib.manifests.objects import Key, Object
from constructs_lib.model.text import plural
from ops.review.diff import Comparison, ObjectPair
from ops.review.effects import findings
from ops.review.effects.capacity import Row
from ops.review.effects.capacity import rows as capacity_rows
from ops.review.fallback import unexplained
from ops.review.load import MANIFESTS, read
from ops.review.model import Finding, ReviewError, Risk, Severity, effect
from ops.review.revisions import Revision, differing

_FILE = "File"
_RISKS, _SEVERITIES = list(Risk), list(Severity)
_SUMMARY: dict[Risk, Callable[[int], str]] = {
    Risk.DELETE: lambda count: f"{plural(count, 'object')} removed",
    Risk.REPLACE: lambda count: f"{plural(count, 'object')} to be replaced",
    Risk.DOWNTIME: lambda count: f"{plural(count, 'object')} with availability changes",
    Risk.PRIVILEGE: lambda count: f"{plural(count, 'object')} with privilege changes",
    Risk.EXPOSURE: lambda count: f"{plural(count, 'object')} with exposure changes",
    Risk.SECRET: lambda count: f"{plural(count, 'object')} with secret changes",
    Risk.UNKNOWN: lambda count: f"{plural(count, 'object')} with unknown effect",
    Risk.RESTART: lambda count: f"{plural(count, 'pod')} restarted",
    Risk.CAPACITY: lambda count: f"{plural(count, 'object')} with capacity changes",
    Risk.SCHEDULE: lambda count: f"{plural(count, 'schedule')} changed",
    Risk.IMAGE: lambda count: f"{plural(count, 'image')} changed",
    Risk.UPDATE: lambda count: f"{plural(count, 'object')} updated in place",
    Risk.CREATE: lambda count: f"{plural(count, 'object')} created",
    Risk.NOISE: lambda count: f"{plural(count, 'object')} without effect",
}


@dataclass(frozen=True)
class Group:
    """The same finding for several objects: a row of the table."""

    risk: Risk
    severity: Severity
    sentence: str
    keys: tuple[Key, ...]
    pods: int


class Report:
    """What happens between two revisions."""

    def __init__(self, base: Revision, head: Revision) -> None:
        """Raises ReviewError for a revision that cannot be read."""
        if not base.files and not head.files:
            raise ReviewError(
                f"neither {base.name} nor {head.name} has a dist/; run the command in a checkout "
                "of this repository"
            )
        self.base, self.head = base, head
        self.comparison = Comparison(read(base), read(head), stored=head.stored)
        self._added: list[Finding] = []
        self.incomplete: str | None = None
        """Why some objects could not be compared, and what to do; None if all could."""

    def add(self, findings: Iterable[Finding]) -> None:
        """Add findings from other sources, before any property is read."""
        self._added.extend(findings)

    @cached_property
    def findings(self) -> list[Finding]:
        """All findings, worst first."""
        found = list(findings(self.comparison))
        found += self._added
        rest = list(unexplained(self.comparison, found))
        found += [*field_updated(rest), *effect_unknown(rest)]
        found += formatting_changed(self)
        found += file_not_read(self)
        return sorted(
            found, key=lambda each: (_SEVERITIES.index(each.severity), _RISKS.index(each.risk))
        )

    @cached_property
    def groups(self) -> list[Group]:
        """The findings, merged where they say the same about several objects."""
        alike: dict[tuple[Risk, Severity, str], list[Finding]] = defaultdict(list)
        for finding in self.findings:
            alike[finding.risk, finding.severity, finding.sentence].append(finding)
        return [
            Group(*shared, tuple(each.key for each in found), sum(each.pods for each in found))
            for shared, found in alike.items()
        ]

    @cached_property
    def capacity(self) -> list[Row]:
        """Changed resource totals, per namespace and for all namespaces."""
        return capacity_rows(self.comparison)

    @property
    def severity(self) -> Severity | None:
        """Of the worst finding; None without findings, or with only noise."""
        real = [each.severity for each in self.findings if each.risk is not Risk.NOISE]
        return real[0] if real else None

    @property
    def verdict(self) -> str:
        """The report in one line."""
        between = f"between {self.base.name} and {self.head.name}"
        if not self.findings:
            return f"No change {between}."
        counts = ", ".join(self._counts())
        if not self.severity:
            return f"No effect on the cluster {between}: {counts}."
        return f"{self.severity.capitalize()} risk: {counts}."

    @property
    def scope(self) -> str:
        """What was compared, and how much of it differs."""
        everything = self.comparison.before.objects.keys() | self.comparison.after.objects.keys()
        differing = sum(1 for _ in self.comparison.pairs())
        return (
            f"{self.base.name} → {self.head.name}: {differing} of "
            f"{plural(len(everything), 'object')} in {plural(len(self.changed_files), 'file')}"
        )

    def _counts(self) -> Iterator[str]:
        for risk, summary in _SUMMARY.items():
            if count := self._count(risk):
                yield summary(count)
            if risk is Risk.DELETE and (left := self._keys(risk) - self._removed):
                yield f"{plural(len(left), 'object')} that could be deleted"

    def _count(self, risk: Risk) -> int:
        if risk is Risk.DELETE:
            return len(self._removed)
        found = [each for each in self.findings if each.risk is risk]
        return sum(each.pods for each in found) or len(self._keys(risk))

    def _keys(self, risk: Risk) -> set[Key]:
        return {each.key for each in self.findings if each.risk is risk}

    @cached_property
    def _removed(self) -> set[Key]:
        """Objects that Argo CD no longer syncs. The others of the class could be deleted."""
        before, after = self.comparison.before, self.comparison.after
        outcome = self.comparison.removal.outcome
        return {
            key
            for key in self._keys(Risk.DELETE)
            if not after.get(key) or ((item := before.get(key)) and outcome(item))
        }

    @property
    def changed_files(self) -> list[str]:
        return differing(self.base, self.head)

    @cached_property
    def services(self) -> dict[str, list[ObjectPair]]:
        """New, changed and removed objects, by file."""
        services: dict[str, list[ObjectPair]] = defaultdict(list)
        for pair in self.comparison.pairs():
            services[pair.item.file].append(pair)
        return dict(sorted(services.items()))

    @cached_property
    def reformatted(self) -> list[Object]:
        """Objects whose text differs, but no field."""
        before, after = self.comparison.before, self.comparison.after
        return [
            item
            for key, item in after.objects.items()
            if key not in self.comparison.changes
            and (former := before.get(key))
            and former.text != item.text
        ]

    @property
    def explained_files(self) -> set[str]:
        """The files whose differences are those of their objects."""
        differing = [item for pair in self.comparison.pairs() for item in pair if item]
        return {item.file for item in [*differing, *self.reformatted]}


@effect("field-updated", of_comparison=False)
def field_updated(unexplained: list[Finding]) -> Iterator[Finding]:
    """A field that no other effect explains changes in place."""
    return (finding for finding in unexplained if finding.risk is not Risk.UNKNOWN)


@effect("effect-unknown", of_comparison=False)
def effect_unknown(unexplained: list[Finding]) -> Iterator[Finding]:
    """The review has no rule for this field or kind: find out its effect."""
    return (finding for finding in unexplained if finding.risk is Risk.UNKNOWN)


@effect("formatting-changed", of_comparison=False)
def formatting_changed(report: Report) -> Iterator[Finding]:
    """Key order, comments and notation have no effect on the cluster."""
    files = {*report.changed_files} - report.explained_files
    keys = [item.key for item in report.reformatted]
    keys += [Key("", _FILE, "", file) for file in sorted(files) if file.endswith(MANIFESTS)]
    for key in keys:
        yield Finding(Risk.NOISE, Severity.LOW, key, "changes only in formatting")


@effect("file-not-read", of_comparison=False)
def file_not_read(report: Report) -> Iterator[Finding]:
    """Argo CD reads only manifests. Reported if nothing else changes."""
    for file in () if report.explained_files else report.changed_files:
        if not file.endswith(MANIFESTS):
            key = Key("", _FILE, "", file)
            yield Finding(Risk.NOISE, Severity.LOW, key, "is not read by Argo CD")
