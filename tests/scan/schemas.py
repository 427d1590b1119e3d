"""Writes the JSON schemas for kubeconform from pinned packages and CRDs."""

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


def write(folder: Path, crds: Iterable[Path]) -> tuple[str, str]:
    """Write the schemas; return kubeconform's locations for Kubernetes and for CRDs."""
    for version in VERSIONS:
        _write_own(_SCHEMAS / f"v{version}-local-strict", folder / f"v{version}")
    for crd in crds:
        for definition in yaml.safe_load_all(crd.read_text("utf-8")):
            _write_custom(definition["spec"], folder)
    return f"{folder}/{OWN}", f"{folder}/{CUSTOM}"


def _write_own(source: Path, target: Path) -> None:
    """Write the schemas of Kubernetes' own kinds, which refer to their definitions by URL."""
    target.mkdir()
    here = target.as_uri()
    for file in source.iterdir():
        text = file.read_text("utf-8").replace("https://kubernetes.io/api", here)
        (target / file.name).write_text(text.replace('"/api/', f'"{here}/'))


def _write_custom(spec: dict[str, Any], folder: Path) -> None:
    """Write the schema of each version of a custom resource, without unknown fields."""
    for version in spec["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        name = f"{spec['group']}_{spec['names']['kind'].lower()}_{version['name']}.json"
        _close(schema)
        (folder / name).write_text(json.dumps(schema))


def _close(schema: Any) -> None:
    """Forbid fields that are not in the schema."""
    if isinstance(schema, list):
        for item in schema:
            _close(item)
    if not isinstance(schema, dict):
        return
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    for item in schema.values():
        _close(item)
