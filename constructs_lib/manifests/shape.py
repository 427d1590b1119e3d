"""Checks the types of the fields that other modules read: mappings, lists, strings, integers.

It is not a full schema; the API server checks much more. It catches broken JSON patches, included
files and files in Git before other modules read them: a field that they read without checking its
type belongs in kinds.toml.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from cronsim import CronSimError

from constructs_lib.manifests.objects import GROUPS, KINDS, group
from constructs_lib.model import Manifest
from constructs_lib.model.quantity import amount
from constructs_lib.model.schedule import words


@dataclass(frozen=True)
class Scalar:
    """A value that is read as a whole."""

    name: str
    """Its type: `a list of strings`."""
    fits: Callable[[Any], bool]
    """Whether a value has the type."""
    parse: Callable[[Any], object] | None = None
    """Raises ValueError for a value of the right type that cannot be read."""

    def problems(self, value: Any, *, parses: bool) -> Sequence[str]:
        """What is wrong with a value, each after the path within it: `.name is missing`."""
        if not self.fits(value):
            return (f" is not {self.name}",)
        if parses and self.parse:
            try:
                self.parse(value)
            except ValueError as error:
                return (f" {error}",)
        return ()


@dataclass(frozen=True)
class Items:
    """A list of mappings of one shape."""

    shape: Shape

    def problems(self, value: Any, *, parses: bool) -> Sequence[str]:
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            return (" is not a list of mappings",)
        return [
            f"[{index}]{problem}"
            for index, item in enumerate(value)
            for problem in self.shape.problems(item, parses=parses)
        ]


class Fields:
    """A mapping with some fields. Others are not checked, unless `*` states their shape."""

    def __init__(self, table: dict[str, Any]) -> None:
        """Create it from a table of kinds.toml."""
        named = {name: shape for names, shape in table.items() for name in names.split()}
        self.shapes = {name.removesuffix("!"): _shape(shape) for name, shape in named.items()}
        self.required = [name.removesuffix("!") for name in named if name.endswith("!")]
        self.others = self.shapes.pop("*", None)

    def problems(self, value: Any, *, parses: bool) -> Sequence[str]:
        if not isinstance(value, dict):
            return (" is not a mapping",)
        found = [f".{name} is missing" for name in self.required if _is_missing(name, value)]
        for name, content in value.items():
            shape = self.shapes.get(name, self.others)
            if shape is None or (content is None and shape is not self.others):
                continue
            if below := shape.problems(content, parses=parses):
                path = f"[{name}]" if shape is self.others else f".{name}"
                found += [f"{path}{problem}" for problem in below]
        return found


Shape = Scalar | Items | Fields


def _shape(stated: Any) -> Shape:
    """The shape that a value of kinds.toml states."""
    if isinstance(stated, list):
        return Items(_shape(stated[0]))
    return _named(stated) if isinstance(stated, str) else Fields(stated)


@cache
def _named(name: str) -> Shape:
    return _SCALARS.get(name) or _shape(KINDS["shapes"][name])


@cache
def _of_kind(kind: str) -> Shape:
    """The fields of a known kind."""
    kinds = KINDS["kinds"][GROUPS[kind]]
    return _shape(next(kinds[names] for names in kinds if kind in names.split()))


def is_identified(manifest: object) -> bool:
    """Whether apiVersion, kind and name are non-empty strings."""
    if not isinstance(manifest, Mapping) or not isinstance(manifest.get("metadata"), Mapping):
        return False
    identity = (manifest.get("apiVersion"), manifest.get("kind"), manifest["metadata"].get("name"))
    return all(isinstance(part, str) and part for part in identity)


def malformed(manifest: Manifest, *, parses: bool = False) -> Iterator[str]:
    """A message for each field that is missing or of the wrong type: `spec is not a mapping`.

    Null counts as missing. It is never rendered: cdk8s and `merge` remove such a field.

    Args:
        manifest: An object.
        parses: Whether values of the right type that cannot be parsed count as well. Default: no.
    """
    found = [*_named("every-kind").problems(manifest, parses=parses)]
    if not found or is_identified(manifest):
        kind = manifest["kind"]
        if GROUPS.get(kind) == group(manifest):
            found += _of_kind(kind).problems(manifest, parses=parses)
    for problem in dict.fromkeys(found):
        yield problem.removeprefix(".") if problem.startswith(".") else f"it{problem}"


def unreadable(manifest: Any) -> str | None:
    """The first problem of an object, if any. Values that cannot be parsed count as well."""
    return next(malformed(manifest, parses=True), None)


def _is_missing(name: str, mapping: dict[str, Any]) -> bool:
    content = mapping.get(name)
    # the name of the core API group is empty
    return content is None or (content == "" and name != "group")


def _quantity(value: Any) -> None:
    try:
        amount(value)
    except ValueError as error:
        raise ValueError("is not a valid quantity") from error
    if len(str(value)) > _MAX_QUANTITY_LENGTH:
        raise ValueError(f"is a quantity of {len(str(value))} characters, too long for 64 bits")


def _schedule(value: str) -> None:
    try:
        words(value)
    except (CronSimError, ValueError) as error:
        raise ValueError("is not a cron schedule of five fields") from error


def _share(value: int | str) -> None:
    if not _NUMBER_OR_PERCENTAGE.fullmatch(str(value)):
        raise ValueError("is not a number or percentage")


def _glob(value: str) -> None:
    """A pattern of Argo CD, with alternatives in braces."""
    while value != (value := _BRACES.sub("", value)):
        pass
    if {"{", "}"} & {*value}:
        raise ValueError("has unbalanced braces")


def _listeners(value: str) -> None:
    listeners = json.loads(value)
    if not isinstance(listeners, list) or not all(isinstance(each, dict) for each in listeners):
        raise ValueError('is not a list of listeners like [{"HTTPS":443}]')


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number_or_text(value: Any) -> bool:
    return type(value) in (int, str)


_MAX_QUANTITY_LENGTH = 40
_NUMBER_OR_PERCENTAGE = re.compile(r"[0-9]{1,9}%?")
_BRACES = re.compile(r"\{[^{}]*\}")

_SCALARS = {
    "boolean": Scalar("a boolean", lambda value: isinstance(value, bool)),
    "glob": Scalar("a string", _is_text, _glob),
    "labels": Scalar(
        "a mapping of strings",
        lambda value: isinstance(value, dict) and all(map(_is_text, value.values())),
    ),
    "listeners": Scalar("a string", _is_text, _listeners),
    "number": Scalar("an integer", lambda value: type(value) is int and value >= 0),
    "port": Scalar("an integer or a string", _is_number_or_text),
    "quantity": Scalar("a quantity", lambda _: True, _quantity),
    "schedule": Scalar("a string", _is_text, _schedule),
    "share": Scalar("an integer or a string", _is_number_or_text, _share),
    "text": Scalar("a string", _is_text),
    "texts": Scalar(
        "a list of strings", lambda value: isinstance(value, list) and all(map(_is_text, value))
    ),
}
"""The types that kinds.toml names."""
