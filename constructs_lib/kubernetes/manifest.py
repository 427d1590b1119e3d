"""Converts the typed structs of `cdk8s_plus_27.k8s` to plain data.

`k8s.KubeDeployment(...)` sends several messages to Node per object; this module sends none, which
halves the time of a large synth (figures are in docs/decisions.md). Structs check their types on
construction and keep the arguments in `_values`. The `:schema:` line in the docstring of each
property contains the Kubernetes field name. A test compares the result with the output of cdk8s for
every kind and field.
"""

from __future__ import annotations

import re
import typing
from datetime import UTC, datetime
from functools import cache
from types import SimpleNamespace
from typing import Any, TypeVar

from cdk8s_plus_27 import k8s

from constructs_lib.errors import DeclarationError
from constructs_lib.model import Manifest
from constructs_lib.model.checks import fits

_structs_module = k8s.ObjectMeta.__init__.__globals__
_check_type = _structs_module["check_type"]


def _check_quickly(argname: str, value: object, expected_type: Any) -> None:
    """A fast check that falls back to the check of cdk8s-plus."""
    if not fits(expected_type, value):
        _check_type(argname=argname, value=value, expected_type=expected_type)


# Structs resolve their type hints on every construction, which takes as long as the checks
# themselves (cdk8s-plus-32 and later cache them), and run the checks in Python. This patches the
# module with cached type hints and a compiled check. The rejected values are the same.
_structs_module["typing"] = SimpleNamespace(
    **{**vars(typing), "get_type_hints": cache(typing.get_type_hints)}
)
_structs_module["check_type"] = _check_quickly

_FIELD_NAME = re.compile(r":schema: \S+#(\S+)")
_SCHEMA = re.compile(r":schema: io\.k8s\.api\.(?P<group>\w+)\.(?P<version>\w+)\.(?P<kind>\w+)")
_GROUPS = {
    "apps": "apps/",
    "autoscaling": "autoscaling/",
    "batch": "batch/",
    "core": "",
    "networking": "networking.k8s.io/",
    "policy": "policy/",
}
"""The most common API groups. For others, Node is queried with three messages per kind."""
_boundary_values: dict[int, str | int] = {}
_T = TypeVar("_T")


@cache
def quantity(text: str) -> k8s.Quantity:
    """A cached Quantity, as creating one sends a message to Node."""
    return _remember(k8s.Quantity.from_string(text), text)


@cache
def int_or_string(value: int | str) -> k8s.IntOrString:
    if isinstance(value, int):
        return _remember(k8s.IntOrString.from_number(value), value)
    return _remember(k8s.IntOrString.from_string(value), value)


def manifest(props: object) -> Manifest:
    """The object that `KubeX(scope, id, **props)` would render, from a `KubeXProps` struct."""
    struct: Any = type(props)
    content = plain(props)
    return {**_type_of(struct), "metadata": content.pop("metadata"), **content}


def plain(value: Any) -> Any:
    """A struct, or any value in a struct, as plain data with sorted keys."""
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
    names = _names(struct)
    fields = sorted((names[field], content) for field, content in value._values.items())
    return {name: plain(content) for name, content in fields}


@cache
def _type_of(struct: Any) -> dict[str, str]:
    described = getattr(k8s, struct.__name__.removesuffix("Props"))
    schema = _SCHEMA.search(described.__doc__ or "")
    if schema and schema["group"] in _GROUPS:
        version = _GROUPS[schema["group"]] + schema["version"]
        return {"apiVersion": version, "kind": schema["kind"]}
    return {"apiVersion": described.GVK.api_version, "kind": described.GVK.kind}


@cache
def _names(struct: Any) -> dict[str, str]:
    """The Kubernetes names of a struct's fields."""
    names = {}
    for field, member in vars(struct).items():
        if isinstance(member, property):
            named = _FIELD_NAME.search(member.__doc__ or "")
            if not named:
                raise TypeError(f"{struct.__name__}.{field} has no :schema: line in its docstring")
            names[field] = named[1]
    if not names:
        raise DeclarationError(
            f"{struct.__name__} is neither plain data nor a struct of cdk8s_plus_27.k8s; use either"
        )
    return names


def _remember(value: _T, content: str | int) -> _T:
    _boundary_values[id(value)] = content
    return value
