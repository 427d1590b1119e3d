"""A field that is missing or of a wrong type is reported by name; it never crashes a rule."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from cdk8s import JsonPatch
from jsonpatch import apply_patch
from jsonpointer import escape

from constructs_lib.errors import RuleError
from constructs_lib.manifests.objects import Object, Objects, is_identified
from constructs_lib.manifests.schema import unreadable
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
        if not is_identified(broken) or any(unreadable(broken)):
            continue
        rendered = Rendered(Objects([*others, Object.of(broken, item.file)]), platform())
        found: list[RuleError] = []
        for rule in RULES:
            list(rule.violations(rendered, found))
        crashes += [f"{label}: {crash}" for crash in found]
    assert not crashes, "\n".join(crashes)


@pytest.mark.parametrize(
    ("kind", "spec", "messages"),
    [
        ("v1/Service", {"ports": "8000"}, ["spec.ports is not a list"]),
        ("serving.knative.dev/v1/Service", {"ports": "8000"}, []),
        ("serving.knative.dev/v1/Service", "x", ["spec is not a mapping"]),
        ("policy/v1beta1/PodDisruptionBudget", {"minAvailabel": 1}, []),
        ("policy/v1beta1/PodDisruptionBudget", {"minAvailable": [1]},
         ["spec.minAvailable is not an integer or a string"]),
        ("external-secrets.io/v1beta1/ExternalSecret", {"refreshInterval": "1 day"},
         ["spec.refreshInterval: '1 day' must be a duration such as 1h30m"]),
        ("argoproj.io/v1alpha1/Rollout", {"replicas": "x"}, ["spec.replicas is not an integer"]),
    ],
)  # fmt: skip
def test_an_unreadable_field_of_a_known_kind_is_named(
    kind: str, spec: Any, messages: list[str]
) -> None:
    assert list(unreadable(manifest(kind, spec))) == messages


def test_a_patch_with_a_wrong_type_is_rejected_with_its_field() -> None:
    chart, web = base.accepted()
    web.deployment.add_json_patch(JsonPatch.replace("/spec/template/spec/containers/0", "x"))
    (problem,) = base.refusals(chart)
    lines = r"tests/constructs_lib/declarations\.py:\d+: Deployment \S*/one \(changed at tests/"
    message = r"spec\.template\.spec\.containers\[0\] is not a mapping"
    assert re.fullmatch(rf"{lines}constructs_lib/test_unreadable\.py:\d+\): {message}", problem)
