"""Searches the construct tree upward."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from constructs_lib.errors import DeclarationError

if TYPE_CHECKING:
    from constructs import IConstruct

_T = TypeVar("_T")


def nearest(construct: IConstruct, attribute: str, kind: type[_T], otherwise: str) -> _T:
    """The `attribute` of type `kind` on `construct` or its nearest ancestor.

    Raises DeclarationError with the message `otherwise` if none has it.
    """
    scope: IConstruct | None = construct
    while scope:
        found = getattr(scope, attribute, None)
        if isinstance(found, kind):
            return found
        scope = scope.node.scope
    raise DeclarationError(otherwise, where=construct.node.path)
