"""Exit statuses and error handling of the commands."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import wraps
from typing import NoReturn, ParamSpec

import typer

from ops import terminal

P = ParamSpec("P")


class Status(IntEnum):
    """Exit statuses of the commands; `docs/operations.md` lists them."""

    DONE = 0
    FAILED = 1
    """Refused or failed, or a check found a problem."""
    USAGE = 2
    """Invalid arguments; set by Typer."""
    NOT_CHECKED = 3
    """Nothing failed, but something could not be checked."""
    OVERWROTE = 4
    """The value replaced one that another user wrote at the same time."""
    INTERRUPTED = 130


class OpsError(Exception):
    """An error for the user: what is wrong, and what to do. Contains no secret values."""

    status = Status.FAILED


def handle_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Print an OpsError as a message and exit with its status, without a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except OpsError as error:
            for line in str(error).splitlines():
                terminal.fail(line)
            end(error.status)
        except typer.Abort:  # prompts come before the first write
            terminal.info("\nInterrupted. Nothing was changed.")
            end(Status.INTERRUPTED)
        except KeyboardInterrupt:
            terminal.info("\nInterrupted.")
            end(Status.INTERRUPTED)

    return run


def end(status: Status) -> NoReturn:
    raise typer.Exit(status)
