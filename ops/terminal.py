"""Output and prompts: results go to standard output, everything else to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

import humanize
import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

LINE_BYTES = 4095 if sys.platform == "linux" else 1023  # macOS and BSD: MAX_CANON, less the Enter
"""The longest line that a terminal passes on, in bytes; it drops the rest without an error."""
_WIDE = 160
"""Table width in a file or pipe, in columns."""


def _console(*, stderr: bool) -> Console:
    piped = not _is_terminal(sys.stderr if stderr else sys.stdout)
    return Console(
        stderr=stderr, width=_WIDE if piped else None, highlight=False, markup=False, emoji=False
    )


def show(line: str = "", style: str | None = None) -> None:
    """Print a line of the result."""
    _console(stderr=False).print(line, style=style, soft_wrap=True)


def show_json(content: Any) -> None:
    print(json.dumps(content, indent=2, default=_plain))


def show_table(*columns: str, rows: Sequence[tuple[str, ...]], title: str | None = None) -> None:
    first, *others = columns
    headings = [Column(first, no_wrap=True), *(Column(one, overflow="fold") for one in others)]
    table = Table(*headings, title=title, title_justify="left", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    _console(stderr=False).print(table)


def show_pairs(pairs: Mapping[str, str]) -> None:
    """Print names and texts as indented lines."""
    grid = Table.grid(Column(no_wrap=True), Column(overflow="fold"), padding=(0, 2, 0, 0))
    for name, text in pairs.items():
        grid.add_row(name, text)
    _console(stderr=False).print(Padding(grid, (0, 0, 0, 4), expand=False))


def show_list(mark: str, style: str | None, entries: Sequence[tuple[str, str]]) -> None:
    """Print marked texts, each with a dim line below."""
    grid = Table.grid(Column(no_wrap=True, style=style or ""), Column(), padding=(0, 1, 0, 0))
    for text, below in entries:
        grid.add_row(mark, text)
        grid.add_row("", Text(below, style="dim"))
    _console(stderr=False).print(Padding(grid, (0, 0, 0, 3), expand=False))


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


def is_interactive() -> bool:
    return _is_terminal(sys.stdin)


def ask_hidden(prompt: str, checked: Callable[[str], str], *, twice: bool) -> str:
    """Prompt for hidden input, optionally twice. Ctrl-C raises typer.Abort.

    `checked` returns the first input, or raises an error. Raises UnicodeDecodeError for input that
    is not UTF-8 text.
    """
    again = "Repeat for confirmation" if twice else False
    with _interruptible():
        answer: str = typer.prompt(
            prompt, hide_input=True, confirmation_prompt=again, value_proc=checked, err=True
        )
    return answer


def choose(question: str, count: int) -> int:
    """Prompt for a number from 1 to `count`. Ctrl-C raises typer.Abort."""

    def checked(text: str) -> int:
        if not (text.isdecimal() and 1 <= int(text) <= count):
            raise typer.BadParameter(f"enter a number from 1 to {count}, or press Ctrl-C to cancel")
        return int(text)

    with _interruptible():
        answer: int = typer.prompt(question, value_proc=checked, err=True)
    return answer


def ask_yes_or_no(question: str) -> bool:
    """Prompt for yes or no; Enter means no. Ctrl-C raises typer.Abort."""
    with _interruptible():
        return typer.confirm(question, err=True)


def when(time: datetime | None, now: datetime | None = None) -> str:
    """`3 hours ago`, `in 2 days`; `never` for None."""
    if time is None:
        return "never"
    return humanize.naturaltime(time, when=now or datetime.now(UTC))


@contextmanager
def _interruptible() -> Iterator[None]:
    """Raise typer.Abort for Ctrl-C between two prompts, where Click does not catch it."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise typer.Abort from error


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()  # None if it was closed


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
