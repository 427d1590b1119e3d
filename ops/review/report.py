"""The report: the sorted findings, and a summary."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from constructs_lib.errors import one_line
from constructs_lib.manifests.objects import Key, Objects
from constructs_lib.model.text import plural
from ops.review.diff import Change, Comparison
from ops.review.effects import EFFECTS, findings
from ops.review.effects.fields import effect_unknown, field_updated
from ops.review.effects.operation import Demand, demands
from ops.review.load import read
from ops.review.model import (
    HIGH,
    LOW,
    Finding,
    Findings,
    ReviewError,
    Risk,
    Severity,
    effect,
    listed,
)
from ops.review.revisions import MANIFESTS, Revision, differing

_CORRECT = "correct them, or restore them with `make synth template`"
_CORRECT_OTHERS = "render or correct them, or pass another path"
_RISKS, _SEVERITIES = list(Risk), list(Severity)
_FEW = 3
"""How many texts with the same consequence are shown one by one."""


class Group(NamedTuple):
    """The same finding for several objects: a row of the table."""

    risk: Risk
    severity: Severity
    objects: str
    """`Deployment, Service cerebro/api; Job crawlers/migrations and 3 more`."""
    pods: str
    """` (2 pods)` if some restart."""
    sentence: str


class Report:
    """What happens between two revisions."""

    def __init__(self, base: Revision, head: Revision) -> None:
        """Raises ReviewError if neither revision has files."""
        if not base.files and not head.files:
            lacks, remedy = "a dist/", "run the command in a checkout of this repository"
            if head.path:
                lacks, remedy = f"manifests in {head.path}", "pass their folder or file to --path"
            raise ReviewError(f"neither {base.name} nor {head.name} has {lacks}; {remedy}")
        self.base, self.head = base, head
        before, after = read(base), read(head)
        self.comparison = Comparison(
            _comparable(before, after, head.unread),
            _comparable(after, before, base.unread),
            stored=head.stored,
            path=head.path,
        )
        if head.unread:
            self.comparison.folder += f" ({plural(len(head.unread), 'document')} not read)"
        self.changed_files = differing(base, head)
        former = {place: f"{why} (at {base.name})" for place, why in base.unread.items()}
        self.unread = {
            place: problem
            for place, problem in {**former, **head.unread}.items()
            if not head.path or _file_of(place) in self.changed_files
        }
        """Why a document cannot be compared, by file and line; of others, if its file changes."""
        self.added: list[Finding] = []
        """Findings from other sources; complete before any property is read."""
        self.incomplete: str | None = None
        """Why some objects could not be compared, and what to do; None if all could."""
        if self.unread:
            self.incomplete = (
                f"{plural(len(self.unread), 'document')} could not be compared: "
                f"{listed(list(self.unread))}; {_CORRECT_OTHERS if head.path else _CORRECT}"
            )

    @cached_property
    def findings(self) -> list[Finding]:
        """All findings, worst first."""
        found = [*findings(self.comparison), *self.added]
        explained = {field for finding in found for field in finding.explains}
        found += field_updated(self.comparison, explained)
        found += effect_unknown(self.comparison, explained)
        worse = {field for one in found if one.severity is not LOW for field in one.explains}
        found = [one if worse.isdisjoint(one.explains) else one.without_praise() for one in found]
        found += [*file_not_compared(self), *formatting_changed(self), *file_not_read(self)]
        return sorted(found, key=lambda f: (_SEVERITIES.index(f.severity), _RISKS.index(f.risk)))

    @cached_property
    def groups(self) -> list[Group]:
        """The findings, merged where they say the same about several objects."""
        texts: dict[tuple[Risk, Severity, str], set[str]] = defaultdict(set)
        for one in self.findings if self.comparison.path else ():
            texts[one.risk, one.severity, one.brief].add(one.text)
        alike: dict[tuple[Risk, Severity, str], list[Finding]] = defaultdict(list)
        for one in self.findings:
            is_brief = one.brief and len(texts[one.risk, one.severity, one.brief]) > _FEW
            sentence = replace(one, text=one.brief).sentence if is_brief else one.sentence
            alike[one.risk, one.severity, sentence].append(one)
        groups = []
        for (risk, severity, sentence), found in alike.items():
            count = sum(finding.pods for finding in found)
            pods = f" ({plural(count, 'pod')})" if count else ""
            names = _named(list(dict.fromkeys(finding.key for finding in found)))
            groups.append(Group(risk, severity, names, pods, sentence))
        return groups

    @cached_property
    def capacity(self) -> list[Demand]:
        """Changed demands, per namespace and for all namespaces."""
        return list(demands(self.comparison))

    @property
    def severity(self) -> Severity | None:
        """Of the worst finding; None without findings, or with only noise."""
        severities = (f.severity for f in self.findings if f.risk is not Risk.NOISE)
        return next(severities, None)

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

    def _counts(self) -> Iterator[str]:
        effects = {effect.id for effect in EFFECTS}
        for risk in Risk:
            found = [finding for finding in self.findings if finding.risk is risk]
            # a rule about deletion says what could be deleted, not what is
            sure = [f for f in found if risk is not Risk.DELETE or f.rule in effects]
            keys = {finding.key for finding in sure}
            if count := sum(finding.pods for finding in sure) or len(keys):
                yield f"{plural(count, risk.noun)} {risk.happens}"
            if others := {finding.key for finding in found} - keys:
                yield f"{plural(len(others), risk.noun)} that could be deleted"

    @property
    def scope(self) -> str:
        """What was compared, and how much of it differs."""
        everything = self.comparison.before.objects.keys() | self.comparison.after.objects.keys()
        return (
            f"{self.base.name} → {self.head.name}: {len(self.comparison.changes)} of "
            f"{plural(len(everything), 'object')} in {plural(len(self.changed_files), 'file')}"
        )

    @cached_property
    def services(self) -> dict[str, list[Change]]:
        """The changes, by file."""
        services: dict[str, list[Change]] = defaultdict(list)
        for change in self.comparison.changes.values():
            services[change.object.file].append(change)
        return dict(sorted(services.items()))

    @property
    def explained_files(self) -> set[str]:
        """The files whose differences are those of their objects."""
        changes = self.comparison.changes.values()
        files = {side.file for change in changes for side in (change.before, change.after)}
        return files | set(map(_file_of, self.unread))


def _named(keys: list[Key], most: int = 4) -> str:
    """The first names of objects, each with all its kinds, and the number of the others."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        kinds[one_line("/".join(filter(None, (key.namespace, key.name))))].append(key.kind)
    names: dict[str, list[str]] = defaultdict(list)
    for name, of_name in list(kinds.items())[:most]:
        names[", ".join(of_name)].append(name)
    listed = "; ".join(f"{of_names} {', '.join(alike)}" for of_names, alike in names.items())
    hidden = sum(map(len, list(kinds.values())[most:]))
    return f"{listed} and {hidden} more" if hidden else listed


