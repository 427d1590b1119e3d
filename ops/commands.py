"""The commands, one module each, their shared options, and the report of their errors."""

import sys
from pkgutil import resolve_name
from typing import Annotated, Any, ClassVar

import typer
from typer._click import exceptions  # Typer exports little of its Click
from typer._click.core import Context as UsageContext
from typer.core import TyperCommand, TyperGroup

from constructs_lib.errors import PlatformError, explain, is_refusal
from ops import terminal
from ops.errors import CanceledError, OpsError, Status

COMMANDS = {
    "checklist": "ops.checklist:checklist",
    "deploy-secrets": "ops.deploy:deploy_secrets",
    "jobs": "ops.jobs:app",
    "manifest": "ops.manifest:app",
    "pin": "ops.pin:pin",
    "review": "ops.review.command:review",
    "rollback": "ops.rollback:rollback",
    "secrets": "ops.secrets:app",
    "takeover": "ops.takeover:app",
}
"""Every command or group of commands, as `module:name`.

A command returns its exit status, or None for 0, and raises an error instead of printing it.
"""


class Commands(TyperGroup):
    """Imports only the called command, because the AWS libraries are slow to import."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run a command, and report its error without a traceback."""
        try:
            return super().main(*args, **options)
        except CanceledError as error:
            terminal.info(str(error))
            sys.exit(error.status)
        except (OpsError, PlatformError) as error:
            for line in str(error).splitlines():
                terminal.fail(line)
            for note in getattr(error, "__notes__", ()):
                terminal.info(note)
            sys.exit(getattr(error, "status", Status.FAILED))
        except Exception as error:
            if not is_refusal(error):
                raise
            terminal.fail(explain(error))
            sys.exit(Status.FAILED)

    def invoke(self, ctx: Any) -> None:
        try:
            ctx.exit(super().invoke(ctx) or Status.DONE)
        except typer.Abort as error:  # prompts come before the first write
            raise CanceledError("\nInterrupted. Nothing was changed.") from error
        except KeyboardInterrupt as error:
            raise CanceledError("\nInterrupted.") from error

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        found = resolve_name(COMMANDS[cmd_name])
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False)
            single.command()(found)
            found = single
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False
)


@app.callback()
def main() -> None:
    """Operate the analytics platform."""


def _not_empty(context: str | None) -> str | None:
    """Refuse an empty name: it comes from an unset variable, and must not mean another cluster."""
    if context is not None and not context.strip():
        problem = "The name is empty; omit --context to use the current context."
        raise exceptions.BadOptionUsage("--context", problem)
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
        except exceptions.UsageError as error:
            raise exceptions.UsageError(f"{_problem(error, ctx)} {self.hint}.", ctx) from None


def _problem(error: exceptions.UsageError, ctx: UsageContext) -> str:
    match error:
        case exceptions.NoSuchOption():
            close = " or ".join(sorted(error.possibilities or ()))
            return f"No such option; did you mean {close}?" if close else "No such option."
        case exceptions.MissingParameter() | exceptions.BadOptionUsage():
            # these repeat no values, and name only options that exist
            return error.format_message()
        case exceptions.BadParameter(param=param) if param:
            kind = param.display_type(ctx)
            return f"Invalid value for {param.get_error_hint()}, which takes {kind}."
    return "Unexpected arguments."
