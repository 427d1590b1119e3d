"""A field that is missing or of a wrong type is reported by name; it never crashes a rule."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from cdk8s import JsonPatch
from jsonpatch import apply_patch
from jsonpointer import escape

from constructs_lib.errors import RuleError
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.shape import is_identified, malformed
from constructs_lib.model import Manifest
from constructs_lib.rules import RULES
from constructs_lib.rules.model import Rendered
from tests.conftest import manifest
from tests.constructs_lib import declarations as base
from tests.mutants import platform, start

WRONG: tuple[Any, ...] = ("text", 7, ["a"], [None], [{"a": "b"}], {"a": 1})
ONE_OF_EACH = list({item.kind: item for item in start()}.values())


def fields(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of every field, and of the first item of every list."""
    steps = content.items() if isinstance(content, dict) else enumerate(content[:1])
    for step, inner in steps:
        place = f"{path}/{escape(str(step))}"
        yield place, inner
        if isinstance(inner, dict | list):
            yield from fields(inner, place)


def broken_fields(item: Manifest) -> Iterator[tuple[str, Manifest]]:
    for path, value in fields(item):
        changes = [
            {"op": "replace", "path": path, "value": wrong}
            for wrong in WRONG
            if type(value) is not type(wrong)
        ]
        for change in (*changes, {"op": "remove", "path": path}):
            yield str(change), apply_patch(item, [change])


@pytest.mark.parametrize("item", ONE_OF_EACH, ids=lambda item: item.kind)
def test_a_broken_field_crashes_no_rule(item: Object) -> None:
    others = [one for one in ONE_OF_EACH if one is not item]
    crashes = []
    for label, broken in broken_fields(item.manifest):
        if not is_identified(broken) or any(malformed(broken)):
            continue
        rendered = Rendered(Objects([*others, Object.of(broken, item.file)]), platform())
        found: list[RuleError] = []
        for rule in RULES:
            list(rule.violations(rendered, found))
        crashes += [f"{label}: {crash}" for crash in found]
    assert not crashes, "\n".join(crashes)


def test_a_kind_of_another_group_is_not_read_as_ours() -> None:
    spec = {"ports": "8000", "type": "LoadBalancer"}
    other = manifest("serving.knative.dev/v1/Service", spec)
    assert list(malformed(other)) == []
    assert list(Objects.of([other]).of_kinds("Service")) == []
    assert list(malformed(manifest("v1/Service", spec))) == ["spec.ports is not a list of mappings"]


def test_a_duration_has_a_unit_of_go_or_is_in_seconds() -> None:
    retry = {"limit": -1, "backoff": {"duration": 5, "maxDuration": "1h2m3.5s"}}
    application = manifest("argoproj.io/v1alpha1/Application", {"syncPolicy": {"retry": retry}})
    assert list(malformed(application)) == []
    secret = manifest("external-secrets.io/v1beta1/ExternalSecret", {"refreshInterval": "1 day"})
    assert list(malformed(secret)) == [
        "spec.refreshInterval '1 day' is not a valid duration; write it like 90s, 5m or 1h"
    ]


def test_the_surge_of_a_rollout_is_a_number_or_percentage() -> None:
    spec = {"strategy": {"canary": {"maxSurge": "x"}}}
    (problem,) = malformed(manifest("argoproj.io/v1alpha1/Rollout", spec))
    assert problem == "spec.strategy.canary.maxSurge is not a number or percentage"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("/spec", "x", "spec is not a mapping"),
        ("/spec/template", "x", "spec.template is not a mapping"),
        ("/spec/strategy", "x", "spec.strategy is not a mapping"),
        ("/spec/template/spec/containers", {"a": 1}, "containers is not a list of mappings"),
        ("/spec/template/spec/containers/0", "x", "containers is not a list of mappings"),
        ("/spec/template/spec/containers/0/image", 5, "containers[0].image is not a string"),
        ("/spec/template/spec/containers/0/resources", "x", "resources is not a mapping"),
        ("/spec/replicas", "many", "spec.replicas is not an integer"),
        ("/spec/replicas", True, "spec.replicas is not an integer"),
        (
            "/spec/template/spec/containers/0/resources/limits",
            {"cpu": ""},
            "limits[cpu] is not a valid quantity",
        ),
        ("/spec/selector/matchLabels/app", 5, "spec.selector.matchLabels is not a mapping of str"),
        (
            "/spec/template/spec/containers/0/securityContext/capabilities/drop",
            [5],
            "containers[0].securityContext.capabilities.drop is not a list of strings",
        ),
        (
            "/spec/template/spec/containers/0/livenessProbe/httpGet/port",
            ["x"],
            "containers[0].livenessProbe.httpGet.port is not an integer or a string",
        ),
        ("/metadata/labels", ["x"], "metadata.labels is not a mapping"),
        ("/metadata/namespace", 5, "metadata.namespace is not a string"),
    ],
)
def test_a_patch_with_a_wrong_type_is_rejected_with_its_field(
    path: str, value: Any, message: str
) -> None:
    chart, web = base.accepted()
    web.deployment.add_json_patch(JsonPatch.replace(path, value))
    (problem,) = base.refusals(chart)
    assert message in problem
    lines = r"tests/constructs_lib/declarations\.py:\d+: Deployment \S*/one \(changed at tests/"
    assert re.match(lines + r"constructs_lib/test_shape\.py:\d+\): ", problem)
