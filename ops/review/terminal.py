"""The report for a terminal."""

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Column, Table
from rich.text import Text

from constructs_lib.errors import one_line
from constructs_lib.model.text import plural
from ops.review.diff import Change
from ops.review.effects.operation import Demand
from ops.review.model import Severity
from ops.review.report import Group, Report
from ops.review.revisions import RawDiff

_STYLES = {Severity.HIGH: "bold red", Severity.MEDIUM: "bold yellow", Severity.LOW: "green"}
_MARKS = {"changed": ("~", "yellow"), "added": ("+", "green"), "removed": ("-", "red")}
_LINES = {"+": "green", "-": "red", "@": "cyan"}


def to_terminal(report: Report, diff: RawDiff, console: Console, *, whole_diff: bool) -> None:
    """Print the report in the width of the console, and with `whole_diff` the raw diff."""

    def title(text: str, style: str = "bold") -> None:
        console.print(Rule(Text(text, style=style), align="left", style="dim"))

    style = _STYLES[report.severity] if report.severity else "bold green"
    console.print(Text(report.verdict, style=style))
    if not report.findings:
        return
    console.print(Text(f"{report.scope}\n", style="dim"))
    for severity, style in _STYLES.items():
        if groups := [group for group in report.groups if group.severity is severity]:
            title(severity.capitalize(), style)
            console.print(_effects(groups, style), "")
    if report.capacity:
        title("Capacity at peak")
        console.print(_capacity_table(report.capacity), "")
    for file, changes in report.services.items() if whole_diff or not report.head.path else ():
        title(file)
        for change in changes:
            _show_object(change, console)
        console.print()
    title(f"Raw diff: {diff}")
    if whole_diff:
        for line in diff.text.splitlines():
            console.print(Text(line, style=_LINES.get(line[:1], "")), soft_wrap=True)
    else:
        console.print(Text("use --diff to show it", style="dim"))


def _effects(groups: list[Group], style: str) -> Table:
    columns = Column(no_wrap=True, min_width=8), Column(overflow="fold")
    table = Table(*columns, box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    for group in groups:
        text = Text.assemble((group.objects, "bold"), group.pods, "\n", group.sentence)
        table.add_row(Text(group.risk, style=style), text)
    return table


def _capacity_table(demands: list[Demand]) -> Table:
    numbers = (Column(name, justify="right") for name in ("Before", "After", "Quota"))
    table = Table("Namespace", "Resource", *numbers, box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.header_style = "dim"
    former = ""
    for namespace, *amounts, exceeds in demands:
        style = "bold red" if exceeds else ""
        table.add_row("" if namespace == former else namespace, *amounts, style=style)
        former = namespace
    return table


def _show_object(change: Change, console: Console) -> None:
    mark, style = _MARKS[change.state]
    console.print(Text(f"{mark} {one_line(str(change.key))}", style=style))
    fields = [
        Text.assemble((f"{change.brief(field.path)}: ", "dim"), field.values(60))
        for field in change.differences[:12]
    ]
    if hidden := len(change.differences) - len(fields):
        fields.append(Text(f"and {plural(hidden, 'more field')}", style="dim"))
    for field in fields:
        console.print(Padding(field, (0, 0, 0, 4)))
