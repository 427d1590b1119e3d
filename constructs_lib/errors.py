"""Errors in a declaration, reported on one line, with the line of the chart that caused them."""

import difflib
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

TRACEBACK = "TRACEBACK"
"""Environment variable that enables full tracebacks."""
_PYTHON = ("<", sysconfig.get_path("stdlib"))
_NO_DECLARATION = (*_PYTHON, str(Path(__file__).parent), sysconfig.get_path("purelib"))
"""How the file names of Python, this package and installed packages start."""
_HERE = f"{Path.cwd()}/"
_T = TypeVar("_T")


class DeclarationError(ValueError):
    """A declaration that must not be rendered."""

    def __init__(self, message: str, *, where: object = None) -> None:
        """Create the error.

        Args:
            message: What is wrong and what to do.
            where: The construct path, file or object. Default: `explain` adds the declaring line.
        """
        place = _relative(where) if isinstance(where, Path) else where
        super().__init__(f"{place}: {message}" if place else message)
        self.message = message
        self.where = where

    def at(self, where: object) -> "DeclarationError":
        """The same error, located at `where` unless it already has a location."""
        return self if self.where else DeclarationError(self.message, where=where)


class PlatformError(Exception):
    """All errors of one render, each on one line, or with its other objects on indented lines."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class RuleError(Exception):
    """A rule crashed: a bug in it, or an object of an unexpected shape that it cannot read."""

    def __init__(self, rule: str, item: Any, cause: Exception) -> None:
        """Create the error; `item` is the key of an object, or None if the rule reads all."""
        self.rule, self.item = rule, item
        self.cause = f"{type(cause).__name__}: {cause}"
        super().__init__(f"rule {rule} crashed on {item or 'the platform'} ({self.cause})")


def result_of(declare: Callable[[], _T]) -> _T:
    """Run `declare`. Raises PlatformError with one line per error, or RuleError.

    If the environment variable TRACEBACK is set, also print the full traceback.
    """
    try:
        return declare()
    except (PlatformError, RuleError):
        raise
    except (Exception, SystemExit) as error:  # a chart can raise anything
        if os.environ.get(TRACEBACK):
            traceback.print_exception(error)
        raise PlatformError([explain(error)]) from error


def errors_of(declare: Callable[[], object]) -> list[str]:
    """Run `declare` and return its errors, one line each. Raises RuleError."""
    try:
        result_of(declare)
    except PlatformError as error:
        return list(error.problems)
    return []


@contextmanager
def reading(file: Path, remedy: str) -> Iterator[None]:
    """Locate every error of the block at the file that it reads."""
    try:
        yield
    except DeclarationError as error:
        raise error.at(file) from error
    except (OSError, ValueError) as error:  # also of its encoding and syntax
        raise DeclarationError(f"cannot be read ({error}); {remedy}", where=file) from error


def is_refusal(error: Exception) -> bool:
    """Whether the declaration is wrong, as opposed to a bug in this program."""
    return _refusal(error) is not None or _misspelling(error) is not None


def explain(error: BaseException, *, line: str | None = None) -> str:
    """One line for an error in a declaration, with its file and line. Default: what raised it."""
    refusal = _refusal(error)
    if refusal and isinstance(refusal.where, Path):
        return one_line(str(refusal))
    message = refusal or _misspelling(error) or _message(error)
    if line is None:
        line = _innermost(reversed([*traceback.walk_tb(error.__traceback__)]))
    return one_line(f"{message} ({line})" if line else str(message))


def declaring_line() -> str:
    """The running line of a chart, `charts/one.py:12`; empty outside of charts."""
    return _innermost(traceback.walk_stack(sys._getframe(1)))


def _innermost(frames: Iterable[tuple[FrameType, int]]) -> str:
    """The first line in a file of the repository that declares something."""
    for frame, number in frames:
        file = frame.f_code.co_filename
        is_check = frame.f_code.co_name == "__post_init__"  # of what the caller declares
        if not is_check and not file.startswith(_NO_DECLARATION):
            return f"{file.removeprefix(_HERE)}:{number}"
    return ""


def one_line(text: str) -> str:
    """The text with line breaks and control characters escaped, as in Python."""
    escaped = (one if one.isprintable() else ascii(one)[1:-1] for one in text)
    return text if text.isprintable() else "".join(escaped)


def _refusal(error: BaseException | None) -> DeclarationError | None:
    """The declaration error, if `error` is one or (as for an enum member) was caused by one."""
    if isinstance(error, SyntaxError):
        text = f"line {error.lineno}: {error.msg}; fix the syntax"
        return DeclarationError(text, where=Path(error.filename or ""))
    if error is None or isinstance(error, DeclarationError):
        return error
    return _refusal(error.__cause__)


def _misspelling(error: BaseException) -> str | None:
    """The message for an unknown name in a declaration, which Python looks up (as for an enum)."""
    if not isinstance(error, (AttributeError, ImportError, NameError)) or not error.name:
        return None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    callers = [one for one in frames if not one.f_code.co_filename.startswith(_PYTHON)]
    if not callers or callers[-1].f_code.co_filename.startswith(_NO_DECLARATION):
        return None
    if isinstance(error, ImportError):
        return f"{error.msg.partition(' (')[0]}; check the spelling, or add it"
    if isinstance(error, AttributeError):
        owner = getattr(error.obj, "__name__", type(error.obj).__name__)
        is_empty = getattr(error.obj, "__dict__", None) == {}
        remedy = "call super().__init__(...) first" if is_empty else "add it"
        problem = f"{owner} has no member {error.name}"
        names = [name for name in dir(error.obj) if not name.startswith("_")]
    else:
        problem, remedy = f"{error.name} is not defined", "import it"
        names = [*callers[-1].f_locals, *callers[-1].f_globals]
    # Python itself suggests a name only in the tracebacks that it prints
    alike = difflib.get_close_matches(error.name, names, 1)
    return f"{problem}; " + (
        f"did you mean {alike[0]}?" if alike else f"check the spelling, or {remedy}"
    )


def _message(error: BaseException) -> str:
    """The message of any other exception, with the remedy of common mistakes."""
    if isinstance(error, SystemExit):
        return "the chart calls sys.exit; raise an exception instead"
    lines = [line.strip(" ├╰│─") for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines)
    if "Don't know how to convert object to JSON" in text:  # jsii
        return "a construct is used before it is initialized; call super().__init__(...) first"
    if text.startswith("There is already a Construct with name"):  # constructs
        return f"{text}; rename one"
    if type(error.__cause__).__name__ == "JavaScriptError":  # by name: importing jsii is slow
        return f"cdk8s: {_node_message(lines)}"
    return f"{type(error).__name__}: {text}".removesuffix(": ")


def _node_message(lines: list[str]) -> str:
    """The message within a Node error: a log with its error inside, or a tree of a struct."""
    if fields := re.findall(r"Key '([^']*)'", " ".join(lines)):
        struct = lines[0].partition(": Unable")[0].removeprefix("Passed to parameter props of new ")
        return f"{struct}: {'.'.join(fields)}: {lines[-1]}"
    logged = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    return logged[0] if logged else " ".join(lines)


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
