"""What a command asks before it writes: a secret value, and whether to go on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ops import terminal
from ops.errors import OpsError, Status, end

STANDARD_INPUT = Path("-")


@dataclass(frozen=True, repr=False)
class SecretValue:
    """A value that is shown nowhere: not in messages, not in tracebacks."""

    text: str


def secret_value(
    prompt: str, file: Path | None, *, option: str = "--file", twice: bool = True
) -> SecretValue:
    """The value in `file`, on standard input (`-`), or else typed unseen, by default twice.

    `option` is what names the file on the command line.

    A line break at the end belongs to the file, not to the value. Raises OpsError where there is
    nothing to read.
    """
    if file == STANDARD_INPUT:
        if terminal.is_interactive():
            raise OpsError(
                f"standard input is this terminal, which would show the value; leave out {option}"
            )
        text = _read(_standard_input, "standard input")
    elif file:
        text = _read(lambda: file.read_text("utf-8"), file)
    elif terminal.is_interactive():
        text = terminal.ask_hidden(prompt, twice=twice)
    else:
        raise OpsError(
            f"nobody is here to type the value; give it with {option} PATH, or {option} -"
        )
    return SecretValue(text.removesuffix("\n").removesuffix("\r"))


def confirm(question: str, *, yes: bool) -> None:
    """Go on only if a person agrees, or did so on the command line."""
    if yes:
        return
    if not terminal.is_interactive():
        raise OpsError("nobody is here to be asked; nothing was changed. Add --yes to confirm")
    if not terminal.ask_yes_or_no(question):
        terminal.tell("Nothing was changed.")
        end(Status.FAILED)


def _standard_input() -> str:
    text = sys.stdin.read() if sys.stdin else ""
    text.encode()  # what was no UTF-8 may have come in as surrogates
    return text


def _read(read: Callable[[], str], source: object) -> str:
    try:
        return read()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise OpsError(f"{source} cannot be read: {reason}") from None
