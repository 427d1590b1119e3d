"""Wording, names and tables shared by rendered pages and command output."""

from collections.abc import Callable, Iterable, Sequence


def plural(count: int, noun: str) -> str:
    """`1 pod`, `2 pods`."""
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: int = 0) -> str:
    """A Markdown table whose last `right` columns are numbers."""
    lines = [headings, ["-"] * (len(headings) - right) + ["-:"] * right, *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines
    )


def id_and_reason(function: Callable[..., object]) -> tuple[str, str]:
    """The name of a function, with hyphens, and its docstring, on one line."""
    return function.__name__.replace("_", "-"), " ".join((function.__doc__ or "").split())
