"""The commands, one module each: a line a command."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any

import typer
from typer.core import TyperGroup

from constructs_lib.node import prepare_jsii

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
"""Every command, or group of commands, as module and name."""


class Commands(TyperGroup):
    """Imports what is called, and nothing else: AWS's library alone takes as long as a review."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; None if there is none."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        found = resolve_name(COMMANDS[cmd_name])
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False)
            alone.command()(found)
            found = alone
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False
)


@app.callback()
def main() -> None:
    """What people do with this platform, one command each."""
    prepare_jsii()
