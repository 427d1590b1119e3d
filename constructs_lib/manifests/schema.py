"""Checks objects against the published schemas of their kinds, and the limits of the API server.

schemas.json has the published schemas; `python -m tests.published_schemas` writes it. values.json
adds what they do not state: what the API server refuses, or reads as another value, according to
https://kubernetes.io/docs/reference/kubernetes-api/ and pkg/apis/*/validation of Kubernetes. Its
definitions are JSON schemas; a `description` is the message. Those with short names are shared.
"""

import difflib
import json
import re
from collections.abc import Iterator
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any, get_args

from jsonschema_rs import Draft202012Validator, Registry, ValidationError

from constructs_lib.manifests.objects import GROUPS, group
from constructs_lib.model import KubernetesVersion, Manifest

FILE = Path(__file__).with_name("schemas.json")
_VALUES = Path(__file__).with_name("values.json")
_VERSIONS = get_args(KubernetesVersion)
_URI = "urn:schemas"
_CUSTOM = ("apiextensions.k8s.io", "argoproj.io", "external-secrets.io")
"""Groups of custom resources, whose versions are not those of Kubernetes, and of their schemas."""


def refused(manifest: Manifest, version: str | None = None) -> Iterator[tuple[str, list[Any]]]:
    """What is wrong with an object, with the path of an unknown field; nothing without a schema.

    `spec.replicaz is not a field; did you mean replicas?`

    Args:
        manifest: The object.
        version: The minor version of Kubernetes. Default: unknown, so that fields of any version
            are valid, and of custom resources only values.json counts.
    """
    name, kind = title(manifest), manifest["kind"]
    kinds = _definitions(version)["kinds"]["properties"]
    if name in kinds:
        for error in _validator(version).iter_errors({name: manifest}):
            yield from _messages(error, version)
    elif version and GROUPS.get(kind) == group(manifest) and f".{kind}" in " ".join(kinds):
        yield f"apiVersion: {manifest['apiVersion']} has no {kind} in Kubernetes {version}", []


def title(manifest: Manifest) -> str:
    """The name of the definition of a kind: `apps.v1.Deployment`."""
    return f"{manifest['apiVersion']}.{manifest['kind']}".replace("/", ".")


@cache
def _definitions(version: str | None) -> Any:
    """Every definition, with the one of values.json in `allOf`."""
    found: dict[str, Any] = {}
    for release, changed in json.loads(FILE.read_bytes()).items():
        found |= changed
        if release == version:
            break
    if not version:
        found |= {name: {} for name in found if name.startswith(_CUSTOM)}
    for name, added in json.loads(_VALUES.read_bytes()).items():
        found[name] = {**found.get(name, {}), "allOf": [added]}
    return found


@cache
def _validator(version: str | None) -> Draft202012Validator:
    """One for every kind, because it compiles what they share once."""
    registry = Registry([(_URI, {"$defs": _definitions(version)})])
    return Draft202012Validator({"$ref": f"{_URI}#/$defs/kinds"}, registry=registry)


def _messages(error: ValidationError, version: str | None) -> Iterator[tuple[str, list[Any]]]:
    (name, *path), details = error.instance_path, error.kind.as_dict()
    for field in details.get("unexpected", ()):
        at = [*path, field]
        yield f"{_spelled(at)} is {_unknown(field, error, version)}", at
    if "unexpected" not in details:
        described = _described(error, details.get("error", error).instance, version)
        yield f"{_spelled(path) or name}: {described or error.message}", []


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
