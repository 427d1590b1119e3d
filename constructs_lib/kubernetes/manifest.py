"""From the typed structs of `cdk8s_plus_27.k8s` to the plain data that is written.

`k8s.KubeDeployment(...)` costs several messages to Node for each object, this none: a struct is
type-checked when it is made, read through its public properties, and named by the `:schema:`
line of each property's docstring, which is the field's name in Kubernetes. A test proves the
result equal to what cdk8s itself writes, for every kind and field.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from cdk8s_plus_27 import k8s

Manifest = dict[str, Any]
"""One Kubernetes object as plain data, its keys in the order cdk8s writes them."""

_FIELD_NAME = re.compile(r":schema: \S+#(\S+)")
_boundary_values: dict[int, str | int] = {}
_T = TypeVar("_T")


@cache
def quantity(text: str) -> k8s.Quantity:
    """A Quantity, made once for each text: every one is a message to Node."""
    return _remember(k8s.Quantity.from_string(text), text)


@cache
def int_or_string(value: int | str) -> k8s.IntOrString:
    """An IntOrString, made once for each value."""
    if isinstance(value, int):
        return _remember(k8s.IntOrString.from_number(value), value)
    return _remember(k8s.IntOrString.from_string(value), value)


def manifest(props: object) -> Manifest:
    """The object that `KubeX(scope, id, **props)` would write, of a `KubeXProps` struct."""
    struct: Any = type(props)
    content = plain(props)
    return {**_type_of(struct), "metadata": content.pop("metadata"), **content}


def plain(value: Any) -> Any:
    """A struct, or anything a struct may hold, as plain data with sorted keys."""
    match value:
        case None | str() | bool() | int() | float():
            return value
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.000Z}"
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(value[key]) for key in sorted(value)}
        case k8s.Quantity() | k8s.IntOrString():
            known = _boundary_values.get(id(value))
            return value.value if known is None else known
    struct: Any = type(value)
    return {
        name: plain(content)
        for name, read in _fields(struct)
        if (content := read(value)) is not None
    }


@cache
def _type_of(struct: Any) -> dict[str, str]:
    kind = getattr(k8s, struct.__name__.removesuffix("Props")).GVK
    return {"apiVersion": kind.api_version, "kind": kind.kind}


@cache
def _fields(struct: Any) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    fields = []
    for read in (member.fget for member in vars(struct).values() if isinstance(member, property)):
        named = _FIELD_NAME.search(read.__doc__ or "") if read else None
        if not read or not named:
            raise TypeError(f"{struct.__name__} is no struct of cdk8s_plus_27.k8s with docstrings")
        fields.append((named[1], read))
    if not fields:
        raise TypeError(f"{struct.__name__} is no struct of cdk8s_plus_27.k8s")
    return tuple(sorted(fields))


def _remember(value: _T, content: str | int) -> _T:
    _boundary_values[id(value)] = content
    return value
