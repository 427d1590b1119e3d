"""Every field of the five examples on the deployment page is rendered as shown.

The exceptions are read from the first table of docs/decisions.md. The test renders with the page's
settings: images on `latest`, the default cluster target.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import yaml

from catalogue.platform import AnalyticsPlatform
from charts.registry import render
from constructs_lib.model import ClusterTarget, Manifest, Pin
from tests.conftest import ROOT, parse

_EXAMPLES = sorted((ROOT / "local_cluster" / "deployment_page").glob("*.yaml"))
_ROW = re.compile(r"\| `(\w+)` \| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \|")


class Difference(NamedTuple):
    kind: str
    field: str
    page: Any
    rendered: Any


def exceptions() -> list[Difference]:
    """The rows of the table: kind, field, value on the page, rendered value (`…`: any text)."""
    text = (ROOT / "docs" / "decisions.md").read_text("utf-8")
    return [
        Difference(kind, field, yaml.safe_load(page), yaml.safe_load(rendered))
        for kind, field, page, rendered in _ROW.findall(text)
    ]


@pytest.fixture(scope="module")
def rendered(platform: AnalyticsPlatform) -> dict[tuple[str, str], Manifest]:
    as_on_the_page = replace(
        platform, images=dict.fromkeys(platform.images, Pin("latest")), target=ClusterTarget()
    )
    return {(o["kind"], o["metadata"]["name"]): o for o in parse(render(as_on_the_page))}


def differences(kind: str, page: Any, found: Any, field: str = "") -> Iterator[Difference]:
    """The values of `page` that differ in `found`. Additional values are ignored."""
    if isinstance(page, dict) and isinstance(found, dict):
        for key, value in page.items():
            plain = re.fullmatch(r"\w+", key)
            inner = f"{field}.{key}".lstrip(".") if plain else f"{field}[{key}]"
            yield from differences(kind, value, found.get(key), inner)
    elif page and isinstance(page, list) and isinstance(page[0], dict) and isinstance(found, list):
        for place, value in enumerate(page):
            tries = [list(differences(kind, value, item, f"{field}[{place}]")) for item in found]
            yield from min(tries, key=len, default=[Difference(kind, field, value, None)])
    elif page != found:
        yield Difference(kind, field, page, found)


def excused(difference: Difference) -> bool:
    return any(
        (row.kind, row.field, row.page) == difference[:3]
        and row.rendered in (difference.rendered, "…")
        for row in exceptions()
    )


@pytest.fixture(scope="module")
def found(rendered: dict[tuple[str, str], Manifest]) -> list[Difference]:
    """The differences of all examples."""
    pages = [yaml.safe_load(example.read_text("utf-8")) for example in _EXAMPLES]
    return [
        difference
        for page in pages
        for difference in differences(
            page["kind"], page, rendered[page["kind"], page["metadata"]["name"]]
        )
    ]


def test_the_examples_are_rendered_as_shown(found: list[Difference]) -> None:
    assert [difference for difference in found if not excused(difference)] == []


def test_every_exception_is_needed(found: list[Difference]) -> None:
    met = {(difference.kind, difference.field) for difference in found}
    assert {(row.kind, row.field) for row in exceptions()} == met


def test_a_changed_field_is_detected(rendered: dict[tuple[str, str], Manifest]) -> None:
    found = rendered["Deployment", "cerebro-api"]
    page = {"spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "other"}]}}}}
    assert [d.field for d in differences("Deployment", page, found)] == [
        "spec.replicas",
        "spec.template.spec.containers[0].name",
    ]
