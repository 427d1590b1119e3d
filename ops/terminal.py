"""Output and prompts: results go to standard output, everything else to standard error.

Secret values are read here, and neither shown nor logged. Rich is slow to import, and some commands
do not use it, so the functions import it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from ops.errors import CanceledError, OpsError, Status

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

LINE_BYTES = 4095 if sys.platform == "linux" else 1023  # macOS and BSD: MAX_CANON, less the Enter
"""The longest line that a terminal passes on, in bytes; it drops the rest without an error."""


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    piped = not _is_terminal(sys.stderr if stderr else sys.stdout)
    width = 160 if piped else None  # tables in a file or pipe are wide
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


def show(line: str = "", style: str | None = None) -> None:
    """Print a line of the result."""
    _console(stderr=False).print(line, style=style, soft_wrap=True)


def show_json(content: Any) -> None:
    print(json.dumps(content, indent=2, default=datetime.isoformat))


def show_table(
    *columns: str,
    rows: Iterable[tuple[str | Text, ...]],
    style: str = "",
    indent: int = 0,
    gap: int = 2,
) -> None:
    """Print rows, below their headings if there are any; the first column has the style."""
    from rich.padding import Padding
    from rich.table import Column, Table

    first, *others = columns
    headings = [Column(one, overflow="fold") for one in others]
    names = Column(first, no_wrap=True, style=style)
    table = Table(names, *headings, box=None, show_header=any(columns), pad_edge=False)
    table.padding = (0, gap, 0, 0)
    for row in rows:
        table.add_row(*row)
    _console(stderr=False).print(Padding(table, (0, 0, 0, indent), expand=False))


def info(line: str, style: str | None = None) -> None:
    """Print a line to standard error."""
    _console(stderr=True).print(line, style=style, soft_wrap=True)


def warn(line: str) -> None:
    info(line, "yellow")


def fail(line: str) -> None:
    info(f"error: {line}", "red")


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show a spinner; in a pipe, print the text once."""
    console = _console(stderr=True)
    if console.is_terminal:
        with console.status(what):
            yield
    else:
        info(what)
        yield


def when(time: datetime | None) -> str:
    """`3 hours ago`, `in 2 days`; `never` for None."""
    import humanize

    if time is None:
        return "never"
    return humanize.naturaltime(time, when=datetime.now(UTC))


def is_interactive() -> bool:
    return _is_terminal(sys.stdin)


def confirm(question: str, *, yes: bool) -> None:
    """Ask for confirmation unless `yes`. Raises CanceledError if the user declines."""
    if yes:
        return
    require_interactive("Pass --yes")
    if not ask_yes_or_no(question):
        raise CanceledError("Nothing was changed.", Status.FAILED)


def require_interactive(remedy: str) -> None:
    """Raise OpsError if the terminal is not interactive."""
    if not is_interactive():
        raise OpsError(f"the terminal is not interactive; nothing was changed. {remedy}")


def choose(question: str, count: int) -> int:
    """Prompt for a number from 1 to `count`."""

    def checked(text: str) -> int:
        if not (text.isdecimal() and 1 <= int(text) <= count):
            raise typer.BadParameter(f"enter a number from 1 to {count}, or press Ctrl-C to cancel")
        return int(text)

    return int(_prompt(typer.prompt, question, value_proc=checked))


def ask_yes_or_no(question: str) -> bool:
    """Prompt for yes or no; Enter means no."""
    return bool(_prompt(typer.confirm, question))


def _prompt(ask: Callable[..., Any], question: str, **options: Any) -> Any:
    """Ask on standard error. Ctrl-C raises typer.Abort, also where Click does not catch it."""
    try:
        return ask(question, err=True, **options)
    except KeyboardInterrupt as error:  # between two prompts
        raise typer.Abort from error


@dataclass(frozen=True, repr=False)
class SecretValue:
    """A value that messages and tracebacks do not show."""

    text: str


def is_header_value(text: str) -> bool:
    """Whether an HTTP header can contain the text, as it must contain a token or an API key."""
    return bool(text) and text.isascii() and text.isprintable() and text == text.strip()


def secret_value(
    prompt: str, file: Path | None, *, option: str = "--file", twice: bool = True
) -> SecretValue:
    """Read a value from `file`, standard input (`-`), or a hidden prompt, by default twice.

    Strips one trailing line break. `option` is the command-line option that passes `file`, for
    error messages. Raises OpsError if the value cannot be read.
    """
    if file == Path("-") and is_interactive():
        raise OpsError(
            f"standard input is a terminal, which would show the value; omit {option} for a "
            "hidden prompt"
        )
    if file:
        text = _content(file, option)
    elif is_interactive():
        text = _typed(prompt, option, twice=twice)
    else:
        raise OpsError(
            f"the terminal is not interactive; pass the value with {option} PATH or {option} -"
        )
    return SecretValue(text.removesuffix("\n").removesuffix("\r"))


def _typed(prompt: str, option: str, *, twice: bool) -> str:
    """Prompt for hidden input. Raises OpsError for a value that the terminal may have cut."""

    def require_complete(typed: bytes) -> None:
        if len(typed) >= LINE_BYTES:
            raise OpsError(
                f"the terminal cuts a line at {LINE_BYTES:,} bytes; pass the value with "
                f"{option} PATH"
            )

    def checked(text: str) -> str:
        require_complete(text.encode("utf-8", "surrogateescape"))
        return text

    again = "Repeat for confirmation" if twice else False
    try:
        options = {"hide_input": True, "confirmation_prompt": again, "value_proc": checked}
        return str(_prompt(typer.prompt, prompt, **options))
    except UnicodeDecodeError as error:
        info("")  # the prompt did not end its line
        require_complete(error.object)  # the cut may be inside a character
        raise OpsError(
            f"the value is not UTF-8 text; check the locale, or pass it with {option} PATH"
        ) from None


def _content(file: Path, option: str) -> str:
    source = f"the file of {option}"
    try:
        if file != Path("-"):
            return file.read_text("utf-8")
        source = "standard input"
        text = sys.stdin.read() if sys.stdin else ""
        text.encode()  # invalid UTF-8 may have been read as surrogates
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise OpsError(f"{source} cannot be read: {reason}") from None
    return text


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()  # None if it was closed
