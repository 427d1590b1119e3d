"""Options that several commands have."""

from typing import Annotated

import typer

Context = Annotated[
    str | None,
    typer.Option(help="The kubeconfig's context to use. Default: its current one."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask, for use in a script.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for use in a script.")]


def context_needs_cluster(context: str | None, *, cluster: bool) -> None:
    """Refuse a context where the cluster is not asked."""
    if context and not cluster:
        raise typer.BadParameter("--context is of no use without --cluster")
