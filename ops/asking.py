"""Prompts for secret values and for confirmation."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ops import terminal
from ops.errors import CanceledError, OpsError, Status

STANDARD_INPUT = Path("-")


@dataclass(frozen=True, repr=False)
class SecretValue:
    """A value that messages and tracebacks do not show."""

    text: str


def secret_value(
    prompt: str, file: Path | None, *, option: str = "--file", twice: bool = True
) -> SecretValue:
    """Read a value from `file`, standard input (`-`), or a hidden prompt, by default twice.

    Strips one trailing line break. `option` is the command-line option that passes `file`, for
    error messages. Raises OpsError if the value cannot be read.
    """
    if file == STANDARD_INPUT:
        if terminal.is_interactive():
            raise OpsError(
                f"standard input is a terminal, which would show the value; omit {option} for a "
                "hidden prompt"
            )
        text = _read(_standard_input, "standard input")
    elif file:
        text = _read(lambda: file.read_text("utf-8"), f"the file of {option}")
    elif terminal.is_interactive():
        text = _typed(prompt, option, twice=twice)
    else:
        raise OpsError(
            f"the terminal is not interactive; pass the value with {option} PATH or {option} -"
        )
    return SecretValue(text.removesuffix("\n").removesuffix("\r"))


def confirm(question: str, *, yes: bool) -> None:
    """Ask for confirmation unless `yes`. Raises CanceledError if the user declines."""
    if yes:
        return
    if not terminal.is_interactive():
        raise OpsError("the terminal is not interactive; nothing was changed. Pass --yes")
    if not terminal.ask_yes_or_no(question):
        raise CanceledError("Nothing was changed.", Status.FAILED)


def _typed(prompt: str, option: str, *, twice: bool) -> str:
    """Prompt for a value. Raises OpsError for one that the terminal may have cut."""

    def require_complete(typed: bytes) -> None:
        if len(typed) >= terminal.LINE_BYTES:
            raise OpsError(
                f"the terminal cuts a line at {terminal.LINE_BYTES:,} bytes; pass the value with "
                f"{option} PATH"
            )

    def checked(text: str) -> str:
        require_complete(text.encode("utf-8", "surrogateescape"))
        return text

    try:
        return terminal.ask_hidden(prompt, checked, twice=twice)
    except UnicodeDecodeError as error:
        terminal.info("")  # the prompt did not end its line
        require_complete(error.object)  # the cut may be inside a character
        raise OpsError(
            f"the value is not UTF-8 text; check the locale, or pass it with {option} PATH"
        ) from None


def _standard_input() -> str:
    text = sys.stdin.read() if sys.stdin else ""
    text.encode()  # invalid UTF-8 may have been read as surrogates
    return text


def _read(read: Callable[[], str], source: object) -> str:
    try:
        return read()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise OpsError(f"{source} cannot be read: {reason}") from None
