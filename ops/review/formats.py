"""The report as a GitHub comment, and as JSON."""

import html
import json
import re
from collections import Counter
from itertools import accumulate
from typing import Any

from constructs_lib.model.text import plural, table
from ops.review.diff import ABSENT, Change, Difference
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
_LONG = 200


def to_markdown(report: Report, diff: RawDiff, *, full: str, limit: int = LIMIT) -> str:
    """A GitHub comment with at most `limit` characters, which escapes all values.

    It counts what does not fit, and refers to `full` for it.
    """
    alert = _ALERTS[report.severity]
    text = f"{MARKER}\n> [!{alert}]\n> **{_prose(report.verdict)}**\n"
    if not report.findings:
        return text
    text += f"\n{_prose(report.scope)}\n\n| | Class | Object | What happens |\n|-|-|-|-|\n"
    parts = [*((_row(group), "row") for group in report.groups), (_capacity(report), "")]
    parts += ((_service(*service), "service") for service in report.services.items())
    hidden: Counter[str] = Counter()
    left = limit - 400 - _length(text)  # for the line on what is left out
    for part, noun in parts:
        if _length(part) <= left:
            text += part
            left -= _length(part)
        elif noun:
            hidden[noun] += 1
    cut = [plural(count, noun) for noun, count in hidden.items()]
    shown_diff, fits = _fitting(diff, left)
    cut += [] if fits else ["the rest of the raw diff"]
    note = f"\n> Does not fit into a comment: {', '.join(cut)}. Full report: {full}\n"
    return f"{text}{shown_diff}{note if cut else ''}"


def _fitting(diff: RawDiff, limit: int) -> tuple[str, bool]:
    """As much of the diff as fits, collapsed, and whether all of it does."""
    fence = "`" * max(3, _backticks(diff.text) + 1)
    title = f"Raw diff: {diff}"
    lines = diff.text.splitlines(keepends=True)
    left = limit - _length(_collapsed(title, f"{fence}diff\n{fence}\n"))
    ends = accumulate(map(_length, lines))
    kept = lines[: sum(end <= left for end in ends)]
    text = _collapsed(title, f"{fence}diff\n{''.join(kept)}{fence}\n") if kept else ""
    return text, len(kept) == len(lines)


def _row(group: Group) -> str:
    names, text = _prose(group.objects), f"{_prose(group.sentence)}{group.pods}"
    return f"| {_SIGNS[group.severity]} | `{group.risk}` | {names} | {text} |\n"


def _capacity(report: Report) -> str:
    if not report.capacity:
        return ""
    headings = ("Namespace", "Resource", "Before", "After", "Quota")
    rows = ((_prose(namespace), *amounts) for namespace, *amounts, _ in report.capacity)
    return _collapsed("Capacity at peak", f"{table(headings, rows, right=3)}\n")


def _service(file: str, changes: list[Change]) -> str:
    summary = f"<code>{html.escape(file)}</code>: {plural(len(changes), 'object')}"
    return _collapsed(summary, f"{''.join(map(_object, changes))}\n")


def _object(change: Change) -> str:
    fields = "".join(
        f"  - {_code(change.brief(field.path))}: {_code(field.values(_LONG))}\n"
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


SCHEMA = 1
"""The version of the JSON document; increases when a field is removed or changes its meaning."""


def to_json(report: Report, diff: RawDiff) -> str:
    """The report as JSON; docs/review.md has the schema."""
    content = {
        "version": SCHEMA,
        "base": {"name": report.base.name, "commit": report.base.commit},
        "head": {"name": report.head.name, "commit": report.head.commit},
        "verdict": report.verdict,
        "severity": report.severity,
        "findings": [
            {
                "class": finding.risk,
                "rule": finding.rule,
                "severity": finding.severity,
                "object": finding.key._asdict(),
                "text": finding.text,
                "pods": finding.pods,
            }
            for finding in report.findings
        ],
        "capacity": [
            {name: value or None for name, value in demand._asdict().items() if name != "exceeds"}
            for demand in report.capacity
        ],
        "objects": [
            {
                "object": change.key._asdict(),
                "file": file,
                "change": change.state,
                "differences": list(map(_field, change.differences)),
            }
            for file, changes in report.services.items()
            for change in changes
        ],
        "diff": {"files": diff.files, "added": diff.added, "removed": diff.removed},
    }
    return json.dumps(content, indent=2, ensure_ascii=False, default=str)


def _field(difference: Difference) -> dict[str, Any]:
    values = {"before": difference.before, "after": difference.after}
    present = {name: content for name, content in values.items() if content is not ABSENT}
    return {"path": str(difference), **present}
