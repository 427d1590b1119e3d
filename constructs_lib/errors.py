"""Refusals: mistakes in a declaration, told to the person who made it."""

from __future__ import annotations

import os
import re
import sysconfig
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

TRACEBACK = "TRACEBACK"
"""The environment variable that asks for whole tracebacks."""
_LIBRARY = Path(__file__).parent
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
_NO_INSTANCE = "Don't know how to convert object to JSON"  # as jsii says it
_SAME_NAME = "There is already a Construct with name"  # as constructs says it, through jsii


class DeclarationError(ValueError):
    """A declaration that must not be rendered.

    The message says what is wrong and what to do. `where` names the construct path, file or
    object it is about; without it, `explain` names the line that declared it.
    """

    def __init__(self, message: str, *, where: object = None) -> None:
        place = _relative(where) if isinstance(where, Path) else where
        super().__init__(f"{place}: {message}" if place else message)
        self.message = message
        self.where = where

    def at(self, where: object) -> DeclarationError:
        """The same refusal, said of `where` when it names no place of its own."""
        return self if self.where else DeclarationError(self.message, where=where)


class PlatformError(Exception):
    """Everything that one render refused, a line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def collect(problems: list[str], declare: Callable[[], object]) -> None:
    """Run one declaration; whatever is wrong with it is added to `problems`, a line each.

    With the environment variable TRACEBACK, the whole traceback is printed as well.
    """
    try:
        declare()
    except PlatformError as error:
        problems.extend(error.problems)
    except (Exception, SystemExit) as error:  # noqa: BLE001 a chart may raise anything
        if os.environ.get(TRACEBACK):
            traceback.print_exception(error)
        problems.append(explain(error))


def is_refusal(error: Exception) -> bool:
    """Whether an error says that a declaration is wrong, and is not one of the program's own."""
    return _refusal(error) is not None


def explain(error: BaseException) -> str:
    """One line for an error in a declaration: what is wrong, and the file and line that said it.

    An error in the Python code of a chart is shown with its type.
    """
    refusal = _refusal(error) or _unforeseen(error)
    in_a_file = isinstance(refusal, DeclarationError) and isinstance(refusal.where, Path)
    line = None if in_a_file else _declared_at(error)
    return one_line(f"{refusal} ({line})" if line else str(refusal))


def one_line(text: str) -> str:
    """The text with line ends and control characters spelled, as Python spells them."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def _unforeseen(error: BaseException) -> str:
    """What an error that is not ours says, in a line: cdk8s' own, or one of a chart's code."""
    if isinstance(error, SystemExit):
        return "the chart ends the program; raise an exception instead of calling sys.exit"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if any(_NO_INSTANCE in line for line in lines):
        return "a construct is used before it is made; call super().__init__(...) first"
    if type(error.__cause__).__name__ == "JavaScriptError":  # importing jsii takes time
        return f"cdk8s: {_said_in_node(lines)}"
    return f"{type(error).__name__}: {' '.join(lines)}".removesuffix(": ")


def _said_in_node(lines: list[str]) -> str:
    """The sentence in what Node reports: jsii draws a tree of the fields of a struct."""
    fields = re.findall(r"Key '([^']*)'", " ".join(lines))
    if fields:
        called = lines[0].partition(": Unable")[0].removeprefix("Passed to parameter props of new ")
        return f"{called}: {'.'.join(fields)}: {lines[-1].lstrip('╰─ ')}"
    error = next((line for line in lines if line.startswith("Error: ")), " ".join(lines))
    return error.removeprefix("Error: ")


def _refusal(error: BaseException | None) -> DeclarationError | str | None:
    """What is refused, if that is what the error says; enum members wrap theirs in another."""
    if isinstance(error, DeclarationError):
        return error
    if isinstance(error, SyntaxError):
        place = _relative(Path(error.filename or ""))
        return DeclarationError(f"line {error.lineno}: {error.msg}; correct it", where=place)
    if isinstance(error, TypeError) and _is_declaration(_caller(error)):
        return f"{error}. See the docstring of what is called for its arguments"
    if isinstance(error, (AttributeError, ImportError, NameError)) and _is_mistyped(error):
        told = error.msg.partition(" (")[0] if isinstance(error, ImportError) else None
        return f"{told or f'there is no {error.name}'}; check the spelling, or add it first"
    if isinstance(error, RuntimeError) and str(error).startswith(_SAME_NAME):
        return f"{error}; rename one"
    return _refusal(error.__cause__) if error and error.__cause__ else None


def _declared_at(error: BaseException) -> str | None:
    """`charts/one/service.py:12`, the innermost line outside this package."""
    for frame in reversed(_frames(error)):
        if _is_declaration(frame.filename):
            return f"{_relative(Path(frame.filename))}:{frame.lineno}"
    return None


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _is_mistyped(error: AttributeError | ImportError | NameError) -> bool:
    """Whether a declaration names what is not there; an enum looks its members up in Python."""
    names = (frame.filename for frame in _frames(error))
    calls = [name for name in names if not name.startswith("<") and not name.endswith("enum.py")]
    return bool(error.name and calls) and _is_declaration(calls[-1])


def _caller(error: BaseException) -> str:
    """The file whose call failed; a metaclass of jsii stands between it and a constructor."""
    calls = [frame.filename for frame in _frames(error) if frame.name != "__call__"]
    return calls[-1] if calls else ""


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    return traceback.extract_tb(error.__traceback__)


def _is_declaration(filename: str) -> bool:
    return not filename.startswith(("<", str(_LIBRARY), *_INSTALLED))
