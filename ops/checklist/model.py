"""The items of the checklist, and the results of their checks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from constructs_lib.model import Manifest


class Outcome(StrEnum):
    """The result of a check, worst first."""

    FAILED = "failed"
    OPEN = "open"
    """Waits for a value that only the operator knows."""
    NOT_CHECKED = "not checked"
    PASSED = "passed"
    NOT_APPLICABLE = "does not apply"


class Item(Enum):
    """The items of the deployment checklist, in order."""

    BUILDS = "Image builds for arm64"
    PUSHED = "Image is pushed"
    MANIFESTS = "Manifests are current"
    PARAMETERS = "Parameters are set"
    EXTERNAL_SECRETS = "ExternalSecrets"
    RESOURCES = "Requests and limits"
    PROBES = "Probes"
    NODE_SELECTOR = "Nodes are arm64"
    UPDATE = "Zero-downtime update"

    @property
    def number(self) -> int:
        """The position on the list, from 1."""
        return list(Item).index(self) + 1


@dataclass(frozen=True)
class Answer:
    """The result of one check."""

    outcome: Outcome
    detail: str
    """What was found and, for a failure, what to do."""


@dataclass(frozen=True)
class Service:
    """A service, and its objects in dist/, which Argo CD applies."""

    name: str
    namespace: str
    path: str
    """Its file below dist/."""
    images: tuple[str, ...]
    """The images of its pods, without tags: `ghcr.io/gnosischain/nebula`."""
    objects: tuple[Manifest, ...]
    """The objects of its file in dist/."""
    unreadable: str = ""
    """Why its file cannot be read; empty if it can."""


def passed(detail: str) -> Answer:
    return Answer(Outcome.PASSED, detail)


def failed(detail: str) -> Answer:
    return Answer(Outcome.FAILED, detail)


def passed_if(condition: object, detail: str, problem: str) -> Answer:
    """Return a pass with `detail`, or a failure with `problem`."""
    return passed(detail) if condition else failed(problem)


def is_open(detail: str) -> Answer:
    return Answer(Outcome.OPEN, detail)


def not_checked(why: object) -> Answer:
    return Answer(Outcome.NOT_CHECKED, str(why))


def not_applicable(why: str) -> Answer:
    return Answer(Outcome.NOT_APPLICABLE, why)


def failed_each(problems: Iterable[str], detail: str) -> list[Answer]:
    """Return one failure for each problem, or one pass with `detail`."""
    return [failed(problem) for problem in problems] or [passed(detail)]


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    order = list(Outcome)
    return min(outcomes, key=order.index, default=Outcome.NOT_APPLICABLE)
