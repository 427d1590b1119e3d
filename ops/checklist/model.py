"""What the checklist speaks of: items, and what was found about each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from constructs_lib.model import Manifest


class Outcome(StrEnum):
    """How a check ended, the worst first."""

    FAILED = "failed"
    OPEN = "open"
    """It waits for something that nobody but the operator knows."""
    NOT_CHECKED = "not checked"
    PASSED = "passed"
    NOT_APPLICABLE = "does not apply"


class Item(Enum):
    """The items of the deployment checklist, in its order."""

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
        """Its place on the list."""
        return list(Item).index(self) + 1


@dataclass(frozen=True)
class Answer:
    """What one check found."""

    outcome: Outcome
    detail: str
    """What is so; and where it should not be, what to do."""


@dataclass(frozen=True)
class Service:
    """A service, and what dist/ holds of it: what Argo CD will apply."""

    name: str
    namespace: str
    path: str
    """Its file below dist/."""
    images: tuple[str, ...]
    """The images of its pods, without tags: `ghcr.io/gnosischain/nebula`."""
    objects: tuple[Manifest, ...]
    """The objects of its file as committed."""
    unreadable: str = ""
    """Why nothing can be said of those objects."""


def passed(detail: str) -> Answer:
    """It is so."""
    return Answer(Outcome.PASSED, detail)


def failed(detail: str) -> Answer:
    """It is not so."""
    return Answer(Outcome.FAILED, detail)


def either(fine: object, detail: str, problem: str) -> Answer:
    """Passed with what is so, or failed with what is not and what to do."""
    return passed(detail) if fine else failed(problem)


def is_open(detail: str) -> Answer:
    """It waits for the operator."""
    return Answer(Outcome.OPEN, detail)


def not_checked(why: object) -> Answer:
    """It cannot be said, and why."""
    return Answer(Outcome.NOT_CHECKED, str(why))


def not_applicable(why: str) -> Answer:
    """There is nothing to check."""
    return Answer(Outcome.NOT_APPLICABLE, why)


def judged(problems: Iterable[str], detail: str) -> list[Answer]:
    """Failed once for each problem; or passed, with what is so, if there is none."""
    return [failed(problem) for problem in problems] or [passed(detail)]


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """What all of them together come to."""
    order = list(Outcome)
    return min(outcomes, key=order.index, default=Outcome.NOT_APPLICABLE)
