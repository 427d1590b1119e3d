"""The report for a terminal: 80 columns, with or without color."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from constructs_lib.model.text import plural
from ops.review.diff import ObjectPair
from ops.review.model import Severity
from ops.review.report import Report
from ops.review.revisions import RawDiff
from ops.review.wording import before_after, brief, objects

_STYLES = {Severity.HIGH: "bold red", Severity.MEDIUM: "bold yellow", Severity.LOW: "green"}
_CHANGES = {"changed": ("~", "yellow"), "added": ("+", "green"), "removed": ("-", "red")}
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
    console.print(Rule(Text(f"Raw diff: {diff}", style="bold"), align="left", style="dim"))
    if whole_diff:
        for line in diff.text.splitlines():
            console.print(Text(line, style=_LINES.get(line[:1], "")), soft_wrap=True)
    else:
        console.print(Text("use --diff to show it", style="dim"))


def _show_groups(report: Report, severity: Severity, console: Console) -> None:
    groups = [group for group in report.groups if group.severity is severity]
    if not groups:
        return
    console.print(
        Rule(Text(severity.capitalize(), style=_STYLES[severity]), align="left", style="dim")
    )
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True, min_width=8)
    table.add_column(overflow="fold")
    for group in groups:
        pods = f" ({plural(group.pods, 'pod')})" if group.pods else ""
        table.add_row(
            Text(group.risk, style=_STYLES[severity]),
            Text.assemble((objects(group.keys), "bold"), pods, "\n", group.sentence),
        )
    console.print(table, "")


def _show_capacity(report: Report, console: Console) -> None:
    if not report.capacity:
        return
    console.print(Rule(Text("Capacity at peak", style="bold"), align="left", style="dim"))
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
    for file, changed in report.services.items():
        console.print(Rule(Text(file, style="bold"), align="left", style="dim"))
        for pair in changed:
            _show_object(report, pair, console)
        console.print()


def _show_object(report: Report, pair: ObjectPair, console: Console) -> None:
    mark, style = _CHANGES[pair.change]
    console.print(Text(f"{mark} {pair.item.key}", style=style))
    differences = report.comparison.differences(pair.item.key, ())
    for difference in differences[:_MAX_FIELDS]:
        path = brief(pair.item.kind, difference.path)
        field = Text.assemble((f"{path}: ", "dim"), before_after(difference, _MAX_LENGTH))
        console.print(Padding(field, (0, 0, 0, 4)))
    if len(differences) > _MAX_FIELDS:
        more = plural(len(differences) - _MAX_FIELDS, "more field")
        console.print(Padding(Text(f"and {more}", style="dim"), (0, 0, 0, 4)))
