"""What a rule is, and what it looks at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from constructs_lib.errors import DeclarationError
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.workload import Workload, workloads
from constructs_lib.model import Pending
from constructs_lib.rules.waivers import Result

if TYPE_CHECKING:
    from constructs_lib.platform import Platform

_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)
PODS = "pods"
"""In place of a kind: everything that makes pods."""
ALL = "all"
"""In place of a kind: every object."""

Risk = Literal[
    "delete", "downtime", "privilege", "exposure", "secret", "capacity", "schedule", "update"
]
"""The class under which `ops review` reports that a change newly breaks a rule."""


@dataclass(frozen=True)
class Rendered:
    """Everything that is rendered together."""

    objects: Objects
    platform: Platform | None = None
    """None where only the objects are known, as between two commits."""
    pending: tuple[Pending, ...] = ()
    """What is declared but not rendered yet."""
    files: tuple[str, ...] = ()
    """The path of every file, those without objects included."""
    odd: frozenset[str] | None = None
    """The files in which a text needs a closer look; None for all."""

    @property
    def pods(self) -> tuple[Workload, ...]:
        """Everything that makes pods."""
        return workloads(self.objects)


@dataclass(frozen=True)
class Violation(Result):
    """A rule that an object breaks."""

    object: Object | None = None
    """None where it is about no single object."""
    text: str = ""
    """The message without the object's name."""
    rule: Rule | None = None


@dataclass(frozen=True)
class Rule:
    """Something that every object of its kinds has to keep."""

    name: str
    kinds: tuple[str, ...]
    """What it looks at: kinds, PODS or ALL; none means everything together."""
    risk: Risk
    reason: str
    """Why, in a sentence."""
    remedy: str
    """What to do about a violation."""
    covers: tuple[str, ...]
    """Its identifiers in public check sets, `kube-score:pod-probes`."""
    check: Callable[..., Iterator[Any]] = field(repr=False)
    needs_platform: bool = False
    """Whether it compares the objects with the facts of the Platform."""

    def subjects(self, rendered: Rendered) -> list[Any]:
        """What it looks at here: objects, or workloads; nothing for one about everything."""
        match self.kinds:
            case (kind,) if kind == PODS:
                return list(rendered.pods)
            case (kind,) if kind == ALL:
                return list(rendered.objects)
        return list(rendered.objects.of_kinds(*self.kinds))

    def violations(self, rendered: Rendered) -> Iterator[Violation]:
        """Everything that breaks it."""
        if self.needs_platform and rendered.platform is None:
            return
        if self.kinds:
            yield from self._asked(self._of_each(rendered), None)
        else:
            yield from self._asked(self.check(rendered), None)

    def _of_each(self, rendered: Rendered) -> Iterator[Violation]:
        for subject in self.subjects(rendered):
            item = subject.object if isinstance(subject, Workload) else subject
            yield from self._asked(self.check(subject, rendered), item)

    def _asked(self, check: Iterator[Any], item: Object | None) -> Iterator[Violation]:
        """What a check finds; a field that it cannot read is a violation, too."""
        try:
            for found in check:
                yield found if isinstance(found, Violation) else self._violation(found, item)
        except DeclarationError as error:
            yield self._violation(f"{error}; correct it", item)
        except _UNREADABLE as error:
            yield self._violation(f"a field has a wrong type ({error}); correct it", item)

    def _violation(self, found: str | tuple[Object, str], item: Object | None) -> Violation:
        """A sentence about the object, or an object and a sentence."""
        if isinstance(found, tuple):
            item, text = found
        else:
            text = found
        remedy = "" if "; " in text else f"; {self.remedy}"
        text = f"{text}{remedy} [{self.name}]"
        if item is None:
            return Violation(self.name, "the platform", text, None, text, self)
        return Violation(self.name, str(item.key), f"{item.key}: {text}", item, text, self)


def rule(
    name: str,
    *kinds: str,
    risk: Risk,
    remedy: str,
    covers: str = "",
    needs_platform: bool = False,
) -> Callable[[Callable[..., Iterator[Any]]], Rule]:
    """Make a Rule of a function that yields what is wrong; its docstring is the reason.

    Args:
        name: Of the rule, in words joined by hyphens.
        kinds: What it looks at: kinds of objects, PODS or ALL. The function is called with each,
            and with everything that is rendered. None: it is called once, with everything.
        risk: The class under which the review reports a violation.
        remedy: What to do, as it ends a message.
        covers: Its identifiers in public check sets, separated by spaces.
        needs_platform: Whether it compares the objects with the Platform.
    """

    def make(check: Callable[..., Iterator[Any]]) -> Rule:
        reason = " ".join((check.__doc__ or "").split())
        return Rule(name, kinds, risk, reason, remedy, tuple(covers.split()), check, needs_platform)

    return make


def repeated(values: Iterable[object]) -> list[object]:
    """Those of some values that are there more than once."""
    return [value for value, count in Counter(values).items() if count > 1]
