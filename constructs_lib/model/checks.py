"""Checks the arguments of every construct's constructor against their annotations.

Uses pydantic-core: it checks nested values completely, imports in about 20 ms, and needs as long
for a thousand web services. typeguard and beartype do not check every item of a mapping; the full
pydantic takes four times as long to import.
"""

import difflib
import functools
import inspect
import re
import reprlib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic_core import (
    ArgsKwargs,
    ErrorDetails,
    SchemaValidator,
    ValidationError,
    core_schema,
)

from constructs_lib.errors import DeclarationError

_T = TypeVar("_T")
_UNIONS = (Union, types.UnionType)


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


@dataclass(frozen=True)
class Form:
    """The form of a string: `Annotated[str, Form("[a-z]+", "is not a word; use letters")]`."""

    pattern: str
    """A regular expression for the whole string."""
    problem: str
    """What is wrong with any other string and what to do, after the string itself."""

    def __str__(self) -> str:
        return "a string"

    def check(self, text: str) -> str:
        """Return a string of this form. Raises DeclarationError for any other."""
        if not re.fullmatch(self.pattern, text):
            raise DeclarationError(f"{text!r} {self.problem}")
        return text


def checked(cls: type[_T]) -> type[_T]:
    """Make the constructor of a dataclass or Construct check its arguments.

    It raises DeclarationError for a missing or unknown argument, or one of the wrong type. An error
    inside of the constructor names the `location` of the object, if it has one.
    """
    construct: Callable[..., None] = cls.__init__
    compiled = functools.cache(functools.partial(_Arguments, cls, construct))

    @functools.wraps(construct)
    def check_and_construct(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            compiled().validator.validate_python(ArgsKwargs((self, *args), kwargs))
        except ValidationError as error:
            raise DeclarationError(compiled().message(error)) from None
        try:
            construct(self, *args, **kwargs)
        except DeclarationError as error:
            located = error.at(getattr(self, "location", None))
            # with its traceback, for the line in a constructor outside of this package
            raise located.with_traceback(error.__traceback__) from error

    cls.__init__ = check_and_construct  # type: ignore[method-assign]
    return cls


@typing.dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[_T]) -> type[_T]:
    """Make an immutable dataclass, whose fields are passed by place or name and checked."""
    return checked(dataclass(frozen=True)(cls))


@typing.dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def props(cls: type[_T]) -> type[_T]:
    """Make an immutable dataclass, whose fields are passed by name and checked."""
    return checked(dataclass(frozen=True, kw_only=True)(cls))


class _Arguments:
    """The arguments of one constructor."""

    def __init__(self, cls: type, construct: Callable[..., None]) -> None:
        self._name = cls.__name__
        self._parameters = list(inspect.signature(construct).parameters.values())
        self._props = [parameter.name for parameter in self._parameters[1:]]
        self._hints = typing.get_type_hints(cls, include_extras=True)
        if not {*self._props} <= self._hints.keys():  # not the fields of the class
            self._hints = typing.get_type_hints(construct, include_extras=True)
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

    def message(self, error: ValidationError) -> str:
        """The most obvious error of a call.

        Unknown names come first, then missing ones, then wrong types, then strings of a wrong form.
        """
        # the sort is stable: of each type, the first error stays the first
        errors = sorted(error.errors(include_url=False), key=_is_of_form)
        for problem in errors:
            if problem["type"] == "unexpected_keyword_argument":
                return self._unknown(str(problem["loc"][0]))
            if problem["type"] == "multiple_argument_values":
                return f"{self._name}.{problem['loc'][0]} is passed twice; remove one"
            if problem["type"] == "unexpected_positional_argument":
                return self._too_many()
        missing = [
            self._at(problem["loc"][0])
            for problem in errors
            if problem["type"].startswith("missing") and len(problem["loc"]) == 1
        ]
        first = errors[0]
        name = self._at(first["loc"][0])
        if missing and (name != "scope" or missing[0] == "scope"):
            *others, last = missing
            return f"{self._name} requires {', '.join(others)}{' and ' if others else ''}{last}"
        # pydantic-core locates a missing item inside of its tuple
        path = first["loc"][1 : -1 if first["type"] == "missing" else None]
        if _is_of_form(first):
            path = path[:-2] if path[-1:] == ("[key]",) else path  # the message names the key
            place = name + "".join(f"[{step!r}]" for step in path)
            return f"{self._name}.{place}: {first['ctx']['error']}"
        return f"{self._name}.{_mismatch(name, self._hints[name], path, first['input'])}"

    def _too_many(self) -> str:
        kind = inspect.Parameter.KEYWORD_ONLY
        if by_name := ", ".join(one.name for one in self._parameters if one.kind is kind):
            return f"{self._name} accepts props only by keyword; write {by_name} as name=value"
        return f"{self._name} accepts only {', '.join(self._props)}; remove the others"

    def _at(self, place: int | str) -> str:
        """The name of the parameter at a location that pydantic-core reports."""
        return self._parameters[place].name if isinstance(place, int) else place

    def _unknown(self, name: str) -> str:
        alike = difflib.get_close_matches(name, self._props, 1)
        hint = f"did you mean {alike[0]!r}?" if alike else f"use one of {', '.join(self._props)}"
        return f"{self._name} has no prop {name!r}; {hint}"


