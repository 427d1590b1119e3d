"""A field that is missing or of a wrong type is reported by name; it never crashes a rule."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from constructs_lib.errors import RuleError
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.shape import is_identified, malformed, unreadable
from constructs_lib.rules import RULES
from constructs_lib.rules.model import Rendered
from tests.conftest import manifest
from tests.mutants import platform, start

WRONG: tuple[Any, ...] = ("text", 7, ["a"], [None], [{"a": "b"}], {"a": 1})
ONE_OF_EACH = list({item.kind: item for item in start()}.values())


def paths(content: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every field, and the first item of every list."""
    steps = content.items() if isinstance(content, dict) else enumerate(content[:1])
    for step, inner in steps:
        yield (*path, step)
        if isinstance(inner, dict | list):
            yield from paths(inner, (*path, step))


def copied(item: dict[str, Any], path: tuple[str | int, ...]) -> tuple[dict[str, Any], Any]:
    """A copy, and the mapping or list in it that contains the field."""
    broken = copy.deepcopy(item)
    place: Any = broken
    for step in path[:-1]:
        place = place[step]
    return broken, place


def broken_fields(item: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in paths(item):
        name = ".".join(map(str, path))
        for wrong in WRONG:
            broken, place = copied(item, path)
            if type(place[path[-1]]) is not type(wrong):
                place[path[-1]] = wrong
                yield f"{name} = {wrong!r}", broken
        broken, place = copied(item, path)
        del place[path[-1]]
        yield f"no {name}", broken


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
    assert [*malformed(other), unreadable(other)] == [None]
    assert list(Objects.of([other]).of_kinds("Service")) == []
    assert list(malformed(manifest("v1/Service", spec))) == ["spec.ports is not a list of mappings"]
