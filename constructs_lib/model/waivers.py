"""Waivers: accepted findings, each with a reason and an expiry date, read from a TOML file.

A waiver is a table:

    [[waiver]]
    checks = ["checkov:CKV_K8S_35"]
    objects = ["Deployment cerebro/*", "CronJob crawlers/*"]
    reason = "The programs read their credentials from variables."
    expires = 2027-11-30

A check is the name of a rule, or `<scanner>:<identifier>`. An object is written as in messages,
`Kind namespace/name`; `*` matches any text.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, TypeVar

from constructs_lib.errors import DeclarationError, reading
from constructs_lib.model.checks import Form, props

_HEADER = re.compile(r"^[ \t]*\[\[\s*waiver\s*\]\]", re.MULTILINE)
_Text = Annotated[str, Form(r"(?s).*\S.*", "is empty; write checks, objects and a reason")]


@props
class Waiver:
    """Accepted findings."""

    checks: list[_Text]
    """Names of rules, or `<scanner>:<identifier>`."""
    objects: list[_Text]
    """Patterns, for example `Deployment cerebro/*`."""
    reason: _Text
    expires: date
    """The last day on which the waiver is valid."""
    where: str = "a waiver"
    """File and line, for messages."""

    def __post_init__(self) -> None:
        if not self.checks or not self.objects:
            raise DeclarationError("has no checks or no objects; remove it")

    def covers(self, check: str, item: str) -> bool:
        """Whether it accepts the findings of a check for an object."""
        return check in self.checks and any(fnmatchcase(item, pattern) for pattern in self.objects)


@dataclass(frozen=True)
class Result:
    """A finding of a check."""

    check: str
    """The name of a rule, or `<scanner>:<identifier>`."""
    item: str
    """The object, `Kind namespace/name`."""
    message: str
    """What is wrong and how to fix it, including the name of the object."""


_R = TypeVar("_R", bound=Result)


def read(path: Path) -> tuple[Waiver, ...]:
    """The waivers in a file. Raises DeclarationError, with the line, for an invalid waiver."""
    with reading(path, "correct its TOML"):
        text = path.read_text("utf-8")
        content = tomllib.loads(text)
        if unknown := sorted(content.keys() - {"waiver"}):
            raise DeclarationError(f"unknown table {unknown[0]!r}; use [[waiver]]")
        entries = content.get("waiver", [])
        lines = [text.count("\n", 0, header.start()) + 1 for header in _HEADER.finditer(text)]
        if not isinstance(entries, list) or len(lines) != len(entries):
            raise DeclarationError("write each waiver as a table [[waiver]]")
    return tuple(
        _waiver(entry, f"{path.parent.name}/{path.name}:{line}")
        for entry, line in zip(entries, lines, strict=True)
    )


def _waiver(entry: dict[str, Any], where: str) -> Waiver:
    if "where" in entry:
        raise DeclarationError("has no field 'where'; remove it", where=where)
    try:
        return Waiver(**entry, where=where)
    except DeclarationError as error:
        raise error.at(where) from error


def left(findings: Iterable[_R], waivers: Sequence[Waiver]) -> list[_R]:
    """The findings that no waiver covers."""
    return [
        finding
        for finding in findings
        if not any(waiver.covers(finding.check, finding.item) for waiver in waivers)
    ]


def problems(
    findings: Sequence[Result],
    waivers: Sequence[Waiver],
    *,
    checks: Callable[[str], bool],
    today: date | None = None,
) -> Iterator[str]:
    """Problems with the waivers: expired, or not matching any finding.

    Args:
        findings: All findings, including waived ones.
        waivers: Waivers of any checks.
        checks: Whether a check ran; for waivers of other checks, only the date is checked.
        today: Default: the current date.
    """
    today = today or date.today()
    for waiver in waivers:
        ran = [check for check in waiver.checks if checks(check)]
        items = {name: [one.item for one in findings if one.check == name] for name in ran}
        if waiver.expires < today:
            names = ", ".join(waiver.checks)
            yield (
                f"{waiver.where}: the waiver of {names} expired on {waiver.expires}; "
                "fix the findings, or set a later date"
            )
        unused = [
            check for check in ran if not any(waiver.covers(check, item) for item in items[check])
        ]
        for check in unused:
            yield f"{waiver.where}: {check} has no findings that this waiver covers; remove it"
        if ran == waiver.checks != unused:
            for pattern in waiver.objects:
                if not any(fnmatchcase(item, pattern) for check in ran for item in items[check]):
                    yield f"{waiver.where}: no findings for {pattern}; remove the pattern"
