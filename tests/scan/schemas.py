"""Writes the JSON schemas for kubeconform from pinned packages and CRDs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

VERSIONS = ("1.27.0", "1.36.0")
"""The version of the cdk8s imports, and a current one."""
OWN = "{{.NormalizedKubernetesVersion}}/{{.ResourceKind}}{{.KindSuffix}}.json"
CUSTOM = "{{.Group}}_{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"
_SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"


def write(folder: Path, crds: Iterable[Path], manifests: Iterable[str]) -> tuple[str, ...]:
    """Write the schemas; returns kubeconform's locations for Kubernetes and for CRDs."""
    for crd in crds:
        _write_custom(crd, folder)
    kinds = _kinds(manifests)
    for version in VERSIONS:
        _write_own(version, folder, kinds)
    return f"{folder}/{OWN}", f"{folder}/{CUSTOM}"


def _kinds(manifests: Iterable[str]) -> set[tuple[str, str, str]]:
    """Group, kind and version of every object."""
    found = set()
    for path in manifests:
        for item in yaml.load_all(Path(path).read_text("utf-8"), yaml.CSafeLoader):
            group, _, version = item["apiVersion"].rpartition("/")
            found.add((group, item["kind"], version))
    return found


def _write_own(version: str, folder: Path, kinds: Iterable[tuple[str, str, str]]) -> None:
    """Write the schemas of Kubernetes' own kinds, each with its definitions."""
    source = _SCHEMAS / f"v{version}-local-strict"
    shared = {"$defs": json.loads((source / "_definitions.json").read_text("utf-8"))["$defs"]}
    (folder / f"v{version}").mkdir()
    for group, kind, api_version in kinds:
        short = f"-{group.partition('.')[0]}" if group else ""
        file = source / f"{kind.lower()}{short}-{api_version}.json"
        if file.exists():
            schema = json.loads(file.read_text("utf-8").replace("/api/_definitions.json#", "#"))
            schema.pop("$id", None)
            (folder / f"v{version}" / file.name).write_text(json.dumps({**schema, **shared}))


def _write_custom(crd: Path, folder: Path) -> None:
    """Write the schema of each version of a custom resource, without unknown fields."""
    for definition in yaml.safe_load_all(crd.read_text("utf-8")):
        spec = definition["spec"]
        for version in spec["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            name = f"{spec['group']}_{spec['names']['kind'].lower()}_{version['name']}.json"
            _close(schema)
            (folder / name).write_text(json.dumps(schema))


def _close(schema: Any) -> None:
    """Forbid fields that are not in the schema."""
    if isinstance(schema, list):
        for one in schema:
            _close(one)
    if not isinstance(schema, dict):
        return
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    for one in schema.values():
        _close(one)
