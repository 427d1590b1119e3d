"""Sorts native and our own objects by the dependencies that `add_dependency` declares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from constructs import IConstruct

from constructs_lib.errors import DeclarationError

_T = TypeVar("_T")


def identity(construct: IConstruct) -> str:
    """A unique ID, as one construct of Node can have several Python objects."""
    return str(construct.__jsii_ref__.ref)  # type: ignore[attr-defined]


class Dependencies:
    """The dependencies in a tree. Reading them sends some messages to Node per construct."""

    def __init__(self, constructs: Sequence[IConstruct]) -> None:
        self._scopes = {identity(one): _identities(one.node.scopes) for one in constructs}
        self._depends_on = {identity(one): _identities(one.node.dependencies) for one in constructs}

    def of_chart(self, chart: IConstruct, charts: Iterable[IConstruct]) -> set[str]:
        """A chart and its descendants, without nested charts."""
        below = self._below(identity(chart))
        nested = (_identities(charts) & below) - {identity(chart)}
        return below.difference(*(self._below(one) for one in nested))

    def _below(self, construct: str) -> set[str]:
        return {one for one, scopes in self._scopes.items() if construct in scopes}

    def sort(self, things: Sequence[_T], made_of: Callable[[_T], set[str]]) -> list[_T]:
        """`things` in a stable order, each after its dependencies.

        `made_of` returns the IDs of a thing's constructs. The dependencies of a construct also
        apply to its descendants. Raises DeclarationError for a cycle.
        """
        within = [
            {scope for one in made_of(thing) for scope in (one, *self._scopes[one])}
            for thing in things
        ]
        after = [
            {target for one in scopes for target in self._depends_on[one]} - scopes
            for scopes in within
        ]
        done: list[int] = []
        path: list[int] = []

        def visit(place: int) -> None:
            if place in done:
                return
            if place in path:
                cycle = " and ".join(sorted({str(things[one]) for one in path}))
                raise DeclarationError(f"{cycle} depend on each other; remove a dependency")
            path.append(place)
            for other in range(len(things)):
                if after[place] & within[other] and other != place:
                    visit(other)
            path.pop()
            done.append(place)

        for place in range(len(things)):
            visit(place)
        return [things[place] for place in done]


def _identities(constructs: Iterable[IConstruct]) -> set[str]:
    return {identity(one) for one in constructs}
