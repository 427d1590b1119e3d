"""The report: what all rules find in a comparison, in order, and the sentence that sums it up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from constructs_lib.manifests.objects import Key
from constructs_lib.wording import plural
from ops.review.diff import Comparison, ObjectPair
from ops.review.fallback import leftovers
from ops.review.load import MANIFESTS, read
from ops.review.model import Finding, ReviewError, Risk, Severity
from ops.review.revisions import Revision, differing
from ops.review.rules import RULES
from ops.review.rules.capacity import Row
from ops.review.rules.capacity import rows as capacity_rows

_FILE = "File"
_RISKS, _SEVERITIES = list(Risk), list(Severity)
_SUMMARY: dict[Risk, Callable[[int], str]] = {
    Risk.DELETE: lambda count: f"{plural(count, 'object')} removed",
    Risk.REPLACE: lambda count: f"{plural(count, 'object')} to be replaced",
    Risk.DOWNTIME: lambda count: f"availability of {plural(count, 'object')}",
    Risk.PRIVILEGE: lambda count: f"privileges of {plural(count, 'object')}",
    Risk.EXPOSURE: lambda count: f"exposure by {plural(count, 'object')}",
    Risk.SECRET: lambda count: f"secrets of {plural(count, 'object')}",
    Risk.UNKNOWN: lambda count: f"{plural(count, 'object')} with unknown effect",
    Risk.RESTART: lambda count: f"{plural(count, 'pod')} restarted",
    Risk.CAPACITY: lambda count: f"capacity of {plural(count, 'object')}",
    Risk.SCHEDULE: lambda count: plural(count, "schedule"),
    Risk.IMAGE: lambda count: plural(count, "image"),
    Risk.UPDATE: lambda count: f"{plural(count, 'object')} updated in place",
    Risk.CREATE: lambda count: f"{plural(count, 'object')} created",
    Risk.NOISE: lambda count: f"{count} without effect",
}


@dataclass(frozen=True)
class Group:
    """The same thing happening to several objects: a row of the table."""

    risk: Risk
    severity: Severity
    text: str
    keys: tuple[Key, ...]
    pods: int


class Report:
    """What happens between two revisions."""

    def __init__(self, base: Revision, head: Revision) -> None:
        """Raises ReviewError for a revision that cannot be read."""
        if not base.files and not head.files:
            raise ReviewError(
                f"neither {base.name} nor {head.name} has a dist/; run it in the checkout of the "
                "repository whose change is reviewed"
            )
        self.base, self.head = base, head
        self.comparison = Comparison(read(base), read(head), stored=head.stored)
        self._observed: list[Finding] = []
        self.incomplete: str | None = None
        """Why some objects could not be compared, and what to do, if so."""

    def observe(self, findings: Iterable[Finding]) -> None:
        """Add what is known from elsewhere than the two revisions, before anything is asked."""
        self._observed.extend(findings)

    @cached_property
    def findings(self) -> list[Finding]:
        """All of them, the worst first."""
        found = [finding for rule in RULES for finding in rule(self.comparison)]
        found += self._observed
        found += leftovers(self.comparison, found)
        found += self._noise()
        return sorted(
            found, key=lambda each: (_SEVERITIES.index(each.severity), _RISKS.index(each.risk))
        )

    @cached_property
    def groups(self) -> list[Group]:
        """The findings, those that say the same of several objects together."""
        alike: dict[tuple[Risk, Severity, str], list[Finding]] = defaultdict(list)
        for finding in self.findings:
            alike[finding.risk, finding.severity, finding.text].append(finding)
        return [
            Group(*said, tuple(each.key for each in of), sum(each.pods for each in of))
            for said, of in alike.items()
        ]

    @cached_property
    def capacity(self) -> list[Row]:
        """What the pods of each namespace, and of all, ask for, where that changes."""
        return capacity_rows(self.comparison)

    @property
    def severity(self) -> Severity | None:
        """That of the worst finding; None where there is none, or noise alone."""
        real = [each.severity for each in self.findings if each.risk is not Risk.NOISE]
        return real[0] if real else None

    @property
    def verdict(self) -> str:
        """The report in one line."""
        between = f"between {self.base.name} and {self.head.name}"
        if not self.findings:
            return f"No change {between}."
        counts = ", ".join(
            summary(count) for risk, summary in _SUMMARY.items() if (count := self._count(risk))
        )
        if not self.severity:
            return f"Nothing happens in the cluster {between}: {counts}."
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

    def _count(self, risk: Risk) -> int:
        of = [each for each in self.findings if each.risk is risk]
        return sum(each.pods for each in of) or len({each.key for each in of})

    @property
    def changed_files(self) -> list[str]:
        """The files whose text differs."""
        return differing(self.base, self.head)

    @cached_property
    def services(self) -> dict[str, list[ObjectPair]]:
        """What is new, changed or gone, by file."""
        services: dict[str, list[ObjectPair]] = defaultdict(list)
        for pair in self.comparison.pairs():
            services[pair.item.file].append(pair)
        return dict(sorted(services.items()))

    def _noise(self) -> Iterator[Finding]:
        """What is written differently, and means the same.

        A file that Argo CD does not read, as dist/README.md, follows the others: it is told only
        where it differs alone.
        """
        comparison, text = self.comparison, "is written differently, and means the same"
        meant = {side.file for pair in comparison.pairs() for side in pair if side}
        for key, item in comparison.after.objects.items():
            former = comparison.before.objects.get(key)
            if former and former.text != item.text and key not in comparison.changes:
                meant.add(item.file)
                yield Finding(Risk.NOISE, Severity.LOW, key, text)
        for file in self.changed_files:
            key = Key("", _FILE, "", file)
            if file not in meant and file.endswith(MANIFESTS):
                yield Finding(Risk.NOISE, Severity.LOW, key, text)
            elif not meant:
                yield Finding(Risk.NOISE, Severity.LOW, key, "is nothing that Argo CD reads")
