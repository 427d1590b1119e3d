"""Looking upwards in the tree of constructs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from constructs_lib.errors import DeclarationError

if TYPE_CHECKING:
    from constructs import IConstruct

_T = TypeVar("_T")


def nearest(construct: IConstruct, attribute: str, kind: type[_T], otherwise: str) -> _T:
    """The `attribute` of this kind that `construct` has, or the closest construct above it.

    Raises DeclarationError with the sentence `otherwise` where there is none.
    """
    scope: IConstruct | None = construct
    while scope:
        found = getattr(scope, attribute, None)
        if isinstance(found, kind):
            return found
        scope = scope.node.scope
    raise DeclarationError(otherwise, where=construct.node.path)