def _is_of_form(problem: ErrorDetails) -> bool:
    """Whether it is the error of a Form."""
    return problem["type"] == "value_error"


def fits(hint: Any, value: Any) -> bool:
    """Whether a value matches an annotation."""
    return SchemaValidator(_schema(hint)).isinstance_python(value)


_PLAIN: dict[Any, tuple[core_schema.CoreSchema, str]] = {
    Any: (core_schema.any_schema(), "anything"),
    types.NoneType: (core_schema.none_schema(), "None"),
    bool: (core_schema.bool_schema(strict=True), "True or False"),
    int: (core_schema.int_schema(strict=True), "an integer"),
    float: (core_schema.float_schema(strict=True), "a number"),
    str: (core_schema.str_schema(strict=True), "a string"),
    date: (core_schema.date_schema(strict=True), "a date such as 2027-11-30"),
}
"""The schema of an annotation, and its description."""


def _schema(hint: Any) -> core_schema.CoreSchema:
    """The pydantic-core schema of an annotation: strict, without conversions."""
    match _mark(hint):
        case Between(least, most):
            return core_schema.int_schema(strict=True, ge=least, le=most)
        case Form() as form:
            return core_schema.no_info_after_validator_function(form.check, _schema(str))
    if hint in _PLAIN:
        return _PLAIN[hint][0]
    if (only := _without_none(hint)) is not hint:
        return core_schema.nullable_schema(_schema(only))
    if inspect.isclass(hint):
        return core_schema.is_instance_schema(hint)
    return _schema_of_parts(hint)


def _schema_of_parts(hint: Any) -> core_schema.CoreSchema:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return core_schema.literal_schema(list(arguments))
    repeated = arguments[-1:] == (Ellipsis,)
    parts = [_schema(part) for part in (arguments[:-1] if repeated else arguments)]
    if origin in _UNIONS:
        return core_schema.union_schema([*parts], mode="left_to_right")
    if _is_mapping(origin):
        return core_schema.dict_schema(*parts)
    if origin is list:
        return core_schema.list_schema(*parts, strict=True)
    if origin is tuple:
        variadic = 0 if repeated else None
        return core_schema.tuple_schema(parts, variadic_item_index=variadic, strict=True)
    raise TypeError(f"the annotation {hint!r} is not supported; extend _schema_of_parts")


def _mark(hint: Any) -> Between | Form | None:
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((mark for mark in marks if isinstance(mark, (Between, Form))), None)


def _without_none(hint: Any) -> Any:
    """`X` for the annotation `X | None`, and any other annotation itself."""
    choices = get_args(hint) if get_origin(hint) in _UNIONS else ()
    others = [choice for choice in choices if choice is not types.NoneType]
    return others[0] if len(others) == 1 else hint


def _is_mapping(origin: Any) -> bool:
    return inspect.isclass(origin) and issubclass(origin, Mapping)


def _mismatch(prop: str, hint: Any, path: Sequence[int | str], value: Any) -> str:
    """The message for the part of a prop at `path`, the location that pydantic-core reports."""
    origin, arguments = get_origin(_without_none(hint)), get_args(_without_none(hint))
    if path and origin in (list, tuple):
        place = int(path[0])
        item = arguments[0 if origin is list or arguments[-1] is Ellipsis else place]
        return _mismatch(f"{prop}[{place}]", item, path[1:], value)
    if path and _is_mapping(origin):
        key, *further = path
        if further == ["[key]"]:
            return _mismatch(f"{prop}: a key", arguments[0], (), value)
        return _mismatch(f"{prop}[{key!r}]", arguments[1], further, value)
    hidden = "the passed value (hidden, because it may be a secret)"
    shown = hidden if prop.startswith("secret") else _shown(value)
    return f"{prop} must be {_words(hint)}, not {shown}{_remedy(hint, value)}"


def _remedy(hint: Any, value: Any) -> str:
    for one in get_args(hint) if get_origin(hint) in _UNIONS else (hint,):
        if get_origin(one) is tuple and not isinstance(value, tuple):
            if isinstance(value, list):
                return "; write it in parentheses"
            item, *others = get_args(one)
            of_any_form = str if isinstance(_mark(item), Form) else item
            if others == [Ellipsis] and fits(of_any_form, value):
                return "; write a one-item tuple as (x,)"
    return ""


def _words(hint: Any) -> str:
    if hint in _PLAIN:
        return _PLAIN[hint][1]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in _UNIONS:
        return " or ".join(_words(choice) for choice in arguments)
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if _is_mapping(origin):
        return f"a mapping of {_many(arguments[0])} to {_many(arguments[1])}"
    if origin in (list, tuple):
        fixed = f"{len(arguments)} items: {', '.join(map(_words, arguments))}"
        repeated = origin is list or arguments[-1] is Ellipsis
        return f"a {origin.__name__} of {_many(arguments[0]) if repeated else fixed}"
    return str(_mark(hint) or _a(getattr(hint, "__name__", str(hint))))


def _many(hint: Any) -> str:
    if get_origin(hint) in _UNIONS:
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
