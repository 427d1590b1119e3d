"""Options that several commands share."""

from typing import Annotated

import typer


class OwnBadParameter(typer.BadParameter):
    """A usage error whose message repeats nothing that the user typed."""


def _not_empty(context: str | None) -> str | None:
    """Refuse an empty name: it comes from an unset variable, and must not mean another cluster."""
    if context is not None and not context.strip():
        raise OwnBadParameter("the name is empty; omit --context to use the current context")
    return context


Context = Annotated[
    str | None,
    typer.Option(
        help="The kubeconfig context to use. Default: the current one.", callback=_not_empty
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Skip the confirmation prompt.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def context_needs_cluster(context: str | None, *, cluster: bool) -> None:
    if context and not cluster:
        raise typer.BadParameter("--context requires --cluster")
