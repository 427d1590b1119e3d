"""The types of a review: differences between objects, findings, and what reports them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from types import ModuleType
from typing import Any

from constructs_lib.errors import one_line
from constructs_lib.manifests.objects import POD_TEMPLATES, Key, Object
from ops.errors import OpsError, Status


class ReviewError(OpsError):
    """Names the file or revision, the problem, and the fix."""

    status = Status.USAGE


class Risk(StrEnum):
    """The classes of findings, worst first; docs/review.md explains each."""

    DELETE = "delete"
    REPLACE = "replace"
    DOWNTIME = "downtime"
    PRIVILEGE = "privilege"
    EXPOSURE = "exposure"
    SECRET = "secret"  # noqa: S105 the name of a class
    UNKNOWN = "unknown"
    RESTART = "restart"
    CAPACITY = "capacity"
    SCHEDULE = "schedule"
    IMAGE = "image"
    UPDATE = "update"
    CREATE = "create"
    NOISE = "noise"


class Severity(StrEnum):
    """How closely a reviewer must look at a finding, worst first."""

    HIGH = "high"
    """Something stops, is lost, or becomes accessible: confirm that it is intended."""
    MEDIUM = "medium"
    """Something is interrupted or works differently: check it."""
    LOW = "low"
    """For information; needs no action."""


HIGH, MEDIUM, LOW = Severity
TEMPLATE: dict[str, tuple[str, ...]] = {
    kind: path for (_, kind), path in POD_TEMPLATES.items() if path
}
"""The path of the pod template, by kind."""


ABSENT: Any = object()
"""The value of a missing field."""
Path = tuple[str, ...]
_PLAIN = re.compile(r"[\w-]+")


@dataclass(frozen=True, eq=False)
class Difference:
    """One field that differs; ABSENT on the side that lacks it."""

    path: Path
    """Field names; `[<name>]` for an item of a list."""
    before: Any
    after: Any

    def __str__(self) -> str:
        return spell(self.path)

    def below(self, *prefix: str) -> bool:
        """Whether the difference is at that path or below."""
        return self.path[: len(prefix)] == prefix


def spell(path: Path) -> str:
    """A path as text: `spec.containers[api].image`."""
    steps = (
        step if step.startswith("[") else f".{step}" if _PLAIN.fullmatch(step) else f"[{step}]"
        for step in map(one_line, path)
    )
    return "".join(steps).removeprefix(".")


@dataclass(frozen=True, eq=False)
class Change:
    """An object that exists on both sides and differs."""

    before: Object
    after: Object
    differences: tuple[Difference, ...]

    @property
    def key(self) -> Key:
        return self.after.key

    def at(self, *prefix: str) -> tuple[Difference, ...]:
        return tuple(field for field in self.differences if field.below(*prefix))


@dataclass(frozen=True, eq=False)
class Finding:
    """One thing that will happen."""

    risk: Risk
    severity: Severity
    key: Key
    """The affected object, or the object that causes it."""
    text: str
    """What happens, in words."""
    explains: tuple[Difference, ...] = ()
    """The differences it explains; those that no finding explains are `unknown`."""
    pods: int = 0
    """How many pods restart."""
    rule: str = ""
    """The id of the effect, or of the rule of the synth, that reports it."""

    @property
    def sentence(self) -> str:
        """The text and the id: `stops: scaled from 2 to 0 pods [workload-stopped]`."""
        named = not self.rule or self.text.endswith(f"[{self.rule}]")
        return self.text if named else f"{self.text} [{self.rule}]"


@dataclass(frozen=True)
class Effect:
    """A function that reports one effect of a change."""

    id: str
    reason: str
    """What the change does, in one or two sentences."""
    find: Callable[..., Iterator[Finding]]

    def __call__(self, *arguments: Any) -> Iterator[Finding]:
        return (replace(finding, rule=self.id) for finding in self.find(*arguments))


def effect(find: Callable[..., Iterator[Finding]]) -> Effect:
    """Turn a function into an effect: its name is the id, its docstring the reason."""
    reason = " ".join((find.__doc__ or "").split())
    return Effect(find.__name__.replace("_", "-"), reason, find)


def effects_of(*modules: ModuleType) -> tuple[Effect, ...]:
    """The effects that modules declare, in the order of their declaration."""
    values = (value for module in modules for value in vars(module).values())
    return tuple(value for value in values if isinstance(value, Effect))
