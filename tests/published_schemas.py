"""`python -m tests.published_schemas`: write the schemas of the kinds in kinds.toml.

They are those that Kubernetes publishes for each minor version, and those of the CRDs of Argo CD
and External Secrets, without descriptions, without the status of objects, and without null, which
is never rendered.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import kubernetes_validate

from constructs_lib.manifests.objects import GROUPS
from constructs_lib.manifests.schema import FILE, title
from constructs_lib.model import KubernetesVersion
from tests.conftest import ROOT, run

Schema = dict[str, Any]

_PUBLISHED = Path(kubernetes_validate.__file__).with_name("kubernetes-json-schema")
_NO_CRD = "Rollout"
_FORMATS: dict[str, Schema] = {
    "byte": {"pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"},
    "int32": {"minimum": -(2**31), "maximum": 2**31 - 1},
}
"""What the API server checks of a format, and JSON schema does not."""


def contents() -> str:
    """The file: for each version, the definitions that differ from the last one, one per line.

    `kinds` is a mapping of kinds to an object of each.
    """
    known: dict[str, Schema] = {}
    kinds: Schema = {}
    blocks = []
    kubernetes = ((version, _of_kubernetes(version)) for version in get_args(KubernetesVersion))
    for version, definitions in (("custom", _custom()), *kubernetes):
        for name, one in definitions.items():
            if {"kind", "metadata"} <= one.get("properties", {}).keys():
                kinds[name] = {"$ref": f"#/$defs/{name}"}
        definitions["kinds"] = {"properties": dict(kinds)}
        changed = {name: one for name, one in definitions.items() if known.get(name) != one}
        known |= changed
        lines = (f'"{name}":{_compact(one)}' for name, one in sorted(changed.items()))
        blocks.append(f'"{version}":{{\n' + ",\n".join(lines) + "\n}")
    return "{" + ",\n".join(blocks) + "}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _of_kubernetes(version: str) -> dict[str, Schema]:
    """The definitions of the kinds, and all that they refer to."""
    file = _PUBLISHED / f"v{version}.0-local-strict" / "_definitions.json"
    every = json.loads(file.read_text("utf-8"))["$defs"]
    names = {name: ".".join(name.split(".")[-3:]) for name in every}
    kinds = []
    for name, definition in every.items():
        match definition.get("x-kubernetes-group-version-kind"):
            case [{"group": group, "version": of, "kind": kind}] if GROUPS.get(kind) == group:
                names[name] = title({"apiVersion": f"{group}/{of}".strip("/"), "kind": kind})
                kinds.append(names[name])
                if "status" in definition["properties"]:
                    definition["properties"]["status"] = {}
    slim = {names[name]: _slim(definition, names) for name, definition in every.items()}
    found: dict[str, Schema] = {}
    left = kinds
    while left:
        name = left.pop()
        if name not in found:
            found[name] = slim[name]
            left += _references(slim[name])
    return found


def _slim(schema: Schema, names: dict[str, str]) -> Schema:
    """What validates in a schema, with the short names of definitions."""
    slim: Schema = {key: schema[key] for key in ("enum", "required") if key in schema}
    slim |= _FORMATS.get(schema.get("format", ""), {})
    every = schema.get("oneOf", [schema])  # a quantity, and an integer or string, have two types
    if types := {name for one in every for name in _listed(one.get("type", []))} - {"null"}:
        slim["type"] = sorted(types) if len(types) > 1 else types.pop()
    if "$ref" in schema:
        slim["$ref"] = f"#/$defs/{names[schema['$ref'].rpartition('/')[2]]}"
    if "properties" in schema:
        fields = schema["properties"].items()
        slim["properties"] = {name: _slim(field, names) for name, field in fields}
    for key in ("additionalProperties", "items"):
        inner = schema.get(key)
        if inner is not None:
            slim[key] = _slim(inner, names) if isinstance(inner, dict) else inner
    return slim


def _references(schema: Any) -> Iterator[str]:
    """The names of the definitions to which a schema refers."""
    if isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference.rpartition("/")[2]
        for inner in schema.values():
            yield from _references(inner)


def _custom() -> dict[str, Schema]:
    """The definitions of custom resources."""
    groups = ("argoproj.io", "external-secrets.io")
    kinds = {
        group: [kind for kind, of in GROUPS.items() if of == group and kind != _NO_CRD]
        for group in groups
    }
    script = ROOT / "tests" / "learn_schemas.mjs"
    done = run(os.environ["JSII_NODE"], script, stdin=json.dumps(kinds))
    assert done.returncode == 0, done.stderr
    learned: dict[str, Schema] = json.loads(done.stdout)
    for schema in learned.values():
        schema["properties"] |= {"metadata": {"$ref": "#/$defs/meta.v1.ObjectMeta"}, "status": {}}
    return {kind.replace("/", "."): schema for kind, schema in learned.items()}


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


if __name__ == "__main__":
    FILE.write_text(contents(), "utf-8")
