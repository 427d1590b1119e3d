"""Checks the arguments of every construct's constructor against their annotations.

Uses pydantic-core: it checks nested values completely, imports in about 20 ms, and needs as long
for a thousand web services. typeguard and beartype do not check every item of a mapping; the full
pydantic takes four times as long to import.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import reprlib
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic_core import ArgsKwargs, SchemaValidator, ValidationError, core_schema

from constructs_lib.errors import DeclarationError

_T = TypeVar("_T")


@dataclass(frozen=True)
class Between:
    """The range of an integer: `Annotated[int, Between(1, 65535)]`."""

    least: int
    """Minimum, inclusive."""
    most: int | None
    """Maximum, inclusive. None: no limit."""

    def __str__(self) -> str:
        if self.most is None:
            return f"an integer of at least {self.least}"
        return f"an integer from {self.least} to {self.most}"


def checked(cls: type[_T]) -> type[_T]:
    """Make the constructor of a dataclass or Construct check its arguments.

    It raises DeclarationError for a missing or unknown argument, or one of the wrong type.
    """
    construct: Callable[..., None] = cls.__init__
    compiled = functools.cache(functools.partial(_Arguments, cls, construct))

    @functools.wraps(construct)
    def check_and_construct(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            compiled().validator.validate_python(ArgsKwargs((self, *args), kwargs))
        except ValidationError as error:
            message = compiled().message(error, args, kwargs)
            raise DeclarationError(message) from None
        construct(self, *args, **kwargs)

    cls.__init__ = check_and_construct  # type: ignore[method-assign]
    return cls


class _Arguments:
    """The arguments of one constructor."""

    def __init__(self, cls: type, construct: Callable[..., None]) -> None:
        self._name = cls.__name__
        self._parameters = list(inspect.signature(construct).parameters.values())
        generated = is_dataclass(cls) and {*self._props()} <= {*cls.__dataclass_fields__}
        hinted = cls if generated else construct
        self._hints = typing.get_type_hints(hinted, include_extras=True)
        schemas = [self._schema(parameter) for parameter in self._parameters]
        self.validator = SchemaValidator(core_schema.arguments_schema(schemas))

    def _schema(self, parameter: inspect.Parameter) -> core_schema.ArgumentsParameter:
        schema = _schema(self._hints.get(parameter.name, Any))
        if parameter.default is not inspect.Parameter.empty:
            schema = core_schema.with_default_schema(schema, default=parameter.default)
        only_by_name = parameter.kind is inspect.Parameter.KEYWORD_ONLY
        return core_schema.arguments_parameter(
            parameter.name,
            schema,
            mode="keyword_only" if only_by_name else "positional_or_keyword",
        )

    def message(
        self, error: ValidationError, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> str:
        """The most obvious error of a call: unknown names first, then missing, then wrong types."""
        errors = error.errors(include_url=False)
        for one in errors:
            if one["type"] == "unexpected_keyword_argument":
                return self._unknown(str(one["loc"][0]))
            if one["type"] == "multiple_argument_values":
                return f"{self._name}.{one['loc'][0]} is passed twice; remove one"
            if one["type"] == "unexpected_positional_argument":
                return self._too_many()
        missing = [
            self._parameter(one["loc"][0]).name
            for one in errors
            if one["type"].startswith("missing") and len(one["loc"]) == 1
        ]
        parameter = self._parameter(errors[0]["loc"][0])
        if missing and (parameter.name != "scope" or missing[0] == "scope"):
            *others, last = missing
            return f"{self._name} requires {', '.join(others)}{' and ' if others else ''}{last}"
        by_place = dict(zip((one.name for one in self._parameters[1:]), args, strict=False))
        value = {**by_place, **kwargs}[parameter.name]
        return f"{self._name}.{_mismatch(parameter.name, self._hints[parameter.name], value)}"

    def _props(self) -> Iterator[str]:
        return (one.name for one in self._parameters[1:])

    def _too_many(self) -> str:
        kind = inspect.Parameter.KEYWORD_ONLY
        by_name = [one.name for one in self._parameters if one.kind is kind]
        if by_name:
            named = ", ".join(by_name)
            return f"{self._name} accepts props only by keyword; write {named} as name=value"
        return f"{self._name} accepts only {', '.join(self._props())}; remove the others"

    def _parameter(self, place: int | str) -> inspect.Parameter:
        if isinstance(place, int):
            return self._parameters[place]
        return next(one for one in self._parameters if one.name == place)

    def _unknown(self, name: str) -> str:
        alike = difflib.get_close_matches(name, self._props(), 1)
        hint = f"did you mean {alike[0]!r}?" if alike else f"use one of {', '.join(self._props())}"
        return f"{self._name} has no prop {name!r}; {hint}"


@functools.cache
def _validator(hint: Any) -> SchemaValidator:
    return SchemaValidator(_schema(hint))


def fits(hint: Any, value: Any) -> bool:
    """Whether a value matches an annotation."""
    return _validator(hint).isinstance_python(value)


_PLAIN: dict[Any, core_schema.CoreSchema] = {
    Any: core_schema.any_schema(),
    object: core_schema.any_schema(),
    types.NoneType: core_schema.none_schema(),
    bool: core_schema.bool_schema(strict=True),
    float: core_schema.float_schema(strict=True),
    int: core_schema.int_schema(strict=True),
    str: core_schema.str_schema(strict=True),
}


def _schema(hint: Any) -> core_schema.CoreSchema:
    """The pydantic-core schema of an annotation: strict, without conversions."""
    origin, arguments = get_origin(hint), get_args(hint)
    if bounds := _bounds(hint):
        return core_schema.int_schema(strict=True, ge=bounds.least, le=bounds.most)
    if origin in (Union, types.UnionType):
        return core_schema.union_schema([_schema(one) for one in arguments], mode="left_to_right")
    if origin is Literal:
        return core_schema.literal_schema(list(arguments))
    if origin in (tuple, *_COLLECTIONS):
        return _items_schema(origin, arguments)
    if _is_mapping(origin):
        return core_schema.dict_schema(*(_schema(one) for one in arguments))
    if hint not in _PLAIN and not inspect.isclass(origin or hint):
        raise TypeError(f"the annotation {hint!r} is not supported; extend _schema")
    return _PLAIN.get(hint) or core_schema.is_instance_schema(origin or hint)


_COLLECTIONS: dict[Any, Callable[..., core_schema.CoreSchema]] = {
    Sequence: core_schema.list_schema,
    frozenset: core_schema.frozenset_schema,
    list: core_schema.list_schema,
    set: core_schema.set_schema,
}


def _items_schema(origin: Any, arguments: tuple[Any, ...]) -> core_schema.CoreSchema:
    if origin in _COLLECTIONS:
        collected = _COLLECTIONS[origin](_schema(arguments[0]), strict=True)
        if origin is not Sequence:
            return collected
        return core_schema.union_schema([collected, _items_schema(tuple, (arguments[0], ...))])
    repeated = arguments[-1] is Ellipsis
    items = [_schema(one) for one in (arguments[:-1] if repeated else arguments)]
    return core_schema.tuple_schema(items, variadic_item_index=0 if repeated else None, strict=True)


def _bounds(hint: Any) -> Between | None:
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((one for one in marks if isinstance(one, Between)), None)


def _is_mapping(origin: Any) -> bool:
    return inspect.isclass(origin) and issubclass(origin, Mapping)


def _mismatch(prop: str, hint: Any, value: Any) -> str:
    """The message for the innermost part of a value that does not match."""
    for part, expected, found in _parts(prop, hint, value):
        if not fits(expected, found):
            return _mismatch(part, expected, found)
    hidden = "the passed value (hidden, because it may be a secret)"
    shown = hidden if prop.startswith("secret") else _shown(value)
    return f"{prop} must be {_words(hint)}, not {shown}{_remedy(hint, value)}"


def _parts(prop: str, hint: Any, value: Any) -> Iterator[tuple[str, Any, Any]]:
    """The parts of a value, each with its name and annotation."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        for one in arguments:
            yield from _parts(prop, one, value)
    elif origin is tuple and isinstance(value, tuple):
        if arguments[-1] is Ellipsis:
            arguments = arguments[:1] * len(value)
        if len(arguments) == len(value):
            for place, (expected, found) in enumerate(zip(arguments, value, strict=True)):
                yield f"{prop}[{place}]", expected, found
    elif origin in _COLLECTIONS and isinstance(value, (list, tuple, set, frozenset)):
        yield from ((f"{prop}: an item", arguments[0], found) for found in value)
    elif _is_mapping(origin) and isinstance(value, Mapping):
        for key, found in value.items():
            yield f"{prop}: a key", arguments[0], key
            yield f"{prop}[{key!r}]", arguments[1], found


