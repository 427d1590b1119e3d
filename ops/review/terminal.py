"""The report for a terminal: 80 columns, with or without color."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from constructs_lib.model.text import plural
from ops.review.diff import Change
from ops.review.model import Severity
from ops.review.report import Report
from ops.review.revisions import RawDiff

_STYLES = {Severity.HIGH: "bold red", Severity.MEDIUM: "bold yellow", Severity.LOW: "green"}
_STATES = {"changed": ("~", "yellow"), "added": ("+", "green"), "removed": ("-", "red")}
_LINES = {"+": "green", "-": "red", "@": "cyan"}
_MAX_FIELDS = 12
_MAX_LENGTH = 60


def show(report: Report, diff: RawDiff, console: Console, *, whole_diff: bool) -> None:
    """Print the report, and with `whole_diff` the raw diff."""
    style = _STYLES[report.severity] if report.severity else "bold green"
    console.print(Text(report.verdict, style=style))
    if not report.findings:
        return
    console.print(Text(f"{report.scope}\n", style="dim"))
    for severity in Severity:
        _show_groups(report, severity, console)
    _show_capacity(report, console)
    _show_services(report, console)
    _show_title(f"Raw diff: {diff}", console)
    if whole_diff:
        for line in diff.text.splitlines():
            console.print(Text(line, style=_LINES.get(line[:1], "")), soft_wrap=True)
    else:
        console.print(Text("use --diff to show it", style="dim"))


def _show_groups(report: Report, severity: Severity, console: Console) -> None:
    groups = [group for group in report.groups if group.severity is severity]
    if not groups:
        return
    _show_title(severity.capitalize(), console, _STYLES[severity])
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True, min_width=8)
    table.add_column(overflow="fold")
    for group in groups:
        table.add_row(
            Text(group.risk, style=_STYLES[severity]),
            Text.assemble((group.objects, "bold"), group.pods, "\n", group.sentence),
        )
    console.print(table, "")


def _show_capacity(report: Report, console: Console) -> None:
    if not report.capacity:
        return
    _show_title("Capacity at peak", console)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("Namespace")
    table.add_column("Resource")
    for heading in ("Before", "After", "Quota"):
        table.add_column(heading, justify="right")
    shown = ""
    for demand in report.capacity:
        table.add_row(
            "" if demand.namespace == shown else demand.namespace,
            demand.resource,
            demand.before,
            demand.after,
            demand.quota,
            style="bold red" if demand.exceeds else "",
        )
        shown = demand.namespace
    console.print(table, "")


def _show_services(report: Report, console: Console) -> None:
    for file, changes in report.services.items():
        _show_title(file, console)
        for change in changes:
            _show_object(change, console)
        console.print()


def _show_object(change: Change, console: Console) -> None:
    mark, style = _STATES[change.state]
    console.print(Text(f"{mark} {change.key}", style=style))
    fields = [
        Text.assemble((f"{change.brief(field)}: ", "dim"), field.values(_MAX_LENGTH))
        for field in change.differences[:_MAX_FIELDS]
    ]
    if hidden := len(change.differences) - len(fields):
        fields.append(Text(f"and {plural(hidden, 'more field')}", style="dim"))
    for field in fields:
        console.print(Padding(field, (0, 0, 0, 4)))


def _show_title(title: str, console: Console, style: str = "bold") -> None:
    console.print(Rule(Text(title, style=style), align="left", style="dim"))
