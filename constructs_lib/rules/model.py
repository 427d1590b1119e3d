"""The classes Rule, Rendered and Violation, and the decorator `rule`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import ModuleType
from typing import Any, TypeVar

from constructs_lib.errors import DeclarationError, RuleError
from constructs_lib.manifests.argocd import Sync
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.workload import workloads
from constructs_lib.model import Pending
from constructs_lib.model.platform import Platform
from constructs_lib.model.text import id_and_reason
from constructs_lib.model.waivers import Result

_T = TypeVar("_T")
PODS = "pods"
"""Matches every workload, used in place of a kind."""
ALL = "all"
"""Matches every object, used in place of a kind."""


@dataclass(frozen=True)
class Rendered:
    """All rendered objects and their context."""

    objects: Objects
    platform: Platform | None = None
    """None if only the objects are known, for example between two commits."""
    pending: tuple[Pending, ...] = ()
    """Jobs that are declared but not rendered yet."""
    files: tuple[str, ...] = ()
    """The path of every file, including files without objects."""
    partial: bool = False
    """Whether other objects are unknown: a rule gets only the one that it checks, or crashes."""

    @cached_property
    def namespaces(self) -> frozenset[str]:
        """The declared namespaces, of which all objects are known."""
        return frozenset(item.name for item in self.objects.of_kinds("Namespace"))

    @property
    def required_platform(self) -> Platform:
        """The Platform, in a rule with `needs_platform`."""
        if self.platform is None:
            raise ValueError("this rule needs a platform")
        return self.platform

    @cached_property
    def sync(self) -> Sync:
        """What the Applications sync."""
        return Sync(self.objects)


@dataclass(frozen=True)
class Problem:
    """What a rule finds. A string or tuple is a problem with the remedy of its rule."""

    text: str
    """What is wrong, without the name of the object."""
    remedy: str | None = None
    """What to do; empty if the text says it. Default: the remedy of the rule."""
    object: Object | None = None
    """Default: the object that the rule was called with, if any."""
    about: tuple[Object, ...] = ()
    """Other objects that may be the cause."""
    part: str = ""
    """The container that it is about, such as `container api`. Default: the whole object."""
    fields: tuple[str, ...] = ()
    """Names in the path of each field that it is about. Default: all that its rule reads."""
    unread: bool = False
    """Whether the rule cannot parse a value."""


Problems = Iterator[Problem | str | tuple[object, ...]]
"""The result of the function of a rule. A tuple is a text with its part and its fields."""


@dataclass(frozen=True)
class Violation(Result):
    """A violation of a rule."""

    object: Object | None
    """None if it concerns several objects."""
    text: str
    """The message without the name of the object."""
    rule: Rule
    problem: Problem
    """With the defaults, and its object first in `about`."""


@dataclass(frozen=True)
class Rule:
    """A check of all objects of some kinds."""

    name: str
    """The defect that it finds."""
    kinds: tuple[str, ...]
    """The kinds that it checks, or PODS or ALL; empty to check all objects together."""
    risk: str
    """The class of a violation in `ops review`."""
    reason: str
    """Why the rule exists, in one sentence."""
    remedy: str
    """How to fix a violation; the end of each message without its own remedy."""
    check: Callable[..., Problems] = field(repr=False)
    needs_platform: bool = False
    """Whether it compares objects with the Platform."""
    reviewed_by_field: bool = False
    """Whether effects of the review compare the same fields of an object on both sides: it then
    reports violations only of objects that are new or removed."""

    def subjects(self, rendered: Rendered) -> Sequence[Object]:
        """The objects or workloads that it checks; empty if it checks all together."""
        if self.kinds == (PODS,):
            return workloads(rendered.objects)
        if self.kinds == (ALL,):
            return rendered.objects.every
        return list(rendered.objects.of_kinds(*self.kinds))

    def violations(
        self, rendered: Rendered, crashes: list[RuleError] | None = None
    ) -> Iterator[Violation]:
        """All violations of this rule.

        Args:
            rendered: The objects to check.
            crashes: Receives the crashes of the rule. Default: the first crash is raised.
        """
        nothing: Any = None
        known = replace(rendered, objects=nothing) if rendered.partial else rendered
        if self.needs_platform and rendered.platform is None:
            return
        subjects: Sequence[Object | None] = self.subjects(rendered) if self.kinds else [None]
        for item in subjects:
            try:
                for problem in self.check(item, known) if item else self.check(known):
                    yield self._violation(problem, item)
            except DeclarationError as error:
                yield self._violation(Problem(str(error), "correct it", unread=True), item)
            except Exception as error:
                crash = RuleError(self.name, item.key if item else None, error)
                if crashes is None:
                    raise crash from error
                crashes.append(crash)

    def _violation(self, problem: Any, item: Object | None) -> Violation:
        if not isinstance(problem, Problem):
            text, part, *fields = (problem, "") if isinstance(problem, str) else map(str, problem)
            problem = Problem(text, part=part, fields=tuple(fields))
        item = problem.object or item
        remedy = self.remedy if problem.remedy is None else problem.remedy
        about = (item, *problem.about) if item else problem.about
        problem = replace(problem, remedy=remedy, object=item, about=about)
        text = f"{'; '.join(filter(None, (problem.text, remedy)))} [{self.name}]"
        subject = str(item.key) if item else "the platform"
        message = f"{subject}: {text}" if item else text
        return Violation(self.name, subject, message, item, text, self, problem)


def rule(
    *kinds: str,
    risk: str,
    remedy: str,
    needs_platform: bool = False,
    reviewed_by_field: bool = False,
) -> Callable[[Callable[..., Problems]], Rule]:
    """Turn a function that yields problems into a Rule.

    The name of the function, with hyphens, is the name of the rule; its docstring is the reason.

    The function is called for each object of the kinds, together with everything rendered; without
    kinds, once, with everything rendered. The arguments are the fields of Rule.
    """

    def make(check: Callable[..., Problems]) -> Rule:
        name, reason = id_and_reason(check)
        return Rule(name, kinds, risk, reason, remedy, check, needs_platform, reviewed_by_field)

    return make


def declared(kind: type[_T], *modules: ModuleType) -> tuple[_T, ...]:
    """The rules or effects that modules declare, in the order of their declaration."""
    values = (value for module in modules for value in vars(module).values())
    return tuple(value for value in values if isinstance(value, kind))


def repeated(values: Iterable[object]) -> list[object]:
    """The values that occur more than once."""
    return [value for value, count in Counter(values).items() if count > 1]