def _remedy(hint: Any, value: Any) -> str:
    for one in get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,):
        if get_origin(one) is tuple and not isinstance(value, tuple):
            if isinstance(value, list):
                return "; write it in parentheses"
            item, *others = get_args(one)
            if others == [Ellipsis] and fits(item, value):
                return "; write a one-item tuple as (x,)"
    return ""


_WORDS = {
    Any: "anything",
    object: "anything",
    types.NoneType: "None",
    bool: "True or False",
    float: "a number",
    int: "an integer",
    str: "a string",
}


def _words(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if known := _WORDS.get(hint) or _bounds(hint):
        return str(known)
    if origin in (Union, types.UnionType):
        return " or ".join(_words(one) for one in arguments)
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin is tuple:
        fixed = f"{len(arguments)} items: {', '.join(_words(one) for one in arguments)}"
        return f"a tuple of {_many(arguments[0]) if arguments[-1] is Ellipsis else fixed}"
    if _is_mapping(origin):
        return f"a mapping of {_many(arguments[0])} to {_many(arguments[1])}"
    items = f" of {_many(arguments[0])}" if origin in _COLLECTIONS else ""
    return _a(getattr(origin or hint, "__name__", str(hint))) + items


def _many(hint: Any) -> str:
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_many(one) for one in get_args(hint))
    words = _words(hint).replace("an integer", "integers").replace("a string", "strings")
    return words.removeprefix("a ").removeprefix("an ")


def _shown(value: Any) -> str:
    match value:
        case None | bool():
            return repr(value)
        case str():
            return f"the string {reprlib.repr(value)}"
        case int() | float():
            return f"the number {reprlib.repr(value)}"
        case type():
            return f"the class {value.__name__}"
        case tuple():
            return f"the tuple {reprlib.repr(value)}"
    return _a(type(value).__name__)


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'AEIOUaeiou' else 'a'} {noun}"
