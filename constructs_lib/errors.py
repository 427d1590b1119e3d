"""Errors in a declaration, reported with the line that caused them."""

from __future__ import annotations

import difflib
import os
import re
import sysconfig
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

TRACEBACK = "TRACEBACK"
"""Environment variable that enables full tracebacks."""
_LIBRARY = Path(__file__).parent
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
_NO_INSTANCE = "Don't know how to convert object to JSON"  # message of jsii
_SAME_NAME = "There is already a Construct with name"  # message of constructs


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

    def at(self, where: object) -> DeclarationError:
        """The same error, located at `where` unless it already has a location."""
        return self if self.where else DeclarationError(self.message, where=where)


class PlatformError(Exception):
    """All errors of one render, one line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class RuleError(Exception):
    """A rule crashed: a bug in it, or an object of an unexpected shape that it cannot read."""

    def __init__(self, rule: str, item: Any, cause: Exception) -> None:
        """Create the error.

        Args:
            rule: The name of the rule.
            item: The key of the object; None if the rule reads all objects together.
            cause: What the rule raised.
        """
        self.rule, self.item = rule, item
        self.cause = f"{type(cause).__name__}: {cause}"
        super().__init__(f"rule {rule} crashed on {item or 'the platform'} ({self.cause})")


def collect(problems: list[str], declare: Callable[[], object]) -> None:
    """Run `declare` and append its errors to `problems`, one line each. Raises RuleError.

    If the environment variable TRACEBACK is set, also print the full traceback.
    """
    try:
        declare()
    except RuleError:
        raise
    except PlatformError as error:
        problems.extend(error.problems)
    except (Exception, SystemExit) as error:  # noqa: BLE001 a chart can raise anything
        if os.environ.get(TRACEBACK):
            traceback.print_exception(error)
        problems.append(explain(error))


def is_refusal(error: Exception) -> bool:
    """Whether the declaration is wrong, as opposed to a bug in this program."""
    return _refusal(error) is not None


def explain(error: BaseException) -> str:
    """One line for an error in a declaration, with its file and line."""
    refusal = _refusal(error) or _other(error)
    in_a_file = isinstance(refusal, DeclarationError) and isinstance(refusal.where, Path)
    line = None if in_a_file else _declared_at(error)
    return one_line(f"{refusal} ({line})" if line else str(refusal))


def one_line(text: str) -> str:
    """The text with line breaks and control characters escaped, as in Python."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def _other(error: BaseException) -> str:
    """One line for an error that cdk8s or the code of a chart raised."""
    if isinstance(error, SystemExit):
        return "the chart calls sys.exit; raise an exception instead"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if any(_NO_INSTANCE in line for line in lines):
        return "a construct is used before it is initialized; call super().__init__(...) first"
    if type(error.__cause__).__name__ == "JavaScriptError":  # by name, as importing jsii is slow
        return f"cdk8s: {_node_message(lines)}"
    return f"{type(error).__name__}: {' '.join(lines)}".removesuffix(": ")


def _node_message(lines: list[str]) -> str:
    """The message within a Node error: for a struct, jsii prints a tree of its fields."""
    fields = re.findall(r"Key '([^']*)'", " ".join(lines))
    if fields:
        called = lines[0].partition(": Unable")[0].removeprefix("Passed to parameter props of new ")
        return f"{called}: {'.'.join(fields)}: {lines[-1].lstrip('╰─ ')}"
    error = next((line for line in lines if line.startswith("Error: ")), " ".join(lines))
    return error.removeprefix("Error: ")


def _refusal(error: BaseException | None) -> DeclarationError | str | None:
    """The declaration error, if `error` is one or (as for an enum member) was caused by one."""
    if isinstance(error, DeclarationError):
        return error
    if isinstance(error, SyntaxError):
        place = _relative(Path(error.filename or ""))
        return DeclarationError(f"line {error.lineno}: {error.msg}; fix the syntax", where=place)
    if isinstance(error, TypeError) and _is_declaration(_caller(error)):
        return f"{error}; see its docstring for the arguments"
    if isinstance(error, (AttributeError, ImportError, NameError)) and _is_mistyped(error):
        return _mistyped(error)
    if isinstance(error, RuntimeError) and str(error).startswith(_SAME_NAME):
        return f"{error}; rename one"
    return _refusal(error.__cause__) if error and error.__cause__ else None


def _mistyped(error: AttributeError | ImportError | NameError) -> str:
    if isinstance(error, ImportError):
        return f"{error.msg.partition(' (')[0]}; check the spelling, or add it"
    if isinstance(error, AttributeError):
        owner = getattr(error.obj, "__name__", type(error.obj).__name__)
        problem, remedy = f"{owner} has no member {error.name}", "add it"
        names = [name for name in dir(error.obj) if not name.startswith("_")]
    else:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        problem, remedy = f"{error.name} is not defined", "import it"
        names = [*frame.f_locals, *frame.f_globals]
    if alike := difflib.get_close_matches(error.name or "", names, 1):
        return f"{problem}; did you mean {alike[0]}?"
    return f"{problem}; check the spelling, or {remedy}"


def _declared_at(error: BaseException) -> str | None:
    """The innermost line outside this package: `charts/one/service.py:12`."""
    for frame in reversed(_frames(error)):
        if _is_declaration(frame.filename):
            return f"{_relative(Path(frame.filename))}:{frame.lineno}"
    return None


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _is_mistyped(error: AttributeError | ImportError | NameError) -> bool:
    """Whether a declaration uses an undefined name; enums look up members in Python code."""
    names = (frame.filename for frame in _frames(error))
    calls = [name for name in names if not name.startswith("<") and not name.endswith("enum.py")]
    return bool(error.name and calls) and _is_declaration(calls[-1])


def _caller(error: BaseException) -> str:
    """The file that made the failing call, without the frames of jsii's metaclass."""
    calls = [frame.filename for frame in _frames(error) if frame.name != "__call__"]
    return calls[-1] if calls else ""


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    return traceback.extract_tb(error.__traceback__)


def _is_declaration(filename: str) -> bool:
    return not filename.startswith(("<", str(_LIBRARY), *_INSTALLED))
