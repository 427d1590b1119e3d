"""Usage errors of the commands that take a secret value."""

from __future__ import annotations

from typing import ClassVar

from typer._click.core import Context  # Typer contains Click, and exports little of it
from typer._click.exceptions import (
    BadOptionUsage,
    BadParameter,
    MissingParameter,
    NoSuchOption,
    UsageError,
)
from typer.core import TyperCommand

from ops.options import OwnBadParameter


class SecretCommand(TyperCommand):
    """A command whose usage errors do not repeat what was typed: it may be the value."""

    hint: ClassVar[str] = "Type the secret value at the hidden prompt, or pass it with --file PATH"

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except OwnBadParameter:
            raise
        except UsageError as error:
            raise UsageError(f"{_problem(error, ctx)} {self.hint}.", ctx) from None


def _problem(error: UsageError, ctx: Context) -> str:
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
