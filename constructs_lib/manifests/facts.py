"""What the fields of an object mean: facts worked out of several fields, and the owner of each.

fields.yaml has a row for each field. A row that names no fact says itself what a value means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from math import inf
from pathlib import Path as File
from typing import Any, NamedTuple

import yaml

from constructs_lib.manifests.objects import GROUPS, POD_TEMPLATES, Kind, Object, Objects
from constructs_lib.model.quantity import amount
from constructs_lib.model.text import id_and_reason

Path = tuple[str, ...]
"""Field names; `[<name>]` for an item of a list."""
_TABLES = [
    File(__file__).with_name(name) for name in ("fields.yaml", "load_balancer.yaml", "stack.yaml")
]
STACK_GROUP = "cloudformation"
"""In place of the API group of a resource of the stack, whose kind is its type."""
_UNITS = {"s": "{} s", "octal": "{:04o}"}


class Reading(NamedTuple):
    """A fact about an object, or about a part of it."""

    says: str
    """The consequence, with {} for the value: `is killed after {} without an answer`."""
    value: str = ""
    """`90 s`."""
    badness: Any = 0
    """How bad it is, to compare it with the reading of another revision: a number, or something
    that is partly ordered by `<=`. None: every change is for the worse."""
    level: str = "medium"
    """The severity of a change to it from a better one."""
    part: str = ""
    """`container api`. Empty: the object."""
    about: tuple[Object, ...] = ()
    """Other objects that it is read from."""

    def __str__(self) -> str:
        return self.says.replace("{}", self.value)

    def is_worse_than(self, other: Reading) -> bool:
        if self.badness is None or other.badness is None:
            return (self.says, self.value) != (other.says, other.value)
        return not self.badness <= other.badness  # partly ordered ones can both be worse


Readings = Iterator[Reading]


@dataclass(frozen=True)
class Fact:
    """A function that works out what several fields of an object mean together."""

    id: str
    reason: str
    """What it decides, in one or two sentences."""
    kinds: tuple[str, ...]
    risk: str
    """The class of a change in `ops review`."""
    read: Callable[[Any, Objects], Readings]
    """The readings of an object, or of a Workload, among all objects of a revision."""
    source: str = ""
    """Another kind whose objects it is read from."""


def fact(
    *kinds: str, risk: str, source: str = ""
) -> Callable[[Callable[[Any, Objects], Readings]], Fact]:
    """Turn a function into a Fact: its name, with hyphens, is the id, its docstring the reason."""

    def make(read: Callable[[Any, Objects], Readings]) -> Fact:
        return Fact(*id_and_reason(read), kinds, risk, read, source)

    return make


@dataclass(frozen=True, kw_only=True)
class Field:
    """A row of fields.yaml, which explains its keys."""

    by: tuple[str, ...] = ()
    same: str = ""
    harmless: str = ""
    unknown: str = ""
    worse: str = ""
    order: tuple[Any, ...] = ()
    says: str | Mapping[Any, str] = ""
    high: Any = None
    low: Any = None
    apart: Any = None
    default: Any = None
    unit: str = ""
    item: bool = False
    risk: str = "update"

    def read(self, value: Any) -> Reading | None:
        """What a value means; None for a value of which the row says nothing."""
        says = self.says
        if isinstance(says, Mapping):
            says = next((text for one, text in says.items() if one == value), says.get("any", ""))
        if not says:
            return None
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        if isinstance(value, int) and self.unit in _UNITS:
            text = _UNITS[self.unit].format(value)
        if self.worse == "other" or (self.apart is not None and value == self.apart):
            levels = {
                str(stated): level
                for stated, level in ((self.high, "high"), (self.low, "low"))
                if stated is not None
            }
            return Reading(says, text, None, levels.get(str(value), levels.get("any", "medium")))
        badness = self._badness(value)
        if badness is None:
            return None
        level = "medium"
        if self.high is not None and badness >= (self._badness(self.high) or 0):
            level = "high"
        elif self.low is not None and badness <= (self._badness(self.low) or 0):
            level = "low"
        return Reading(says, text, badness, level)

    def _badness(self, value: Any) -> float | None:
        if self.order:
            return self.order.index(value) if value in self.order else None
        with suppress(ValueError):
            number = float(amount(value))
            return -number if self.worse == "less" else number
        return -inf if value == self.default else None  # words, such as `no limit`


@cache
def field_of(kind: Kind, path: Path) -> Field | None:
    """The row of a field; None if there is none."""
    steps = tuple(step for step in path if not step.startswith("["))
    for part, inside in _parts(kind, steps):
        own = rows(part)
        for length in range(len(inside), 0, -1):
            for name in _names(inside[:length]):
                if name in own:
                    return own[name]
    return None


def _names(steps: Path) -> tuple[Path, ...]:
    """A path, and those of all annotations or labels with its first word, and with its prefix."""
    domain, _, name = steps[-1].partition("/")
    return steps, (*steps[:-1], f"{domain}/{name.partition('.')[0]}.*"), (*steps[:-1], domain)


def _parts(kind: Kind, steps: Path) -> Iterator[tuple[str, Path]]:
    """The parts of fields.yaml that may have a row for a field, with its path there."""
    template = POD_TEMPLATES.get(kind)
    if template is not None and steps[: len(template)] == template:
        match steps[len(template) :]:
            case ("metadata", *inside):
                yield "template", tuple(inside)
            case ("spec", "containers" | "initContainers", *inside) if inside:
                yield "container", tuple(inside)
            case ("spec", *inside):
                yield "pod", tuple(inside)
    job = _JOBS.get(kind)
    if job and steps[: len(job)] == job:
        yield "job", steps[len(job) :]
    if kind[0] == STACK_GROUP:
        yield kind[1], steps
        if "::" in kind[1]:
            yield "resource", steps
    elif GROUPS.get(kind[1]) == kind[0]:
        yield kind[1], steps
        yield "object", steps


_JOBS = {("batch", "CronJob"): ("spec", "jobTemplate", "spec"), ("batch", "Job"): ("spec",)}
"""The path of the spec of a job."""


@cache
def sections() -> list[tuple[str, str]]:
    """The parts of each section of the tables, and its rows as YAML."""
    texts = (table.read_text("utf-8") for table in _TABLES)
    return [one for text in texts for one in re.findall(r"(?m)^(\w.*):\n((?:(?!\w).*\n)+)", text)]


@cache
def rows(part: str) -> Mapping[Path, Field]:
    """The rows of a part by field. To save time, only those of parts that occur are parsed."""
    found: dict[Path, Field] = {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # eight times as fast, if it is built
    for names, text in sections():
        for entry in yaml.load(text, loader) if part in names.split() else ():  # noqa: S506
            paths = [_steps(name, names) for name in entry.pop("fields").split()]
            by, order = entry.pop("by", "").split(), entry.pop("order", ())
            row = Field(by=tuple(by), order=tuple(order), **entry)
            found.update(dict.fromkeys(paths, row))
    return found


def _steps(name: str, parts: str) -> Path:
    """The steps to a field. The name of an annotation or label is one step, before an option."""
    if "/" in parts:
        prefix = parts.rsplit(maxsplit=1)[-1]
        own = (f"{prefix}{name}",) if prefix.endswith("/") else (prefix, name)
        return ("metadata", "annotations", *own)
    if mapping := re.search(r"\b(annotations|labels)\.", name):
        return (*name[: mapping.end() - 1].split("."), *name[mapping.end() :].split(":"))
    return tuple(name.split("."))


@cache
def known_kinds() -> frozenset[Kind]:
    """The kinds whose fields are known."""
    parts = {part for names, _ in sections() for part in names.split()}
    return frozenset((GROUPS[part], part) for part in parts if part in GROUPS).union(_JOBS)
