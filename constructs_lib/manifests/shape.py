"""Checks the types of the fields that other modules read: mappings, lists, strings, integers.

It is not a full schema; the API server checks much more. It catches broken JSON patches, included
files and files in Git before other modules read them: a field that they read or parse without
checking it belongs in kinds.toml.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from cronsim import CronSimError

from constructs_lib.manifests.objects import GROUPS, KINDS, group
from constructs_lib.model import Manifest
from constructs_lib.model.quantity import amount, seconds
from constructs_lib.model.schedule import words


@dataclass(frozen=True)
class Scalar:
    """A value that is read as a whole."""

    name: str
    """Its type: `a list of strings`."""
    fits: Callable[[Any], bool]
    """Whether a value has the type."""
    parse: Callable[[Any], object] | None = None
    """Raises ValueError for a value of the right type that cannot be read. None: accepts all."""

    def problems(self, value: Any) -> Iterator[str]:
        if not self.fits(value):
            yield f" is not {self.name}"
        elif self.parse:
            try:
                self.parse(value)
            except ValueError as error:
                yield f" {error}"


Shape = Scalar | list["Shape"] | dict[str, tuple[bool, "Shape"]]
"""A scalar, a list of mappings, or the fields of a mapping, and whether each is required.

Other fields are not checked, unless `*` states their shape.
"""


def _shape(stated: Any) -> Shape:
    """The shape that a value of kinds.toml states."""
    match stated:
        case str():
            return _named(stated)
        case [item]:
            return [_shape(item)]
    return {
        name.removesuffix("!"): (name.endswith("!"), _shape(inner))
        for names, inner in stated.items()
        for name in names.split()
    }


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


def malformed(manifest: Manifest) -> Iterator[str]:
    """A message for each field that is missing, of the wrong type, or cannot be parsed.

    `spec is not a mapping`. Null counts as missing. It is never rendered: cdk8s and `merge` remove
    such a field.
    """
    found = [*_problems(_named("every-kind"), manifest)]
    if not found or is_identified(manifest):
        kind = manifest["kind"]
        if GROUPS.get(kind) == group(manifest):
            found += _problems(_of_kind(kind), manifest)
    for problem in dict.fromkeys(found):
        yield problem.removeprefix(".") if problem.startswith(".") else f"it{problem}"


def _problems(shape: Shape, value: Any) -> Iterator[str]:
    """What is wrong with a value, each after the path within it: `.name is missing`."""
    if isinstance(shape, Scalar):
        yield from shape.problems(value)
    elif isinstance(shape, dict):
        if isinstance(value, dict):
            yield from _of_fields(shape, value)
        else:
            yield " is not a mapping"
    elif not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        yield " is not a list of mappings"
    else:
        for index, item in enumerate(value):
            for problem in _problems(shape[0], item):
                yield f"[{index}]{problem}"


def _of_fields(shapes: dict[str, tuple[bool, Shape]], value: Manifest) -> Iterator[str]:
    others = shapes.get("*")
    for name in value if others else shapes:
        required, shape = others or shapes[name]
        content = value.get(name)
        # the name of the core API group is empty
        if required and (content is None or (content == "" and name != "group")):
            yield f".{name} is missing"
        elif content is not None or others:
            for problem in _problems(shape, content):
                yield f"[{name}]{problem}" if others else f".{name}{problem}"


def _quantity(value: Any) -> None:
    try:
        amount(value)
    except ValueError as error:
        raise ValueError("is not a valid quantity; write it like 250m, 2, 512Mi or 1Gi") from error
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
    with suppress(ValueError):
        listeners = json.loads(value)
        if isinstance(listeners, list) and all(isinstance(each, dict) for each in listeners):
            return
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
    "duration": Scalar("an integer or a string", _is_number_or_text, seconds),
    "glob": Scalar("a string", _is_text, _glob),
    "integer": Scalar("an integer", lambda value: type(value) is int),
    "labels": Scalar(
        "a mapping of strings",
        lambda value: isinstance(value, dict) and all(map(_is_text, value.values())),
    ),
    "listeners": Scalar("a string", _is_text, _listeners),
    "number": Scalar("an integer of at least 0", lambda value: type(value) is int and value >= 0),
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
