"""The order that `add_dependency` asks for, over cdk8s' objects and ours alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from constructs import IConstruct

from constructs_lib.errors import DeclarationError

_T = TypeVar("_T")


def identity(construct: IConstruct) -> str:
    """What tells a construct from others: one that was made in Node has several Python objects."""
    return str(construct.__jsii_ref__.ref)  # type: ignore[attr-defined]


class Dependencies:
    """Who waits for whom in a tree. Asking costs some messages to Node for each construct."""

    def __init__(self, constructs: Sequence[IConstruct]) -> None:
        self._scopes = {identity(one): _identities(one.node.scopes) for one in constructs}
        self._waits_for = {identity(one): _identities(one.node.dependencies) for one in constructs}

    def of_chart(self, chart: IConstruct, charts: Iterable[IConstruct]) -> set[str]:
        """A chart and what is below it, without the charts among that."""
        below = self._below(identity(chart))
        nested = (_identities(charts) & below) - {identity(chart)}
        return below.difference(*(self._below(one) for one in nested))

    def _below(self, construct: str) -> set[str]:
        return {one for one, scopes in self._scopes.items() if construct in scopes}

    def sort(self, things: Sequence[_T], made_of: Callable[[_T], set[str]]) -> list[_T]:
        """`things`, each after those it depends on, and otherwise in the order that they have.

        `made_of` gives the identities of its constructs; what holds for a construct holds for all
        below it. Raises DeclarationError where two wait for each other.
        """
        within = [
            {scope for one in made_of(thing) for scope in (one, *self._scopes[one])}
            for thing in things
        ]
        after = [
            {target for one in scopes for target in self._waits_for[one]} - scopes
            for scopes in within
        ]
        done: list[int] = []
        path: list[int] = []

        def visit(place: int) -> None:
            if place in done:
                return
            if place in path:
                circle = " and ".join(sorted({str(things[one]) for one in path}))
                raise DeclarationError(f"{circle} depend on each other; remove a dependency")
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
