"""The commands, one module each."""

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
"""Every command or group of commands, as `module:name`."""


class Commands(TyperGroup):
    """Imports only the called command, because the AWS libraries are slow to import."""

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
    prepare_jsii()
