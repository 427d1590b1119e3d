"""The command line of `ops review`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from catalogue.installation import INSTALLATION
from ops import terminal
from ops.commands import Context, context_needs_cluster
from ops.errors import OpsError, Status
from ops.git import Git
from ops.review.formats import LIMIT, to_json, to_markdown
from ops.review.model import ReviewError, Risk
from ops.review.report import Report
from ops.review.revisions import Repository, Revision, raw_diff

_SOURCES = ("catalogue", "charts", "constructs_lib", "overview")


def review(
    base: Annotated[
        str | None,
        typer.Argument(
            help="Commit, branch or tag to compare with. Default: the merge base of HEAD and "
            f"{INSTALLATION.revision}.",
            show_default=False,
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Argument(help="Revision to review. Default: working tree.", show_default=False),
    ] = None,
    *,
    path: Annotated[
        Path | None,
        typer.Option(
            help="Compare these manifests of others, such as those that install an add-on, "
            "instead of dist/ and SecretsStack: a folder or file of any Git repository.",
            show_default=False,
        ),
    ] = None,
    cluster: Annotated[
        bool,
        typer.Option(
            "--cluster",
            help="Compare with the cluster, by server-side dry runs. Accepts one revision: the one "
            "to review.",
        ),
    ] = False,
    context: Context = None,
    format_: Annotated[
        Literal["terminal", "markdown", "json"], typer.Option("--format", help="Output format.")
    ] = "terminal",
    fail_on: Annotated[
        list[Risk] | None,
        typer.Option(help="Exit with status 1 if a finding has this class; repeatable."),
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Also print the raw diff.")] = False,
    limit: Annotated[int, typer.Option(help="Maximum Markdown characters.", min=2000)] = LIMIT,
    full_report: Annotated[
        str, typer.Option(help="Where to find the full report if the Markdown is truncated.")
    ] = "`python -m ops review`",
) -> Status:
    """Report what a change to dist/ and SecretsStack will do, object by object. With --cluster,
    report what the next sync of dist/ will do to the cluster. With --path, report what a change to
    other manifests will do.

    Exit status: 0 on success; 1 if --fail-on matches; 2 if something could not be compared.
    """
    context_needs_cluster(context, cluster=cluster)
    if cluster and head:
        raise typer.BadParameter("--cluster accepts only one revision: the one to review")
    if cluster and path:
        raise typer.BadParameter("--cluster compares dist/; omit --path")
    try:
        at = Repository(Path.cwd(), path)
        if cluster:
            report = _of_cluster(context, at.revision(base))
        else:
            before = at.revision(base) if base else at.merge_base(INSTALLATION.revision)
            report = Report(before, at.revision(head))
        raw = raw_diff(report.base, report.head)
    except OpsError as error:  # of Git or the cluster, with another status
        raise ReviewError(str(error)) from error
    match format_:
        case "terminal":
            from rich.console import Console  # slow to import

            from ops.review.terminal import to_terminal

            to_terminal(report, raw, Console(highlight=False), whole_diff=diff)
        case "markdown":
            typer.echo(to_markdown(report, raw, full=full_report, limit=limit), nl=False)
        case "json":
            typer.echo(to_json(report, raw))
    if not (cluster or head or path or report.findings):
        _hint_at_synth(report.base.commit)
    if report.incomplete:
        raise ReviewError(report.incomplete)
    found = set(fail_on or ()) & {finding.risk for finding in report.findings}
    return Status.FAILED if found else Status.DONE


def _of_cluster(context: str | None, head: Revision) -> Report:
    from ops.cluster import Cluster  # the Kubernetes client is slow to import
    from ops.review.live.report import compare

    with terminal.waiting("Running server-side dry runs; the cluster does not change"):
        return compare(Cluster(context), head)


def _hint_at_synth(base: str | None) -> None:
    """Point out that dist/ may be outdated."""
    changed = Git(Path.cwd()).attempt("diff", "--quiet", base or "HEAD", "--", *_SOURCES) is None
    if changed:
        typer.echo("The sources of dist/ have changed; run `make synth` to render it.", err=True)
