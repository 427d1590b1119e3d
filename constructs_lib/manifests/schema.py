"""Checks objects against the published schemas of their kinds, and the limits of the API server.

schemas.json has the published schemas; `python -m tests.published_schemas` writes it. values.json
adds what they do not state: what the API server refuses, or reads as another value, according to
https://kubernetes.io/docs/reference/kubernetes-api/ and pkg/apis/*/validation of Kubernetes. Its
definitions are JSON schemas; a `description` is the message. Those with short names are shared.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterator
from functools import cache, reduce
from itertools import chain
from operator import getitem
from pathlib import Path
from typing import Any, get_args

from cronsim import CronSimError
from jsonschema_rs import Draft202012Validator, Registry, ValidationError

from constructs_lib.manifests.objects import group
from constructs_lib.model import KubernetesVersion, Manifest
from constructs_lib.model.quantity import amount, seconds
from constructs_lib.model.schedule import words

FILE = Path(__file__).with_name("schemas.json")
_VALUES = Path(__file__).with_name("values.json")
_VERSIONS = get_args(KubernetesVersion)
_URI = "urn:schemas"
_CUSTOM = ("apiextensions.k8s.io", "argoproj.io", "external-secrets.io")
"""Groups of custom resources, whose versions are not those of Kubernetes, and of their schemas."""
_VERSION = re.compile(r"\.?v\d\w*(?=\.\w+$)")
_RELIED_ON = ("format", "required", "type")
"""What modules that read objects take for granted."""
_TYPES = {
    "array": "a list",
    "boolean": "a boolean",
    "integer": "an integer",
    "number": "a number",
    "object": "a mapping",
    "string": "a string",
}


def refused(manifest: Manifest, version: str | None = None) -> Iterator[tuple[str, list[Any]]]:
    """What is wrong with an object, with the path of the field, if it is not a mapping or list.

    `spec.replicaz is not a field; did you mean replicas?` Of a kind without a schema, only what all
    kinds have in common counts.

    Args:
        manifest: The object.
        version: The minor version of Kubernetes. Default: unknown, so that fields of any version
            are valid, and of custom resources only values.json counts.
    """
    name, kind = title(manifest), manifest["kind"]
    counts_all = bool(version) or not group(manifest).endswith(_CUSTOM)
    found = _problems(name, manifest, version, lambda path: counts_all or path[2] == "allOf")
    yield from found.items()
    if version and _known(name, version) != name:
        yield f"apiVersion: {manifest['apiVersion']} has no {kind} in Kubernetes {version}", []


def unreadable(manifest: Manifest, version: str | None = None) -> Iterator[str]:
    """Each field that is missing, of another type or cannot be parsed: no module can read it.

    `spec.replicas is not an integer`. Versions of a kind without a schema are read like another.
    """
    name = _known(title(manifest), version)
    yield from _problems(
        name, manifest, version, lambda path: path[-1] in _RELIED_ON and "then" not in path
    )


def _problems(
    name: str, manifest: Manifest, version: str | None, counts: Callable[[list[str | int]], bool]
) -> dict[str, list[Any]]:
    """The messages of the errors at the places of a schema that count."""
    errors = _validator(version).iter_errors({name: manifest})
    counted = (error for error in errors if counts(error.schema_path))
    return dict(chain.from_iterable(_messages(error, version) for error in counted))


def _known(name: str, version: str | None) -> str:
    """The name of the definition of a kind, or else of another version of it, if there is one."""
    known = _definitions(version)["kinds"]["properties"]
    versions = (one for one in known if _VERSION.sub("", one) == _VERSION.sub("", name))
    return name if name in known else next(versions, name)


def title(manifest: Manifest) -> str:
    """The name of the definition of a kind: `apps.v1.Deployment`."""
    return f"{manifest.get('apiVersion')}.{manifest.get('kind')}".replace("/", ".")


@cache
def _definitions(version: str | None) -> Any:
    """Every definition, with the one of values.json in `allOf`."""
    found: dict[str, Any] = {}
    for release, changed in json.loads(FILE.read_bytes()).items():
        found |= changed
        if release == version:
            break
    if not version:  # compiling what stores of every provider may have takes a third of the time
        found |= {name: {} for name in found if name.endswith("ClusterSecretStore")}
    for name, added in json.loads(_VALUES.read_bytes()).items():
        found[name] = {**found.get(name, {}), "allOf": [added]}
    return found


@cache
def _validator(version: str | None) -> Draft202012Validator:
    """One for every kind, because it compiles what they share once."""
    registry = Registry([(_URI, {"$defs": _definitions(version)})])
    return Draft202012Validator(
        {"$ref": f"{_URI}#/$defs/kinds"}, formats=_FORMATS, validate_formats=True, registry=registry
    )


def _parsed_by(parse: Callable[[str], object]) -> Callable[[str], bool]:
    """A format: the strings that a function parses."""

    def fits(text: str) -> bool:
        try:
            parse(text)
        except (CronSimError, ValueError):
            return False
        return True

    return fits


_FORMATS: dict[str, Callable[[str], bool]] = {
    "duration": _parsed_by(seconds),
    "percentage": lambda text: bool(re.fullmatch("[0-9]{1,9}%", text)),
    "quantity": _parsed_by(amount),
    "schedule": _parsed_by(words),
    "text": bool,
}
"""The formats of values.json."""


def _messages(error: ValidationError, version: str | None) -> Iterator[tuple[str, list[Any]]]:
    (name, *path), details = error.instance_path, error.kind.as_dict()
    described = _described(error, details.get("error", error).instance, version)
    match error.kind.name:
        case "additionalProperties":
            for field in details["unexpected"]:
                at = [*path, field]
                yield f"{_spelled(at)} is {_unknown(field, error, version)}", at
        case "required" if not described:
            at = [*path, details["property"]]
            yield f"{_spelled(at)} is missing", at
        case "type" if not described:
            types = " or ".join(_TYPES[one] for one in details["types"])
            yield f"{_spelled(path)} is not {types}", path
        case _:
            text = f"{_spelled(path) or name}: {described or error.message}"
            yield text, [] if isinstance(error.instance, dict | list) else path


def _described(error: ValidationError, value: Any, version: str | None) -> str:
    """The value, if it is not a mapping or list, with the innermost description; empty if none."""
    description, schema = "", _definitions(version)
    for step in error.schema_path[1:]:
        schema = schema[step]
        if isinstance(schema, dict) and isinstance(schema.get("description"), str):
            description = schema["description"]
    shown = "" if isinstance(value, dict | list) else f"{value!r} "
    return description and f"{shown}{description}"


def _unknown(name: str, error: ValidationError, version: str | None) -> str:
    """Which field was meant, or which version has it."""
    fields = {}
    for one in _VERSIONS[_VERSIONS.index(version) :] if version else [version]:
        schema = reduce(getitem, error.schema_path[1:-1], _definitions(one))
        fields[one] = schema.get("properties", {})
        if name in fields[one]:
            return f"a field since Kubernetes {one}; set the version in catalogue/target.py"
    camel_case = re.sub("_(.)", lambda found: found[1].upper(), name)
    alike = difflib.get_close_matches(camel_case, fields[version], 1)
    return f"not a field; {f'did you mean {alike[0]}?' if alike else 'remove it'}"


def _spelled(path: list[str | int]) -> str:
    """`spec.containers[0].image`, with keys such as `[example.org/a]` in brackets."""
    fields = (re.fullmatch(r"[^\d./][^./]*", str(step)) for step in path)
    steps = zip(path, fields, strict=True)
    return "".join(f".{step}" if field else f"[{step}]" for step, field in steps).removeprefix(".")
