"""Cases: an edit of `dist/`, and every finding that the review must report for it.

A text is a short fragment that survives rewording: a field, a value or the id of a rule. After `= `
it is the whole text of the finding, to assert the words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ops.review.model import Finding
from tests.ops.review.edits import Edit, Files, editing, named, unchanged

_FOLDER = Path(__file__).parent


class Expected(NamedTuple):
    """A finding that the review must report."""

    severity: str
    risk: str
    object: str
    """May have wildcards, for a finding about each of these objects."""
    text: str = ""

    @classmethod
    def of(cls, entry: str | Mapping[str, Any]) -> Expected:
        """Of `high delete Namespace cerebro`, or a mapping from that to the text."""
        ((start, text),) = entry.items() if isinstance(entry, Mapping) else ((entry, ""),)
        severity, risk, name = start.split(" ", 2)
        return cls(severity, risk, name, str(text))

    def matches(self, finding: Finding) -> bool:
        says = self.text in finding.sentence
        if self.text.startswith("= "):
            says = self.text.removeprefix("= ") == finding.text
        return (
            (finding.severity, finding.risk) == (self.severity, self.risk)
            and str(finding.key) == self.object
            and says
        )


@dataclass(frozen=True, eq=False)
class Case:
    """Both edits start from what the charts render; the review compares their results."""

    name: str
    edit: Edit
    expects: Sequence[Expected]
    """All findings: a further one fails the case, except with `others`."""
    others: bool = False
    base: Edit = unchanged
    """Prepares the base revision, where that is not what the charts render."""
    path: str | None = None
    """Compare dist/ as if it were manifests of others at this path."""

    def mismatches(self, findings: Sequence[Finding], *revisions: Files) -> list[str]:
        """What is missing and what is unexpected; each finding matches one expectation."""
        unexpected, missing = list(findings), []
        names = {name for files in revisions for name in _names(files)}
        for expected in (each for one in self.expects for each in _expanded(one, names)):
            match = next((finding for finding in unexpected if expected.matches(finding)), None)
            if match:
                unexpected.remove(match)
            else:
                missing.append("missing: " + " | ".join(expected))
        return missing + [
            f"unexpected: {finding.severity} | {finding.risk} | {finding.key} | {finding.sentence}"
            for finding in unexpected
            if not self.others
        ]


def _names(files: Files) -> Iterator[str]:
    for file, text in files.items():
        if file.endswith(".yaml"):
            yield from map(named, text.split("---\n"))


def _expanded(expected: Expected, names: Iterable[str]) -> list[Expected]:
    if "*" not in expected.object:
        return [expected]
    matching = [name for name in names if fnmatchcase(name, expected.object)]
    assert matching, f"no object matches {expected.object}"
    return [expected._replace(object=name) for name in matching]


def _cases(file: Path) -> list[Case]:
    rows = yaml.safe_load(file.read_text("utf-8"))
    return [
        Case(
            name,
            editing(row.get("edit", {})),
            list(map(Expected.of, row.get("expect", ()))),
            row.get("others", False),
            editing(row.get("base", {})),
            row.get("path"),
        )
        for name, row in rows.items()
    ]


CASES = [case for file in sorted(_FOLDER.glob("*.yaml")) for case in _cases(file)]
