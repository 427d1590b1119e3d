"""The report as a comment on GitHub: safe whatever the values hold, and never too long for one."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from constructs_lib.wording import plural
from ops.review.diff import ObjectPair
from ops.review.model import Severity
from ops.review.report import Group, Report
from ops.review.revisions import RawDiff
from ops.review.wording import brief, objects, value

LIMIT = 65_536
"""The most characters that GitHub takes as a comment."""
MARKER = "<!-- ops review -->"
"""The first line: by it a workflow finds the comment that it wrote before."""
_ALERTS = {Severity.HIGH: "CAUTION", Severity.MEDIUM: "WARNING", Severity.LOW: "NOTE", None: "TIP"}
_SIGNS = {Severity.HIGH: "🔴 high", Severity.MEDIUM: "🟡 medium", Severity.LOW: "⚪ low"}
_CHANGES = {"changed": "", "added": ": new", "removed": ": gone"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#|~&$])")
_LINK = re.compile(r"(https?://[\w./:-]*[\w/-])")
_LONGEST = 200
_RESERVE = 400
"""For the line that says what was cut."""


class Comment:
    """Text that is added to while there is room."""

    def __init__(self, limit: int) -> None:
        self._room = limit - _RESERVE
        self._parts: list[str] = []
        self.cut: list[str] = []
        """What did not fit, in words."""

    def add(self, text: str) -> bool:
        """Add `text` if it fits; whether it did."""
        fits = _length(text) <= self._room
        if fits:
            self._parts.append(text)
            self._room -= _length(text)
        return fits

    def add_each(self, texts: Iterator[str], noun: str) -> None:
        """Add as many as fit; the rest is cut."""
        left = sum(1 for text in texts if not self.add(text))
        if left:
            self.cut.append(plural(left, noun))

    def add_diff(self, diff: RawDiff) -> None:
        """Add the diff, folded, as far as it fits."""
        fence = "`" * max(3, _backticks(diff.text) + 1)
        head = f"\n<details><summary>Raw diff: {diff}</summary>\n\n{fence}diff\n"
        tail = f"{fence}\n</details>\n"
        kept, room = [], self._room - _length(head + tail)
        for line in diff.text.splitlines(keepends=True):
            room -= _length(line)
            if room < 0:
                self.cut.append("the rest of the raw diff")
                break
            kept.append(line)
        if kept:
            self.add(f"{head}{''.join(kept)}{tail}")

    def text(self, full: str) -> str:
        """All that fitted, and where the rest is."""
        note = f"\n> Cut to fit into a comment: {', '.join(self.cut)}. All of it: {full}\n"
        return "".join(self._parts) + (note if self.cut else "")


def render(report: Report, diff: RawDiff, *, full: str, limit: int = LIMIT) -> str:
    """The comment, of at most `limit` characters. `full` says where the whole report is."""
    comment = Comment(limit)
    alert = _ALERTS[report.severity]
    comment.add(f"{MARKER}\n> [!{alert}]\n> **{_prose(report.verdict)}**\n")
    if report.findings:
        comment.add(f"\n{_prose(report.scope)}\n\n| | Class | Object | What happens |\n|-|-|-|-|\n")
        comment.add_each(map(_row, report.groups), "row")
        comment.add(_capacity(report))
        comment.add_each(_services(report), "service")
        comment.add_diff(diff)
    return comment.text(full)


def _row(group: Group) -> str:
    pods = f" ({plural(group.pods, 'pod')})" if group.pods else ""
    names = _prose(objects(group.keys))
    text = f"{_prose(group.text)}{pods}"
    return f"| {_SIGNS[group.severity]} | `{group.risk}` | {names} | {text} |\n"


def _capacity(report: Report) -> str:
    if not report.capacity:
        return ""
    rows = [
        f"| {_prose(row.namespace)} | {row.resource} | {row.spelled(row.before)} "
        f"| {row.spelled(row.after)} | {row.bound} |\n"
        for row in report.capacity
    ]
    return (
        "\n<details><summary>Capacity at the worst moment</summary>\n\n"
        "| Namespace | Resource | Before | After | Quota |\n|-|-|-:|-:|-:|\n"
        f"{''.join(rows)}\n</details>\n"
    )


def _services(report: Report) -> Iterator[str]:
    for file, changed in report.services.items():
        lines = "".join(_object(report, pair) for pair in changed)
        count = plural(len(changed), "object")
        summary = f"<code>{html.escape(file)}</code>: {count}"
        yield f"\n<details><summary>{summary}</summary>\n\n{lines}\n</details>\n"


def _object(report: Report, pair: ObjectPair) -> str:
    fields = "".join(
        f"  - {_code(brief(pair.item.key.kind, each.path))}: "
        f"{_code(value(each.before, _LONGEST))} → "
        f"{_code(value(each.after, _LONGEST))}\n"
        for each in report.comparison.differences(pair.item.key, ())
    )
    return f"- {_prose(str(pair.item.key))}{_CHANGES[pair.change]}\n{fields}"


def _prose(text: str) -> str:
    """Text of which nothing but its links is taken for Markdown; it mentions nobody."""
    parts = _LINK.split(" ".join(text.split()))
    for place, part in enumerate(parts):
        quoted = _SPECIAL.sub(r"\\\1", part).replace("@", "@&#8203;")
        parts[place] = f"<{part}>" if place % 2 else quoted
    return "".join(parts)


def _code(text: str) -> str:
    """A code span around any text."""
    longest = _backticks(text)
    ticks = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def _backticks(text: str) -> int:
    """The most of them in a row."""
    return max(map(len, re.findall(r"`+", text)), default=0)


def _length(text: str) -> int:
    """In UTF-16 units, as a browser counts."""
    return len(text.encode("utf-16-le")) // 2
