"""Findings of a review, and the effects that report them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from constructs_lib.manifests.objects import Key
from constructs_lib.model.text import id_and_reason
from ops.errors import OpsError, Status

if TYPE_CHECKING:
    from ops.review.diff import Difference, State


class ReviewError(OpsError):
    """Names the file or revision, the problem, and the fix."""

    status = Status.USAGE


class Risk(StrEnum):
    """The classes of findings, worst first; docs/review.md explains each."""

    DELETE = "delete", "object", "removed"
    REPLACE = "replace", "object", "to be replaced"
    DOWNTIME = "downtime", "object", "with availability changes"
    PRIVILEGE = "privilege", "object", "with privilege changes"
    EXPOSURE = "exposure", "object", "with exposure changes"
    SECRET = "secret", "object", "with secret changes"
    UNKNOWN = "unknown", "object", "with unknown effect"
    RESTART = "restart", "pod", "restarted"
    CAPACITY = "capacity", "object", "with capacity changes"
    SCHEDULE = "schedule", "schedule", "changed"
    IMAGE = "image", "image", "changed"
    UPDATE = "update", "object", "updated in place"
    CREATE = "create", "object", "created"
    NOISE = "noise", "object", "without effect"

    noun: str
    """What the first line of the report counts."""
    happens: str

    def __new__(cls, name: str, noun: str = "", happens: str = "") -> Self:
        risk = str.__new__(cls, name)
        risk._value_, risk.noun, risk.happens = name, noun, happens
        return risk


class Severity(StrEnum):
    """How closely a reviewer must look at a finding, worst first."""

    HIGH = "high"
    """Something stops, is lost, or becomes accessible: confirm that it is intended."""
    MEDIUM = "medium"
    """Something is interrupted or works differently: check it."""
    LOW = "low"
    """For information; needs no action."""


HIGH, MEDIUM, LOW = Severity
PLATFORM = Key("", "Platform", "", "the platform")
"""In place of an object, for what concerns several."""
_MAX_FACTS = 6
"""How many facts a finding lists; the raw diff has all."""
_SET_BY_EFFECT: Any = None


@dataclass(frozen=True, eq=False)
class Finding:
    """One thing that will happen."""

    severity: Severity
    text: str
    """What happens, in words."""
    explains: tuple[Difference, ...] = ()
    """The differences it explains; those that no finding explains are `unknown`."""
    risk: Risk = _SET_BY_EFFECT
    """Default: the class of its effect."""
    key: Key = _SET_BY_EFFECT
    """The affected object, or the object that causes it. Default: the changed object."""
    pods: int = 0
    """How many pods restart."""
    rule: str = _SET_BY_EFFECT
    """The id of the effect, or of the rule of the synth, that reports it."""
    brief: str = ""
    """In place of the text in a table, if that differs for many objects of others."""

    @property
    def sentence(self) -> str:
        """The text and the id: `runs with this release [release-job-runs]`."""
        named = self.text.endswith(f"[{self.rule}]")
        return self.text if named else f"{self.text} [{self.rule}]"

    def without_praise(self) -> Finding:
        """For a difference that also makes something worse."""
        return replace(self, text=self.text.removeprefix("better: "))

    @classmethod
    def gains_and_losses(
        cls,
        before: Sequence[str],
        after: Sequence[str],
        words: tuple[str, str],
        severities: tuple[Severity, Severity] = (HIGH, LOW),
        explains: tuple[Difference, ...] = (),
    ) -> Findings:
        """A finding for the facts that only `after` has, and one for those that only `before` has.

        `words` and `severities` are for the gain and the loss, in this order.
        """
        gained = [fact for fact in dict.fromkeys(after) if fact not in before]
        lost = [fact for fact in dict.fromkeys(before) if fact not in after]
        for facts, introduction, severity in zip((gained, lost), words, severities, strict=True):
            if facts:
                yield cls(severity, f"{introduction} {listed(facts, _MAX_FACTS, '; ')}", explains)


Findings = Iterator[Finding]


@dataclass(frozen=True)
class Effect:
    """A function that reports one effect of a change."""

    id: str
    reason: str
    """What the change does, in one or two sentences."""
    kinds: tuple[str, ...]
    """The kinds of objects that it is called with; empty if it compares all of them together."""
    risk: Risk
    """The class of its findings that state none."""
    find: Callable[..., Findings]
    source: str = ""
    """Another kind: if an object of it changes, all objects of `kinds` may be affected."""
    states: tuple[State, ...] = ("changed",)
    """The states of the objects of these kinds."""

    def __call__(self, subject: Any, *context: Any) -> Findings:
        """Complete the findings about a subject; one that it cannot read is unknown."""
        try:
            found = list(self.find(subject, *context))
        except Exception as error:  # noqa: BLE001 an object of any shape
            cause = f"{type(error).__name__}: {error}"
            text = f"effect unknown: {self.id} cannot read it ({cause}); correct the object"
            key = getattr(subject, "key", PLATFORM)
            found = [Finding(HIGH, text, risk=Risk.UNKNOWN, key=key)]
        for finding in found:
            yield replace(
                finding,
                risk=finding.risk or self.risk,
                key=finding.key or subject.key,
                rule=self.id,
            )


def effect(
    *kinds: str, risk: str, states: tuple[State, ...] = ("changed",)
) -> Callable[[Callable[..., Findings]], Effect]:
    """Turn a function into an effect: its name is the id, its docstring the reason.

    Args:
        kinds: Kinds of objects, or STACK_GROUP for the resources of the stack. The function is
            called with each Change of them and the Comparison; without kinds, once, with the
            Comparison.
        risk: The class of the findings that state none.
        states: The states of these objects.
    """

    def make(find: Callable[..., Findings]) -> Effect:
        return Effect(*id_and_reason(find), kinds, Risk(risk), find, states=states)

    return make


def listed(names: Sequence[str], most: int = 3, separator: str = ", ") -> str:
    """The first names, and the number of the others."""
    few = separator.join(names[:most])
    return f"{few} and {len(names) - most} more" if len(names) > most else few
