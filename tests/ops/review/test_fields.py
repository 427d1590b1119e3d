"""Each field of the published schemas has a row in fields.yaml, and each row names what exists."""

from collections.abc import Iterator
from typing import Any, get_args

from constructs_lib.manifests import schema
from constructs_lib.manifests.facts import field_of, known_kinds, rows, sections
from constructs_lib.manifests.objects import GROUPS
from constructs_lib.model import KubernetesVersion
from constructs_lib.rules import RULES
from ops.review.effects import EFFECTS

NEWEST = get_args(KubernetesVersion)[-1]
PARTS = [part for names, _ in sections() for part in names.split()]
_LEARNED = "description"
"""The validators from which the schemas of custom resources are learned accept it everywhere."""


def fields(part: Any, path: tuple[str, ...] = (), within: tuple[str, ...] = ()) -> Iterator[Any]:
    """The path of each field of a schema that is neither a mapping nor a list."""
    if reference := part.get("$ref", "").rpartition("/")[2]:
        if reference not in within:
            yield from fields(schema._definitions(NEWEST)[reference], path, (*within, reference))
    elif properties := part.get("properties"):
        for name, inside in properties.items():
            yield from fields(inside, (*path, name), within)
    elif isinstance(part.get("items"), dict):
        yield from fields(part["items"], path, within)
    else:
        yield path


def test_each_field_of_the_published_schemas_has_a_row() -> None:
    definitions = schema._definitions(NEWEST)
    walked, missing = 0, set()
    for name in definitions["kinds"]["properties"]:
        kind = name.rpartition(".")[2]
        if (GROUPS[kind], kind) in known_kinds():
            for path in fields(definitions[name]):
                walked += 1
                if field_of((GROUPS[kind], kind), path) is None and path[-1] != _LEARNED:
                    missing.add(f"{kind} {'.'.join(path)}")
    assert sorted(missing) == []
    assert walked > 5_000


def test_each_row_names_facts_effects_and_rules() -> None:
    named = {owner for part in PARTS for row in rows(part).values() for owner in row.by}
    assert named <= {effect.id for effect in EFFECTS} | {rule.name for rule in RULES}


def test_each_row_says_what_a_change_does() -> None:
    silent = [
        f"{part} {'.'.join(path)}"
        for part in PARTS
        for path, row in rows(part).items()
        if not (row.by or row.harmless or row.same or row.unknown or row.says)
    ]
    assert silent == []
