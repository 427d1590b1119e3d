"""What a review speaks of: what differs in objects, and what comes of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from constructs_lib.manifests.kinds import POD_TEMPLATES
from constructs_lib.manifests.objects import Key, Object
from ops.errors import OpsError, Status


class ReviewError(OpsError):
    """Names the file or revision, says what is wrong and what to do."""

    status = Status.USAGE


class Risk(StrEnum):
    """The classes, the worst first. docs/review.md states the rules behind each."""

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
    """How much a finding asks of a reviewer, the most first."""

    HIGH = "high"
    """Something stops, is lost, or opens: be sure that it is meant."""
    MEDIUM = "medium"
    """Something is interrupted, or works differently: look at it."""
    LOW = "low"
    """It happens, and asks nothing of anybody."""


TEMPLATE: dict[str, tuple[str, ...]] = {
    kind: path for (_, kind), path in POD_TEMPLATES.items() if path
}
"""By kind that makes pods, the path to its pod template."""


class Absent(Enum):
    """The value of a field that is not there."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT
Path = tuple[str, ...]
_PLAIN = re.compile(r"[\w-]+")


@dataclass(frozen=True, eq=False)
class Difference:
    """One field that differs; ABSENT on the side that lacks it."""

    path: Path
    """Field names; an item of a list is `[<what names it>]`."""
    before: Any
    after: Any

    def __str__(self) -> str:
        return spell(self.path)

    def below(self, *prefix: str) -> bool:
        """Whether it stands at that path or below."""
        return self.path[: len(prefix)] == prefix


def spell(path: Path) -> str:
    """A path as people write it: `spec.containers[api].image`."""
    steps = (
        step if step.startswith("[") else f".{step}" if _PLAIN.fullmatch(step) else f"[{step}]"
        for step in path
    )
    return "".join(steps).removeprefix(".")


@dataclass(frozen=True, eq=False)
class Change:
    """An object that is on both sides, but differs."""

    before: Object
    after: Object
    differences: tuple[Difference, ...]

    @property
    def key(self) -> Key:
        """Whose change it is."""
        return self.after.key

    def at(self, *prefix: str) -> tuple[Difference, ...]:
        """The differences at that path or below."""
        return tuple(each for each in self.differences if each.below(*prefix))


@dataclass(frozen=True, eq=False)
class Finding:
    """One thing that will happen."""

    risk: Risk
    severity: Severity
    key: Key
    """The object it happens to, or comes from."""
    text: str
    """What happens, in words."""
    explains: tuple[Difference, ...] = ()
    """The differences that it accounts for; those that no finding does are `unknown`."""
    pods: int = 0
    """How many pods start anew."""
