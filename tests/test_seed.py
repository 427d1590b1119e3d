"""The contract: every field of the seed page's five examples is rendered as the page shows it.

The exceptions stand in the first table of docs/decisions.md, which this test reads. It renders
with the page's own choices: images on `latest`, the default cluster target.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import yaml

from catalogue.platform import AnalyticsPlatform
from charts.registry import render
from constructs_lib.model import ClusterTarget, Pin
from tests.conftest import ROOT, Manifest, parse

_EXAMPLES = sorted((ROOT / "tests" / "seed").glob("*.yaml"))
_ROW = re.compile(r"\| `(\w+)` \| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \|")


class Difference(NamedTuple):
    kind: str
    field: str
    seed: Any
    rendered: Any


def exceptions() -> list[Difference]:
    """The rows of the table: kind, field, what the seed shows, what is rendered (`…` elides)."""
    text = (ROOT / "docs" / "decisions.md").read_text("utf-8")
    return [
        Difference(kind, field, yaml.safe_load(seed), yaml.safe_load(rendered))
        for kind, field, seed, rendered in _ROW.findall(text)
    ]


@pytest.fixture(scope="module")
def rendered(platform: AnalyticsPlatform) -> dict[tuple[str, str], Manifest]:
    as_in_the_seed = replace(
        platform,
        images=dict.fromkeys(platform.images, Pin("latest")),
        target=ClusterTarget(),
    )
    return {(o["kind"], o["metadata"]["name"]): o for o in parse(render(as_in_the_seed))}


def differences(kind: str, seed: Any, found: Any, field: str = "") -> Iterator[Difference]:
    """Where `found` does not contain `seed`. What it adds is no difference."""
    if isinstance(seed, dict) and isinstance(found, dict):
        for key, value in seed.items():
            plain = re.fullmatch(r"\w+", key)
            inner = f"{field}.{key}".lstrip(".") if plain else f"{field}[{key}]"
            yield from differences(kind, value, found.get(key), inner)
    elif seed and isinstance(seed, list) and isinstance(seed[0], dict) and isinstance(found, list):
        for place, value in enumerate(seed):
            tries = [list(differences(kind, value, item, f"{field}[{place}]")) for item in found]
            yield from min(tries, key=len, default=[Difference(kind, field, value, None)])
    elif seed != found:
        yield Difference(kind, field, seed, found)


def excused(difference: Difference) -> bool:
    return any(
        (row.kind, row.field, row.seed) == difference[:3]
        and row.rendered in (difference.rendered, "…")
        for row in exceptions()
    )


@pytest.mark.parametrize("example", _EXAMPLES, ids=lambda path: path.stem)
def test_what_the_seed_shows_is_rendered(
    example: Any, rendered: dict[tuple[str, str], Manifest]
) -> None:
    seed = yaml.safe_load(example.read_text("utf-8"))
    found = rendered[seed["kind"], seed["metadata"]["name"]]
    unexcused = [d for d in differences(seed["kind"], seed, found) if not excused(d)]
    assert not unexcused


def test_every_exception_is_needed(rendered: dict[tuple[str, str], Manifest]) -> None:
    seeds = [yaml.safe_load(example.read_text("utf-8")) for example in _EXAMPLES]
    met = {
        (difference.kind, difference.field)
        for seed in seeds
        for difference in differences(
            seed["kind"], seed, rendered[seed["kind"], seed["metadata"]["name"]]
        )
    }
    assert {(row.kind, row.field) for row in exceptions()} == met


def test_a_changed_field_is_noticed(rendered: dict[tuple[str, str], Manifest]) -> None:
    found = rendered["Deployment", "cerebro-api"]
    seed = {"spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "other"}]}}}}
    assert [d.field for d in differences("Deployment", seed, found)] == [
        "spec.replicas",
        "spec.template.spec.containers[0].name",
    ]
