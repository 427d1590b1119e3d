"""The report as a GitHub comment: escapes all values, and keeps to the length limit."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from constructs_lib.model.text import plural
from ops.review.diff import Change, shown
from ops.review.model import Severity
from ops.review.report import Group, Report
from ops.review.revisions import RawDiff

LIMIT = 65_536
"""GitHub's limit for a comment, in characters."""
MARKER = "<!-- ops review -->"
"""The first line, by which a workflow finds its earlier comment."""
_ALERTS = {Severity.HIGH: "CAUTION", Severity.MEDIUM: "WARNING", Severity.LOW: "NOTE", None: "TIP"}
_SIGNS = {Severity.HIGH: "🔴 high", Severity.MEDIUM: "🟡 medium", Severity.LOW: "⚪ low"}
_STATES = {"changed": "", "added": ": new", "removed": ": removed"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#|~&$])")
_LINK = re.compile(r"(https?://[\w./:-]*[\w/-])")
_MAX_LENGTH = 200
_RESERVE = 400
"""For the line that lists what is left out."""


class Comment:
    """Text with a length limit."""

    def __init__(self, limit: int) -> None:
        self._left = limit - _RESERVE
        self._parts: list[str] = []
        self._cut: list[str] = []
        """Descriptions of what did not fit."""

    def add(self, *texts: str, noun: str = "") -> None:
        """Add the texts that fit, and count the others."""
        cut = 0
        for text in texts:
            if _length(text) > self._left:
                cut += 1
                continue
            self._parts.append(text)
            self._left -= _length(text)
        if cut and noun:
            self._cut.append(plural(cut, noun))

    def add_diff(self, diff: RawDiff) -> None:
        """Add as much of the diff as fits, collapsed."""
        fence = "`" * max(3, _backticks(diff.text) + 1)
        title = f"Raw diff: {diff}"
        kept, left = "", self._left - _length(_collapsed(title, f"{fence}diff\n{fence}\n"))
        for line in diff.text.splitlines(keepends=True):
            left -= _length(line)
            if left < 0:
                self._cut.append("the rest of the raw diff")
                break
            kept += line
        if kept:
            self.add(_collapsed(title, f"{fence}diff\n{kept}{fence}\n"))

    def text(self, full: str) -> str:
        """The text, and a reference to the full report if something did not fit."""
        note = f"\n> Does not fit into a comment: {', '.join(self._cut)}. Full report: {full}\n"
        return "".join(self._parts) + (note if self._cut else "")


def render(report: Report, diff: RawDiff, *, full: str, limit: int = LIMIT) -> str:
    """The comment, with at most `limit` characters. `full` is where the full report is."""
    comment = Comment(limit)
    alert = _ALERTS[report.severity]
    comment.add(f"{MARKER}\n> [!{alert}]\n> **{_prose(report.verdict)}**\n")
    if report.findings:
        comment.add(f"\n{_prose(report.scope)}\n\n| | Class | Object | What happens |\n|-|-|-|-|\n")
        comment.add(*map(_row, report.groups), noun="row")
        comment.add(_capacity(report))
        comment.add(*_services(report), noun="service")
        comment.add_diff(diff)
    return comment.text(full)


def _row(group: Group) -> str:
    names, text = _prose(group.objects), f"{_prose(group.sentence)}{group.pods}"
    return f"| {_SIGNS[group.severity]} | `{group.risk}` | {names} | {text} |\n"


def _capacity(report: Report) -> str:
    if not report.capacity:
        return ""
    rows = [
        f"| {_prose(demand.namespace)} | {demand.resource} | {demand.before} "
        f"| {demand.after} | {demand.quota} |\n"
        for demand in report.capacity
    ]
    headings = "| Namespace | Resource | Before | After | Quota |\n|-|-|-:|-:|-:|\n"
    return _collapsed("Capacity at peak", f"{headings}{''.join(rows)}\n")


def _services(report: Report) -> Iterator[str]:
    for file, changes in report.services.items():
        summary = f"<code>{html.escape(file)}</code>: {plural(len(changes), 'object')}"
        yield _collapsed(summary, f"{''.join(map(_object, changes))}\n")


def _object(change: Change) -> str:
    fields = "".join(
        f"  - {_code(change.brief(field))}: {_code(shown(field.before, _MAX_LENGTH))} → "
        f"{_code(shown(field.after, _MAX_LENGTH))}\n"
        for field in change.differences
    )
    return f"- {_prose(str(change.key))}{_STATES[change.state]}\n{fields}"


def _collapsed(summary: str, content: str) -> str:
    return f"\n<details><summary>{summary}</summary>\n\n{content}</details>\n"


def _prose(text: str) -> str:
    """Text with all Markdown escaped except links; it does not mention users."""
    parts = _LINK.split(" ".join(text.split()))
    for index, part in enumerate(parts):
        quoted = _SPECIAL.sub(r"\\\1", part).replace("@", "@&#8203;")
        parts[index] = f"<{part}>" if index % 2 else quoted
    return "".join(parts)


def _code(text: str) -> str:
    """A code span with any text."""
    longest = _backticks(text)
    ticks = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def _backticks(text: str) -> int:
    """The length of the longest run of backticks."""
    return max(map(len, re.findall(r"`+", text)), default=0)


def _length(text: str) -> int:
    """In UTF-16 code units, as browsers count."""
    return len(text.encode("utf-16-le")) // 2