def _comparable(objects: Objects, others: Objects, unread: Iterable[str]) -> Objects:
    """The objects without those that may be in an unread document of the other revision."""
    files = set(map(_file_of, unread))
    return Objects(i for i in objects if i.file not in files or i.key in others.objects)


def _file_of(place: str) -> str:
    """The file of a file and line."""
    return place.rpartition(":")[0]


@effect(risk="unknown")
def file_not_compared(report: Report) -> Findings:
    """A document that is not valid, such as a template, or a duplicate cannot be compared."""
    for place, problem in report.unread.items():
        yield Finding(HIGH, f"cannot be compared: {problem}", key=Key("", "File", "", place))


@effect(risk="noise")
def formatting_changed(report: Report) -> Findings:
    """Key order, comments and notation have no effect on the cluster."""
    for file in report.changed_files:
        if file.endswith(MANIFESTS) and file not in report.explained_files:
            yield Finding(LOW, "changes only in formatting", key=Key("", "File", "", file))


@effect(risk="noise")
def file_not_read(report: Report) -> Findings:
    """Argo CD reads only manifests. Reported if nothing else changes."""
    for file in () if report.explained_files else report.changed_files:
        if not file.endswith(MANIFESTS):
            yield Finding(LOW, "is not read by Argo CD", key=Key("", "File", "", file))
