"""Every object is valid for the API servers of an old and a new cluster."""

import json
import os
from dataclasses import replace
from functools import cache
from typing import Any
from unittest.mock import patch

import kubernetes_validate
import pytest
from jsonpatch import apply_patch

from catalogue.platform import AnalyticsPlatform
from charts.registry import render
from constructs_lib.manifests.objects import Object
from constructs_lib.model import ClusterTarget, Manifest
from tests.conftest import ROOT, parse, run

_VERSIONS = ("1.27", "1.36")
"""The oldest supported version, and a current one."""
_CUSTOM = ("argoproj.io", "external-secrets.io")
_schema = cache(kubernetes_validate.utils.schema_contents)
"""Parses each schema once, not for each object: some have 1 MB."""


def problems(objects: list[Manifest]) -> list[str]:
    """The errors of the schemas and CRD validators. Every object is checked."""
    custom = [o for o in objects if o["apiVersion"].partition("/")[0] in _CUSTOM]
    found = [
        f"{Object.of(o).key}: {message}"
        for o, message in zip(custom, _custom(custom), strict=True)
        if message
    ]
    with patch.object(kubernetes_validate.utils, "schema_contents", _schema):
        for version in _VERSIONS:
            for core in (o for o in objects if o not in custom):
                try:
                    kubernetes_validate.validate(core, version, strict=True)
                except (
                    kubernetes_validate.ValidationError,
                    kubernetes_validate.SchemaNotFoundError,
                ) as error:
                    found.append(f"{Object.of(core).key} on {version}: {error}")
    return found


def _custom(objects: list[Manifest]) -> list[str | None]:
    validator = ROOT / "tests" / "validate_custom.mjs"
    done = run(os.environ["JSII_NODE"], validator, stdin=json.dumps(objects))
    assert done.returncode == 0, done.stderr
    messages: list[str | None] = json.loads(done.stdout)
    return messages


@pytest.mark.parametrize(
    "target",
    [
        ClusterTarget(external_secrets=secrets, ingress_class=ingress)
        for secrets in ("v1beta1", "v1")
        for ingress in ("annotation", "field")
    ],
    ids=lambda target: f"{target.external_secrets}-{target.ingress_class}",
)
def test_every_cluster_target_renders_valid_objects(
    platform: AnalyticsPlatform, target: ClusterTarget
) -> None:
    objects = list(parse(render(replace(platform, target=target))))
    assert not problems(objects)
    secrets = [o for o in objects if o["kind"] in ("ExternalSecret", "ClusterSecretStore")]
    assert {o["apiVersion"] for o in secrets} == {f"external-secrets.io/{target.external_secrets}"}
    for ingress in (o for o in objects if o["kind"] == "Ingress"):
        by_annotation = "kubernetes.io/ingress.class" in ingress["metadata"]["annotations"]
        by_field = "ingressClassName" in ingress["spec"]
        assert (by_annotation, by_field) == (
            target.ingress_class == "annotation",
            target.ingress_class == "field",
        )


@pytest.mark.parametrize(
    ("kind", "path", "value", "message"),
    [
        ("Deployment", "/spec/replicaz", 2, "replicaz"),
        ("Ingress", "/spec/rules", "api", "rules"),
        ("ExternalSecret", "/spec/target/creationPolicy", "Mine", "creationPolicy"),
        ("Application", "/spec/project", None, "project"),
    ],
)
def test_an_invalid_object_is_detected(
    objects: list[Manifest], kind: str, path: str, value: Any, message: str
) -> None:
    valid = next(o for o in objects if o["kind"] == kind)
    broken = apply_patch(valid, [{"op": "add", "path": path, "value": value}])
    assert any(message in problem for problem in problems([broken]))
