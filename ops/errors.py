"""How a command ends: its exit status, and one plain sentence for what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import wraps
from typing import NoReturn, ParamSpec

import typer

from ops import terminal

P = ParamSpec("P")


class Status(IntEnum):
    """The exit statuses of the commands; `docs/operations.md` lists them."""

    DONE = 0
    FAILED = 1
    """Refused or failed, or something is not as it should be."""
    USAGE = 2
    """Wrong arguments: Typer's own."""
    NOT_CHECKED = 3
    """Nothing is wrong as far as could be seen, but something could not be seen."""
    OVERWROTE = 4
    """A value was written over another one that somebody else wrote in the same moment."""
    INTERRUPTED = 130


class OpsError(Exception):
    """What is wrong, and what to do: a sentence for a person. It never holds a secret value."""

    status = Status.FAILED


def handle_errors(command: Callable[P, None]) -> Callable[P, None]:
    """The command, whose errors end it with a sentence and a status instead of a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except OpsError as error:
            for line in str(error).splitlines():
                terminal.fail(line)
            end(error.status)
        except typer.Abort:  # at a question, and all of them come before anything is written
            terminal.tell("\nInterrupted. Nothing was changed.")
            end(Status.INTERRUPTED)
        except KeyboardInterrupt:
            terminal.tell("\nInterrupted.")
            end(Status.INTERRUPTED)

    return run


def end(status: Status) -> NoReturn:
    """End the command."""
    raise typer.Exit(status)
