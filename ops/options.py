"""Options that several commands share."""

from typing import Annotated

import typer

Context = Annotated[
    str | None,
    typer.Option(help="The kubeconfig context to use. Default: the current one."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Skip the confirmation prompt.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def context_needs_cluster(context: str | None, *, cluster: bool) -> None:
    if context and not cluster:
        raise typer.BadParameter("--context requires --cluster")
