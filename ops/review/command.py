"""The command line of `ops review`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from catalogue.installation import INSTALLATION
from ops.errors import told
from ops.git import Git, GitError
from ops.review.markdown import LIMIT
from ops.review.model import ReviewError, Risk
from ops.review.report import Report
from ops.review.revisions import RawDiff, Repository, Revision, raw_diff

_SOURCES = ("catalogue", "charts", "constructs_lib", "overview")
FOUND = 1
"""The exit status where a class of `--fail-on` was found."""


class Format(StrEnum):
    """Who reads the report."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    JSON = "json"


@told
def review(
    base: Annotated[
        str | None,
        typer.Argument(
            help="Compare with this commit, branch or tag. Default: where what is checked out "
            f"left {INSTALLATION.revision}.",
            show_default=False,
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Argument(help="What to compare. Default: the working tree.", show_default=False),
    ] = None,
    *,
    format_: Annotated[
        Format, typer.Option("--format", help="For people, for GitHub, for programs.")
    ] = Format.TERMINAL,
    fail_on: Annotated[
        list[Risk] | None,
        typer.Option(help="End with status 1 if there is a finding of this class; repeatable."),
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Print the raw diff, too.")] = False,
    limit: Annotated[int, typer.Option(help="The most characters of Markdown.", min=2000)] = LIMIT,
    full_report: Annotated[
        str, typer.Option(help="Where the whole report is, for Markdown that had to be cut.")
    ] = "`python -m ops review`",
) -> None:
    """Tell what a change of dist/ and of the SecretsStack will do, object by object.

    Exit status: 0; 1 if --fail-on found something; 2 if the revisions could not be compared.
    """
    try:
        report = Report(*_revisions(base, head))
        drawn = raw_diff(report.base, report.head)
    except GitError as error:
        raise ReviewError(str(error)) from error
    _print(report, drawn, format_, whole_diff=diff, limit=limit, full=full_report)
    if not (head or report.findings):
        _hint_at_synth(report.base.commit)
    if set(fail_on or ()) & {finding.risk for finding in report.findings}:
        raise typer.Exit(FOUND)


def _revisions(base: str | None, head: str | None) -> tuple[Revision, Revision]:
    repository = Repository(Path.cwd())
    return (
        repository.revision(base) if base else repository.merge_base(INSTALLATION.revision),
        repository.revision(head) if head else repository.working_tree(),
    )


def _hint_at_synth(base: str | None) -> None:
    """Where nothing is rendered anew, though what it is rendered from has changed."""
    changed = Git(Path.cwd()).attempt("diff", "--quiet", base or "HEAD", "--", *_SOURCES) is None
    if changed:
        typer.echo("What dist/ is rendered from has changed; `make synth` renders it.", err=True)


def _print(
    report: Report, diff: RawDiff, format_: Format, *, whole_diff: bool, limit: int, full: str
) -> None:
    match format_:
        case Format.TERMINAL:
            from rich.console import Console

            from ops.review import terminal

            console = Console(highlight=False)
            terminal.show(report, diff, console, whole_diff=whole_diff)
        case Format.MARKDOWN:
            from ops.review import markdown

            typer.echo(markdown.render(report, diff, full=full, limit=limit), nl=False)
        case Format.JSON:
            from ops.review import document

            typer.echo(document.render(report, diff))
