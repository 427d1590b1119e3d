"""Options and usage errors that several commands share."""

from __future__ import annotations

from typing import Annotated, ClassVar

import typer
from typer._click.core import Context as UsageContext  # Typer exports little of its Click
from typer._click.exceptions import (
    BadOptionUsage,
    BadParameter,
    MissingParameter,
    NoSuchOption,
    UsageError,
)
from typer.core import TyperCommand


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


class SecretCommand(TyperCommand):
    """A command whose usage errors do not repeat what was typed: it may be the value."""

    hint: ClassVar[str] = "Type the secret value at the hidden prompt, or pass it with --file PATH"

    def parse_args(self, ctx: UsageContext, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except OwnBadParameter:
            raise
        except UsageError as error:
            raise UsageError(f"{_problem(error, ctx)} {self.hint}.", ctx) from None


def _problem(error: UsageError, ctx: UsageContext) -> str:
    match error:
        case NoSuchOption():
            close = " or ".join(sorted(error.possibilities or ()))
            return f"No such option; did you mean {close}?" if close else "No such option."
        case MissingParameter() | BadOptionUsage():  # these name only options that exist
            return error.format_message()
        case BadParameter(param=param) if param:
            kind = param.display_type(ctx)
            return f"Invalid value for {param.get_error_hint()}, which takes {kind}."
    return "Unexpected arguments."
