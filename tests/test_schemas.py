"""Every object is valid for an old and a new cluster; unknown fields and values are refused."""

from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from cdk8s import JsonPatch

from catalogue.platform import AnalyticsPlatform
from charts.registry import render
from constructs_lib.manifests.objects import Object
from constructs_lib.manifests.schema import FILE, refused
from constructs_lib.model import ClusterTarget, Manifest
from tests.conftest import parse
from tests.constructs_lib import declarations as base
from tests.constructs_lib.test_rules import edited
from tests.mutants import start
from tests.published_schemas import contents

_VERSIONS = ("1.27", "1.36")
"""The oldest supported version, and a current one."""
CASES = yaml.safe_load(Path(__file__).with_name("schema_cases.yaml").read_text("utf-8"))


_CONTAINER = "/spec/template/spec/containers/0"
_PLACE = ": Deployment space/one (changed at tests/test_schemas.py:"


def problems(objects: list[Manifest], *versions: str) -> list[str]:
    """What the published schemas and values.json say of objects."""
    return [
        f"{Object.of(one).key} on {version}: {problem}"
        for version in versions or _VERSIONS
        for one in objects
        for problem, _ in refused(one, version)
    ]


def cases(of: str) -> Iterator[Any]:
    """The object and edit of each case, and the message if it is refused."""
    for kind, rows in CASES[of].items():
        pattern = kind if " " in kind else f"{kind} *"
        item = next(one for one in start() if fnmatchcase(str(one.key), pattern))
        for row in rows:
            edit, *says = row if of == "refused" else (row,)
            yield pytest.param(item, edit, *says, id=f"{item.kind}: {edit}")


@pytest.mark.parametrize(("item", "edit", "message"), [*cases("refused")])
def test_an_unknown_field_or_value_is_refused(item: Object, edit: Manifest, message: str) -> None:
    found = problems([edited(item, edit).manifest], "1.27")
    assert any(message in problem for problem in found), found


@pytest.mark.parametrize(("item", "edit"), [*cases("accepted")])
def test_a_similar_value_is_accepted(item: Object, edit: Manifest) -> None:
    assert problems([edited(item, edit).manifest]) == []


def test_the_schemas_are_those_that_are_published() -> None:
    assert FILE.read_text("utf-8") == contents(), "run python -m tests.published_schemas"


def test_a_newer_field_needs_a_newer_target() -> None:
    target = ClusterTarget(kubernetes="1.29")
    for platform, refusals in ((base.SERVED, 1), (replace(base.SERVED, target=target), 0)):
        chart, web = base.accepted(**vars(platform))
        hook = JsonPatch.replace(f"{_CONTAINER}/lifecycle/preStop", {"sleep": {"seconds": 45}})
        web.deployment.add_json_patch(hook)
        found = base.refusals(chart)
        assert len(found) == refusals
        assert all(_PLACE in problem for problem in found)


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
